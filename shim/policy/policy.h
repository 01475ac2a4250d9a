/* SPDX-License-Identifier: MIT */
/*
 * What is wanted: the options of options.def, from the environment and the
 * configuration file. The library and the command share this code, so it uses no
 * libc function that allocates and none that the library wraps.
 */
#ifndef MMFENCE_POLICY_POLICY_H
#define MMFENCE_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum snapshot_mode { SNAPSHOT_ON, SNAPSHOT_OFF };
enum on_failure { ON_FAILURE_PLAIN, ON_FAILURE_DENY };
enum require { REQUIRE_ANY, REQUIRE_VERIFIED, REQUIRE_PROVEN };
enum guard_policy { GUARD_AUTO, GUARD_NONE, GUARD_LEASE };
enum preserve_policy { PRESERVE_AUTO, PRESERVE_MEMORY, PRESERVE_CLONE, PRESERVE_SPILL };
enum nonlinear_policy { NONLINEAR_ALLOW, NONLINEAR_REFUSE };
enum nonlinear_emulate { EMULATE_NEVER, EMULATE_AUTO, EMULATE_ALWAYS };
enum selfmem_open { SELFMEM_OPEN_ALLOW, SELFMEM_OPEN_READONLY, SELFMEM_OPEN_REFUSE };
enum selfmem_map { SELFMEM_MAP_REFUSE, SELFMEM_MAP_EMULATE_READONLY, SELFMEM_MAP_EMULATE };
enum selfmem_fork { SELFMEM_FORK_SHARE, SELFMEM_FORK_SPLIT };
enum audit_snapshots { AUDIT_SNAPSHOTS_SITES, AUDIT_SNAPSHOTS_EVERY, AUDIT_SNAPSHOTS_OFF };
enum audit_nonlinear { AUDIT_NONLINEAR_SITES, AUDIT_NONLINEAR_EVERY, AUDIT_NONLINEAR_OFF };
enum audit_drift { AUDIT_DRIFT_OFF, AUDIT_DRIFT_ON };
enum pages_census { CENSUS_OFF, CENSUS_EXIT };
enum follow { FOLLOW_EXEC, FOLLOW_NONE };

#define POLICY_TEXT_BYTES 4096

/* Which C type each kind of option has. */
#define POLICY_FIELD_STRING(field) const char *field;
#define POLICY_FIELD_GLOBS(field)  const char *field;
#define POLICY_FIELD_LIST(field)   const char *field;
#define POLICY_FIELD_SIZE(field)   uint64_t field;
#define POLICY_FIELD_NUMBER(field) uint64_t field;
#define POLICY_FIELD_CHOICE(field) int field;

struct policy {
#define OPTION(section, key, field, type, initial, values, flag, arg, help) \
	POLICY_FIELD_##type(field)
#include "options.def"
#undef OPTION
	/* Texts live here; a policy is copied only as a whole and never moved. */
	size_t text_used;
	char text[POLICY_TEXT_BYTES];
};

enum policy_type {
	POLICY_TYPE_STRING,
	POLICY_TYPE_GLOBS,
	POLICY_TYPE_LIST,
	POLICY_TYPE_SIZE,
	POLICY_TYPE_NUMBER,
	POLICY_TYPE_CHOICE,
};

struct policy_option {
	const char *section;
	const char *key;
	const char *name; /* "section.key" */
	const char *initial;
	const char *values;
	const char *flag;
	const char *argument;
	const char *help;
	enum policy_type type;
	size_t offset; /* of its field in struct policy */
};

extern const struct policy_option policy_options[];
extern const size_t policy_option_count;

/* "MMFENCE_SECTION_KEY" */
const char *policy_variable(size_t index);

void policy_defaults(struct policy *policy);

/* Sets "section.key" from text. 0, or -EINVAL with one sentence in error that names the option:
 * unknown option or bad value. The option then keeps its value. */
int policy_set(struct policy *policy, const char *name, const char *value, char *error,
	       size_t error_size);

/* The same, but patterns and lists are added to what the option has. */
int policy_add(struct policy *policy, const char *name, const char *value, char *error,
	       size_t error_size);

/* What presets.def says. */
struct policy_preset {
	const char *name;
	const char *help;
	const char *settings[6]; /* "section.key=value", then NULL */
};

extern const struct policy_preset policy_presets[];
extern const size_t policy_preset_count;

/* Sets the options of a preset. 0, or -EINVAL with a sentence. */
int policy_preset(struct policy *policy, const char *name, char *error, size_t error_size);

/* The index of "section.key" in policy_options, or -1. */
int policy_find(const char *name);

/* Called with a sentence for each bad setting. */
typedef void policy_complaint(const char *sentence);

/* The value of a variable, or NULL. */
const char *environment_get(char *const *environment, const char *name);
/* Whether it sets an option, or says where options come from (MMFENCE_CONFIG, MMFENCE_PRESET),
 * or where the family's table is (MMFENCE_FAMILY). */
bool policy_is_variable(const char *assignment);

/* Applies the MMFENCE_* variables that set options. Complains of those that policy_is_variable does
 * not know, too. */
void policy_from_environment(struct policy *policy, char *const *environment,
			     policy_complaint *complain);

/* Applies an INI file. 0, -ENOENT when there is none, another -errno when it cannot be read.
 * What is wrong (but not that there is none) is complained of, naming the file and the line.
 * Patterns of one option on several lines add up. Not thread-safe: for the constructor and the
 * command. */
int policy_from_file(struct policy *policy, const char *path, policy_complaint *complain);

#define POLICY_FILE "/etc/mmfence.conf"

/* Defaults, then the preset, then the file, then the environment. The file is config, or what
 * MMFENCE_CONFIG says ("" is none), or POLICY_FILE; one that was named and does not exist is
 * complained of. In secure mode the library gives no environment (NULL). */
void policy_from_sources(struct policy *policy, const char *config, char *const *environment,
			 policy_complaint *complain);

/* The same without the defaults: on top of what is set already. First comes the preset, or what
 * MMFENCE_PRESET names ("" is none). */
void policy_add_sources(struct policy *policy, const char *preset, const char *config,
			char *const *environment, policy_complaint *complain);

/* fnmatch(3) with FNM_PATHNAME, and ** for any number of directories; several patterns separated
 * by ':' (a colon in a pattern is "\:"). At the end ** stands for a name in any directory below.
 * An empty list matches nothing. Characters are UTF-8 whatever the locale. */
bool glob_list_match(const char *patterns, const char *path);

/* The first pattern that can match no absolute path, such as "*.db", or NULL. */
const char *glob_list_futile(const char *patterns, size_t *length);

/* The library's own policy. Set once, before anything reads it. */
extern struct policy the_policy;

#endif
