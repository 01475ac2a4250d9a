/* SPDX-License-Identifier: MIT */
/*
 * The file behind a shared area, if it is memory: see lookup.h. It is opened for reading,
 * and never waited for.
 */
#ifndef MMFENCE_PAGES_FIND_H
#define MMFENCE_PAGES_FIND_H

#include "pages/lookup.h"

/* Into lookup->fd; owner: whether it is the file of the one who counts. 0; -ENODATA: the area is no
 * memory, but a file on disk or a device; or the -errno for which nobody can tell. */
int find_file(struct lookup *lookup, const struct pages_area *area, bool *owner);

#endif
