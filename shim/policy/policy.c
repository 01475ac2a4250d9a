/* SPDX-License-Identifier: MIT */
/*
 * The option table and its values. Every list of options there is (variables,
 * keys, flags, help) comes from options.def by way of policy_options. Runs in the
 * library's constructor and in the command: never allocates, locks or opens.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "policy/value.h"
#include "support/sys.h"

#define VARIABLE_BYTES 48

enum option_index {
#define OPTION(section, key, field, type, initial, values, flag, arg, help) OPTION_##field,
#include "policy/options.def"
#undef OPTION
	OPTION_COUNT
};

struct policy the_policy LARGE;

const struct policy_option policy_options[] = {
#define OPTION(section_, key_, field_, type_, initial_, values_, flag_, arg_, help_) \
	{                                                                            \
		.section = section_,                                                 \
		.key = key_,                                                         \
		.name = section_ "." key_,                                           \
		.initial = initial_,                                                 \
		.values = values_,                                                   \
		.flag = flag_,                                                       \
		.argument = arg_,                                                    \
		.help = help_,                                                       \
		.type = POLICY_TYPE_##type_,                                         \
		.offset = offsetof(struct policy, field_),                           \
	},
#include "policy/options.def"
#undef OPTION
};

const size_t policy_option_count = OPTION_COUNT;

#define OPTION(section, key, field, type, initial, values, flag, arg, help) \
	_Static_assert(sizeof("MMFENCE_" section "_" key) <= VARIABLE_BYTES, "VARIABLE_BYTES");
#include "policy/options.def"
#undef OPTION

static void variable_name(char *out, const char *option_name)
{
	memcpy(out, "MMFENCE_", 8);
	for (out += 8; *option_name; option_name++) {
		char c = *option_name;

		*out++ = c == '.' || c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
	}
	*out = 0;
}

/* The preprocessor cannot write upper case: written when it is first wanted, by two threads the
 * same. */
const char *policy_variable(size_t index)
{
	static char variables[OPTION_COUNT][VARIABLE_BYTES] LARGE;
	static atomic_bool written;

	for (size_t i = 0; !written && i < OPTION_COUNT; i++)
		variable_name(variables[i], policy_options[i].name);
	written = true;
	return variables[index];
}

int policy_find(const char *name)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		if (!strcmp(policy_options[i].name, name))
			return i;
	}
	return -1;
}

void policy_defaults(struct policy *policy)
{
	char sentence[256];
	struct text error;

	memset(policy, 0, offsetof(struct policy, text));
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct policy_option *option = &policy_options[i];

		if (value_is_text(option))
			*(const char **)value_field(policy, option) = "";
	}
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		text_init(&error, sentence, sizeof(sentence));
		text_add(&error, ": ");
		value_set(policy, &policy_options[i], policy_options[i].initial, &error);
	}
}

int policy_set(struct policy *policy, const char *name, const char *value, char *error,
	       size_t error_size)
{
	int index = policy_find(name);
	struct text sentence;

	text_init(&sentence, error, error_size);
	if (index < 0) {
		add_unknown(&sentence, name, false);
		return -EINVAL;
	}
	text_add(&sentence, name);
	text_add(&sentence, ": ");
	return value_set(policy, &policy_options[index], value, &sentence);
}

int policy_add(struct policy *policy, const char *name, const char *value, char *error,
	       size_t error_size)
{
	int index = policy_find(name);
	enum policy_type type = index < 0 ? POLICY_TYPE_STRING : policy_options[index].type;
	char joined[POLICY_TEXT_BYTES + 1];
	struct text list;

	if (type != POLICY_TYPE_GLOBS && type != POLICY_TYPE_LIST)
		return policy_set(policy, name, value, error, error_size);
	text_init(&list, joined, sizeof(joined));
	text_add(&list, *(const char **)value_field(policy, &policy_options[index]));
	if (list.length && *value)
		text_add_char(&list, type == POLICY_TYPE_GLOBS ? ':' : ',');
	text_add(&list, value);
	return policy_set(policy, name, joined, error, error_size);
}

/* Of most variables the first letter tells: each process starts with this. */
static bool assigns(const char *assignment, const char *name)
{
	for (; *name && *assignment == *name; name++)
		assignment++;
	return !*name && *assignment == '=';
}

const char *environment_get(char *const *environment, const char *name)
{
	for (; environment && *environment; environment++)
		if (assigns(*environment, name))
			return *environment + strlen(name) + 1;
	return NULL;
}

static bool is_ours(const char *assignment)
{
	return !strncmp(assignment, "MMFENCE_", 8);
}

