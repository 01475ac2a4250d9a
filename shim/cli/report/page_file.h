/* SPDX-License-Identifier: MIT */
/*
 * Where the report's page goes: a new file, the place of an old one, or something that is
 * no file (a pipe, a device, an open descriptor) and is written as it is.
 */
#ifndef MMFENCE_CLI_REPORT_PAGE_FILE_H
#define MMFENCE_CLI_REPORT_PAGE_FILE_H

#include <stddef.h>
#include <sys/stat.h>

/* -1 after saying what is wrong. */
int page_file_write(const char *path, const char *text, size_t length);

/* What stands there now; -1 when there is nothing. */
int page_file_stat(const char *path, struct stat *st);

#endif
