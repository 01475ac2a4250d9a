/* SPDX-License-Identifier: MIT */
/*
 * `mmfence report': what logs come to, in every form; that call sites get the names of
 * the program that ran, and never of another; and what it does with bad logs.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "golden.h"
#include "runner.h"

#define COMMAND(...)                                                                              \
	{                                                                                         \
		.helper = build_path("bin/mmfence"), .preload = RUN_BARE, .args = { __VA_ARGS__ } \
	}

static void expect_exit(const struct run *run, int status)
{
	cr_assert_eq(run_exit(run), status, "%d instead of %d: %s", run_exit(run), status,
		     run->errors);
}

/* A file in the directory of a run, made before the command starts. */
static const char *make_file(const char *name, const char *bytes, size_t length)
{
	static int count;
	char *path;

	cr_assert(asprintf(&path, "%s/report.%d.%d.%s", getenv("MMFENCE_TMP"), getpid(), count++,
			   name) > 0);
	FILE *file = fopen(path, "we");
	cr_assert(file && fwrite(bytes, 1, length, file) == length && !fclose(file), "%s", path);
	return path;
}

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
	char *command;
	va_list list;

	va_start(list, format);
	cr_assert(vasprintf(&command, format, list) > 0);
	va_end(list);
	cr_assert(system(command) == 0, "%s", command);
	free(command);
}

/* --- forms --- */

Test(report, text_is_golden)
{
	struct run run = COMMAND("report", data_path("two_hosts.log"));

	run_helper(&run);
	expect_exit(&run, 0);
	golden_text(run.output, "two_hosts.text");
	run_end(&run);
}

Test(report, json_is_golden)
{
	struct run run = COMMAND("report", "--json", data_path("two_hosts.log"));

	run_helper(&run);
	expect_exit(&run, 0);
	golden_json(run.output, "two_hosts.json");
	run_end(&run);
}

Test(report, folded_is_golden)
{
	struct run run = COMMAND("report", "--folded", data_path("two_hosts.log"));

	run_helper(&run);
	expect_exit(&run, 0);
	golden_text(run.output, "two_hosts.folded");
	run_end(&run);
}

Test(report, prometheus_is_golden)
{
	struct run run = COMMAND("report", "--prometheus", data_path("two_hosts.log"));

	run_helper(&run);
	expect_exit(&run, 0);
	golden_text(run.output, "two_hosts.prometheus");
	run_end(&run);
}

/* What a helper left in its log, seen from outside. */
EACH_WIDTH(report, of_a_run_is_golden)
{
	struct run helper = { .variant = variant, .helper = "nonlinear", .args = { "return" } };
	struct run run = COMMAND("report");

	run_helper(&helper);
	run_must_hold(&helper);
	run.args[1] = helper.log_path;
	run_helper(&run);
	expect_exit(&run, 0);
	golden_text(run.output, "nonlinear.text");
	run_end(&run);
	run_end(&helper);
}

static json_t *json_of(const struct run *run)
{
	json_error_t error;
	json_t *json = json_loads(run->output, 0, &error);

	cr_assert(json, "%s: %s%s", error.text, run->output, run->errors);
	return json;
}

/* Both halves, in the wrong order, are one log. */
Test(report, rotated_parts_are_read_in_the_order_of_time)
{
	char *text = data_text("two_hosts.log"), *half = text;
	struct run whole = COMMAND("report", "--folded", data_path("two_hosts.log"));
	struct run parts = COMMAND("report", "--folded");
	struct run rows = COMMAND("report", "--json");

	for (int i = 0; i < 20; i++)
		half = strchr(half, '\n') + 1;
	parts.args[2] = rows.args[2] = make_file("b.log", half, strlen(half));
	parts.args[3] = rows.args[3] = make_file("a.log.1", text, (size_t)(half - text));
	rows.args[4] = rows.args[3]; /* twice the same counts once */
	run_helper(&whole);
	run_helper(&parts);
	run_helper(&rows);
	cr_assert_str_eq(parts.output, whole.output);
	json_t *json = json_of(&rows);
	cr_assert_eq(field_number(json, "processes.count"), 3);
	cr_assert_eq(field_number(json, "records"), 68);
	json_decref(json);
	run_end(&whole);
	run_end(&parts);
	run_end(&rows);
	free(text);
}

