/* SPDX-License-Identifier: MIT */
/*
 * Which loaded module an address lies in. Async-signal-safe, without locks: glibc's own
 * lock-free table since 2.35, before that one of ours.
 */
#ifndef MMFENCE_KERNEL_LOADED_H
#define MMFENCE_KERNEL_LOADED_H

#include <link.h>
#include <stdint.h>

struct loaded {
	uintptr_t start; /* first mapped byte */
	uintptr_t end;
	const struct link_map *library;
	const void *frame_header; /* .eh_frame_hdr; NULL: it has none */
};

/* 0, or -ENOENT when the address lies in no module, or in one that cannot be told. */
int loaded_find(uintptr_t address, struct loaded *out);

/* The same without glibc's table. */
int loaded_find_listed(uintptr_t address, struct loaded *out);

/* In a forked child, whose other threads are gone. */
void loaded_after_fork(void);

#endif
