/* SPDX-License-Identifier: MIT */
/*
 * Starts a helper program under the shim, as a user would, and reads what it left: its end,
 * its output and its log. The process that runs the tests never has the preload itself.
 *
 *	struct run run = { .variant = "m32", .helper = "observe", .args = { "pages=4" },
 *			   .options = { "snapshot.copy-limit=4K" } };
 *	run_helper(&run);
 *	cr_assert_str_eq(run.output, "captured\n");
 *	cr_assert(find_event(&run, "snapshot.create"));
 *	run_end(&run);
 *
 * Or the command itself, by a line, with what is wanted of it (run_and_look(), below):
 *
 *	GIVEN(command, quiet_says_nothing, "run -q -- sh -c 'exit 7'", .ends_with = 7,
 *		.complains = "")
 *
 * All files of a run are below run.dir; the helper's current directory is run.dir/work.
 */
#ifndef MMFENCE_TESTS_RUNNER_H
#define MMFENCE_TESTS_RUNNER_H

#include <criterion/criterion.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RUN_BARE    ((const char *)"")
#define RUN_MOST    24
#define RUN_EXPECTS 4
#define RUN_FINDS   16
#define RUN_PARTS   12
#define RUN_FILES   4

struct run {
	/* What to start. */
	const char *variant; /* plain, large, fortify, m32, asan, static; NULL: helper is a path */
	const char *helper;
	const char *args[RUN_MOST];
	/* Or, without the library: what the command is given, with blanks between words, and '...'
	 * for one that has some; a script of the shell. In both, and in their args, which come
	 * behind, $mmfence is the command, and $BUILD/, $HELPERS/ and $DATA/ are places. */
	const char *mmfence, *sh;
	const char *options[RUN_MOST];		    /* "snapshot.mode=off" */
	const char *env[RUN_MOST];		    /* "NAME=value" */
	const char *preload;			    /* NULL: the library, by $LIB; RUN_BARE: none */
	const char *preload_before, *preload_after; /* other libraries in LD_PRELOAD */
	const char *log;   /* NULL: run.log_path; otherwise audit.log as given */
	bool without_log;  /* the environment names none */
	const char *input; /* a file to read from; NULL: /dev/null */
	/* Made in run.dir/work before prepare. */
	struct {
		const char *name, *text;
		mode_t mode;
	} files[RUN_FILES];
	void (*prepare)(struct run *run);   /* in the child, in run.dir/work, before exec */
	void (*meanwhile)(struct run *run); /* while it runs */
	int seconds;			    /* 60 if 0 */
	bool may_be_torn;		    /* a disk that is full cuts records short */
	/* Events of failures that the test does not look for; "holes": numbers are missing. */
	const char *expects[RUN_EXPECTS];

	/* What is wanted of it: run_and_look(). */
	bool as_root, in_mounts;	 /* prepare_mounts(), before prepare */
	void (*before)(struct run *run); /* may skip the test */
	/* On older kernels the test is skipped; if there is something that it finds then, it must.
	 */
	const char *since, *otherwise;
	int ends_with; /* 0: it holds, or what it tries is not to be had */
	/* Skips the test if the run shows that this is not to be had. */
	void (*skips)(struct run *run);
	bool as_bare;		      /* the same end and output as without the library */
	const char *says, *complains; /* on standard output, on standard error */
	const char *shows[RUN_PARTS], *warns[RUN_PARTS]; /* parts of them */
	const char *shows_no[RUN_PARTS], *warns_no[RUN_PARTS];
	const char *golden; /* a file of tests/data (golden_text()) */
	size_t lines;	    /* on standard output; 0: as many as there are */
	/* It ends with 2 and a sentence with this part; nothing is started ("touch started") or
	 * made. */
	const char *refuses;
	const char *finds[RUN_FINDS]; /* as run_finds() has them */
	size_t breaks;		      /* guard_events() */
	void (*look)(struct run *run);

	/* What came of it. */
	pid_t pid;
	int status;   /* as waitpid has it */
	char *output; /* standard output */
	char *errors; /* standard error */
	json_t **records;
	size_t record_count;
	size_t torn; /* lines that are no JSON */
	char dir[PATH_MAX - 64];
	char log_path[PATH_MAX];
};

/* Starts it and waits. A helper that hangs is killed, and the test fails. */
void run_helper(struct run *run);
/* The same in two steps. */
void run_start(struct run *run);
void run_wait(struct run *run);
/* Reads the log again; every line must be a record that events.def allows. */
void run_read_log(struct run *run);
/* Forgets the output and the log and starts in the same directory again. */
void run_again(struct run *run);
/* What holds at the end of every run (invariants.h) must hold. */
void run_end(struct run *run);

/* A record of this kind, or so many, or with such a field; [*] is each that there is, [0] the
 *first: "log.dropped"			"snapshot.end[1] mmfence.snapshot.fate=lost"
 *	"snapshot.create 3"		"snapshot.lost[*] error.message~a part of it"
 *	"snapshot.create >3"		"selfmem.open mmfence.stack>1" (so many frames)
 *	"selfmem.map file.path & file.inode>0 & !mmfence.policy" (has none) */
