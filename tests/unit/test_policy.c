/* SPDX-License-Identifier: MIT */
/*
 * Options: values, sentences, and the three sources. Never touches the machine's
 * own /etc/mmfence.conf.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/text/text.h"
#include "policy/policy.h"

static struct policy policy;
static char error[1024];
static char complaints[8192];
static int complaint_count;
static char file_path[64];

static void note_complaint(const char *sentence)
{
	complaint_count++;
	strncat(complaints, sentence, sizeof(complaints) - strlen(complaints) - 2);
	strcat(complaints, "\n");
}

static void start(void)
{
	policy_defaults(&policy);
	complaints[0] = 0;
	complaint_count = 0;
	error[0] = 0;
}

static void expect_value(const char *name, const char *value)
{
	char buffer[64];
	int index = policy_find(name);

	cr_assert_geq(index, 0, "%s", name);
	const char *found = option_value(&policy, (size_t)index, buffer, sizeof(buffer));
	cr_expect_str_eq(found, value, "%s is %s instead of %s", name, found, value);
}

static void expect_set(const char *name, const char *value)
{
	cr_expect_eq(policy_set(&policy, name, value, error, sizeof(error)), 0, "%s=%s: %s", name,
		     value, error);
}

static void expect_refused(const char *name, const char *value, const char *sentence)
{
	cr_expect_eq(policy_set(&policy, name, value, error, sizeof(error)), -EINVAL, "%s=%s", name,
		     value);
	cr_expect_str_eq(error, sentence, "\n%s\ninstead of\n%s", error, sentence);
}

static void expect_complaint(const char *part)
{
	cr_expect(strstr(complaints, part), "no \"%s\" in:\n%s", part, complaints);
}

/* size: of the file; NULs follow. */
static int from_bytes(size_t size, const char *bytes)
{
	strcpy(file_path, "/tmp/mmfence-policy.XXXXXX");
	int fd = mkstemp(file_path);
	cr_assert(fd >= 0 && pwrite(fd, bytes, strlen(bytes), 0) == (ssize_t)strlen(bytes));
	cr_assert(!ftruncate(fd, (off_t)size) && !close(fd));
	int r = policy_from_file(&policy, file_path, note_complaint);
	unlink(file_path);
	return r;
}

static int from_text(const char *text)
{
	return from_bytes(strlen(text), text);
}

TestSuite(policy, .init = start);

Test(policy, defaults_are_those_of_the_table)
{
	cr_expect_eq(policy.snapshot_mode, SNAPSHOT_ON);
	cr_expect_eq(policy.snapshot_copy_limit, 64ULL << 20);
	cr_expect_eq(policy.selfmem_map, SELFMEM_MAP_REFUSE);
	cr_expect_str_eq(policy.snapshot_paths, "");
	for (size_t i = 0; i < policy_option_count; i++) {
		expect_value(policy_options[i].name, policy_options[i].initial);
		cr_expect(option_is_default(&policy, i), "%s", policy_options[i].name);
	}
}

Test(policy, variables_are_upper_case)
{
	cr_expect_str_eq(policy_variable((size_t)policy_find("snapshot.copy-limit")),
			 "MMFENCE_SNAPSHOT_COPY_LIMIT");
	for (size_t i = 0; i < policy_option_count; i++)
		cr_expect_eq(strspn(policy_variable(i), "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"),
			     strlen(policy_variable(i)));
}

Test(policy, choices)
{
	expect_set("snapshot.on-failure", "deny");
	cr_expect_eq(policy.snapshot_on_failure, ON_FAILURE_DENY);
	expect_set("snapshot.require", "proven");
	cr_expect_eq(policy.snapshot_require, REQUIRE_PROVEN);
	expect_set("audit.nonlinear", "off");
	cr_expect_eq(policy.audit_nonlinear, AUDIT_NONLINEAR_OFF);
	cr_expect_eq(policy.nonlinear_emulate, EMULATE_AUTO);
	expect_set("nonlinear.emulate", "never");
	cr_expect_eq(policy.nonlinear_emulate, EMULATE_NEVER);
	expect_refused("snapshot.require", "prove",
		       "snapshot.require: \"prove\" is not one of any, verified, proven");
	expect_refused("snapshot.require", "",
		       "snapshot.require: \"\" is not one of any, verified, proven");
	cr_expect_eq(policy.snapshot_require, REQUIRE_PROVEN);
}

