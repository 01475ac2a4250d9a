/* SPDX-License-Identifier: MIT */
/*
 * Whatever goes into a record, what comes out is one line that a strict parser
 * accepts, without a key twice.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit/record.h"
#include "audit/sink.h"
#include "audit/trace.h"
#include "support/arena.h"

#define HOSTILE_BYTES 70000

static struct record *fresh(const struct trace *trace)
{
	struct identity who = identity_get();

	return record_open(EVENT_SNAPSHOT_CREATE, OUTCOME_SUCCESS, trace, &who);
}

/* Closes the record and parses it. */
static json_t *parsed(struct record *record)
{
	struct line closed = record_close(record);
	const char *line = closed.text;
	size_t length = closed.length;
	json_error_t error;
	json_t *root;

	cr_assert_eq(line[length - 1], '\n');
	cr_assert_null(memchr(line, '\n', length - 1));
	cr_assert_eq(strlen(line), length);
	cr_assert_leq(length, RECORD_MAIN_BYTES + RECORD_EXTRA_BYTES + RECORD_RAW_BYTES);
	root = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
	cr_assert_not_null(root, "%s at %d in %s", error.text, error.position, line);
	scratch_put(record);
	return root;
}

/* The value at a dotted name. */
static json_t *at(json_t *root, const char *name)
{
	char part[128];
	const char *dot;

	while ((dot = strchr(name, '.'))) {
		snprintf(part, sizeof(part), "%.*s", (int)(dot - name), name);
		root = json_object_get(root, part);
		name = dot + 1;
	}
	return json_object_get(root, name);
}

static const char *string_at(json_t *root, const char *name)
{
	return json_string_value(at(root, name)) ?: "(none)";
}

static bool is_truncated(json_t *root)
{
	return json_is_true(at(root, "mmfence.truncated"));
}

Test(record, has_the_common_fields)
{
	struct record *record = fresh(NULL);
	json_t *root = parsed(record);
	char executable[4096];
	ssize_t length = readlink("/proc/self/exe", executable, sizeof(executable));

	cr_assert_str_eq(string_at(root, "ecs.version"), "8.11.0");
	cr_assert_str_eq(string_at(root, "event.kind"), "event");
	cr_assert_str_eq(string_at(root, "event.action"), "snapshot.create");
	cr_assert_str_eq(json_string_value(json_array_get(at(root, "event.category"), 0)), "file");
	cr_assert_str_eq(json_string_value(json_array_get(at(root, "event.type"), 0)), "access");
	cr_assert_str_eq(string_at(root, "event.outcome"), "success");
	cr_assert_eq(json_integer_value(at(root, "process.pid")), getpid());
	cr_assert_eq(json_integer_value(at(root, "process.thread.id")), gettid());
	cr_assert_eq(strncmp(string_at(root, "process.executable"), executable, (size_t)length), 0);
	cr_assert(json_is_string(at(root, "process.name")));
	cr_assert_null(json_object_get(root, "mmfence"));
	json_decref(root);
}

Test(record, timestamp_is_now_in_utc)
{
	time_t before = time(NULL);
	json_t *root = parsed(fresh(NULL));
	const char *text = string_at(root, "@timestamp");
	struct tm when = { 0 };
	struct timespec now;
	unsigned int microseconds;
	int used = 0;

	cr_assert_eq(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%6uZ%n", &when.tm_year, &when.tm_mon,
			    &when.tm_mday, &when.tm_hour, &when.tm_min, &when.tm_sec, &microseconds,
			    &used),
		     7);
	cr_assert_eq(used, 27);
	when.tm_year -= 1900;
	when.tm_mon -= 1;
	cr_assert_geq(timegm(&when), before);
	clock_gettime(CLOCK_REALTIME, &now); /* time() may be a tick behind */
	cr_assert_leq(timegm(&when), now.tv_sec);
	json_decref(root);
}

Test(record, every_event_and_outcome_is_parsed)
{
	static const char *const names[] = {
#define EVENT(id, action, category, type, doc) action,
#define FIELD(id, name, type, doc)
#include "audit/events.def"
#undef EVENT
#undef FIELD
	};
	struct identity who = identity_get();

	for (int action = 0; action < EVENT_COUNT; action++)
		for (int outcome = OUTCOME_SUCCESS; outcome <= OUTCOME_UNKNOWN; outcome++) {
			json_t *root = parsed(record_open(action, outcome, NULL, &who));

			cr_assert_str_eq(string_at(root, "event.action"), names[action]);
			json_decref(root);
		}
}