/* Two machines, a directory each, the same pid on both at the same time, and the second day's log,
 * which begins in the middle. */
Test(report, machines_with_the_same_pid)
{
	static const char start[] =
		"{\"@timestamp\":\"2026-05-0%dT10:00:00Z\",\"event\":{\"action\":"
		"\"process.start\"},\"process\":{\"pid\":7,\"name\":\"p\"},"
		"\"host\":{\"hostname\":\"%s\"}}\n";
	static const char create[] = "{\"@timestamp\":\"2026-05-0%dT11:00:0%dZ\",\"event\":{"
				     "\"action\":\"snapshot.create\"},\"process\":{\"pid\":7,"
				     "\"name\":\"p\"},\"file\":{\"path\":\"/a\"}}\n";
	struct run run = COMMAND("report", "--json");
	char directory[PATH_MAX];
	size_t used = 2;

	snprintf(directory, sizeof(directory), "%s/machines.XXXXXX", getenv("MMFENCE_TMP"));
	cr_assert(mkdtemp(directory));
	for (int host = 0; host < 2; host++) {
		shell("mkdir %s/%s", directory, host ? "beta" : "alpha");
		for (int day = 1; day <= 2; day++) {
			char *path;

			cr_assert(asprintf(&path, "%s/%s/%d.log", directory,
					   host ? "beta" : "alpha", day) > 0);
			FILE *file = fopen(path, "we");
			if (day == 1)
				fprintf(file, start, day, host ? "beta" : "alpha");
			for (int i = 0; i <= host; i++)
				fprintf(file, create, day, 2 * i + host);
			fclose(file);
			run.args[used++] = path;
		}
	}
	run_helper(&run);
	expect_exit(&run, 0);
	json_t *json = json_of(&run), *rows = field(json, "snapshots");
	cr_expect_eq(field_number(json, "processes.count"), 2);
	cr_assert_eq(json_array_size(rows), 2, "%s", run.output);
	cr_expect_str_eq(field_string(json_array_get(rows, 0), "host"), "beta");
	cr_expect_eq(field_number(json_array_get(rows, 0), "snapshots"), 4);
	cr_expect_str_eq(field_string(json_array_get(rows, 1), "host"), "alpha");
	cr_expect_eq(field_number(json_array_get(rows, 1), "snapshots"), 2);
	json_decref(json);
	run_end(&run);
}

static void expect_in_page(const char *log, const char *text)
{
	struct run run = COMMAND("report", "--html", "-", log);

	run_helper(&run);
	expect_exit(&run, 0);
	cr_expect(strstr(run.output, text), "no \"%s\" in the page of %s", text, log);
	run_end(&run);
}

/* One of each: a process that ended, and one of which that is not known. */
Test(report, open_snapshots_are_told_from_those_that_ended_with_their_process)
{
#define RECORD(pid, action, more)                                                         \
	"{\"@timestamp\":\"2026-05-04T10:00:00Z\",\"event\":{\"action\":\"" action "\"}," \
	"\"process\":{\"pid\":" pid ",\"name\":\"p\"}" more "}\n"
#define OF_A ",\"file\":{\"path\":\"/a\"}"
	static const char log[] =
		RECORD("1", "snapshot.create", OF_A) RECORD("1", "process.end", "")
			RECORD("2", "snapshot.create", OF_A) RECORD("2", "snapshot.create", OF_A);
	const char *path = make_file("open.log", log, sizeof(log) - 1);
	struct run run = COMMAND("report", path);

	run_helper(&run);
	expect_exit(&run, 0);
	cr_expect(strstr(run.output, "  1 to the end, 2 open  "), "%s", run.output);
	expect_in_page(path, "<td class=\"notes\">1 to the end, 2 open</td>");
	expect_in_page(path, "<th>Fate</th><th class=\"n\">Program</th></tr>");
	run_end(&run);
}

/* --- names --- */

struct program {
	struct run run;
	char path[PATH_MAX], build_id[64];
	int line; /* of the call */
};

