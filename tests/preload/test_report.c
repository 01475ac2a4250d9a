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

GIVEN(report, text_is_golden, "report $DATA/two_hosts.log", .golden = "two_hosts.text")
GIVEN(report, folded_is_golden, "report --folded $DATA/two_hosts.log", .golden = "two_hosts.folded")
GIVEN(report, prometheus_is_golden, "report --prometheus $DATA/two_hosts.log",
      .golden = "two_hosts.prometheus")

RUNS_AND(BY_PATH, report, json_is_golden, .mmfence = "report --json $DATA/two_hosts.log")
{
	golden_json(run->output, "two_hosts.json");
}

static void report_is_golden(struct run *helper)
{
	const char *variant = NULL;

	TRY(.mmfence = "report", .args = { helper->log_path }, .golden = "nonlinear.text");
}

/* What a helper left in its log, seen from outside. */
RUNS(EACH_WIDTH, report, of_a_run_is_golden, .helper = "nonlinear", .args = { "return" },
     .look = report_is_golden)

/* The report of these logs, as JSON. */
static json_t *report_of(struct run run)
{
	run.mmfence = "report --json";
	run_helper(&run);
	run_must_hold(&run);
	json_t *json = run_json(&run);
	run_end(&run);
	return json;
}

#define REPORT(...) report_of((struct run){ __VA_ARGS__ })

/* Both halves, in the wrong order, are one log; twice the same counts once. */
BY_PATH(report, rotated_parts_are_read_in_the_order_of_time)
{
	char *text = data_text("two_hosts.log"), *half = text;

	for (int i = 0; i < 20; i++)
		half = strchr(half, '\n') + 1;
	const char *second = make_file("b.log", half, strlen(half));
	const char *first = make_file("a.log.1", text, (size_t)(half - text));
	TRY(.mmfence = "report --folded", .args = { second, first }, .golden = "two_hosts.folded");
	json_t *json = REPORT(.args = { second, first, first });
	cr_assert_eq(field_number(json, "processes.count"), 3);
	cr_assert_eq(field_number(json, "records"), 68);
	json_decref(json);
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
	const char *paths[4];
	char directory[PATH_MAX];
	size_t used = 0;

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
			paths[used++] = path;
		}
	}
	json_t *json = REPORT(.args = { paths[0], paths[1], paths[2], paths[3] });
	json_t *rows = field(json, "snapshots");
	cr_expect_eq(field_number(json, "processes.count"), 2);
	cr_assert_eq(json_array_size(rows), 2, "%s", json_dumps(json, 0));
	cr_expect_str_eq(field_string(json_array_get(rows, 0), "host"), "beta");
	cr_expect_eq(field_number(json_array_get(rows, 0), "snapshots"), 4);
	cr_expect_str_eq(field_string(json_array_get(rows, 1), "host"), "alpha");
	cr_expect_eq(field_number(json_array_get(rows, 1), "snapshots"), 2);
	json_decref(json);
}

