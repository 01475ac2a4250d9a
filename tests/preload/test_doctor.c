/* SPDX-License-Identifier: MIT */
/*
 * `mmfence doctor': what it says of this machine, of a program, and of a file: what a mapping of
 * that would get here, and why it would not get better.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runner.h"

/* A program that is static on every Debian; tests with it are skipped elsewhere. */
#define STATIC_PROGRAM "/sbin/ldconfig"

RUNS_AND(BY_PATH, command, doctor_tries_this_machine, .mmfence = "doctor", .complains = "",
	 .shows = { "ok  preloading: LD_PRELOAD=/", "read-only private mapping: " },
	 .shows_no = { "\nno  " })
{
	run_shows(run, kernel_is_before("3.17") ? "--  memfd_create: " : "ok  memfd_create: ");
}

RUNS(BY_PATH, command, doctor_leaves_nothing_behind, .sh = "$mmfence doctor >/dev/null; ls -A",
     .says = "")

RUNS(BY_PATH, command, doctor_leaves_nothing_behind_on_a_full_disk, .in_mounts = true,
     .sh = "mkdir full && mount -t tmpfs -o size=64k none full || exit 77\n"
	   "cat /dev/zero >full/zeros 2>/dev/null; $mmfence doctor full >said; ls -A full; "
	   "grep mappings: said",
     .says = "zeros\n--  mappings: not tried, as no file can be made: No space left on device\n")

BY_PATH(command, doctor_looks_at_programs_files_and_directories)
{
	TRY(.mmfence = "doctor sh", .shows = { "64-bit, dynamically linked, not set-uid\n" });
	TRY(.mmfence = "doctor /tmp", .shows = { "directory: /tmp, on " });
	TRY(.mmfence = "doctor /etc/passwd", .shows = { "read-only private mapping: " });
	TRY(.mmfence = "doctor mmfence-no-such-command",
	    .refuses = "mmfence: mmfence-no-such-command: not found\n");
}

BY_PATH(command, doctor_finds_what_cannot_be_fenced)
{
	TRY(.mmfence = "doctor", .options = { "snapshot.mode=perhaps" }, .without_log = true,
	    .ends_with = 1, .shows_no = { "all at their defaults" },
	    .shows = { "no  settings: MMFENCE_SNAPSHOT_MODE: ", "ok  preloading: " });
	if (access(STATIC_PROGRAM, X_OK))
		cr_skip_test("no " STATIC_PROGRAM);
	TRY(.mmfence = "doctor " STATIC_PROGRAM, .ends_with = 1,
	    .shows = { "no  program: " STATIC_PROGRAM " is statically linked" });
}

REFUSES(command, doctor_of_what_is_not_there, "doctor /no/such/file",
	"mmfence: /no/such/file: not found\n")

/* --- doctor FILE --- */

static void write_pages(const char *path, size_t pages)
{
	static const char page[4096] = "mmfence";
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert(fd >= 0, "%s: %s", path, strerror(errno));
	while (pages--)
		cr_assert(write(fd, page, sizeof(page)) == sizeof(page));
	close(fd);
}

/* In the child, and so in run.dir/work. */
static void with_two_pages(struct run *run)
{
	write_pages("data", 2);
}

#define TWO_PAGES .without_log = true, .prepare = with_two_pages

GIVEN(command, doctor_finds_that_an_owner_is_guarded, "doctor data", TWO_PAGES,
      .shows = { "/work/data, on ",
		 "ok  read-only private mapping: ", "/work/data: guard, proven, 8.0 KiB r--p at ",
		 "ok  writable private mapping: ", "ok  when somebody writes: " },
      .shows_no = { "advice: " })

