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
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/loop.h>

#include "runner.h"

/* Runs "observe" and compares what it saw. */
static void observe(struct run *run, const char *expected)
{
	run->helper = "observe";
	run_helper(run);
	if (run_exit(run))
		run_must_hold(run);
	run->output[strcspn(run->output, "\n")] = 0;
	cr_assert_str_eq(run->output, expected, "saw \"%s\", not \"%s\"; %s", run->output, expected,
			 run->errors);
}

/* One observation, one number of snapshots, one of refusals. */
static void observe_once(struct run *run, const char *expected, size_t created, size_t unprotected)
{
	observe(run, expected);
	cr_assert(count_events(run, "snapshot.create") == created, "%zu snapshots, not %zu",
		  count_events(run, "snapshot.create"), created);
	cr_assert(count_events(run, "snapshot.unprotected") == unprotected, "%zu refused, not %zu",
		  count_events(run, "snapshot.unprotected"), unprotected);
}

#define OBSERVE(expected, created, unprotected, ...)                   \
	do {                                                           \
		struct run once = { .variant = variant, __VA_ARGS__ }; \
		observe_once(&once, expected, created, unprotected);   \
		run_end(&once);                                        \
	} while (0)

/* --- S7: which mappings --- */

EACH_WIDTH(S7, private_mapping_of_a_regular_file)
{
	struct run run = { .variant = variant, .args = { "first=2" } };

	observe_once(&run, "captured", 1, 0);
	json_t *event = find_event(&run, "snapshot.create");
	const char *path = field_string(event, "file.path");
	cr_assert(path && !strncmp(path, run.dir, strlen(run.dir)));
	cr_assert(strstr(path, "/work/observe.data"));
	cr_assert(field_number(event, "file.size") == 8 * 4096);
	cr_assert(field_number(event, "mmfence.mapping.offset") == 2 * 4096);
	cr_assert(field_number(event, "mmfence.mapping.length") == 6 * 4096);
	cr_assert_str_eq(field_string(event, "mmfence.mapping.protection"), "r--p");
	cr_assert(strtoull(field_string(event, "file.inode"), NULL, 10) > 0);
	cr_assert(json_array_size(field(event, "mmfence.stack")) >= 2, "no backtrace");
	run_end(&run);
}

EACH_WIDTH(S7, writable_private_mapping)
{
	OBSERVE("captured", 1, 0, .args = { "prot=rw" });
	OBSERVE("captured", 1, 0, .args = { "fd=rw", "prot=rw" });
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

EACH_WIDTH(S7, never_of_sysfs)
{
	struct run run = { .variant = variant, .args = { "kind=sysfs", "pages=1" } };

	run.helper = "observe";
	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "snapshot.create") +
			  count_events(&run, "snapshot.unprotected") ==
		  0);
	run_end(&run);
}

EACH_WIDTH(S7, never_of_hugetlbfs)
{
	struct run run = { .variant = variant, .args = { "kind=hugetlb" } };

	run.helper = "observe";
	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "snapshot.create") +
			  count_events(&run, "snapshot.unprotected") ==
		  0);
	if (strcmp(run.output, "mapped\n"))
		cr_skip_test("no huge pages are reserved here");
	run_end(&run);
}

EACH_WIDTH(S7, deleted_file_only_when_named)
{
	OBSERVE("plain", 0, 0, .args = { "kind=deleted" });
	OBSERVE("plain", 0, 0, .args = { "kind=memfd" });
	OBSERVE("plain", 0, 0, .args = { "kind=tmpfile" });
	OBSERVE("captured", 1, 0, .args = { "kind=deleted" },
		.options = { "snapshot.paths=**/observe.data*" });
}

/* --- S8: the default policy and its limits --- */

/* A guarded snapshot needs no copy until somebody writes; limits of copies are for the others. */
#define COPY "snapshot.guard=none"