Test(policy, sizes)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = { { "0", 0 },
		     { "12", 12 },
		     { "1K", 1024 },
		     { "3M", 3 << 20 },
		     { "5G", 5ULL << 30 },
		     { "2T", 2ULL << 40 },
		     { "8388607T", 8388607ULL << 40 },
		     { "9223372036854775807", INT64_MAX } };
	static const char *bad[] = { "",   "K",	 "12X", "1k",	"1KB",	"-1",
				     "+1", " 1", "1 ",	"1.5M", "0x10", "1e3" };
	static const char *large[] = { "8388608T", "9223372036854775808", "18446744073709551616",
				       "99999999999999999999999", "18446744073709551615K" };

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		expect_set("snapshot.max-copy", good[i].text);
		cr_expect_eq(policy.snapshot_max_copy, good[i].bytes, "%s", good[i].text);
	}
	expect_set("snapshot.max-copy", "77K");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		cr_expect(policy_set(&policy, "snapshot.max-copy", bad[i], error, sizeof(error)));
		cr_expect(strstr(error, "is not a size"), "%s: %s", bad[i], error);
	}
	for (size_t i = 0; i < sizeof(large) / sizeof(*large); i++) {
		cr_expect(policy_set(&policy, "snapshot.max-copy", large[i], error, sizeof(error)));
		cr_expect(strstr(error, "is too large"), "%s: %s", large[i], error);
	}
	expect_value("snapshot.max-copy", "77K");
	expect_refused("snapshot.copy-limit", "12X",
		       "snapshot.copy-limit: \"12X\" is not a size (digits, then K, M, G or T)");
}

Test(policy, values_come_back_as_they_were_set)
{
	static const char *pairs[][2] = {
		{ "snapshot.mode", "off" },	    { "snapshot.paths", "/a:/b\\:c" },
		{ "snapshot.copy-limit", "1000" },  { "snapshot.memory", "3G" },
		{ "audit.log", "/tmp/x.%p.jsonl" }, { "process.follow", "none" }
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		expect_set(pairs[i][0], pairs[i][1]);
		expect_value(pairs[i][0], pairs[i][1]);
		cr_expect(!option_is_default(&policy, (size_t)policy_find(pairs[i][0])));
	}
	expect_set("snapshot.copy-limit", "65536K");
	cr_expect(option_is_default(&policy, (size_t)policy_find("snapshot.copy-limit")));
}

Test(policy, texts_replaced_leave_the_others)
{
	char big[POLICY_TEXT_BYTES];

	expect_set("snapshot.paths", "/first");
	expect_set("snapshot.exclude", "/second");
	expect_set("audit.log", "third");
	for (int i = 0; i < 5000; i++)
		expect_set(i % 2 ? "snapshot.paths" : "snapshot.exclude", i % 3 ? "/a/b" : "/c");
	expect_set("snapshot.paths", "");
	expect_value("snapshot.exclude", "/c");
	expect_value("audit.log", "third");
	memset(big, '/', sizeof(big));
	big[sizeof(big) - 1] = 0;
	cr_expect(policy_set(&policy, "snapshot.paths", big, error, sizeof(error)));
	cr_expect(strstr(error, "snapshot.paths: too long"), "%s", error);
	big[4000] = 0;
	expect_set("snapshot.paths", big);
	expect_value("snapshot.paths", big);
	expect_value("audit.log", "third");
	cr_expect(policy_add(&policy, "snapshot.paths", big, error, sizeof(error)));
	expect_value("snapshot.paths", big);
}

Test(policy, patterns_add_up)
{
	cr_expect(!policy_add(&policy, "snapshot.paths", "/a", error, sizeof(error)));
	cr_expect(!policy_add(&policy, "snapshot.paths", "/b", error, sizeof(error)));
	expect_value("snapshot.paths", "/a:/b");
	cr_expect(!policy_add(&policy, "snapshot.mode", "off", error, sizeof(error)));
	cr_expect(!policy_add(&policy, "snapshot.mode", "on", error, sizeof(error)));
	expect_value("snapshot.mode", "on");
}

Test(policy, patterns_that_match_nothing_are_refused)
{
	expect_refused("snapshot.paths", "/a:*.db",
		       "snapshot.paths: \"*.db\" can match no file, because paths begin with /: "
		       "begin it with / or **/");
	expect_set("snapshot.paths", "**/*.db:/a");
}

