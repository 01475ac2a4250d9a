/* SPDX-License-Identifier: MIT */
/*
 * Looking things up in the report's document by dotted names: field.h under names that
 * leave `text' and `number' to the variables of those who write text and numbers.
 */
#ifndef MMFENCE_CLI_REPORT_DOCUMENT_H
#define MMFENCE_CLI_REPORT_DOCUMENT_H

#include "cli/model/field.h"

/* NULL, "" and 0 when there is none, or it is something else. */
static inline const json_t *get(const json_t *object, const char *name)
{
	return field(object, name);
}

static inline const char *get_text(const json_t *object, const char *name)
{
	return text(object, name);
}

static inline json_int_t get_number(const json_t *object, const char *name)
{
	return number(object, name);
}

#endif