void run_finds(const struct run *run, const char *finding);
/* The whole test: looks whether it can be done, runs, looks what came of it, ends. */
void run_and_look(struct run *run);

/* A part of what it wrote; how many lines a text has; whether run.dir/work has such a file. */
void run_shows(const struct run *run, const char *part);
void run_warns(const struct run *run, const char *part);
size_t count_lines(const char *text);
bool run_has(const struct run *run, const char *name);
/* Such a file, as read_whole() has it. */
char *run_text(const struct run *run, const char *name);
/* What it wrote, as JSON. */
json_t *run_json(const struct run *run);

/* The exit status, 128 + n for signal n. */
int run_exit(const struct run *run);
/* The helper's promises must have held; a test that could not be tried is skipped. */
void run_must_hold(struct run *run);

json_t *find_event(const struct run *run, const char *action);
/* The n-th, from 0. */
json_t *find_event_number(const struct run *run, const char *action, size_t n);
size_t count_events(const struct run *run, const char *action);

/* By dotted name; NULL, -1 and false when there is none. */
json_t *field(const json_t *record, const char *name);
const char *field_string(const json_t *record, const char *name);
json_int_t field_number(const json_t *record, const char *name);

/* Never NULL. */
char *read_whole(const char *path);

/* Where the build is, and whether a program or library is there. */
const char *build_path(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The first of the places where Debian and others have this library, or NULL. */
const char *library_path(const char *name);

void skip_unless_root(void);
/* Nor where the compiler builds no 32-bit programs, or the kernel runs none. */
void skip_without_32_bit(void);
/* Nor where a mount namespace cannot be had. */
void skip_without_mounts(void);
/* For run->prepare: mounts of the helper's own, which end with it. */
void prepare_mounts(struct run *run);

/* Whether programs find a kernel older than this, "5.7": the real one, or MMFENCE_OLD_KERNEL. */
bool kernel_is_before(const char *version);

/* Many records, of which the program sees nothing. */
#define STEADY(...) .helper = "steady", .args = { __VA_ARGS__ }, .says = "done\n", .complains = ""

/* For run.files. */
#define TEXT(name, text)         \
	{                        \
		name, text, 0644 \
	}
#define PROGRAM(name, text)      \
	{                        \
		name, text, 0755 \
	}

/* One test of a program by its path, one of a helper, or one for 64 and one for 32 bits. */
#define BY_PATH(suite, name)                             \
	static void suite##_##name(const char *variant); \
	Test(suite, name)                                \
	{                                                \
		suite##_##name(NULL);                    \
	}                                                \
	static void suite##_##name(const char *variant)
#define ONCE(suite, name)                                \
	static void suite##_##name(const char *variant); \
	Test(suite, name)                                \
	{                                                \
		suite##_##name("plain");                 \
	}                                                \
	static void suite##_##name(const char *variant)

#define EACH_WIDTH(suite, name)                          \
	static void suite##_##name(const char *variant); \
	Test(suite, name##_64_bit)                       \
	{                                                \
		suite##_##name("plain");                 \
	}                                                \
	Test(suite, name##_32_bit)                       \
	{                                                \
		skip_without_32_bit();                   \
		suite##_##name("m32");                   \
	}                                                \
	static void suite##_##name(const char *variant)

/* One for each way that helpers are built: where it matters which of libc's names is called. */
#define EACH_VARIANT(suite, name)                        \
	static void suite##_##name(const char *variant); \
	Test(suite, name##_large_files)                  \
	{                                                \
		suite##_##name("large");                 \
	}                                                \
	Test(suite, name##_fortify)                      \
	{                                                \
		suite##_##name("fortify");               \
	}                                                \
	EACH_WIDTH(suite, name)

/* One run, and what is wanted of it, as one of a test or alone; a case of a helper that holds, or
 * several by pattern. */
#define TRY(...)                                                      \
	do {                                                          \
		struct run run = { .variant = variant, __VA_ARGS__ }; \
		run_and_look(&run);                                   \
	} while (0)
#define RUNS(each, suite, name, ...) \
	each(suite, name)            \
	{                            \
		TRY(__VA_ARGS__);    \
	}
/* And then what stands behind it, with the run. */
#define RUNS_AND(each, suite, name, ...)                                    \
	static void suite##_##name##_look(struct run *run);                 \
	RUNS(each, suite, name, .look = suite##_##name##_look, __VA_ARGS__) \
	static void suite##_##name##_look(struct run *run)
/* One of the command by its line; one that is refused. */
#define GIVEN(suite, name, line, ...) RUNS(BY_PATH, suite, name, .mmfence = line, __VA_ARGS__)
#define REFUSES(suite, name, line, sentence, ...) \
	GIVEN(suite, name, line, .refuses = sentence, __VA_ARGS__)
#define HOLDS_(each, suite, name, program, pattern, ...) \
	RUNS(each, suite, name, .helper = program, .args = { pattern }, __VA_ARGS__)
#define HELPER_HOLDS(...) HOLDS_(EACH_VARIANT, __VA_ARGS__)
#define WIDTHS_HOLD(...)  HOLDS_(EACH_WIDTH, __VA_ARGS__)
#define ONE_HOLDS(...)	  HOLDS_(ONCE, __VA_ARGS__)

#endif
