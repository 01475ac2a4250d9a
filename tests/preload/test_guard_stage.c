/* SPDX-License-Identifier: MIT */
/*
 * File systems and the lease-break-time for the tests of the guard: see the header.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../mounts.h"
#include "test_guard_stage.h"

/* --- events --- */

static void check_preserve(const json_t *event)
{
	const char *engine = field_string(event, "mmfence.snapshot.engine");
	bool clone = engine && !strcmp(engine, "clone");

	cr_assert(engine && (clone || !strcmp(engine, "memory")), "engine %s", engine);
	cr_assert((field_number(event, "mmfence.snapshot.bytes") == 0) == clone,
		  "engine %s copied %lld bytes", engine,
		  (long long)field_number(event, "mmfence.snapshot.bytes"));
	cr_assert(field_number(event, "mmfence.snapshot.microseconds") >= 0);
	cr_assert(field_number(event, "mmfence.snapshot.id") > 0);
	cr_assert(field_string(event, "file.path"));
}

void guard_events(struct run *run)
{
	size_t created = count_events(run, "snapshot.create");
	size_t preserved = count_events(run, "snapshot.preserve");

	cr_assert(created >= run->breaks && created > 0, "%zu snapshots", created);
	cr_assert(preserved == run->breaks, "%zu events snapshot.preserve, not %zu", preserved,
		  run->breaks);
	run_finds(run, "snapshot.create[*] mmfence.snapshot.engine=guard");
	run_finds(run, "snapshot.create[*] mmfence.snapshot.consistency=proven");
	run_finds(run, "snapshot.create[*] mmfence.snapshot.bytes=0 & !mmfence.snapshot.reason");
	run_finds(run, "snapshot.preserve[*] mmfence.snapshot.trigger=break");
	for (size_t i = 0; i < preserved; i++)
		check_preserve(find_event_number(run, "snapshot.preserve", i));
	run_finds(run, "snapshot.lost 0");
	run_finds(run, "snapshot.unprotected 0");
}

/* --- file systems --- */

static enum stage wanted;
static unsigned int wanted_user;
static const char *spill_type, *spill_options;
static char image[PATH_MAX], spill_image[PATH_MAX];

static _Noreturn void stage_failed(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(98);
}

/* A loop device that goes away with its mount. */
static int loop_attach(const char *backing, char *device, size_t size)
{
	struct loop_config config = { .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), loop = -1;

	config.fd = (unsigned int)open(backing, O_RDWR | O_CLOEXEC);
	/* Another test may take the free one in between. */
	for (int i = 0; i < 100; i++) {
		snprintf(device, size, "/dev/loop%d", ioctl(control, LOOP_CTL_GET_FREE));
		loop = open(device, O_RDWR | O_CLOEXEC);
		if (loop >= 0 && !ioctl(loop, LOOP_CONFIGURE, &config))
			return loop;
		close(loop);
	}
	stage_failed("loop device");
}

static void mount_image(const char *backing, const char *type, const char *where)
{
	char device[32];
	int loop = loop_attach(backing, device, sizeof(device));

	if (mount(device, where, type, 0, NULL))
		stage_failed(type);
	close(loop);
}

static void in_dir(const struct run *run, const char *name, char *path)
{
	snprintf(path, PATH_MAX, "%s/%s", run->dir, name);
}

static void mount_overlay(const struct run *run, const char *work)
{
	char options[3 * PATH_MAX + 64], lower[PATH_MAX], upper[PATH_MAX], inside[PATH_MAX];

	in_dir(run, "lower", lower);
	in_dir(run, "upper", upper);
	in_dir(run, "inside", inside);
	if (mkdir(lower, 0777) || mkdir(upper, 0777) || mkdir(inside, 0777))
		stage_failed("directories for overlayfs");
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", lower, upper,
		 inside);
	if (mount("overlay", work, "overlay", 0, options))
		stage_failed("overlayfs");
}

static void mount_wanted(const struct run *run, const char *work)
{
	switch (wanted) {
	case STAGE_TMPFS:
		if (mount("tmpfs", work, "tmpfs", 0, "size=64m"))
			stage_failed("tmpfs");
		break;
	case STAGE_EXT4:
	case STAGE_EXT4_SECONDS:
		mount_image(image, "ext4", work);
		break;
	case STAGE_XFS:
		mount_image(image, "xfs", work);
		break;
	case STAGE_BTRFS:
		mount_image(image, "btrfs", work);
		break;
	default:
		mount_overlay(run, work);
	}
}

static void mount_alone(void)
{
	if (!own_mounts(0))
		stage_failed("mount namespace");
}

static void become_user(void)
{
	if (wanted_user && (setgroups(0, NULL) || setgid(wanted_user) || setuid(wanted_user)))
		stage_failed("user");
}

static void prepare_stage(struct run *run)
{
	char work[PATH_MAX];

	mount_alone();
	in_dir(run, "work", work);
	mount_wanted(run, work);
	if (chmod(work, 0777) || chdir(work))
		stage_failed(work);
	become_user();
}

static void make_image(char *path, const char *make, const char *size)
{
	const char *tmp = getenv("MMFENCE_TMP");
	char command[3 * PATH_MAX], program[64];

	snprintf(program, sizeof(program), "%s", make);
	program[strcspn(program, " ")] = 0;
	snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin:/sbin command -v %s >/dev/null",
		 program);
	if (system(command))
		cr_skip_test("%s is not installed", program);
	snprintf(path, PATH_MAX, "%s/image.XXXXXX", tmp ? tmp : "/tmp");
	int fd = mkstemp(path);
	cr_assert(fd >= 0);
	close(fd);
	snprintf(command, sizeof(command),
		 "truncate -s %s %s && PATH=$PATH:/usr/sbin:/sbin %s %s >/dev/null 2>&1", size,
		 path, make, path);
	cr_assert(system(command) == 0, "%s failed", make);
}

