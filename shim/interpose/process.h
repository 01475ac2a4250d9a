/* SPDX-License-Identifier: MIT */
/*
 * What the start of a process tells the wrappers of exec and exit.
 */
#ifndef MMFENCE_INTERPOSE_PROCESS_H
#define MMFENCE_INTERPOSE_PROCESS_H

/* This process, and no child that shares its memory, owns the tables from now on. */
void process_owns_memory(void);

#endif
