/* SPDX-License-Identifier: MIT */
/*
 * The values of options, and the sentences about bad ones: within this folder only.
 * A sentence begins with a label ending in ": ", made by the caller. Never allocates.
 */
#ifndef MMFENCE_POLICY_VALUE_H
#define MMFENCE_POLICY_VALUE_H

#include "policy/policy.h"
#include "support/text.h"

/* Checks and stores. 0, or -EINVAL with the rest of the sentence added to error. */
int value_set(struct policy *policy, const struct policy_option *option, const char *value,
	      struct text *error);

void *value_field(const struct policy *policy, const struct policy_option *option);
bool value_is_text(const struct policy_option *option);

/* In quotation marks, shortened, control characters made visible. */
void add_quoted(struct text *out, const char *value);

/* "unknown option "x"; did you mean "y"?" — of names, or of variables. */
void add_unknown(struct text *out, const char *name, bool variable);

#endif
