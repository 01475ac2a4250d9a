/* SPDX-License-Identifier: MIT */
/*
 * Strings as JSON has them. File names are bytes and JSON is UTF-8: what is no
 * UTF-8 becomes U+FFFD, and the caller is told, so that it can keep the bytes in
 * hexadecimal beside it. No allocation, no locale.
 */
#ifndef MMFENCE_AUDIT_JSON_H
#define MMFENCE_AUDIT_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "support/text.h"

/* The least room that json_add_string needs: quotes and the mark of a cut string. */
#define JSON_STRING_MIN 5

enum json_result {
	JSON_WHOLE = 0,
	JSON_REPLACED = 1, /* something was no UTF-8 */
	JSON_CUT = 2	   /* it did not fit, and ends in U+2026 */
};

/* Appends bytes as a string with its quotes, in at most limit bytes (JSON_STRING_MIN or more, and
 * no more than out has room for). A combination of enum json_result. */
unsigned int json_add_string(struct text *out, const char *bytes, size_t length, size_t limit);

/* Appends bytes in hexadecimal as a string, in at most limit bytes; false when it was cut. */
bool json_add_hex(struct text *out, const void *bytes, size_t length, size_t limit);

#endif
