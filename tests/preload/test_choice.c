/* SPDX-License-Identifier: MIT */
/*
 * S7 to S10: which mappings become snapshots, what happens when one cannot be given, and
 * what is said of each.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/loop.h>

#include "runner.h"

/* What "observe" saw; how many snapshots, and how many refusals. */
#define OBSERVES(saw, created, unprotected)    \
	.helper = "observe", .says = saw "\n", \
	.finds = { "snapshot.create " #created, "snapshot.unprotected " #unprotected }
#define OBSERVE(saw, created, unprotected, ...) \
	TRY(OBSERVES(saw, created, unprotected), __VA_ARGS__)

/* --- S7: which mappings --- */

RUNS_AND(EACH_WIDTH, S7, private_mapping_of_a_regular_file, .helper = "observe",
	 .args = { "first=2" }, .says = "captured\n",
	 .finds = { "snapshot.create 1", "snapshot.unprotected 0" })
{
	json_t *event = find_event(run, "snapshot.create");
	const char *path = field_string(event, "file.path");
	cr_assert(path && !strncmp(path, run->dir, strlen(run->dir)));
	cr_assert(strstr(path, "/work/observe.data"));
	cr_assert(field_number(event, "file.size") == 8 * 4096);
	cr_assert(field_number(event, "mmfence.mapping.offset") == 2 * 4096);
	cr_assert(field_number(event, "mmfence.mapping.length") == 6 * 4096);
	cr_assert_str_eq(field_string(event, "mmfence.mapping.protection"), "r--p");
	cr_assert(strtoull(field_string(event, "file.inode"), NULL, 10) > 0);
	cr_assert(json_array_size(field(event, "mmfence.stack")) >= 2, "no backtrace");
}

EACH_WIDTH(S7, writable_private_mapping)
{
	OBSERVE("captured", 1, 0, .args = { "prot=rw" });
	OBSERVE("captured", 1, 0, .args = { "fd=rw", "prot=rw" });
}

/* A preset is the library's to read too, and options win over it. */
EACH_WIDTH(S7, preset_chooses)
{
	OBSERVE("plain", 0, 0, .env = { "MMFENCE_PRESET=audit" });
	OBSERVE("captured", 1, 0, .env = { "MMFENCE_PRESET=audit" },
		.options = { "snapshot.mode=on" });
	OBSERVE("captured mprotect=EACCES", 1, 0, .args = { "map=shared" },
		.env = { "MMFENCE_PRESET=keep-alive" });
}

/* A loop device over a file of 8 pages; its descriptor, or the test is skipped. */
static int make_block_device(const struct run *run, char *path, size_t size)
{
	char backing[PATH_MAX + 16];
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int file, loop = -1;

	snprintf(backing, sizeof(backing), "%s/backing", run->dir);
	file = open(backing, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cr_assert(file >= 0 && ftruncate(file, 8 * 4096) == 0);
	/* Somebody else may take the free one first. */
	for (int i = 0; i < 50 && control >= 0 && loop < 0; i++) {
		snprintf(path, size, "/dev/loop%d", ioctl(control, LOOP_CTL_GET_FREE));
		loop = open(path, O_RDWR | O_CLOEXEC);
		if (loop >= 0 && ioctl(loop, LOOP_SET_FD, file)) {
			close(loop);
			loop = -1;
		}
	}
	/* Detached with the last descriptor, also when the test fails. */
	struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };
	if (loop >= 0)
		ioctl(loop, LOOP_SET_STATUS64, &info);
	if (loop < 0)
		cr_skip_test("no loop device");
	close(control);
	close(file);
	return loop;
}

EACH_WIDTH(S7, private_mapping_of_a_block_device)
{
	struct run run = { .variant = variant };
	char path[32];

	skip_unless_root();
	snprintf(run.dir, sizeof(run.dir), "%s/loop.XXXXXX", getenv("MMFENCE_TMP") ?: "/tmp");
	cr_assert(mkdtemp(run.dir));
	int loop = make_block_device(&run, path, sizeof(path));
	char work[PATH_MAX];
	snprintf(work, sizeof(work), "%s/work", run.dir);
	cr_assert(mkdir(work, 0755) == 0);
	snprintf(run.log_path, sizeof(run.log_path), "%s/log.jsonl", run.dir);
	run.args[0] = path;
	run.helper = "observe";
	run_helper(&run);
	close(loop);
	cr_assert_str_eq(run.output, "captured\n", "saw %s", run.output);
	json_t *event = find_event(&run, "snapshot.create");
	cr_assert(event);
	cr_assert_str_eq(field_string(event, "file.path"), path);
	cr_assert(field_number(event, "file.size") == 8 * 4096);
	/* S14: it has no times that would show a change. */
	cr_assert_str_eq(field_string(event, "mmfence.snapshot.consistency"), "torn-possible");
	run_end(&run);
}

/* Read-only shared mappings only when they are named, and they stay read-only. */
EACH_WIDTH(S7, shared_mapping_when_named)
{
	OBSERVE("plain mprotect=EACCES", 0, 0, .args = { "map=shared" });
	OBSERVE("captured mprotect=EACCES", 1, 0, .args = { "map=shared" },
		.options = { "snapshot.shared=**/observe.data" });
	OBSERVE("plain mprotect=EACCES", 0, 0, .args = { "map=shared" },
		.options = { "snapshot.shared=**/other.data" });
	OBSERVE("plain mprotect=EACCES", 0, 0, .args = { "map=shared" },
		.options = { "snapshot.shared=**", "snapshot.exclude=**/observe.data" });
	OBSERVE("plain mprotect=EACCES", 0, 1, .args = { "map=shared" },
		.options = { "snapshot.shared=**", "snapshot.guard=none",
			     "snapshot.copy-limit=4K" });
}

/* A descriptor that can write: the program, or its partner, means to write. */
EACH_WIDTH(S7, shared_mapping_that_could_be_written_is_never_one)
{
	OBSERVE("plain mprotect=0", 0, 0, .args = { "map=shared", "fd=rw" },
		.options = { "snapshot.shared=**" });
	OBSERVE("plain", 0, 0, .args = { "map=writable" },
		.options = { "snapshot.shared=**", "snapshot.paths=**" });
}

EACH_WIDTH(S7, never_of_what_is_no_file)
{
	OBSERVE("mapped", 0, 0, .args = { "kind=anonymous" }, .options = { "snapshot.paths=**" });
	OBSERVE("mapped", 0, 0, .args = { "kind=zero" }, .options = { "snapshot.paths=**" });
	OBSERVE("ENODEV", 0, 0, .args = { "kind=proc" }, .options = { "snapshot.paths=**" });
}

RUNS(EACH_WIDTH, S7, never_of_sysfs, .helper = "observe", .args = { "kind=sysfs", "pages=1" },
     .finds = { "snapshot.create 0", "snapshot.unprotected 0" })

RUNS_AND(EACH_WIDTH, S7, never_of_hugetlbfs, .helper = "observe", .args = { "kind=hugetlb" },
	 .finds = { "snapshot.create 0", "snapshot.unprotected 0" })
{
	if (strcmp(run->output, "mapped\n"))
		cr_skip_test("no huge pages are reserved here");
}

EACH_WIDTH(S7, deleted_file_only_when_named)
{
	OBSERVE("plain", 0, 0, .args = { "kind=deleted" });
	OBSERVE("plain", 0, 0, .args = { "kind=memfd" });
	OBSERVE("plain", 0, 0, .args = { "kind=tmpfile" });
	OBSERVE("captured", 1, 0, .args = { "kind=deleted" },
		.options = { "snapshot.paths=**/observe.data*" });
	OBSERVE("captured", 1, 0, .args = { "kind=deleted" },
		.options = { "snapshot.paths=**/observe.data" });
	OBSERVE("plain", 0, 0, .args = { "kind=deleted" },
		.options = { "snapshot.paths=**/observe.dat" });
}

/* --- S8: the default policy and its limits --- */

/* A guarded snapshot needs no copy until somebody writes; limits of copies are for the others. */
#define COPY "snapshot.guard=none"

EACH_WIDTH(S8, copy_limit)
{
	TRY(.helper = "observe", .options = { COPY, "snapshot.copy-limit=16K" }, .says = "plain\n",
	    .finds = { "snapshot.create 0", "snapshot.unprotected 1",
		       "snapshot.unprotected error.message~copy-limit & mmfence.mapping.address",
		       "snapshot.unprotected mmfence.snapshot.decision=plain",
		       "snapshot.unprotected file.path~/work/observe.data" });
	OBSERVE("captured", 1, 0, .options = { COPY, "snapshot.copy-limit=32K" });
	OBSERVE("captured", 1, 0, .args = { "first=4" },
		.options = { COPY, "snapshot.copy-limit=16K" });
}

EACH_WIDTH(S8, named_paths_have_no_copy_limit)
{
	OBSERVE("captured", 1, 0,
		.options = { COPY, "snapshot.copy-limit=16K",
			     "snapshot.paths=/nowhere:**/observe.*" });
}

RUNS(EACH_WIDTH, S8, max_copy_holds_for_named_paths, .helper = "observe",
     .options = { COPY, "snapshot.max-copy=16K", "snapshot.paths=**" }, .says = "plain\n",
     .finds = { "snapshot.create 0", "snapshot.unprotected 1",
		"snapshot.unprotected error.message~max-copy" })

EACH_WIDTH(S8, excluded_paths_are_left_alone)
{
	OBSERVE("plain", 0, 0, .options = { "snapshot.exclude=**/observe.data" });
	OBSERVE("captured", 1, 0, .options = { "snapshot.exclude=/observe.data" });
}

EACH_WIDTH(S8, mode_off)
{
	OBSERVE("plain", 0, 0, .options = { "snapshot.mode=off", "snapshot.paths=**" });
}

/* A bad value: one line on standard error, the default, and the program runs. */
RUNS_AND(EACH_WIDTH, S8, bad_value_in_the_environment, .helper = "observe",
	 .options = { "snapshot.copy-limit=lots" }, .says = "captured\n",
	 .finds = { "snapshot.create 1", "snapshot.unprotected 0" })
{
	cr_assert(strstr(run->errors, "copy-limit") || strstr(run->errors, "COPY_LIMIT"),
		  "said: %s", run->errors);
	cr_assert(strchr(run->errors, '\n') == run->errors + strlen(run->errors) - 1,
		  "more than a line: %s", run->errors);
}

/* --- S9: when it cannot be given --- */

#define DENY "snapshot.on-failure=deny"

#define IS_DENIED(name, ...)                                                                   \
	RUNS(EACH_WIDTH, S9, name, .helper = "observe", .says = "ENOMEM\n",                    \
	     .options = { COPY, DENY, __VA_ARGS__ },                                           \
	     .finds = { "snapshot.create 0", "snapshot.unprotected 1",                         \
			"snapshot.unprotected mmfence.snapshot.decision=deny & error.message", \
			"snapshot.unprotected !mmfence.mapping.address" })

IS_DENIED(copy_limit_denied, "snapshot.copy-limit=16K")
IS_DENIED(max_copy_denied, "snapshot.max-copy=16K", "snapshot.paths=**")

/* Two of 32 KiB fit into 80 KiB, the third does not; what is unmapped is given back. */
EACH_WIDTH(S9, memory_of_all_copies)
{
	OBSERVE("captured captured plain plain", 2, 2, .args = { "count=4" },
		.options = { COPY, "snapshot.memory=80K" });
	OBSERVE("captured captured ENOMEM ENOMEM", 2, 2, .args = { "count=4" },
		.options = { COPY, "snapshot.memory=80K", DENY });
	OBSERVE("captured captured plain plain", 102, 2, .args = { "count=4", "repeat=100" },
		.options = { COPY, "snapshot.memory=80K" });
}

/* A code that sends nobody looking for a file. */
WIDTHS_HOLD(S9, memory_that_is_used_up_is_said, "observe", "count=3",
	    .options = { COPY, "snapshot.memory=80K" }, .says = "captured captured plain\n",
	    .finds = { "snapshot.create 2", "snapshot.unprotected 1",
		       "snapshot.unprotected error.code=ENOMEM",
		       "snapshot.unprotected error.message=snapshot.memory is used up" })

/* Under a limit the mapping is either wholly one thing or wholly the other, and the log says
 * which. A guarded snapshot may be lost when it comes to the copy: that is said too. */
static void is_honest(struct run *run)
{
	bool captured = !strcmp(run->output, "captured\n");
	size_t lost = count_events(run, "snapshot.lost");

	if (!strcmp(run->output, "ENOMEM\n"))
		return;
	cr_assert(captured || !strcmp(run->output, "plain\n"), "saw %s", run->output);
	cr_assert(count_events(run, "snapshot.create") == (captured || lost),
		  "%s, but %zu snapshots", run->output, count_events(run, "snapshot.create"));
	cr_assert(count_events(run, "snapshot.unprotected") == !(captured || lost),
		  "%s, and %zu unprotected", run->output,
		  count_events(run, "snapshot.unprotected"));
	cr_assert(captured != (lost > 0) || !lost, "%s, and %zu lost", run->output, lost);
}

#define HONEST(...)                                 \
	TRY(.helper = "observe", .look = is_honest, \
	    .expects = { "snapshot.lost", "snapshot.unprotected" }, __VA_ARGS__)

EACH_WIDTH(S9, process_limit)
{
	skip_unless_root();
	HONEST(.args = { "limit=nproc", "user=65534" });
	HONEST(.args = { "limit=nproc", "user=65534" }, .options = { DENY });
	HONEST(.args = { "limit=nproc", "user=65534", "prot=rw" },
	       .options = { "snapshot.require=proven" });
}

/* The limit is for the program's files; meeting it is no reason for a signal either. */
EACH_WIDTH(S9, file_size_limit)
{
	HONEST(.args = { "limit=fsize" });
	HONEST(.args = { "limit=fsize" }, .options = { DENY });
	HONEST(.args = { "limit=fsize" }, .options = { COPY });
	HONEST(.args = { "limit=fsize" }, .options = { COPY, DENY });
	HONEST(.args = { "limit=fsize", "prot=rw" });
}

EACH_WIDTH(S9, address_space_limit)
{
	HONEST(.args = { "limit=as", "pages=64" });
	HONEST(.args = { "limit=as", "pages=64" }, .options = { DENY });
	HONEST(.args = { "limit=as", "pages=64" }, .options = { COPY });
}

/* A full table is no reason: what the shim needs lies in another. */
EACH_WIDTH(S9, descriptor_limit)
{
	OBSERVE("captured", 1, 0, .args = { "limit=nofile" });
	OBSERVE("captured", 1, 0, .args = { "limit=nofile" }, .options = { COPY });
}

EACH_WIDTH(S9, another_user)
{
	skip_unless_root();
	OBSERVE("captured", 1, 0, .args = { "user=65534" });
}

/* --- S10: consistency --- */

/* A reason belongs to what is not proven. */
#define PROVEN	 "snapshot.create mmfence.snapshot.consistency=proven & !mmfence.snapshot.reason"
#define NOT(how) "snapshot.create mmfence.snapshot.consistency=" how " & mmfence.snapshot.reason"
#define CONSISTENT(consistency, ...)                                \
	TRY(.helper = "observe", .says = "captured\n", __VA_ARGS__, \
	    .finds = { "snapshot.create 1", "snapshot.unprotected 0", consistency })

EACH_WIDTH(S10, proven_without_writer)
{
	CONSISTENT(PROVEN, .args = { NULL });
	OBSERVE("captured", 1, 0, .options = { "snapshot.require=proven", DENY });
}

EACH_WIDTH(S10, verified_when_somebody_could_write)
{
	CONSISTENT(NOT("verified"), .args = { "writer=open" });
	OBSERVE("captured", 1, 0, .args = { "writer=open" },
		.options = { "snapshot.require=verified", DENY });
}

EACH_WIDTH(S10, verified_when_the_program_itself_could_write)
{
	CONSISTENT(NOT("verified"), .args = { "writer=self" });
}

EACH_WIDTH(S10, verified_is_not_proven)
{
	OBSERVE("plain", 0, 1, .args = { "writer=open" }, .options = { "snapshot.require=proven" });
	OBSERVE("ENOMEM", 0, 1, .args = { "writer=open" },
		.options = { "snapshot.require=proven", DENY });
}

/* 32 MiB, so that a writer which never stops writes during the copy; if the machine is busy it may
 * not get to run, so there is more than one try. Each must be honest. */
static bool torn(const char *variant, const char *require, const char *on_failure, struct run *run)
{
	*run = (struct run){ .variant = variant,
			     .helper = "observe",
			     .args = { "writer=busy", "pages=8192" },
			     .options = { require, on_failure } };
	run_helper(run);
	cr_assert(run_exit(run) == 0, "%s", run->output);
	json_t *event = find_event(run, "snapshot.create");
	if (!event)
		return true;
	const char *consistency = field_string(event, "mmfence.snapshot.consistency");
	cr_assert_str_eq(run->output, "mapped\n");
	cr_assert_str_neq(consistency, "proven", "proven, with a writer");
	return !strcmp(consistency, "torn-possible");
}

static void tear(const char *variant, const char *require, const char *on_failure, struct run *run)
{
	for (int i = 0; i < 10; i++) {
		if (torn(variant, require, on_failure, run))
			return;
		run_end(run);
	}
	cr_skip_test("the writer never got to run during a copy");
}

EACH_WIDTH(S10, torn_possible_under_a_busy_writer)
{
	struct run run;

	tear(variant, NULL, NULL, &run);
	cr_assert(count_events(&run, "snapshot.unprotected") == 0);
	run_finds(&run, NOT("torn-possible"));
	run_end(&run);
}

EACH_WIDTH(S10, torn_possible_is_not_verified)
{
	struct run run;

	tear(variant, "snapshot.require=verified", NULL, &run);
	cr_assert_str_eq(run.output, "mapped\n");
	cr_assert(count_events(&run, "snapshot.create") == 0);
	cr_assert(count_events(&run, "snapshot.unprotected") == 1);
	run_end(&run);
	tear(variant, "snapshot.require=verified", DENY, &run);
	cr_assert_str_eq(run.output, "ENOMEM\n");
	cr_assert(count_events(&run, "snapshot.unprotected") == 1);
	run_end(&run);
}

/* What a program asks for by mmfence.h it gets, whatever the others get. */
WIDTHS_HOLD(S8, snapshots_are_asked_for, "api", "*", .options = { "snapshot.mode=off" })
