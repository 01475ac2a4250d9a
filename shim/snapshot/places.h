/* SPDX-License-Identifier: MIT */
/*
 * Directories in which a clone of a file is tried, after the file's own.
 */
#ifndef MMFENCE_SNAPSHOT_PLACES_H
#define MMFENCE_SNAPSHOT_PLACES_H

#define CLONE_PLACES 4

/* From TMPDIR, XDG_CACHE_HOME and HOME, each of which may be NULL. They must stay. Once, at start.
 */
void clone_places_settle(const char *temporary, const char *cache, const char *home);

/* In the order in which they are tried; some may be NULL or empty. */
void clone_places(const char *places[CLONE_PLACES]);

#endif