/* Starts a copy of the C++ program, after `change` (a shell command in which $1 is the copy). */
static void run_program(struct program *program, const char *change)
{
	snprintf(program->path, sizeof(program->path), "%s/window.%d", getenv("MMFENCE_TMP"),
		 getpid());
	shell("set -e; cp %s %s; set -- %s; %s", build_path("helpers/plain/window"), program->path,
	      program->path, change);
	program->run = (struct run){ .helper = program->path };
	run_helper(&program->run);
	cr_assert(sscanf(program->run.output, "%d 0", &program->line) == 1, "%s%s",
		  program->run.output, program->run.errors);
	json_t *total = find_event(&program->run, "nonlinear.total");
	cr_assert(total);
	json_t *module = json_array_get(field(total, "mmfence.modules"), 0);
	snprintf(program->build_id, sizeof(program->build_id), "%s",
		 field_string(module, "build_id"));
}

/* The frames of the only call site. */
static json_t *stack_of(struct program *program, const char *debug_directory)
{
	struct run run = COMMAND("report", "--json", program->run.log_path);

	if (debug_directory) {
		run.args[3] = "--debug-dir";
		run.args[4] = debug_directory;
	}
	run_helper(&run);
	expect_exit(&run, 0);
	json_t *json = json_of(&run);
	json_t *sites = field(json, "nonlinear.sites");
	cr_assert_eq(json_array_size(sites), 1);
	json_t *stack = field(json_array_get(sites, 0), "stack");
	cr_assert(json_array_size(stack) >= 2);
	cr_assert_eq(field_number(json_array_get(sites, 0), "calls"), 5);
	json_incref(stack);
	json_decref(json);
	run_end(&run);
	return stack;
}

static void expect_named(const struct program *program, json_t *stack)
{
	json_t *inner = json_array_get(stack, 0), *outer = json_array_get(stack, 1);
	const char *file = field_string(inner, "file");

	cr_assert(field_string(inner, "function"));
	cr_expect_str_eq(field_string(inner, "function"), "legacy::Window::bring_in(char*, int)");
	cr_assert(file && strlen(file) > 9);
	cr_expect_str_eq(file + strlen(file) - 9, "window.cc");
	cr_expect_eq(field_number(inner, "line"), program->line);
	cr_expect_str_eq(field_string(outer, "function"), "main");
}

static bool has_name(json_t *frame)
{
	return field(frame, "function") || field(frame, "file");
}

static void program_end(struct program *program, json_t *stack)
{
	json_decref(stack);
	unlink(program->path);
	run_end(&program->run);
}

Test(report, functions_files_and_lines_of_cxx)
{
	struct program program;
	run_program(&program, "true");
	json_t *stack = stack_of(&program, NULL);

	expect_named(&program, stack);
	cr_expect(!field(json_array_get(stack, 0), "note"));
	program_end(&program, stack);
}

/* The debug file as packages have it: by build-id, below a directory. */
static const char *make_debug_file(const char *build_id)
{
	char *directory;

	cr_assert(asprintf(&directory, "%s/debug.%d", getenv("MMFENCE_TMP"), getpid()) > 0);
	shell("mkdir -p %s/.build-id/%.2s && objcopy --only-keep-debug %s "
	      "%s/.build-id/%.2s/%s.debug",
	      directory, build_id, build_path("helpers/plain/window"), directory, build_id,
	      build_id + 2);
	return directory;
}

Test(report, stripped_program_with_a_separate_debug_file)
{
	struct program program;
	run_program(&program, "strip $1");
	json_t *stack = stack_of(&program, make_debug_file(program.build_id));

	expect_named(&program, stack);
	program_end(&program, stack);
}

Test(report, stripped_program_without_a_debug_file)
{
	struct program program;
	run_program(&program, "strip $1");
	json_t *stack = stack_of(&program, NULL), *inner = json_array_get(stack, 0);

	cr_expect(!has_name(inner), "%s", json_dumps(inner, 0));
	cr_expect_str_eq(field_string(inner, "module"), program.path);
	cr_expect(!strncmp(field_string(inner, "offset"), "0x", 2));
	program_end(&program, stack);
}

/* Its dynamic symbols are still there, and are used. */
Test(report, stripped_library_has_dynamic_symbols)
{
	struct program program;
	run_program(&program, "strip $1");
	json_t *stack = stack_of(&program, NULL), *frame;
	bool libc = false;
	size_t i;

	json_array_foreach (stack, i, frame)
		libc |= strstr(field_string(frame, "module") ?: "", "libc") &&
			field_string(frame, "function");
	cr_expect(libc, "%s", json_dumps(stack, JSON_INDENT(1)));
	program_end(&program, stack);
}

