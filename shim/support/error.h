/* SPDX-License-Identifier: MIT */
/* The names of errors, the same in every libc. */
#ifndef MMFENCE_SUPPORT_ERROR_H
#define MMFENCE_SUPPORT_ERROR_H

/* "ENOENT"; "0" for 0; NULL for a number that Linux has not. */
const char *error_name(int error);

#endif