EACH_WIDTH(S8, copy_limit)
{
	struct run run = { .variant = variant, .options = { COPY, "snapshot.copy-limit=16K" } };

	observe_once(&run, "plain", 0, 1);
	json_t *event = find_event(&run, "snapshot.unprotected");
	cr_assert(strstr(field_string(event, "error.message"), "copy-limit"));
	cr_assert_str_eq(field_string(event, "mmfence.snapshot.decision"), "plain");
	cr_assert(strstr(field_string(event, "file.path"), "/work/observe.data"));
	cr_assert(field(event, "mmfence.mapping.address"));
	run_end(&run);
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

EACH_WIDTH(S8, max_copy_holds_for_named_paths)
{
	struct run run = { .variant = variant,
			   .options = { COPY, "snapshot.max-copy=16K", "snapshot.paths=**" } };

	observe_once(&run, "plain", 0, 1);
	cr_assert(strstr(field_string(find_event(&run, "snapshot.unprotected"), "error.message"),
			 "max-copy"));
	run_end(&run);
}

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
EACH_WIDTH(S8, bad_value_in_the_environment)
{
	struct run run = { .variant = variant, .options = { "snapshot.copy-limit=lots" } };

	observe_once(&run, "captured", 1, 0);
	cr_assert(strstr(run.errors, "copy-limit") || strstr(run.errors, "COPY_LIMIT"), "said: %s",
		  run.errors);
	cr_assert(strchr(run.errors, '\n') == run.errors + strlen(run.errors) - 1,
		  "more than a line: %s", run.errors);
	run_end(&run);
}

/* --- S9: when it cannot be given --- */

#define DENY "snapshot.on-failure=deny"

static void denied(struct run *run)
{
	json_t *event;

	observe_once(run, "ENOMEM", 0, 1);
	event = find_event(run, "snapshot.unprotected");
	cr_assert_str_eq(field_string(event, "mmfence.snapshot.decision"), "deny");
	cr_assert(field_string(event, "error.message"));
	cr_assert_null(field(event, "mmfence.mapping.address"));
	run_end(run);
}

EACH_WIDTH(S9, copy_limit_denied)
{
	struct run run = { .variant = variant,
			   .options = { COPY, "snapshot.copy-limit=16K", DENY } };

	denied(&run);
}

EACH_WIDTH(S9, max_copy_denied)
{
	struct run run = { .variant = variant,
			   .options = { COPY, "snapshot.max-copy=16K", "snapshot.paths=**",
					DENY } };

	denied(&run);
}

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
EACH_WIDTH(S9, memory_that_is_used_up_is_said)
{
	struct run run = { .variant = variant,
			   .args = { "count=3" },
			   .options = { COPY, "snapshot.memory=80K" } };

	observe_once(&run, "captured captured plain", 2, 1);
	json_t *event = find_event(&run, "snapshot.unprotected");
	cr_assert_str_eq(field_string(event, "error.code"), "ENOMEM");
	cr_assert_str_eq(field_string(event, "error.message"), "snapshot.memory is used up");
	run_end(&run);
}

/* Under a limit the mapping is either wholly one thing or wholly the other, and the log says
 * which. A guarded snapshot may be lost when it comes to the copy: that is said too. */
static void whole_and_honest(struct run *run)
{
	run->helper = "observe";
	run_helper(run);
	if (run_exit(run))
		run_must_hold(run);
	run->output[strcspn(run->output, "\n")] = 0;
	bool captured = !strcmp(run->output, "captured");
	cr_assert(captured || !strcmp(run->output, "plain") || !strcmp(run->output, "ENOMEM"),
		  "saw %s", run->output);
	size_t lost = count_events(run, "snapshot.lost");
	if (!strcmp(run->output, "ENOMEM"))
		return;
	cr_assert(count_events(run, "snapshot.create") == (captured || lost),
		  "%s, but %zu snapshots", run->output, count_events(run, "snapshot.create"));
	cr_assert(count_events(run, "snapshot.unprotected") == !(captured || lost),
		  "%s, and %zu unprotected", run->output,
		  count_events(run, "snapshot.unprotected"));
	cr_assert(captured != (lost > 0) || !lost, "%s, and %zu lost", run->output, lost);
}

#define HONEST(...)                                                   \
	do {                                                          \
		struct run run = { .variant = variant, __VA_ARGS__ }; \
		whole_and_honest(&run);                               \
		run_end(&run);                                        \
	} while (0)

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

static void consistency_is(struct run *run, const char *expected)
{
	json_t *event = find_event(run, "snapshot.create");

	cr_assert(event, "no snapshot");
	const char *seen = field_string(event, "mmfence.snapshot.consistency");
	cr_assert_str_eq(seen, expected, "%s, not %s: %s", seen, expected,
			 field_string(event, "mmfence.snapshot.reason") ?: "");
	cr_assert(!strcmp(expected, "proven") == !field(event, "mmfence.snapshot.reason"),
		  "a reason belongs to what is not proven");
}

EACH_WIDTH(S10, proven_without_writer)
{
	struct run run = { .variant = variant };

	observe_once(&run, "captured", 1, 0);
	consistency_is(&run, "proven");
	run_end(&run);
	OBSERVE("captured", 1, 0, .options = { "snapshot.require=proven", DENY });
}

EACH_WIDTH(S10, verified_when_somebody_could_write)
{
	struct run run = { .variant = variant, .args = { "writer=open" } };

	observe_once(&run, "captured", 1, 0);
	consistency_is(&run, "verified");
	run_end(&run);
	OBSERVE("captured", 1, 0, .args = { "writer=open" },
		.options = { "snapshot.require=verified", DENY });
}

EACH_WIDTH(S10, verified_when_the_program_itself_could_write)
{
	struct run run = { .variant = variant, .args = { "writer=self" } };

	observe_once(&run, "captured", 1, 0);
	consistency_is(&run, "verified");
	run_end(&run);
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
	consistency_is(&run, "torn-possible");
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
