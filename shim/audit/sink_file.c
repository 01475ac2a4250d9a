/* SPDX-License-Identifier: MIT */
/*
 * Records in a file, or in a pipe that has a name: appended with one write(2) each.
 * The name is a template; a file that is renamed or deleted is opened anew under its
 * name within a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <time.h>

#include "audit/medium.h"
#include "kernel/guarded.h"
#include "support/sys.h"

/* How often, and how far apart, a log that ends in part of a record is looked at: without a change,
 * and in all, which is 10 ms. */
#define TORN_LOOKS	 20
#define TORN_LOOKS_MOST	 60
#define TORN_NANOSECONDS 100000

/* Nonblocking, so that a pipe nobody reads delays nobody. */
#define OPEN_FLAGS (O_WRONLY | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK)
#define TURNS	   4 /* at opening, while others make and rename it */

static char template[PATH_MAX] LARGE;
static char path[PATH_MAX] LARGE; /* the template expanded; empty before the first open */
static struct place log_place;	  /* what was opened, and under which root directory */
static struct place root_place;
static struct place directory_place; /* where its name is */
static atomic_int raises;	     /* the signal that a failed write may raise */
static atomic_bool readable;
static atomic_bool torn;	    /* the file ends in part of a record */
static _Atomic uint64_t whole_size; /* how large the file was after our last record, or 0 */

static bool configure(const struct target *target)
{
	path[0] = 0;
	root_place = (struct place){ 0 };
	return !template_absolute(target->path, template, sizeof(template));
}

static int look_at(const char *name, struct statx *st)
{
	return sys_statx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_TYPE, st);
}

/* A file is opened to be read too, if that is allowed; a pipe must not be. */
static int open_as(bool file, int more)
{
	int fd = -EACCES;

	if (file)
		fd = sys_open(path, (OPEN_FLAGS & ~O_ACCMODE) | O_RDWR | more, 0600);
	atomic_store(&readable, fd >= 0);
	return fd == -EACCES ? sys_open(path, OPEN_FLAGS | more, 0600) : fd;
}

static bool refused(int fd)
{
	struct statx st;

	return sys_fstat(fd, &st) || (template_has_pid(template) && !S_ISREG(st.stx_mode)) ||
	       target_refusal(st.stx_mode, st.stx_uid, st.stx_nlink, (uint32_t)sys_geteuid());
}

/* What this very call makes is ours, whatever owner the file system gives it. */
static int open_name(void)
{
	int fd = -ENOENT;

	for (int i = 0; i < TURNS && (fd == -ENOENT || fd == -EEXIST); i++) {
		struct statx st;
		bool made = look_at(path, &st);

		fd = open_as(made || S_ISREG(st.stx_mode), made ? O_CREAT | O_EXCL : 0);
		if (fd >= 0 && !made && refused(fd)) {
			guarded_close_new(fd);
			return -EPERM;
		}
	}
	return fd;
}

/* Who may create files in the directory can take the name of a process's log, and would switch its
 * records off. */
static int open_path(void)
{
	int fd = open_name();
	bool is_taken =
		fd == -EPERM || fd == -EACCES || fd == -ELOOP || fd == -EISDIR || fd == -ENXIO;

	if (!is_taken || !template_has_pid(template))
		return fd;
	if (!template_expand(template, true, path, sizeof(path)))
		return open_name();
	path[0] = 0;
	return fd;
}

/* One thread at a time. */
static int look_at_directory(struct statx *st)
{
	static char directory[PATH_MAX] LARGE;
	char *end;

	strcpy(directory, path);
	end = strrchr(directory, '/');
	if (!end)
		return -ENOENT;
	end[end == directory] = 0;
	return look_at(directory, st);
}

static void set_place(const struct statx *st)
{
	struct statx directory;

	if (!place_equals(&log_place, st)) {
		atomic_store(&whole_size, 0);
		atomic_store(&torn, false);
	}
	atomic_store(&raises, quiet_signal(st));
	place_set(&log_place, st);
	place_root(&root_place);
	if (!look_at_directory(&directory))
		place_set(&directory_place, &directory);
}

static bool know_path(void)
{
	if (!path[0] && template_expand(template, false, path, sizeof(path)))
		path[0] = 0;
	return path[0];
}

/* Not under another root: there the path may name something else. */
static int open_file(void)
{
	struct statx st;
	int fd, r;

	if (root_place.inode && !place_is_root(&root_place))
		return -ENOENT;
	if (!know_path())
		return -ENAMETOOLONG;
	fd = open_path();
	if (fd < 0)
		return fd;
	r = sys_fstat(fd, &st);
	if (r) {
		guarded_close_new(fd);
		return r;
	}
	set_place(&st);
	return fd;
}

static bool deleted(int fd)
{
	struct statx st;

	return !sys_fstat(fd, &st) && !st.stx_nlink;
}

/* The log was renamed or deleted: the next one is opened. If that cannot be, the old one stays,
 * unless what is written there is lost; it stays under another root, where the path may name
 * something else. */
