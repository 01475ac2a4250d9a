/* SPDX-License-Identifier: MIT */
/*
 * Looking things up in JSON documents by dotted names.
 */
#ifndef MMFENCE_CLI_DOCUMENT_H
#define MMFENCE_CLI_DOCUMENT_H

#include <jansson.h>

/* NULL, "" and 0 when there is none, or it is something else. */
const json_t *get(const json_t *object, const char *name);
const char *get_text(const json_t *object, const char *name);
json_int_t get_number(const json_t *object, const char *name);

#endif