Test(policy, log_templates)
{
	expect_set("audit.log", "/tmp/%e.%p.%h.%t.100%%");
	expect_refused("audit.log", "a%x",
		       "audit.log: \"a%x\" has a % that is none of %p, %e, %h, %t and %%");
	cr_expect(policy_set(&policy, "audit.log", "a%", error, sizeof(error)));
}

Test(policy, unknown_options_name_the_nearest)
{
	expect_refused("foo.bar", "1", "unknown option \"foo.bar\"");
	expect_refused("snapshot.path", "/a",
		       "unknown option \"snapshot.path\"; did you mean \"snapshot.paths\"?");
	expect_refused("copy-limit", "1",
		       "unknown option \"copy-limit\"; did you mean \"snapshot.copy-limit\"?");
	expect_refused(
		"snapshot.copy_limit", "1",
		"unknown option \"snapshot.copy_limit\"; did you mean \"snapshot.copy-limit\"?");
	cr_expect(policy_set(&policy, "a\nb\033[1m", "1", error, sizeof(error)));
	cr_expect_str_eq(error, "unknown option \"a?b?[1m\"");
}

Test(policy, sentences_fit_in_any_buffer)
{
	char small[8];

	cr_expect(policy_set(&policy, "snapshot.copy-limit", "12X", small, sizeof(small)));
	cr_expect_str_eq(small, "snapsho");
}

Test(policy, environment)
{
	char *environment[] = { "HOME=/root",
				"MMFENCE_SNAPSHOT_COPY_LIMIT=2M",
				"MMFENCE_SNAPSHOT_MODE=maybe",
				"MMFENCE_CONFIG=",
				"MMFENCE_PRESET=audit",
				"MMFENCE_LOG=x",
				"MMFENCE_SNAPSHOT_PATH=/a",
				"MMFENCEX=1",
				NULL };

	policy_from_environment(&policy, environment, note_complaint);
	expect_value("snapshot.copy-limit", "2M");
	expect_value("snapshot.mode", "on");
	cr_expect_eq(complaint_count, 3, "%s", complaints);
	expect_complaint("MMFENCE_SNAPSHOT_MODE: snapshot.mode: \"maybe\" is not one of on, off\n");
	expect_complaint("unknown variable \"MMFENCE_LOG\"; did you mean \"MMFENCE_AUDIT_LOG\"?\n");
	expect_complaint(
		"unknown variable \"MMFENCE_SNAPSHOT_PATH\"; did you mean \"MMFENCE_SNAPSHOT_PATHS\"?\n");
}

Test(policy, file)
{
	cr_expect_eq(from_text("# a comment\n"
			       "[snapshot]\n"
			       "mode = off\n"
			       "  guard = none ; as it was\n"
			       "paths = /a\n"
			       "paths = **/b:/c\n"
			       "\n"
			       "[audit]\n"
			       "log=/tmp/log\n"),
		     0);
	cr_expect_eq(complaint_count, 0, "%s", complaints);
	expect_value("snapshot.mode", "off");
	expect_value("snapshot.guard", "none");
	expect_value("snapshot.paths", "/a:**/b:/c");
	expect_value("audit.log", "/tmp/log");
}

Test(policy, file_replaces_what_was_there)
{
	expect_set("snapshot.paths", "/before");
	from_text("[snapshot]\npaths = /after");
	expect_value("snapshot.paths", "/after");
}

Test(policy, file_complaints_name_file_and_line)
{
	char text[1024] = "[snapshot]\nmode = of\nlimit = 3\nrubbish\nmemory = 1G\npaths = /";
	char expected[256];

	memset(text + strlen(text), 'x', 300);
	cr_expect_eq(from_text(text), 0);
	cr_expect_eq(complaint_count, 4, "%s", complaints);
	snprintf(expected, sizeof(expected), "%s:2: snapshot.mode: \"of\" is not one of on, off\n",
		 file_path);
	expect_complaint(expected);
	snprintf(expected, sizeof(expected), "%s:3: unknown option \"snapshot.limit\"", file_path);
	expect_complaint(expected);
	snprintf(expected, sizeof(expected), "%s:4: neither [section]", file_path);
	expect_complaint(expected);
	snprintf(expected, sizeof(expected), "%s:6: the line is too long", file_path);
	expect_complaint(expected);
	expect_value("snapshot.memory", "1G");
	expect_value("snapshot.paths", "");
}

