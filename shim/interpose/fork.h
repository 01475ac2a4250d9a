/* SPDX-License-Identifier: MIT */
/*
 * Which process this is, and the handlers of fork.
 */
#ifndef MMFENCE_INTERPOSE_FORK_H
#define MMFENCE_INTERPOSE_FORK_H

#include <stdbool.h>

/* This process is the one that the tables speak of, from now on. */
void process_settle(void);
/* Whether it was copied since, by a clone that no handler saw; and what is done then. */
bool process_is_copy(void);
void process_was_copied(void);

void fork_before(void);
void fork_in_parent(void);
void fork_in_child(void);

#endif