static int follow_path(int fd)
{
	struct statx st;
	int fresh;

	if (!place_is_root(&root_place))
		return fd;
	if (!look_at(path, &st) && place_equals(&log_place, &st))
		return fd;
	fresh = open_file();
	return fresh < 0 && !deleted(fd) ? fd : fresh;
}

static int refresh(int fd)
{
	return fd >= 0 ? follow_path(fd) : open_file();
}

static bool ends_in_newline(int fd, uint64_t size)
{
	char last;

	return !size || sys_pread(fd, &last, 1, (int64_t)size - 1) != 1 || last == '\n';
}

/* Most file systems (ext4, tmpfs, btrfs) let nobody seek for data while somebody writes. The
 * position is of no use to a descriptor that appends. */
static void await_writer(int fd, uint64_t size)
{
	sys_lseek(fd, (int64_t)size - 1, SEEK_DATA);
}

/* A process that was killed in the middle of its write left part of a record. Another's write that
 * is under way looks the same until it is over. Where the log cannot be read back, this is not
 * seen. */
static bool ends_torn(int fd, uint64_t size)
{
	struct timespec moment = { 0, TORN_NANOSECONDS };
	struct statx st;

	/* Nobody wrote since we did. Reading back would cost as much as writing: it makes the
	 * file system note the time of access. */
	if (size == atomic_load_explicit(&whole_size, memory_order_relaxed) ||
	    !atomic_load_explicit(&readable, memory_order_relaxed))
		return false;
	for (int look = 0, same = 0; look < TORN_LOOKS_MOST && same < TORN_LOOKS; look++, same++) {
		if (ends_in_newline(fd, size))
			return false;
		sys_nanosleep(&moment, NULL);
		await_writer(fd, size);
		if (sys_fstat(fd, &st))
			return false;
		if (st.stx_size != size)
			same = 0;
		size = st.stx_size;
	}
	return true;
}

/* What a short write left behind ends before the next record begins. Bytes of the line written. */
static long write_line(int fd, uint64_t size, const struct line *line)
{
	struct iovec parts[2] = { { (void *)"\n", 1 }, { (void *)line->text, line->length } };
	int expected = atomic_load_explicit(&raises, memory_order_relaxed);
	long r;

	bool ours =
		atomic_load_explicit(&torn, memory_order_relaxed) && atomic_exchange(&torn, false);

	if (!ours && !ends_torn(fd, size))
		return quiet_write(fd, parts + 1, 1, 0, expected);
	r = quiet_write(fd, parts, 2, 0, expected);
	if (r <= 0 && ours)
		atomic_store(&torn, true);
	return r > 0 ? r - 1 : r;
}

static int write_to(int fd, uint64_t size, const struct line *line)
{
	long r = write_line(fd, size, line);

	if (r == (long)line->length) {
		atomic_store_explicit(&whole_size, size + line->length, memory_order_relaxed);
		return 0;
	}
	/* On a full disk another process's record may be what was cut short. */
	if (r > 0 || r == -ENOSPC || r == -EDQUOT)
		atomic_store(&torn, true);
	return r < 0 ? (int)r : -ENOSPC;
}

/* A log that was renamed gets its successor in the same directory. In another mount namespace, or
 * under another root, the name may be free, and nothing is to be made there. */
static bool leads(void)
{
	struct statx st;
	bool here = know_path() && !look_at_directory(&st) && place_equals(&directory_place, &st);
	int fd = here ? open_path() : sys_open(path, OPEN_FLAGS, 0);

	if (fd == -EMFILE) /* exec makes room */
		return here && !sys_faccessat(AT_FDCWD, path, W_OK);
	if (fd < 0)
		return false;
	bool same = here || (!sys_fstat(fd, &st) && place_equals(&log_place, &st));
	guarded_close_new(fd);
	return same;
}

/* It stays, whatever becomes of the name: the program before could not reach it by that. */
static void adopt(int fd)
{
	struct statx st;

	path[0] = 0;
	know_path();
	if (!sys_fstat(fd, &st))
		set_place(&st);
	atomic_store(&readable, (sys_fcntl(fd, F_GETFL, 0) & O_ACCMODE) == O_RDWR);
	root_place = (struct place){ 0 };
}

/* Others that have it open would write to nowhere. */
static bool own_name(void)
{
	return path[0] && template_has_pid(template);
}

static bool drop_empty(void)
{
	struct statx st;

	return place_is_root(&root_place) &&
	       !sys_statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &st) &&
	       S_ISREG(st.stx_mode) && !st.stx_size && !sys_unlink(path);
}

static bool after_fork(void)
{
	if (!template_has_pid(template))
		return false;
	path[0] = 0;
	return true;
}

const struct medium sink_file = {
	.configure = configure,
	.refresh = refresh,
	.write = write_to,
	.leads = leads,
	.adopt = adopt,
	.after_fork = after_fork,
	.own_name = own_name,
	.drop_empty = drop_empty,
	.has_name = true,
};
