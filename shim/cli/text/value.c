/* SPDX-License-Identifier: MIT */
/*
 * The values of options (policy/options.def), as text that policy_set understands.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/text/text.h"
#include "policy/policy.h"
#include "policy/value.h"

static void put_choice(const char *values, int index, char *buffer, size_t size)
{
	while (index-- > 0)
		values += strcspn(values, "|") + 1;
	snprintf(buffer, size, "%.*s", (int)strcspn(values, "|"), values);
}

static void put_number(uint64_t value, const char *units, char *buffer, size_t size)
{
	const char *unit = NULL;

	for (; *units && value && value % 1024 == 0; value /= 1024)
		unit = units++;
	snprintf(buffer, size, "%" PRIu64 "%.*s", value, unit != NULL, unit ? unit : "");
}

const char *option_value(const struct policy *policy, size_t index, char *buffer, size_t size)
{
	const struct policy_option *option = &policy_options[index];
	const void *field = value_field(policy, option);

	switch (option->type) {
	case POLICY_TYPE_CHOICE:
		put_choice(option->values, *(const int *)field, buffer, size);
		return buffer;
	case POLICY_TYPE_SIZE:
		put_number(*(const uint64_t *)field, "KMGT", buffer, size);
		return buffer;
	case POLICY_TYPE_NUMBER:
		put_number(*(const uint64_t *)field, "", buffer, size);
		return buffer;
	default:
		return *(const char *const *)field;
	}
}

bool option_is_default(const struct policy *policy, size_t index)
{
	static struct policy defaults;
	static bool known;
	char value[OPTION_BYTES], initial[OPTION_BYTES];

	if (!known)
		policy_defaults(&defaults);
	known = true;
	return !strcmp(option_value(policy, index, value, sizeof(value)),
		       option_value(&defaults, index, initial, sizeof(initial)));
}