/* Which option it sets; OPTION_COUNT where it says where options come from; or -1. */
static int variable_find(const char *assignment)
{
	static const char *const sources[] = { "MMFENCE_CONFIG", "MMFENCE_PRESET",
					       "MMFENCE_FAMILY" };

	for (int i = 0; i < OPTION_COUNT; i++)
		if (assigns(assignment, policy_variable((size_t)i)))
			return i;
	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++)
		if (assigns(assignment, sources[i]))
			return OPTION_COUNT;
	return -1;
}

bool policy_is_variable(const char *assignment)
{
	return is_ours(assignment) && variable_find(assignment) >= 0;
}

/* One "MMFENCE_SECTION_KEY=value". */
static int set_variable(struct policy *policy, const char *assignment, struct text *sentence)
{
	const char *equals = strchr(assignment, '=');
	int index = variable_find(assignment);
	char name[128];

	if (!equals || index == OPTION_COUNT)
		return 0;
	text_make(name, sizeof(name), "%.*s", (int)(equals - assignment), assignment);
	if (index < 0) {
		add_unknown(sentence, name, true);
		return -EINVAL;
	}
	text_add(sentence, name);
	text_add(sentence, ": ");
	text_add(sentence, policy_options[index].name);
	text_add(sentence, ": ");
	return value_set(policy, &policy_options[index], equals + 1, sentence);
}

void policy_from_environment(struct policy *policy, char *const *environment,
			     policy_complaint *complain)
{
	char buffer[1024];
	struct text sentence;

	for (; environment && *environment; environment++) {
		if (!is_ours(*environment))
			continue;
		text_init(&sentence, buffer, sizeof(buffer));
		if (set_variable(policy, *environment, &sentence))
			complain(buffer);
	}
}

void policy_from_sources(struct policy *policy, const char *config, char *const *environment,
			 policy_complaint *complain)
{
	policy_defaults(policy);
	policy_add_sources(policy, NULL, config, environment, complain);
}

static void add_preset(struct policy *policy, const char *name, policy_complaint *complain)
{
	char sentence[1024];

	if (name && *name && policy_preset(policy, name, sentence, sizeof(sentence)))
		complain(sentence);
}

static void add_file(struct policy *policy, const char *path, policy_complaint *complain)
{
	char buffer[256];
	struct text sentence;

	if (!path)
		policy_from_file(policy, POLICY_FILE, complain);
	else if (*path && policy_from_file(policy, path, complain) == -ENOENT) {
		text_init(&sentence, buffer, sizeof(buffer));
		text_add(&sentence, "there is no configuration file ");
		add_quoted(&sentence, path);
		complain(buffer);
	}
}

void policy_add_sources(struct policy *policy, const char *preset, const char *config,
			char *const *environment, policy_complaint *complain)
{
	if (!preset)
		preset = environment_get(environment, "MMFENCE_PRESET");
	if (!config)
		config = environment_get(environment, "MMFENCE_CONFIG");
	add_preset(policy, preset, complain);
	add_file(policy, config, complain);
	policy_from_environment(policy, environment, complain);
}

/* ---- Presets: several options by one name. Never allocates. ---- */

const struct policy_preset policy_presets[] = {
#define PRESET(name_, help_, ...) { .name = name_, .help = help_, .settings = { __VA_ARGS__ } },
#include "policy/presets.def"
#undef PRESET
};

const size_t policy_preset_count = sizeof(policy_presets) / sizeof(*policy_presets);

static const char *preset_word(size_t index)
{
	return index < policy_preset_count ? policy_presets[index].name : NULL;
}

static int unknown(const char *name, struct text *sentence)
{
	const char *nearest = suggest_nearest(name, preset_word);

	add_quoted(sentence, name);
	text_add(sentence, " is no preset");
	add_suggestion(sentence, nearest);
	for (size_t i = 0; !nearest && i < policy_preset_count; i++) {
		text_add(sentence, i ? ", " : "; there are ");
		text_add(sentence, policy_presets[i].name);
	}
	return -EINVAL;
}

static int set(struct policy *policy, const char *setting, char *error, size_t error_size)
{
	char name[64] = "";
	size_t length = strcspn(setting, "=");

	memcpy(name, setting, length < sizeof(name) ? length : sizeof(name) - 1);
	return policy_set(policy, name, setting + length + 1, error, error_size);
}

int policy_preset(struct policy *policy, const char *name, char *error, size_t error_size)
{
	const struct policy_preset *preset = policy_presets, *end = preset + policy_preset_count;
	struct text sentence;
	int result = 0;

	text_init(&sentence, error, error_size);
	while (preset < end && strcmp(preset->name, name))
		preset++;
	if (preset == end)
		return unknown(name, &sentence);
	for (size_t i = 0; !result && preset->settings[i]; i++)
		result = set(policy, preset->settings[i], error, error_size);
	return result;
}
