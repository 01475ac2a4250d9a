/* SPDX-License-Identifier: MIT */
/*
 * Pointers of the program's, which may lead nowhere. What is said of them holds as
 * long as nobody changes what is mapped there.
 */
#ifndef MMFENCE_SUPPORT_USER_H
#define MMFENCE_SUPPORT_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether there is memory that can be read. */
bool user_readable(const void *at, size_t size);

/* The same for a string. *page is the last page that was found readable: 1 at first, and kept from
 * string to string. */
bool user_readable_string(const char *at, uintptr_t *page);

/* From now on every address but 0 is taken for readable: valgrind complains, on the program's
 * standard error, when the kernel is asked. */
void user_believe(void);

/* Copies what is there: 0 or -EFAULT. */
int user_copy_in(void *to, const void *from, size_t size);

#endif
