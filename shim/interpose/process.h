/* SPDX-License-Identifier: MIT */
/*
 * What the wrappers that start programs share.
 */
#ifndef MMFENCE_INTERPOSE_PROCESS_H
#define MMFENCE_INTERPOSE_PROCESS_H

struct call;

/* Says that what is started is not looked into, because there was no room for the preload. */
void process_not_followed(const struct call *call, const char *path);

#endif