Test(report, program_that_was_changed_since_gets_no_names)
{
	struct program program;
	run_program(&program, "true");
	shell("cp --remove-destination %s %s", build_path("helpers/plain/nonlinear"), program.path);
	json_t *stack = stack_of(&program, NULL), *inner = json_array_get(stack, 0);

	cr_expect(!has_name(inner), "%s", json_dumps(inner, 0));
	cr_expect(strstr(field_string(inner, "note"), "changed since"));
	program_end(&program, stack);
}

Test(report, program_that_was_changed_since_is_named_by_its_debug_file)
{
	struct program program;
	run_program(&program, "true");
	const char *directory = make_debug_file(program.build_id);
	shell("cp --remove-destination %s %s", build_path("helpers/plain/nonlinear"), program.path);
	json_t *stack = stack_of(&program, directory);

	expect_named(&program, stack);
	cr_expect(strstr(field_string(json_array_get(stack, 0), "note"), "changed since"));
	program_end(&program, stack);
}

/* A name in a log is not opened blindly: a pipe would wait for ever. */
Test(report, module_that_is_a_pipe_is_not_opened)
{
	struct program program;
	run_program(&program, "true");
	shell("rm %s && mkfifo %s", program.path, program.path);
	json_t *stack = stack_of(&program, NULL);

	cr_expect(!has_name(json_array_get(stack, 0)));
	program_end(&program, stack);
}

Test(report, debug_link_to_a_pipe_is_not_followed)
{
	struct program program;
	run_program(&program,
		    "strip $1 && touch $1.debug && objcopy --add-gnu-debuglink=$1.debug $1 "
		    "&& rm $1.debug && mkfifo $1.debug");
	json_t *stack = stack_of(&program, NULL);
	char path[PATH_MAX + 8];

	cr_expect(!has_name(json_array_get(stack, 0)));
	snprintf(path, sizeof(path), "%s.debug", program.path);
	unlink(path);
	program_end(&program, stack);
}

/* --- bad logs --- */

static void expect_refusal(struct run *run, const char *sentence)
{
	run_helper(run);
	expect_exit(run, 2);
	cr_expect_str_eq(run->output, "");
	cr_expect(strstr(run->errors, sentence), "no \"%s\" in %s", sentence, run->errors);
	cr_expect_eq(strchr(run->errors, '\n'), run->errors + strlen(run->errors) - 1, "%s",
		     run->errors);
	run_end(run);
}

Test(report, file_that_is_not_there)
{
	struct run run = COMMAND("report", data_path("two_hosts.log"), "/no/such.jsonl");

	expect_refusal(&run, "mmfence: /no/such.jsonl cannot be read: No such file or directory\n");
}

Test(report, directory)
{
	struct run run = COMMAND("report", "/usr");

	expect_refusal(&run, "mmfence: /usr cannot be read: it is a directory, not a log\n");
}

Test(report, something_that_is_no_log)
{
	struct run run = COMMAND("report", build_path("bin/mmfence"));

	expect_refusal(&run, "lines is a record of mmfence\n");
}

Test(report, page_that_cannot_be_written)
{
	struct run run =
		COMMAND("report", "--html", "/no/such/page.html", data_path("two_hosts.log"));

	expect_refusal(&run, "mmfence: /no/such/page.html cannot be written: ");
}

/* A page through a link replaces what it points to, which keeps its mode. */
Test(report, page_behind_a_link)
{
	const char *page = make_file("page.html", "old", 3);
	struct run run = COMMAND("report", "--html", NULL, data_path("two_hosts.log"));
	struct stat st;
	char *link;

	cr_assert(asprintf(&link, "%s.link", page) > 0);
	cr_assert(!symlink(page, link) && !chmod(page, 0640));
	run.args[2] = link;
	run_helper(&run);
	expect_exit(&run, 0);
	cr_assert(!lstat(link, &st) && S_ISLNK(st.st_mode), "the link was replaced");
	cr_assert(!lstat(page, &st) && S_ISREG(st.st_mode));
	cr_expect_eq(st.st_mode & 07777, 0640, "%o", st.st_mode);
	cr_expect_gt(st.st_size, 1000);
	run_end(&run);
}

