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
#define CONFIGURED .env = { "MMFENCE_CONFIG=empty.conf" }, .files = { TEXT("empty.conf", "") }

/* Nor does a process that forks, or starts others, leave one, or a gap. */
EACH_WIDTH(A8, process_of_few_words_leaves_no_log)
{
	static const char *const ways[] = { "execve", "fork", "vfork", "posix_spawn" };

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		TRY(.helper = "launch",
		    .args = { ways[i], build_path("helpers/%s/noop", variant), "0" }, CONFIGURED,
		    .log = "%e.%p.jsonl", .look = only_the_configuration);
}

static void has_opened_memory(struct run *run)
{
	char command[2 * PATH_MAX];

	snprintf(command, sizeof(command), "grep -q selfmem.open '%s'/work/log.*", run->dir);
	cr_assert(system(command) == 0);
}

/* What a program says when it could not be replaced by another is not lost. */
RUNS(BY_PATH, A8, record_after_a_failed_exec_is_kept, .helper = "/bin/bash",
     .args = { "-c", "shopt -s execfail; exec /no/such/program; exec 3</proc/self/mem" },
     CONFIGURED, .log = "log.%p", .look = has_opened_memory)

#define NO_LOG .env = { "MMFENCE_AUDIT_LOG=" }

BY_PATH(A8, run_leaves_no_empty_log)
{
	TRY(.mmfence = "run -- true", NO_LOG, .complains = NOTHING, .look = no_files);
	TRY(.mmfence = "run -q -- true", NO_LOG, .look = no_files);
	TRY(.mmfence = "run --log %e.%p.jsonl -- sh -c '/bin/true; (exit 0)'", .complains = NOTHING,
	    .look = no_files);
	TRY(.mmfence = "run -- sh -c 'exec 3</proc/self/mem'", NO_LOG,
	    .warns = { "/work/mmfence.sh." });
}

/* Whoever made them, and whatever their names are. */
BY_PATH(A8, files_that_are_no_logs_stay_as_they_are)
{
	TRY(.sh = "touch __init__.py 7.1.log; echo >full; touch -d 2020-01-01 full; umask 022\n"
		  "$mmfence run -q --log %e -- true && "
		  "$mmfence run -q --log %e.%p.log -- touch 8.1.log 9.v1.log && "
		  "find . ! -newermt 2021-01-01; echo *",
	    .says = "./full\n7.1.log 8.1.log 9.v1.log __init__.py full true\n");
}

/* Its records would go nowhere. */
RUNS(BY_PATH, A8, log_of_a_process_that_goes_on_stays, NO_LOG,
     .sh = "mkfifo go gone; "
	   "$mmfence run -- sh -c '{ read x; exec 3</proc/self/mem; echo >gone; } <go "
	   ">/dev/null 2>&1 &' && echo >go && read x <gone && grep -q selfmem.open mmfence.sh.*",
     .warns = { "/work/mmfence.sh." })

struct forbidden {
	const char *commands, *sentence;
};

static const struct forbidden *forbidden;

static void make_forbidden(struct run *run)
{
	if (system(forbidden->commands))
		_exit(98);
}

static void is_refused(const char *variant, const struct forbidden *which)
{
	forbidden = which;
	TRY(.mmfence = "run --log log -- touch started", .prepare = make_forbidden,
	    .refuses = which->sentence);
	TRY(.helper = build_path("helpers/plain/noop"), .args = { "3" }, .log = "log",
	    .prepare = make_forbidden, .ends_with = 3,
	    .warns = { "mmfence: audit.log: nothing is recorded: " });
}

#define NOT_USED(name, commands, sentence)                                      \
	BY_PATH(A8, name)                                                       \
	{                                                                       \
		is_refused(variant, &(struct forbidden){ commands, sentence }); \
	}
NOT_USED(log_with_another_name_is_refused, "echo >log; ln log other",
	 "/log is not used: it has another name too")
NOT_USED(log_that_its_group_may_write_is_refused, "echo >log; chmod 620 log",
	 "/log is not used: others may write to it")
NOT_USED(log_that_others_may_write_is_refused, "echo >log; chmod 602 log",
	 "/log is not used: others may write to it")

BY_PATH(A8, log_of_another_user_is_refused)
{
	skip_unless_root();
	is_refused(variant, &(struct forbidden){ "echo >log; chown 65534 log",
						 "/log is not used: it belongs to another user" });
}

/* Root's is nobody's to fear. */
RUNS(BY_PATH, A8, log_of_root_is_used, .as_root = true,
     .sh = "echo >log; chown 0 log; chmod 604 log; exec $mmfence run --log log -- true")

/* What they wrote stands in a line of its own. */
RUNS(BY_PATH, A4, writer_of_half_a_line_holds_nobody_up,
     .sh = "printf . >log; chmod 600 log; for i in 1 2 3; do "
	   "{ until [ -e stop ]; do printf . >&3; done; } 3>>log & done; "
	   "$mmfence run -q --log log -- sh -c 'for i in 1 2 3; do exec 3</proc/self/mem; "
	   "done'; : >stop; wait; grep -c '^{.*}$' log",
     .says = "5\n")

#define IN_A_NEW_DIRECTORY(name)                                                                    \
	TRY(.sh = "mkdir logs; $mmfence run -q --log logs/" name " -- sh -c 'rm -r logs; "          \
		  "mkdir logs; exec sh -c \"exec 3</proc/self/mem\"'; grep -c selfmem.open logs/*", \
	    .says = "1\n")

/* A2: the next program has its log there, though this one's is nowhere. */
BY_PATH(A2, log_in_a_directory_that_was_replaced)
{
	IN_A_NEW_DIRECTORY("one.jsonl");
	IN_A_NEW_DIRECTORY("%p.jsonl");
}
