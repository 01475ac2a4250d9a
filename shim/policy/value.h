/* SPDX-License-Identifier: MIT */
/*
 * The values of options, and the sentences about bad ones: within this folder only.
 * A sentence begins with a label ending in ": ", made by the caller. Never allocates.
 */
#ifndef MMFENCE_POLICY_VALUE_H
#define MMFENCE_POLICY_VALUE_H

#include <stddef.h>

#include "policy/policy.h"
#include "support/text.h"

/* Checks and stores. 0, or -EINVAL with the rest of the sentence added to error. */
int value_set(struct policy *policy, const struct policy_option *option, const char *value,
	      struct text *error);

/* The digits at *at, which is moved past them; false when there are none, or they say more than
 * most. */
bool number_take(const char **at, uint64_t most, uint64_t *out);
void *value_field(const struct policy *policy, const struct policy_option *option);
bool value_is_text(const struct policy_option *option);

/* In quotation marks, shortened, control characters made visible. */
void add_quoted(struct text *out, const char *value);

/* "; did you mean "y"?", if there is a word. */
void add_suggestion(struct text *out, const char *word);
/* "unknown option "x"; did you mean "y"?" — of names, or of variables. */
void add_unknown(struct text *out, const char *name, bool variable);

/* ---- suggest.c ---- */

/* The index-th word that is known; NULL after the last, "" for one that there is not. */
typedef const char *suggest_word(size_t index);

/* The word that looks most like this one, if one does; or NULL. */
const char *suggest_nearest(const char *wrong, suggest_word *word);

#endif