/* What is no file is written, and stays what it is. */
Test(report, page_that_is_a_pipe)
{
	struct run run = { .helper = "/bin/bash", .preload = RUN_BARE, .args = { "-c" } };
	const char *pipe = make_file("pipe", "", 0);
	char *script;

	cr_assert(asprintf(&script,
			   "rm %s; mkfifo %s; cat %s & timeout 20 %s report --html %s %s; s=$?; "
			   "[ -p %s ] || exit 99; wait; exit $s",
			   pipe, pipe, pipe, build_path("bin/mmfence"), pipe,
			   data_path("two_hosts.log"), pipe) > 0);
	run.args[1] = script;
	run_helper(&run);
	expect_exit(&run, 0);
	cr_expect(strstr(run.output, "</html>"), "%s", run.output);
	run_end(&run);
}

Test(report, page_in_the_place_of_a_log)
{
	char *text = data_text("two_hosts.log");
	const char *log = make_file("log", text, strlen(text));
	struct run run = COMMAND("report", "--html", NULL, log);
	struct stat st;
	char *link;

	cr_assert(asprintf(&link, "%s.link", log) > 0 && !symlink(log, link));
	run.args[2] = link;
	expect_refusal(&run, "is one of the logs");
	cr_assert(!stat(log, &st));
	cr_expect_eq((size_t)st.st_size, strlen(text), "the log was written to");
	free(text);
}

Test(report, two_forms_at_once)
{
	struct run run = COMMAND("report", "--json", "--folded", data_path("two_hosts.log"));

	run_helper(&run);
	expect_exit(&run, 2);
	cr_expect(strstr(run.errors, "only one of --json, --folded, --prometheus and --html"));
	cr_expect_str_eq(run.output, "");
	run_end(&run);
}

Test(report, empty_log)
{
	struct run run = COMMAND("report", "/dev/null");

	run_helper(&run);
	expect_exit(&run, 0);
	cr_expect(strstr(run.output, "Nothing was recorded"), "%s", run.output);
	run_end(&run);
}

/* Every kind of damage between good records, and at the end. */
Test(report, damaged_lines_are_counted_and_passed_over)
{
	static const char torn[] = "{\"@timestamp\":\"2026-05-04T10:00:00.0",
			  binary[] = "\0\377\1\n";
	static const char foreign[] = "{\"level\":\"info\"}\n", array[] = "[1,2,3]\n";
	char *text = data_text("two_hosts.log"), *log = NULL, *line = text;
	size_t size = 0;
	FILE *out = open_memstream(&log, &size);

	for (int i = 0; *line; i++) {
		char *end = strchr(line, '\n') + 1;

		fwrite(line, 1, (size_t)(end - line), out);
		line = end;
		if (i == 3)
			fwrite(binary, 1, sizeof(binary) - 1, out);
		if (i == 10) {
			fputs(foreign, out);
			fputs("\n\n", out); /* empty ones are none */
		}
		if (i == 20) { /* longer than any record, by far */
			for (int j = 0; j < 3 << 20; j++)
				fputc('x', out);
			fputc('\n', out);
		}
		if (i == 30)
			fputs(array, out);
	}
	fputs(torn, out);
	fclose(out);

	struct run run = COMMAND("report", "--json", make_file("damaged.log", log, size));
	run_helper(&run);
	expect_exit(&run, 0);
	json_t *json = json_of(&run);
	cr_expect_eq(field_number(json, "damaged"), 5);
	cr_expect_eq(field_number(json, "records"), 68);
	json_decref(json);
	run_end(&run);
	free(log);
	free(text);
}

