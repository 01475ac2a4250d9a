/* SPDX-License-Identifier: MIT */
/*
 * Reads logs that grow and are rotated: every line once, in the order of each file.
 *
 * A log that is renamed is read on, since the library finds out within a second and
 * writes into the old file until then; what is created in its place is read from its
 * beginning. inotify tells of each rename in turn, so that a file that was created and
 * renamed between two looks is found under the name it has now.
 */
#ifndef MMFENCE_CLI_LOG_FOLLOW_H
#define MMFENCE_CLI_LOG_FOLLOW_H

#include <stddef.h>

/* A whole line, without its newline; it may be changed. cut: the line was too long, or the file was
 * cut off in the middle of it. */
typedef void follow_line(char *line, size_t length, int cut, void *context);
/* Everything there is has been shown. Not 0: enough. */
typedef int follow_pause(void *context);

struct follow;

/* NULL, with a sentence said. paths are opened at once. */
struct follow *follow_open(char **paths, size_t count);
/* Until pause says so, or until standard input, if that is all there is, ends. 0 or -errno. */
int follow_run(struct follow *follow, follow_line *line, follow_pause *pause, void *context);
void follow_close(struct follow *follow);

#endif
