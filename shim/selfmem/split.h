/* SPDX-License-Identifier: MIT */
/*
 * selfmem.fork=split: after a fork each side has its own memory in its views, and each
 * side's views still show the same.
 */
#ifndef MMFENCE_SELFMEM_SPLIT_H
#define MMFENCE_SELFMEM_SPLIT_H

/* Before the fork, on the thread that forks, when nobody changes the tables: copies what views
 * show, for the child. */
void split_before_fork(void);
/* The copies are the child's alone. */
void split_after_fork_in_parent(void);
/* Puts them where the child has views. */
void split_after_fork_in_child(void);

#endif
