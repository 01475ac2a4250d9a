/* SPDX-License-Identifier: MIT */
/*
 * remap_file_pages as the kernel has had it since 4.0, without the kernel's: the same
 * checks in the same order, and then one shared mapping put in the place of another.
 */
#ifndef MMFENCE_NONLINEAR_EMULATE_H
#define MMFENCE_NONLINEAR_EMULATE_H

#include <stdbool.h>

#include "nonlinear/nonlinear.h"
#include "nonlinear/reopen.h"

/* Whether the kernel need not be asked: nonlinear.emulate=always, or it is known to have no such
 * call. */
bool emulate_at_once(void);
/* Whether the kernel's answer is one that asks for emulation. */
bool emulate_wanted(long result);

/* 0, or the kernel's -errno. *way is how the file was found; WAY_NONE when it was not, and then
 * nothing is changed and the result means nothing. Inside a scope. */
long emulate_remap(const struct remap_request *request, enum way *way);

/* The program set or lifted a lock, gave advice or a protection key for this range: attributes that
 * are asked for from then on. */
void emulate_note_attributes(uintptr_t start, uintptr_t end);
/* mlockall worked; 0: munlockall. */
void emulate_note_lock_all(int flags);

void emulate_after_fork(void);

#endif