Test(policy, file_that_cannot_be_read)
{
	cr_expect_eq(policy_from_file(&policy, "/nonexistent/mmfence.conf", note_complaint),
		     -ENOENT);
	cr_expect_eq(complaint_count, 0);
	cr_expect_eq(policy_from_file(&policy, "/tmp", note_complaint), -EISDIR);
	expect_complaint("/tmp: is a directory\n");
	cr_expect_eq(policy_from_file(&policy, "/dev/zero", note_complaint), -EINVAL);
	expect_complaint("/dev/zero: is not a regular file\n");
}

Test(policy, file_that_is_no_text_or_too_large_sets_nothing)
{
	char expected[128];

	cr_expect_eq(from_bytes(64, "[snapshot]\nmode=off\n"), -EINVAL);
	snprintf(expected, sizeof(expected), "%s: not a text file\n", file_path);
	expect_complaint(expected);
	cr_expect_eq(from_bytes(1 << 20, "[snapshot]\nmode=off\n"), -EFBIG);
	snprintf(expected, sizeof(expected), "%s: is too large\n", file_path);
	expect_complaint(expected);
	expect_value("snapshot.mode", "on");
}

Test(policy, environment_wins_over_file)
{
	char config[128] = "MMFENCE_CONFIG=";
	char *environment[] = { config, "MMFENCE_SNAPSHOT_MODE=on", NULL };

	strcpy(file_path, "/tmp/mmfence-policy.XXXXXX");
	FILE *file = fdopen(mkstemp(file_path), "w");
	cr_assert(file);
	fputs("[snapshot]\nmode=off\nmemory=2G\n", file);
	fclose(file);
	strcat(config, file_path);
	policy_from_sources(&policy, NULL, environment, note_complaint);
	unlink(file_path);
	expect_value("snapshot.mode", "on");
	expect_value("snapshot.memory", "2G");
	cr_expect_eq(complaint_count, 0, "%s", complaints);
}

Test(policy, named_file_must_exist)
{
	char *none[] = { "MMFENCE_CONFIG=", NULL };
	char *named[] = { "MMFENCE_CONFIG=/nonexistent/x", NULL };

	policy_from_sources(&policy, NULL, none, note_complaint);
	cr_expect_eq(complaint_count, 0, "%s", complaints);
	policy_from_sources(&policy, NULL, named, note_complaint);
	expect_complaint("there is no configuration file \"/nonexistent/x\"\n");
	policy_from_sources(&policy, "/nonexistent/y", none, note_complaint);
	expect_complaint("there is no configuration file \"/nonexistent/y\"\n");
}

Test(policy, presets_set_options)
{
	for (size_t i = 0; i < policy_preset_count; i++) {
		const struct policy_preset *preset = &policy_presets[i];

		policy_defaults(&policy);
		cr_expect_eq(policy_preset(&policy, preset->name, error, sizeof(error)), 0, "%s",
			     error);
		for (size_t n = 0; preset->settings[n]; n++) {
			size_t length = strcspn(preset->settings[n], "=");
			char name[64] = "";

			memcpy(name, preset->settings[n], length);
			expect_value(name, preset->settings[n] + length + 1);
		}
	}
}

Test(policy, everything_wins_over_a_preset)
{
	char *environment[] = { "MMFENCE_SIGBUS_RESCUE=/srv/x", "MMFENCE_PRESET=keep-alive",
				"MMFENCE_CONFIG=", NULL };

	policy_from_sources(&policy, NULL, environment, note_complaint);
	cr_expect_eq(complaint_count, 0, "%s", complaints);
	expect_value("snapshot.shared", "/**");
	expect_value("sigbus.rescue", "/srv/x");
	policy_defaults(&policy);
	policy_add_sources(&policy, "audit", "", environment, note_complaint);
	expect_value("snapshot.mode", "off");
	expect_value("snapshot.shared", "");
	policy_defaults(&policy);
	policy_add_sources(&policy, "", "", environment, note_complaint);
	expect_value("snapshot.shared", "");
}

Test(policy, unknown_preset_is_complained_of)
{
	char *near[] = { "MMFENCE_CONFIG=", "MMFENCE_PRESET=keepalive", NULL };
	char *far[] = { "MMFENCE_CONFIG=", "MMFENCE_PRESET=wireguard", NULL };

	policy_from_sources(&policy, NULL, near, note_complaint);
	policy_from_sources(&policy, NULL, far, note_complaint);
	cr_expect_eq(complaint_count, 2);
	expect_complaint("\"keepalive\" is no preset; did you mean \"keep-alive\"?\n");
	expect_complaint("\"wireguard\" is no preset; there are audit, keep-alive, compat\n");
}
