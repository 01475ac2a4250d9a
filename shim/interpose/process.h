/* SPDX-License-Identifier: MIT */
/*
 * What the start of a process tells the wrappers of exec and exit.
 */
#ifndef MMFENCE_INTERPOSE_PROCESS_H
#define MMFENCE_INTERPOSE_PROCESS_H

struct call;

/* Says that what is started is not looked into, because there was no room for the preload. */
void process_not_followed(const struct call *call, const char *path);

/* This process, and no child that shares its memory, owns the tables from now on. */
void process_owns_memory(void);

#endif