Test(record, values_keep_their_type)
{
	struct record *record = fresh(NULL);
	json_t *root;

	record_str(record, "file.path", "/etc/passwd");
	record_number_string(record, "file.inode", UINT64_MAX);
	record_int(record, "file.size", INT64_MIN);
	record_error(record, ENOMEM, "no \"room\"");
	record_uint(record, "mmfence.snapshot.id", INT64_MAX);
	record_bool(record, "mmfence.mapping.shared", true);
	record_bool(record, "mmfence.mapping.locked", false);
	record_address(record, "mmfence.mapping.address", (uintptr_t)0x7ffff7dd5000);
	root = parsed(record);
	cr_assert_str_eq(string_at(root, "file.path"), "/etc/passwd");
	cr_assert_str_eq(string_at(root, "file.inode"), "18446744073709551615");
	cr_assert_eq(json_integer_value(at(root, "file.size")), INT64_MIN);
	cr_assert_str_eq(string_at(root, "error.code"), "ENOMEM");
	cr_assert_str_eq(string_at(root, "error.message"), "no \"room\"");
	cr_assert_eq(json_integer_value(at(root, "mmfence.snapshot.id")), INT64_MAX);
	cr_assert(json_is_true(at(root, "mmfence.mapping.shared")));
	cr_assert(json_is_false(at(root, "mmfence.mapping.locked")));
	cr_assert_str_eq(string_at(root, "mmfence.mapping.address"), "0x7ffff7dd5000");
	json_decref(root);
}

Test(record, errors_without_a_name_are_numbers)
{
	struct record *record = fresh(NULL);
	json_t *root;

	record_error(record, 4000, NULL);
	root = parsed(record);
	cr_assert_str_eq(string_at(root, "error.code"), "4000");
	cr_assert_null(at(root, "error.message"));
	json_decref(root);

	record = fresh(NULL);
	record_error(record, 0, "why");
	root = parsed(record);
	cr_assert_null(at(root, "error.code"));
	cr_assert_str_eq(string_at(root, "error.message"), "why");
	json_decref(root);
}

Test(record, mmfence_fields_may_come_between_others)
{
	struct record *record = fresh(NULL);
	json_t *root;

	record_uint(record, "mmfence.mapping.length", 4096);
	record_str(record, "file.path", "/a\xff");
	record_uint(record, "mmfence.mapping.offset", 8192);
	record_error(record, EPERM, "b\xfe");
	record_str(record, "mmfence.site", "c");
	root = parsed(record);
	cr_assert_eq(json_integer_value(at(root, "mmfence.mapping.length")), 4096);
	cr_assert_eq(json_integer_value(at(root, "mmfence.mapping.offset")), 8192);
	cr_assert_str_eq(string_at(root, "mmfence.site"), "c");
	json_t *raw = at(root, "mmfence.raw");
	cr_assert_str_eq(json_string_value(json_object_get(raw, "file.path")), "2f61ff");
	cr_assert_str_eq(json_string_value(json_object_get(raw, "error.message")), "62fe");
	json_decref(root);
}

/* Any two names, of which neither is a group of the other's, nest rightly. */
Test(record, all_pairs_of_names_nest)
{
	static const char *const names[] = {
		"a",
		"b.c",
		"b.d",
		"b.e.f",
		"b.e.g.h.i",
		"be.e.f",
		"x.y.z.u.v.w",
		"x.y.z.u.v.k",
		"x.yy",
		"process.parent.pid",
		"process.command_line",
		"mmfence.p",
		"mmfence.q.r",
		"mmfence.q.s.t",
		"mmfence.q.s.u",
		"mmfence.qq.s",
		"mm",
		"mmfencer.a",
	};
	size_t count = sizeof(names) / sizeof(*names);

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++) {
			struct record *record = fresh(NULL);
			json_t *root;

			if (i == j ||
			    !strncmp(names[j], "process.", 8) > !strncmp(names[i], "process.", 8)) {
				scratch_put(record);
				continue;
			}
			record_int(record, names[i], (int)i);
			record_str(record, names[j], "\xff");
			root = parsed(record);
			cr_assert_eq(json_integer_value(at(root, names[i])), (int)i, "%s, %s",
				     names[i], names[j]);
			cr_assert_str_eq(string_at(root, names[j]), "\xef\xbf\xbd");
			cr_assert_not(is_truncated(root));
			json_decref(root);
		}
}

Test(record, every_byte_in_a_path_is_kept)
{
	for (int first = 1; first < 256; first++) {
		char path[8] = { '/', (char)first, 'x', (char)(first ^ 0x80), 0 };
		struct record *record = fresh(NULL);
		json_t *root, *raw;

		record_str(record, "file.path", path);
		root = parsed(record);
		raw = json_object_get(at(root, "mmfence.raw"), "file.path");
		if (raw) {
			char hex[16] = "";

			for (int i = 0; path[i]; i++)
				sprintf(hex + 2 * i, "%02x", (unsigned char)path[i]);
			cr_assert_str_eq(json_string_value(raw), hex);
		} else {
			cr_assert_str_eq(string_at(root, "file.path"), path);
		}
		json_decref(root);
	}
}