/* One of each: a process that ended, and one of which that is not known. */
BY_PATH(report, open_snapshots_are_told_from_those_that_ended_with_their_process)
{
#define RECORD(pid, action, more)                                                         \
	"{\"@timestamp\":\"2026-05-04T10:00:00Z\",\"event\":{\"action\":\"" action "\"}," \
	"\"process\":{\"pid\":" pid ",\"name\":\"p\"}" more "}\n"
#define OF_A ",\"file\":{\"path\":\"/a\"}"
	static const char log[] =
		RECORD("1", "snapshot.create", OF_A) RECORD("1", "process.end", "")
			RECORD("2", "snapshot.create", OF_A) RECORD("2", "snapshot.create", OF_A);
	const char *path = make_file("open.log", log, sizeof(log) - 1);

	TRY(.mmfence = "report", .args = { path }, .shows = { "  1 to the end, 2 open  " });
	TRY(.mmfence = "report --html -", .args = { path },
	    .shows = { "<td class=\"notes\">1 to the end, 2 open</td>",
		       "<th>Fate</th><th class=\"n\">Program</th></tr>" });
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
	json_t *json = REPORT(.args = { program->run.log_path,
					debug_directory ? "--debug-dir" : NULL, debug_directory });
	json_t *sites = field(json, "nonlinear.sites");

	cr_assert_eq(json_array_size(sites), 1);
	json_t *stack = field(json_array_get(sites, 0), "stack");
	cr_assert(json_array_size(stack) >= 2);
	cr_assert_eq(field_number(json_array_get(sites, 0), "calls"), 5);
	json_incref(stack);
	json_decref(json);
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

REFUSES(report, file_that_is_not_there, "report $DATA/two_hosts.log /no/such.jsonl",
	"mmfence: /no/such.jsonl cannot be read: No such file or directory\n")
REFUSES(report, directory, "report /usr",
	"mmfence: /usr cannot be read: it is a directory, not a log\n")
REFUSES(report, something_that_is_no_log, "report $mmfence", "lines is a record of mmfence\n")
REFUSES(report, page_that_cannot_be_written, "report --html /no/such/page.html $DATA/two_hosts.log",
	"mmfence: /no/such/page.html cannot be written: ")
REFUSES(report, two_forms_at_once, "report --json --folded $DATA/two_hosts.log",
	"only one of --json, --folded, --prometheus and --html")
GIVEN(report, empty_log, "report /dev/null", .shows = { "Nothing was recorded" })

/* Of processes only the first 200 have a row. */
RUNS(BY_PATH, report, hosts_are_all_counted,
     .sh = "for i in $(seq 300); do echo '{\"event\":{\"action\":\"process.start\"},"
	   "\"process\":{\"pid\":1},\"host\":{\"hostname\":\"h'$i'\"}}'; done >log; "
	   "exec $mmfence report log",
     .shows = { "300 records of 300 processes on 300 hosts in 1 log" })

/* Read from where it is. */
BY_PATH(report, standard_input_is_a_file)
{
	TRY(.sh = "exec $mmfence report --folded - <$DATA/two_hosts.log",
	    .golden = "two_hosts.folded");
	TRY(.sh = "{ read record; $mmfence report --json -; } <$DATA/two_hosts.log",
	    .shows = { "\n  \"records\": 67,\n" });
	TRY(.sh = "cat $DATA/two_hosts.log | $mmfence report --json -",
	    .shows = { "\"bytes\": 39913" });
}

RUNS(BY_PATH, report, name_of_a_log_that_is_no_utf_8,
     .sh = "cp $DATA/two_hosts.log a\xff.log; $mmfence report --json a\xff.log",
     .shows = { "\"path\": \"a?.log\"" })

/* A page through a link replaces what it points to, which keeps its mode. */
RUNS_AND(BY_PATH, report, page_behind_a_link,
	 .sh = "echo old >page; chmod 640 page; ln -s page link; "
	       "$mmfence report --html link $DATA/two_hosts.log && [ -L link ] && [ -f page ] && "
	       "[ ! -L page ] && stat -c %a page",
	 .says = "640\n")
{
	char *page = run_text(run, "page");

	cr_assert_gt(strlen(page), 1000);
	free(page);
}

RUNS(BY_PATH, report, page_beyond_a_limit_leaves_nothing,
     .sh = "(ulimit -f 0; $mmfence report --html page $DATA/two_hosts.log); echo $?; ls",
     .says = "2\n")

/* What is no file is written, and stays what it is. */
RUNS(BY_PATH, report, page_that_is_a_pipe,
     .sh = "mkfifo pipe; cat pipe & timeout 20 $mmfence report --html pipe $DATA/two_hosts.log; "
	   "s=$?; [ -p pipe ] || exit 99; wait; exit $s",
     .shows = { "</html>" })

BY_PATH(report, page_in_the_place_of_a_log)
{
	char *text = data_text("two_hosts.log"), *log_is_as_it_was, *link;
	const char *log = make_file("log", text, strlen(text));

	cr_assert(asprintf(&link, "%s.link", log) > 0 && !symlink(log, link));
	TRY(.mmfence = "report --html", .args = { link, log }, .refuses = "is one of the logs");
	log_is_as_it_was = read_whole(log);
	cr_assert_str_eq(log_is_as_it_was, text, "the log was written to");
	free(log_is_as_it_was);
	free(text);
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

	json_t *json = REPORT(.args = { make_file("damaged.log", log, size) });
	cr_expect_eq(field_number(json, "damaged"), 5);
	cr_expect_eq(field_number(json, "records"), 68);
	json_decref(json);
	free(log);
	free(text);
}

/* Numbers and types that no library wrote. */
BY_PATH(report, absurd_records)
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
	const char *path = make_file("absurd.log", log, sizeof(log) - 1);
	json_t *json = REPORT(.args = { path });

	cr_expect_eq(field_number(json, "damaged"), 0);
	cr_expect(field_number(json, "events.unknown") >= 1);
	json_decref(json);
	TRY(.mmfence = "report --folded", .args = { path });
	TRY(.mmfence = "report --html -", .args = { path });
}