static bool kernel_has(const char *name)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "grep -qw %s /proc/filesystems || modprobe %s 2>/dev/null", name, name);
	return system(command) == 0;
}

void stage_on(struct run *run, enum stage stage)
{
	static const char *const names[] = { "tmpfs", "ext4",	 "ext4",   "xfs",
					     "btrfs", "overlay", "overlay" };

	skip_without_mounts();
	if (!kernel_has(names[stage]))
		cr_skip_test("this kernel has no %s", names[stage]);
	if (stage >= STAGE_EXT4 && stage <= STAGE_BTRFS && access("/dev/loop-control", W_OK))
		cr_skip_test("no loop devices");
	wanted = stage;
	if (stage == STAGE_EXT4)
		make_image(image, "mkfs.ext4 -q -F", "64M");
	else if (stage == STAGE_EXT4_SECONDS)
		make_image(image, "mkfs.ext4 -q -F -I 128", "64M");
	else if (stage == STAGE_XFS)
		make_image(image, "mkfs.xfs -q -f", "320M");
	else if (stage == STAGE_BTRFS)
		make_image(image, "mkfs.btrfs -q -f", "256M");
	run->prepare = prepare_stage;
}

#define STAGED(name, stage)                   \
	void stage_on_##name(struct run *run) \
	{                                     \
		stage_on(run, stage);         \
	}

STAGED(tmpfs, STAGE_TMPFS)
STAGED(ext4, STAGE_EXT4)
STAGED(ext4_seconds, STAGE_EXT4_SECONDS)
STAGED(xfs, STAGE_XFS)
STAGED(btrfs, STAGE_BTRFS)
STAGED(overlayfs, STAGE_OVERLAY)

void stage_user(unsigned int user)
{
	wanted_user = user;
}

/* --- a spill directory --- */

static void prepare_spill(struct run *run)
{
	char spill[PATH_MAX], work[PATH_MAX];

	mount_alone();
	in_dir(run, "spill", spill);
	in_dir(run, "work", work);
	if (!strcmp(spill_type, "ext4"))
		mount_image(spill_image, spill_type, spill);
	else if (mount(spill_type, spill, spill_type, 0, spill_options))
		stage_failed(spill_type);
	if (chmod(spill, 01777) || chdir(work))
		stage_failed(spill);
	setenv("GUARD_SPILL", spill, 1);
	setenv("MMFENCE_SNAPSHOT_SPILL_DIR", spill, 1);
}

void stage_spill_on(struct run *run, const char *type, const char *options)
{
	bool loop = !strcmp(type, "ext4");
	const char *tmp = getenv("MMFENCE_TMP");
	char path[PATH_MAX];

	skip_without_mounts();
	spill_type = type;
	spill_options = options;
	if (loop && access("/dev/loop-control", W_OK))
		cr_skip_test("no loop devices");
	if (loop)
		make_image(spill_image, "mkfs.ext4 -q -F", "64M");
	/* The directory of the run is made here, because something is mounted below it. */
	snprintf(run->dir, sizeof(run->dir), "%s/run.XXXXXX", tmp ? tmp : "/tmp");
	cr_assert(mkdtemp(run->dir) && chmod(run->dir, 0777) == 0);
	in_dir(run, "work", path);
	cr_assert(mkdir(path, 0777) == 0 && chmod(path, 0777) == 0);
	in_dir(run, "spill", path);
	cr_assert(mkdir(path, 0777) == 0);
	snprintf(run->log_path, sizeof(run->log_path), "%s/log.jsonl", run->dir);
	run->prepare = prepare_spill;
}

void stage_spill(struct run *run)
{
	stage_spill_on(run, "ext4", NULL);
}

void stage_small_spill(struct run *run)
{
	stage_spill_on(run, "tmpfs", "size=32k");
}

/* --- how long the kernel waits for a lease --- */

#define LEASE_TIME "/proc/sys/fs/lease-break-time"

/* All suites on this machine have the one number. */
static void lease_time_lock(int how)
{
	int fd = open(LEASE_TIME, O_RDONLY | O_CLOEXEC);

	cr_assert(fd >= 0 && flock(fd, how) == 0);
	/* The lock ends with the test's process. */
}

void lease_time_keep(struct run *run)
{
	lease_time_lock(LOCK_SH);
}

static bool lease_time_write(int fd, const char *value)
{
	return pwrite(fd, value, strlen(value), 0) == (ssize_t)strlen(value);
}

/* Waits until the test is over, whatever its end, and puts the old value back. */
static _Noreturn void lease_time_restore(int fd, int test, const char *value)
{
	char byte;

	setsid();
	while (read(test, &byte, 1) < 0 && errno == EINTR)
		;
	_exit(!lease_time_write(fd, value));
}

void lease_time_shorten(struct run *run)
{
	char value[32] = "";
	int ends[2], fd;

	skip_unless_root();
	lease_time_lock(LOCK_EX);
	fd = open(LEASE_TIME, O_RDWR | O_CLOEXEC);
	if (fd < 0 || read(fd, value, sizeof(value) - 1) <= 0)
		cr_skip_test("%s cannot be changed here", LEASE_TIME);
	cr_assert(pipe2(ends, O_CLOEXEC) == 0);
	pid_t keeper = fork();
	cr_assert(keeper >= 0);
	if (!keeper) {
		close(ends[1]);
		lease_time_restore(fd, ends[0], value);
	}
	close(ends[0]);
	if (!lease_time_write(fd, "4"))
		cr_skip_test("%s cannot be changed here", LEASE_TIME);
}
