/* SPDX-License-Identifier: MIT */
/*
 * A8: no empty log stays behind, and a file that is somebody else's is no log. A4: who writes to
 * it without end holds nobody up.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner.h"

#define COMMAND(...) \
	.helper = build_path("bin/mmfence"), .preload = RUN_BARE, .args = { "run", __VA_ARGS__ }
#define NOTHING "mmfence: nothing happened that mmfence records\n"

/* What `ls` shows of the working directory. */
static void expect_files(const struct run *run, const char *files)
{
	char command[2 * PATH_MAX], listed[4096] = "";

	snprintf(command, sizeof(command), "cd '%s/work' && echo $(ls)", run->dir);
	FILE *in = popen(command, "re");
	cr_assert(in && fgets(listed, sizeof(listed), in));
	pclose(in);
	listed[strcspn(listed, "\n")] = 0;
	cr_expect_str_eq(listed, files);
}

static void no_files(struct run *run)
{
	expect_files(run, "");
}

static void only_the_configuration(struct run *run)
{
	expect_files(run, "empty.conf");
}

/* As without `mmfence run', which wants to see that a log could be written. */
static void make_configuration(struct run *run)
{
	(void)run;
	if (system("true >empty.conf"))
		_exit(98);
}

/* Nor does a process that forks, or starts others, leave one, or a gap. */
EACH_WIDTH(A8, process_of_few_words_leaves_no_log)
{
	static const char *const ways[] = { "execve", "fork", "vfork", "posix_spawn" };

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		TRY(.helper = "launch",
		    .args = { ways[i], build_path("helpers/%s/noop", variant), "0" },
		    .env = { "MMFENCE_CONFIG=empty.conf" }, .prepare = make_configuration,
		    .log = "%e.%p.jsonl", .look = only_the_configuration);
}

/* What a program says when it could not be replaced by another is not lost. */
Test(A8, record_after_a_failed_exec_is_kept)
{
	struct run run = { .helper = "/bin/bash",
			   .args = { "-c", "shopt -s execfail; exec /no/such/program; "
					   "exec 3</proc/self/mem" },
			   .env = { "MMFENCE_CONFIG=empty.conf" },
			   .prepare = make_configuration,
			   .log = "log.%p" };
	char command[2 * PATH_MAX];

	run_helper(&run);
	snprintf(command, sizeof(command), "grep -q selfmem.open '%s'/work/log.*", run.dir);
	cr_expect(system(command) == 0);
	run_end(&run);
}

BY_PATH(A8, run_leaves_no_empty_log)
{
	TRY(COMMAND("--", "true"), .env = { "MMFENCE_AUDIT_LOG=" }, .complains = NOTHING,
	    .look = no_files);
	TRY(COMMAND("-q", "--", "true"), .env = { "MMFENCE_AUDIT_LOG=" }, .look = no_files);
	TRY(COMMAND("--log", "%e.%p.jsonl", "--", "sh", "-c", "/bin/true; (exit 0)"),
	    .complains = NOTHING, .look = no_files);
	TRY(COMMAND("--", "sh", "-c", "exec 3</proc/self/mem"), .env = { "MMFENCE_AUDIT_LOG=" },
	    .warns = { "/work/mmfence.sh." });
}

/* A shell's commands, in which the command is the first and something else the second. */
static const char *commands(const char *format, const char *more)
{
	static char text[2 * PATH_MAX];

	snprintf(text, sizeof(text), format, build_path("bin/mmfence"), more);
	return text;
}

#define SHELL(...) .helper = "/bin/sh", .args = { "-c", commands(__VA_ARGS__) }, .preload = RUN_BARE

/* Its records would go nowhere. */
BY_PATH(A8, log_of_a_process_that_goes_on_stays)
{
	TRY(SHELL("mkfifo go gone; "
		  "'%s' run -- sh -c '{ read x; exec 3</proc/self/mem; echo >gone; } <go "
		  ">/dev/null 2>&1 &' && echo >go && read x <gone && "
		  "grep -q selfmem.open mmfence.sh.*",
		  NULL),
	    .env = { "MMFENCE_AUDIT_LOG=" }, .warns = { "/work/mmfence.sh." });
}

struct forbidden {
	const char *commands, *sentence;
};

static const struct forbidden *forbidden;

static void make_forbidden(struct run *run)
{
	(void)run;
	if (system(forbidden->commands))
		_exit(98);
}

static void is_refused(const char *variant, const struct forbidden *which)
{
	forbidden = which;
	TRY(COMMAND("--log", "log", "--", "touch", "started"), .prepare = make_forbidden,
	    .ends_with = 2, .warns = { which->sentence });
	TRY(.helper = build_path("helpers/plain/noop"), .args = { "3" }, .log = "log",
	    .prepare = make_forbidden, .ends_with = 3,
	    .warns = { "mmfence: audit.log: nothing is recorded: " });
}

BY_PATH(A8, log_with_another_name_is_refused)
{
	is_refused(variant, &(struct forbidden){ "echo >log; ln log other",
						 "/log is not used: it has another name too" });
}

BY_PATH(A8, log_that_others_may_write_is_refused)
{
	is_refused(variant, &(struct forbidden){ "echo >log; chmod 620 log",
						 "/log is not used: others may write to it" });
}

BY_PATH(A8, log_of_another_user_is_refused)
{
	skip_unless_root();
	is_refused(variant, &(struct forbidden){ "echo >log; chown 65534 log",
						 "/log is not used: it belongs to another user" });
}

/* Root's is nobody's to fear. */
BY_PATH(A8, log_of_root_is_used)
{
	const struct forbidden roots = { "echo >log; chown 0 log; chmod 604 log", NULL };

	skip_unless_root();
	forbidden = &roots;
	TRY(COMMAND("--log", "log", "--", "true"), .prepare = make_forbidden);
}

/* What they wrote stands in a line of its own. */
BY_PATH(A4, writer_of_half_a_line_holds_nobody_up)
{
	TRY(SHELL("printf . >log; chmod 600 log; for i in 1 2 3; do "
		  "{ until [ -e stop ]; do printf . >&3; done; } 3>>log & done; "
		  "'%s' run -q --log log -- sh -c 'for i in 1 2 3; do exec 3</proc/self/mem; "
		  "done'; : >stop; wait; grep -c '^{.*}$' log",
		  NULL),
	    .says = "5\n");
}

/* A2: the next program has its log there, though this one's is nowhere. */
BY_PATH(A2, log_in_a_directory_that_was_replaced)
{
	static const char *const names[] = { "one.jsonl", "%p.jsonl" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		TRY(SHELL("mkdir logs; '%s' run -q --log logs/%s -- sh -c "
			  "'rm -r logs; mkdir logs; exec sh -c \"exec 3</proc/self/mem\"'; "
			  "grep -c selfmem.open logs/*",
			  names[i]),
		    .says = "1\n");
}