/* Sums stop at the largest number: three snapshots too many would be left otherwise. */
GIVEN(report, absurd_sums_leave_nothing_over, "report log",
      .files = { TEXT(
	      "log",
	      "{\"event\":{\"action\":\"snapshot.total\"},\"mmfence\":{\"total\":{\"calls\":1,"
	      "\"untouched\":9223372036854775807,\"private\":9223372036854775807}}}\n") },
      .shows = { "Verdict: " }, .shows_no = { "to the end", "had not ended" })

/* What turns text round is not let through, in any form. */
BY_PATH(report, names_in_a_log_turn_no_text_round)
{
	static const char log[] =
		"{\"event\":{\"action\":\"snapshot.create\"},\"process\":{\"pid\":1,"
		"\"name\":\"a\\u202eb\"},\"file\":{\"path\":\"/\\u2066c\\u2028\"}}\n";
	static const char *const forms[] = { "report", "log" };

	for (size_t i = 0; i < 2; i++)
		TRY(.mmfence = forms[i], .args = { "bidi.log" }, .files = { TEXT("bidi.log", log) },
		    .shows_no = { "\342\200\256", "\342\201\246", "\342\200\250" });
}

/* Names come from the program: they move no cursor, and make no markup. */
GIVEN(report, names_in_a_log_reach_no_terminal, "report hostile.log",
      .files = { TEXT("hostile.log", "{\"event\":{\"action\":\"snapshot.create\"},\"process\":{"
				     "\"pid\":1,\"name\":\"\\u001b[31m\"},\"file\":{\"path\":"
				     "\"/\\u001b]0;x\\u0007\\u009b\"}}\n") },
      .shows_no = { "\033", "\007", "\302\233" })

/* --- memory --- */

#define MANY 150000

static void little_memory(struct run *run)
{
	struct rlimit limit = { 160 << 20, 160 << 20 };

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
	const char *path = make_file("many.log", log, size);
	json_t *json = REPORT(.args = { path }, .prepare = little_memory);
	cr_expect_eq(field_number(json_array_get(field(json, "snapshots"), 0), "snapshots"), MANY);
	cr_expect_eq(json_array_size(field(json, "snapshot_sites")), 1);
	json_decref(json);
	unlink(path);
	free(log);
}

/* What comes past the first hundred thousand is counted in one row, which says so. */
BY_PATH(report, names_past_all_measure_are_one_row)
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
	const char *path = make_file("names.log", log, size);
	TRY(.mmfence = "report", .args = { path },
	    .shows = { "  LOST         100100 snapshots did not last",
		       " 100 × unknown  (others)\n" });
	unlink(path);
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

RUNS(BY_PATH, report, tables_are_no_wider_than_a_terminal,
     .sh = "exec /usr/bin/python3 -c \"$0\" $mmfence report $DATA/two_hosts.log",
     .args = { ON_A_TERMINAL }, .says = "True True\n")

/* What the document says is said in the text and on the page in the same words. */
BY_PATH(report, every_form_says_the_same_sentences)
{
	json_t *json = REPORT(.args = { data_path("two_hosts.log") }), *sentence;
	size_t i;

	json_array_foreach (field(json, "verdict.sentences"), i, sentence) {
		const char *words = field_string(sentence, "text");
		char *part = strndup(words, strcspn(words, "'")); /* which the page has as &#39; */

		TRY(.mmfence = "report $DATA/two_hosts.log", .shows = { words });
		TRY(.mmfence = "report --html - $DATA/two_hosts.log", .shows = { part });
		free(part);
	}
	cr_assert_geq(i, 11);
	json_decref(json);
}