/* Whatever descriptors are free; and a trial that failed says how. */
BY_PATH(command, doctor_says_what_is_true_of_its_trial)
{
	TRY(.sh = "exec 3</dev/null 4<&3 5<&3 6<&3 7<&3 8<&3; $mmfence doctor", .without_log = true,
	    .shows = { "\nok  read-only private mapping: " });
	TRY(.sh = "ulimit -n 8; $mmfence doctor data", TWO_PAGES,
	    .shows = { "\nok  read-only private mapping: " });
	TRY(.mmfence = "doctor data", TWO_PAGES, .options = { "process.inject=open=EACCES" },
	    .ends_with = 1, .shows_no = { "left alone" },
	    .shows = { "\nno  mappings: the process that tried them ended with status 2\n" });
	TRY(.sh = "$mmfence doctor >/dev/full", .ends_with = 2,
	    .complains = "mmfence: standard output cannot be written: No space left on device\n");
}

#define AS_SOMEBODY_ELSE(capabilities)                                                    \
	.as_root = true, TWO_PAGES,                                                       \
	.sh = "nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"; }\n" \
	      "nobody $mmfence --version >/dev/null 2>&1 || "                             \
	      "{ echo 'skip: another user cannot run it from there'; exit 77; }\n"        \
	      "nobody --inh-caps=" capabilities " --ambient-caps=" capabilities           \
	      " $mmfence doctor data"

RUNS(BY_PATH, command, doctor_advises_who_is_not_the_owner, AS_SOMEBODY_ELSE("-all"),
     .shows = { ", verified (no lease: not the file's owner), 8.0 KiB r--p at ",
		"\n--  advice: run as the file's owner, or with CAP_LEASE",
		"AmbientCapabilities=CAP_LEASE" })
RUNS(BY_PATH, command, doctor_knows_what_cap_lease_is_for, AS_SOMEBODY_ELSE("+lease"),
     .shows = { "data: guard, proven, " }, .shows_no = { "advice: " })

BY_PATH(command, doctor_names_who_writes)
{
	char path[] = "/tmp/mmfence-doctor-test.XXXXXX", writer[64];
	int fd = mkostemp(path, O_CLOEXEC);

	cr_assert(fd >= 0 && !ftruncate(fd, 8192));
	snprintf(writer, sizeof(writer), "--  writer: %d (", getpid());
	TRY(.mmfence = "doctor", .args = { path },
	    .shows = { "(somebody has the file open for writing)", writer },
	    .shows_no = { "guard, proven", "advice: " });
	close(fd);
	unlink(path);
}

BY_PATH(command, doctor_knows_tmpfs)
{
	char path[] = "/dev/shm/mmfence-doctor-test.XXXXXX";
	struct statfs system;

	if (statfs("/dev/shm", &system) || system.f_type != TMPFS_MAGIC)
		cr_skip_test("no tmpfs in /dev/shm");
	cr_assert(!close(mkostemp(path, O_CLOEXEC)), "%s: %s", path, strerror(errno));
	write_pages(path, 2);
	TRY(.mmfence = "doctor", .args = { path },
	    .shows = { ", on tmpfs\n", ": guard, proven, ",
		       ": 1 preserved, 8.0 KiB copied (memory) in " });
	unlink(path);
}

BY_PATH(command, doctor_leaves_special_files_alone)
{
	TRY(.mmfence = "doctor /proc/version",
	    .shows = { "ok  file: /proc/version, on procfs\n", "--  mappings: left alone: " });
	TRY(.mmfence = "doctor /dev/null",
	    .shows = { "--  file: /dev/null is no file that can be mapped\n" });
}

BY_PATH(command, doctor_knows_the_settings_of_a_file)
{
	TRY(.mmfence = "doctor data", TWO_PAGES,
	    .options = { "snapshot.copy-limit=4K", "snapshot.preserve=memory" },
	    .shows = { "data: guard, proven, ",
		       "\n--  writable private mapping: ", "larger than snapshot.copy-limit",
		       "--  advice: --snapshot FILE, or -o snapshot.copy-limit=SIZE\n" });
	TRY(.mmfence = "doctor data", TWO_PAGES, .options = { "snapshot.exclude=/**/data" },
	    .shows = { "--  mappings: left alone: the settings say so" });
	TRY(.mmfence = "doctor data", TWO_PAGES, .options = { "snapshot.preserve=spill" },
	    .shows = { "\n--  when somebody writes: ",
		       "there is no snapshot.spill-dir to write to" });
}

