/* SPDX-License-Identifier: MIT */
/*
 * How much of its file a window has at hand: reserves, linear mappings of ours from one
 * page on, one for each protection that was asked for; and the anchor, a mapping of the
 * lowest page, from which others are made.
 */
#ifndef MMFENCE_NONLINEAR_EXTENT_H
#define MMFENCE_NONLINEAR_EXTENT_H

#include "nonlinear/window.h"

bool extent_covers(const struct window *window, uint64_t page, uint64_t pages);
/* Reserves that cover this: 0, -E2BIG when it is too far away, or another -errno. */
int extent_choose(struct window *window, uint64_t page, uint64_t pages);
/* Makes the one for this protection. 0 or -errno. */
int extent_reserve(struct window *window, int protection);
/* Gives all reserves back. */
void extent_drop(struct window *window);

/* The lowest page is another from now on, and shown by this anchor. */
void extent_set_base(struct window *window, uintptr_t anchor, uint64_t page, enum way way);
/* Finds a way to a page that is lower. 0 or -errno. */
int extent_lower(struct window *window, const struct vma *area, uint64_t page);

#endif
