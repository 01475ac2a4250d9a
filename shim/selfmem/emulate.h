/* SPDX-License-Identifier: MIT */
/*
 * The program wants its own memory at a second address, and the kernel has refused it:
 * given, where the policy says so.
 */
#ifndef MMFENCE_SELFMEM_EMULATE_H
#define MMFENCE_SELFMEM_EMULATE_H

#include <stdbool.h>

#include "kernel/file.h"
#include "mapping/request.h"
#include "support/call.h"

/* The view's address, or -errno: error, where it is for the kernel to refuse. */
long selfmem_emulate(const struct call *call, const struct map_request *request,
		     const struct file *file, int error);

/* Whether there was a view in this process, or is about to be. */
bool selfmem_has_views(void);

/* No view is under way while held. views_hold is for fork; all others wait for a fork too. */
void views_take(void);
void views_hold(void);
void views_release(void);
/* In a child. */
void views_reset(void);

#endif