RUNS_AND(BY_PATH, command, doctor_has_its_lines_as_json, .mmfence = "doctor --json data", TWO_PAGES)
{
	json_t *lines = run_json(run), *last = json_array_get(lines, json_array_size(lines) - 1);

	cr_assert(last, "%s", run->output);
	cr_assert_str_eq(field_string(last, "mark"), "ok");
	cr_assert_str_eq(field_string(last, "what"), "when somebody writes");
	cr_assert(field_string(last, "detail"));
	json_decref(lines);
}

/* --- in mounts of its own --- */

#define IN_MOUNTS(script) \
	.in_mounts = true, TWO_PAGES, .sh = "without() { echo \"skip: $*\"; exit 77; }\n" script
#define MOUNT_XFS                                                                   \
	"command -v mkfs.xfs >/dev/null && command -v setpriv >/dev/null && "       \
	"truncate -s 400M image && mkfs.xfs -q -m reflink=1 image && mkdir xfs && " \
	"mount -o loop image xfs || without no XFS can be made and mounted here\n"

/* Its own directory first; then, for a user who may not write there, the one that was named. */
RUNS(BY_PATH, command, doctor_finds_where_clones_are_made, .since = "4.5",
     IN_MOUNTS(
	     MOUNT_XFS
	     "cp data xfs/data && mkdir -m 1777 xfs/clones && $mmfence doctor xfs/data || exit 1\n"
	     "export MMFENCE_SNAPSHOT_CLONE_DIR=$PWD/xfs/clones\n"
	     "mount --bind xfs/data data && $mmfence doctor data\n"),
     .shows = { "/work/xfs/data, on XFS\n",
		"/work/xfs/data: 1 preserved, 0 bytes copied (clone) in ",
		"/work/data: 1 preserved, 0 bytes copied (clone) in " })

/* The user's cache is the only place on the file's file system where that user may write. */
RUNS(BY_PATH, command, doctor_and_the_library_make_the_same_clone,
     IN_MOUNTS(
	     MOUNT_XFS
	     "mkdir -p xfs/home/.cache && cp data xfs/data && chown -R 65534:65534 xfs/* || exit 1\n"
	     "as() { env -u TMPDIR -u XDG_CACHE_HOME HOME=xfs/home"
	     " setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"; }\n"
	     "as $mmfence doctor xfs/data || exit 77\n"
	     "as $mmfence run -q --log xfs/home/log -- "
	     "$HELPERS/observe prot=rw writer=none xfs/data || exit 1\n"
	     "grep -o '\"engine\":\"[a-z]*\"' xfs/home/log\n"),
     .shows = { "xfs/data: clone, proven, ", "\n\"engine\":\"clone\"\n" })

RUNS(BY_PATH, command, doctor_does_not_trust_every_file_system,
     IN_MOUNTS("mkdir queue && mount -t mqueue none queue && : >queue/data || "
	       "without no mqueue file system here\n"
	       "$mmfence doctor queue/data\n"),
     .shows = { ", on mqueue\n" }, .shows_no = { "guard, proven" })

RUNS(BY_PATH, command, doctor_knows_that_leases_are_switched_off,
     IN_MOUNTS("echo 0 >off && mount --bind off /proc/sys/fs/leases-enable || "
	       "without nothing can be mounted here\n"
	       "$mmfence doctor data\n"),
     .shows = { "--  fs.leases-enable: 0: " })

RUNS(BY_PATH, command, doctor_does_not_know_without_proc_sys,
     IN_MOUNTS("mount -t tmpfs none /proc/sys || without nothing can be mounted here\n"
	       "$mmfence doctor data\n"),
     .shows = { "--  vm.max_map_count: not known: /proc/sys cannot be read\n",
		"--  fs.leases-enable: not known: /proc/sys cannot be read\n", "guard, proven" })
