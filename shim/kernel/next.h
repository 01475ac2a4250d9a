/* SPDX-License-Identifier: MIT */
/*
 * The next library in the chain: the functions that a wrapper hands on to, which are
 * libc's or another preload library's. Resolved once in the constructor; before it a
 * member is NULL and the wrapper makes the system call itself, because dlsym may
 * allocate and the allocator may be what called us.
 */
#ifndef MMFENCE_KERNEL_NEXT_H
#define MMFENCE_KERNEL_NEXT_H

#include <linux/capability.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

struct next {
#define NEXT(result, name, parameters)	      result(*name) parameters;
#define HANDS(result, name, parameters, ...)  NEXT(result, name, parameters)
#define CHANGE(result, name, parameters, ...) NEXT(result, name, parameters)
#include "interpose/calls.def"
};

extern struct next next;

void next_resolve(void);

#endif