static void hostile_values(unsigned char byte)
{
	char *value = malloc(HOSTILE_BYTES + 1);

	memset(value, byte, HOSTILE_BYTES);
	for (size_t length = 1; length <= HOSTILE_BYTES; length = length * 3 + 1) {
		struct record *record = fresh(NULL);
		json_t *root;

		value[length] = 0;
		record_str(record, "file.path", value);
		record_str(record, "file.target_path", value);
		record_str(record, "error.message", value);
		record_str(record, "mmfence.a.b.c.d.e", value);
		record_str(record, "mmfence.a.x", value);
		record_int(record, "mmfence.y", 1);
		root = parsed(record);
		if (length < 400)
			cr_assert_not(is_truncated(root), "%zu of %02x", length, byte);
		if (length > RECORD_VALUE_BYTES)
			cr_assert(is_truncated(root), "%zu of %02x", length, byte);
		json_decref(root);
		value[length] = (char)byte;
	}
	free(value);
}

Test(record, long_values_leave_a_valid_record)
{
	hostile_values('a');
	hostile_values('"');
	hostile_values(1);
	hostile_values(0xff);
	hostile_values(0xe2);
}

Test(record, one_long_value_is_cut_and_said)
{
	static char value[RECORD_VALUE_BYTES + 1];
	struct record *record = fresh(NULL);
	json_t *root;
	const char *got;

	memset(value, 'v', sizeof(value) - 1);
	record_str(record, "error.message", value);
	root = parsed(record);
	got = string_at(root, "error.message");
	cr_assert(is_truncated(root));
	cr_assert_str_eq(got + strlen(got) - 4, "v\xe2\x80\xa6");
	json_decref(root);
}

Test(record, a_path_of_any_length_is_whole)
{
	char path[4096];
	struct record *record = fresh(NULL);
	json_t *root;

	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	record_str(record, "file.path", path);
	record_int(record, "file.size", 1);
	root = parsed(record);
	cr_assert_str_eq(string_at(root, "file.path"), path);
	cr_assert_not(is_truncated(root));
	json_decref(root);

	memset(path, 0xff, sizeof(path) - 1);
	record = fresh(NULL);
	record_str(record, "file.path", path);
	root = parsed(record);
	cr_assert_eq(json_string_length(json_object_get(at(root, "mmfence.raw"), "file.path")),
		     2 * 4095);
	json_decref(root);
}

Test(record, too_many_fields_leave_a_valid_record)
{
	for (int style = 0; style < 4; style++) {
		struct record *record = fresh(NULL);
		json_t *root;
		char name[64];

		for (int i = 0; i < 3000; i++) {
			snprintf(name, sizeof(name), "%s%s%d", style & 1 ? "mmfence." : "",
				 style & 2 ? "g.h.i" : "z", i);
			if (style & 2)
				strcat(name, ".leaf.of.some.depth");
			record_int(record, name, i);
		}
		root = parsed(record);
		cr_assert(is_truncated(root));
		json_decref(root);
	}
}

Test(record, a_name_too_long_is_left_out)
{
	struct record *record = fresh(NULL);
	char name[RECORD_NAME + 1];
	json_t *root;

	memset(name, 'n', RECORD_NAME);
	name[RECORD_NAME] = 0;
	record_int(record, name, 1);
	name[RECORD_NAME - 1] = 0;
	record_int(record, name, 2);
	root = parsed(record);
	cr_assert_eq(json_integer_value(at(root, name)), 2);
	cr_assert(is_truncated(root));
	json_decref(root);
}

Test(record, overflow_at_every_length_is_valid)
{
	static char value[RECORD_VALUE_BYTES + 64];

	memset(value, 'v', sizeof(value) - 1);
	for (size_t first = 5000; first < RECORD_VALUE_BYTES + 60; first++) {
		struct record *record = fresh(NULL);

		value[first] = 0;
		record_str(record, "mmfence.one.deep.group", value);
		record_str(record, "mmfence.two", "\xff");
		record_int(record, "mmfence.three", 3);
		record_str(record, "mmfence.four", "four");
		json_decref(parsed(record));
		value[first] = 'v';
	}
}

Test(record, a_trace_becomes_stack_and_modules)
{
	struct trace trace;
	json_t *root, *modules;

	TRACE_HERE(&trace);
	for (int round = 0; round < 2; round++) {
		struct record *record = fresh(&trace);
		char address[32];

		record_int(record, "mmfence.snapshot.id", 1);
		root = parsed(record);
		cr_assert_eq(json_array_size(at(root, "mmfence.stack")), trace.count);
		snprintf(address, sizeof(address), "%#zx", (size_t)trace.frame[0]);
		cr_assert_str_eq(json_string_value(json_array_get(at(root, "mmfence.stack"), 0)),
				 address);
		modules = at(root, "mmfence.modules");
		cr_assert_geq(json_array_size(modules), 2); /* the test and libc at least */
		for (size_t i = 0; i < json_array_size(modules); i++)
			for (size_t j = 0; j < i; j++)
				cr_assert_not(json_equal(json_array_get(modules, i),
							 json_array_get(modules, j)));
		json_decref(root);
	}
}