/* Numbers and types that no library wrote. */
Test(report, absurd_records)
{
	static const char log[] =
		"{\"event\":{\"action\":\"snapshot.create\"}}\n"
		"{\"event\":{\"action\":\"snapshot.create\"},\"file\":7,\"mmfence\":{\"snapshot\":[],"
		"\"stack\":{\"a\":1},\"modules\":\"x\"},\"process\":\"y\"}\n"
		"{\"event\":{\"action\":\"nonlinear.total\"},\"mmfence\":{\"total\":{\"calls\":"
		"9223372036854775807,\"bytes\":-5,\"failed\":\"many\"},\"stack\":[1,2,\"z\",[]],"
		"\"modules\":[[],{},3]}}\n"
		"{\"event\":{\"action\":\"nonlinear.total\"},\"mmfence\":{\"total\":{\"calls\":"
		"9223372036854775807},\"stack\":[1,2,\"z\",[]]}}\n"
		"{\"event\":{\"action\":\"nonlinear.remap\"},\"mmfence\":{\"mapping\":{\"page_offset\":"
		"-9223372036854775807,\"address\":\"0xffffffffffffffffffff\",\"length\":-1}}}\n"
		"{\"event\":{\"action\":\"nonlinear.pressure\"},\"mmfence\":{\"areas\":{\"count\":"
		"9223372036854775807,\"limit\":-1}}}\n"
		"{\"event\":{\"action\":\"pages.census\"},\"mmfence\":{\"pages\":{\"resident_file\":"
		"-7}}}\n"
		"{\"event\":{\"action\":\"of.tomorrow\"},\"@timestamp\":5}\n";
	const char *forms[] = { "--json", "--folded", "--html" };
	const char *path = make_file("absurd.log", log, sizeof(log) - 1);

	for (int i = 0; i < 3; i++) {
		struct run run =
			COMMAND("report", forms[i], i == 2 ? "-" : path, i == 2 ? path : NULL);

		run_helper(&run);
		expect_exit(&run, 0);
		if (i == 0) {
			json_t *json = json_of(&run);
			cr_expect_eq(field_number(json, "damaged"), 0);
			cr_expect(field_number(json, "events.unknown") >= 1);
			json_decref(json);
		}
		run_end(&run);
	}
}

/* Names come from the program: they move no cursor, and make no markup. */
/* What turns text round is not let through either, in any form. */
Test(report, names_in_a_log_turn_no_text_round)
{
	static const char log[] =
		"{\"event\":{\"action\":\"snapshot.create\"},\"process\":{\"pid\":1,"
		"\"name\":\"a\\u202eb\"},\"file\":{\"path\":\"/\\u2066c\\u2028\"}}\n";
	static const char *const forms[] = { "report", "log" };

	for (size_t i = 0; i < 2; i++) {
		struct run run = COMMAND(forms[i], make_file("bidi.log", log, sizeof(log) - 1));
		run_helper(&run);
		expect_exit(&run, 0);
		cr_expect(!strstr(run.output, "\342\200\256") &&
				  !strstr(run.output, "\342\201\246") &&
				  !strstr(run.output, "\342\200\250"),
			  "%s: %s", forms[i], run.output);
		run_end(&run);
	}
}

Test(report, names_in_a_log_reach_no_terminal)
{
	static const char log[] =
		"{\"event\":{\"action\":\"snapshot.create\"},\"process\":{\"pid\":1,"
		"\"name\":\"\\u001b[31m\"},\"file\":{\"path\":\"/\\u001b]0;x\\u0007\\u009b\"}}\n";
	struct run run = COMMAND("report", make_file("hostile.log", log, sizeof(log) - 1));

	run_helper(&run);
	expect_exit(&run, 0);
	cr_expect(!strchr(run.output, '\033') && !strchr(run.output, '\007') &&
			  !strstr(run.output, "\302\233"),
		  "%s", run.output);
	run_end(&run);
}

/* --- memory --- */

#define MANY 150000

static void little_memory(struct run *run)
{
	struct rlimit limit = { 160 << 20, 160 << 20 };

	(void)run;
	setrlimit(RLIMIT_AS, &limit);
}

/* Records of one file and one call site: what is kept of them is not more than of one. Were it 1
 * KiB for each, the limit would not do. */
