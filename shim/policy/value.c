/* SPDX-License-Identifier: MIT */
/*
 * Text to value, one function for each type of option. A bad value is never half
 * taken: the option keeps what it had. Never allocates: texts live in the policy
 * itself, and a text that is replaced gives its room back.
 */
#include <errno.h>
#include <string.h>

#include "policy/inject.h"
#include "policy/target.h"
#include "policy/value.h"

void *value_field(const struct policy *policy, const struct policy_option *option)
{
	return (char *)policy + option->offset;
}

bool value_is_text(const struct policy_option *option)
{
	return option->type == POLICY_TYPE_STRING || option->type == POLICY_TYPE_GLOBS ||
	       option->type == POLICY_TYPE_LIST;
}

/* "a, b, c": of the values separated by |. */
static void add_choices(struct text *out, const char *values)
{
	const char *next;

	for (const char *v = values; v; v = next) {
		size_t length = strcspn(v, "|");

		next = v[length] ? v + length + 1 : NULL;
		if (v != values)
			text_add(out, ", ");
		text_add_bytes(out, v, length);
	}
}

static int set_choice(int *field, const struct policy_option *option, const char *value,
		      struct text *error)
{
	size_t wanted = strlen(value);
	const char *next;
	int index = 0;

	for (const char *v = option->values; v; v = next, index++) {
		size_t length = strcspn(v, "|");

		next = v[length] ? v + length + 1 : NULL;
		if (length != wanted || memcmp(v, value, length))
			continue;
		*field = index;
		return 0;
	}
	add_quoted(error, value);
	text_add(error, " is not one of ");
	add_choices(error, option->values);
	return -EINVAL;
}

bool number_take(const char **at, uint64_t most, uint64_t *out)
{
	const char *start = *at;

	for (*out = 0; **at >= '0' && **at <= '9'; ++*at)
		if (__builtin_mul_overflow(*out, 10u, out) ||
		    __builtin_add_overflow(*out, (unsigned int)(**at - '0'), out) || *out > most)
			return false;
	return *at > start;
}

/* Digits, and K, M, G or T if suffix says so. 0, -EINVAL or -ERANGE: up to what off_t can hold. */
static int number_parse(const char *value, bool suffix, uint64_t *out)
{
	static const char units[] = "KMGT";
	const char *p = value;
	bool overflow = false;
	uint64_t n;

	if (!number_take(&p, INT64_MAX, &n))
		return p > value ? -ERANGE : -EINVAL;
	const char *unit = suffix && *p ? strchr(units, *p) : NULL;
	if (unit) {
		overflow = __builtin_mul_overflow(n, 1ULL << (10 * (unit - units + 1)), &n);
		p++;
	}
	if (*p)
		return -EINVAL;
	if (overflow || n > INT64_MAX)
		return -ERANGE;
	*out = n;
	return 0;
}

static int set_number(uint64_t *field, const struct policy_option *option, const char *value,
		      struct text *error)
{
	bool size = option->type == POLICY_TYPE_SIZE;
	int result = number_parse(value, size, field);

	if (!result)
		return 0;
	add_quoted(error, value);
	if (result == -ERANGE)
		text_add(error, " is too large (at most 9223372036854775807)");
	else if (size)
		text_add(error, " is not a size (digits, then K, M, G or T)");
	else
		text_add(error, " is not a number");
	return -EINVAL;
}

/* Takes a text out of policy->text and closes the gap, so that setting again costs no room. */
static void text_forget(struct policy *policy, const char *old)
{
	size_t length = strlen(old) + 1;

	if (!*old)
		return;
	char *gap = policy->text + (old - policy->text);
	memmove(gap, gap + length, policy->text_used - (size_t)(gap - policy->text) - length);
	policy->text_used -= length;
	for (size_t i = 0; i < policy_option_count; i++) {
		const char **field = value_field(policy, &policy_options[i]);

		if (value_is_text(&policy_options[i]) && **field && *field > old)
			*field -= length;
	}
}

static int globs_check(const char *value, struct text *error)
{
	char pattern[100] = "";
	size_t length;
	const char *futile = glob_list_futile(value, &length);

	if (!futile)
		return 0;
	memcpy(pattern, futile, length < sizeof(pattern) ? length : sizeof(pattern) - 1);
	add_quoted(error, pattern);
	text_add(error, " can match no file, because paths begin with /: begin it with / or **/");
	return -EINVAL;
}

static int target_check(const char *value, struct text *error)
{
	struct target target;
	const char *wrong = target_parse(value, &target);

	if (!wrong)
		return 0;
	add_quoted(error, value);
	text_add(error, wrong);
	return -EINVAL;
}

static int text_check(const struct policy_option *option, const char *value, struct text *error)
{
	struct inject_rule rules[INJECT_RULES];

	if (option->type == POLICY_TYPE_GLOBS)
		return globs_check(value, error);
	if (!strcmp(option->name, "audit.log"))
		return target_check(value, error);
	if (!strcmp(option->name, "process.inject"))
		return inject_parse(value, rules, error) < 0 ? -EINVAL : 0;
	return 0;
}

static int set_text(struct policy *policy, const struct policy_option *option, const char *value,
		    struct text *error)
{
	const char **field = value_field(policy, option);
	size_t length = strlen(value) + 1;
	size_t old = **field ? strlen(*field) + 1 : 0;

	if (text_check(option, value, error))
		return -EINVAL;
	if (length > sizeof(policy->text) - (policy->text_used - old)) {
		text_add(error, "too long (all texts together have room for ");
		text_add_uint(error, sizeof(policy->text));
		text_add(error, " bytes)");
		return -EINVAL;
	}
	text_forget(policy, *field);
	*field = "";
	if (length == 1)
		return 0;
	*field = memcpy(policy->text + policy->text_used, value, length);
	policy->text_used += length;
	return 0;
}

int value_set(struct policy *policy, const struct policy_option *option, const char *value,
	      struct text *error)
{
	switch (option->type) {
	case POLICY_TYPE_CHOICE:
		return set_choice(value_field(policy, option), option, value, error);
	case POLICY_TYPE_SIZE:
	case POLICY_TYPE_NUMBER:
		return set_number(value_field(policy, option), option, value, error);
	default:
		return set_text(policy, option, value, error);
	}
}