/* Many traces share few places in the memory of their texts. */
Test(record, traces_are_not_taken_for_each_other)
{
	for (uint64_t i = 0; i < 300; i++) {
		struct trace trace = { .hash = (i % 50) << 32,
				       .count = 1,
				       .frame = { i % 50 + 1 } };
		json_t *root = parsed(fresh(&trace));
		const char *text = json_string_value(json_array_get(at(root, "mmfence.stack"), 0));

		cr_assert_eq(strtoul(text, NULL, 16), i % 50 + 1);
		json_decref(root);
		trace.frame[0] += 1000;
		root = parsed(fresh(&trace));
		text = json_string_value(json_array_get(at(root, "mmfence.stack"), 0));
		cr_assert_eq(strtoul(text, NULL, 16), i % 50 + 1001);
		json_decref(root);
	}
}

/* However little room is left for it. */
Test(record, a_trace_is_valid_at_every_limit)
{
	char expected[16384], buffer[sizeof(expected)];
	struct trace trace;
	struct text text;
	bool whole = false;

	TRACE_HERE(&trace);
	text_init(&text, expected, sizeof(expected));
	cr_assert(stack_add(&text, &trace, sizeof(expected) - 2));
	trace.hash++; /* what is known of it is not */
	for (size_t limit = 64; !whole; limit++) {
		cr_assert_lt(limit, sizeof(buffer) - 2);
		text_init(&text, buffer, sizeof(buffer));
		text_add_char(&text, '{');
		whole = stack_add(&text, &trace, limit);
		cr_assert_leq(text.length, limit + 1);
		text_add_char(&text, '}');
		json_t *root = json_loadb(buffer, text.length, JSON_REJECT_DUPLICATES, NULL);
		cr_assert_not_null(root, "%zu: %s", limit, buffer);
		json_decref(root);
	}
	cr_assert(!strncmp(buffer + 1, expected, strlen(expected)));
}

/* The same trace over and over, while another thread has another one in its place. */
static void *add_again(void *value)
{
	struct trace trace = { .hash = (uintptr_t)value, .count = TRACE_FRAMES };
	char expected[4096], buffer[4096];
	struct text text;

	for (uint32_t i = 0; i < TRACE_FRAMES; i++)
		trace.frame[i] = trace.hash;
	for (int i = 0; i < 1000000; i++) {
		text_init(&text, i ? buffer : expected, sizeof(buffer));
		stack_add(&text, &trace, sizeof(buffer) - 1);
		if (i && strcmp(buffer, expected))
			return "a trace is another thread's";
	}
	return NULL;
}

Test(record, threads_do_not_mix_traces)
{
	pthread_t threads[3];
	void *complaint;

	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, add_again, (void *)(i + 1)), 0);
	for (size_t i = 0; i < 3; i++) {
		pthread_join(threads[i], &complaint);
		cr_expect_null(complaint, "%s", (const char *)complaint);
	}
}

Test(record, a_long_trace_leaves_room_for_fields)
{
	struct trace trace = { .count = TRACE_FRAMES };
	json_t *root;

	for (uint32_t i = 0; i < TRACE_FRAMES; i++)
		trace.frame[i] = UINTPTR_MAX - i;
	root = parsed(fresh(&trace));
	cr_assert_eq(json_array_size(at(root, "mmfence.stack")), TRACE_FRAMES);
	cr_assert_eq(json_array_size(at(root, "mmfence.modules")), 0);
	cr_assert_not(is_truncated(root));
	json_decref(root);
}

Test(record, without_a_log_nothing_happens)
{
	cr_assert_not(audit_enabled());
	struct record *record = record_begin(EVENT_SELFMEM_OPEN, OUTCOME_SUCCESS, NULL);

	cr_assert_null(record);
	record_str(record, "a", "b");
	record_int(record, "a", 1);
	record_uint(record, "a", 1);
	record_bool(record, "a", true);
	record_address(record, "a", 1);
	record_number_string(record, "a", 1);
	record_error(record, EPERM, "b");
	record_emit(record);
}

Test(record, a_null_string_is_left_out)
{
	struct record *record = fresh(NULL);
	json_t *root;

	record_str(record, "file.path", NULL);
	root = parsed(record);
	cr_assert_null(at(root, "file"));
	json_decref(root);
}