Test(report, memory_does_not_grow_with_records)
{
	char *log = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&log, &size);

	for (int i = 0; i < MANY; i++)
		fprintf(out,
			"{\"@timestamp\":\"2026-05-04T10:%02d:%02d.%06dZ\",\"event\":{\"action\":"
			"\"snapshot.create\"},\"process\":{\"pid\":%d,\"name\":\"p\"},\"file\":{"
			"\"path\":\"/a\"},\"mmfence\":{\"stack\":[\"0x%x\"],\"modules\":[{\"path\":\"/p\","
			"\"start\":\"0x%x\",\"bias\":\"0x%x\"}],\"snapshot\":{\"id\":%d}}}\n",
			i / 60 % 60, i % 60, i, i % 30000 + 1, 0x10000 + i, 0xf000 + i, 0xf000 + i,
			i);
	fclose(out);
	struct run run = COMMAND("report", "--json", make_file("many.log", log, size));
	run.prepare = little_memory;
	run_helper(&run);
	expect_exit(&run, 0);
	json_t *json = json_of(&run);
	cr_expect_eq(field_number(json_array_get(field(json, "snapshots"), 0), "snapshots"), MANY);
	cr_expect_eq(json_array_size(field(json, "snapshot_sites")), 1);
	json_decref(json);
	run_end(&run);
	unlink(run.args[2]);
	free(log);
}

/* What comes past the first hundred thousand is counted in one row, which says so. */
Test(report, names_past_all_measure_are_one_row)
{
	char *log = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&log, &size);

	for (int i = 0; i < 100100; i++)
		fprintf(out,
			"{\"event\":{\"action\":\"snapshot.lost\"},\"process\":{\"pid\":1,\"name\":"
			"\"p\"},\"file\":{\"path\":\"/%d\"}}\n",
			i);
	fclose(out);
	struct run run = COMMAND("report", make_file("names.log", log, size));
	run_helper(&run);
	expect_exit(&run, 0);
	cr_expect(strstr(run.output, "  LOST         100100 snapshots did not last"), "%.400s",
		  run.output);
	cr_expect(strstr(run.output, " 100 × unknown  (others)\n"), "%.900s", run.output);
	run_end(&run);
	unlink(run.args[1]);
	free(log);
}

/* The first table on a terminal of 80 columns: how wide it is, and whether the end of a path is
 * seen. */
#define ON_A_TERMINAL                                                                      \
	"import fcntl, os, pty, struct, sys, termios\n"                                    \
	"pid, fd = pty.fork()\n"                                                           \
	"if not pid:\n"                                                                    \
	" fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('4H', 24, 80, 0, 0))\n"           \
	" os.execv(sys.argv[1], sys.argv[1:])\n"                                           \
	"out = b''\n"                                                                      \
	"try:\n"                                                                           \
	" while True: out += os.read(fd, 4096)\n"                                          \
	"except OSError: pass\n"                                                           \
	"rows = out.decode().replace('\\r', '').split('\\nTaken')[1].split('\\n\\n')[0]\n" \
	"print(max(map(len, rows.split('\\n'))) <= 80, '/index.db' in rows)\n"

Test(report, tables_are_no_wider_than_a_terminal)
{
	struct run run = { .helper = "/usr/bin/python3",
			   .preload = RUN_BARE,
			   .args = { "-c", ON_A_TERMINAL, build_path("bin/mmfence"), "report",
				     data_path("two_hosts.log") } };

	run_helper(&run);
	expect_exit(&run, 0);
	cr_expect_str_eq(run.output, "True True\n", "%s%s", run.output, run.errors);
	run_end(&run);
}

/* What the document says is said in the text and on the page in the same words. */
Test(report, every_form_says_the_same_sentences)
{
	struct run text = COMMAND("report", data_path("two_hosts.log"));
	struct run page = COMMAND("report", "--html", "-", data_path("two_hosts.log"));
	struct run document = COMMAND("report", "--json", data_path("two_hosts.log"));
	json_t *sentence;
	size_t i, count = 0;

	run_helper(&text);
	run_helper(&page);
	run_helper(&document);
	json_t *json = json_of(&document);
	json_array_foreach (field(json, "verdict.sentences"), i, sentence) {
		const char *words = field_string(sentence, "text");
		char *part = strndup(words, strcspn(words, "'")); /* which the page has as &#39; */

		cr_expect(strstr(text.output, words), "no \"%s\" in %s", words, text.output);
		cr_expect(strstr(page.output, part), "no \"%s\" on the page", part);
		free(part);
		count++;
	}
	cr_expect_geq(count, 11);
	json_decref(json);
	run_end(&text);
	run_end(&page);
	run_end(&document);
}
