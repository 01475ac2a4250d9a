/* SPDX-License-Identifier: MIT */
/*
 * The open family. What was opened is checked, never the path: one cheap system call
 * tells nearly every file from those that show memory. Async-signal-safe but for
 * stdio's.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "kernel/file.h"
#include "selfmem/selfmem.h"
#include "snapshot/guard.h"
#include "kernel/lease_thread.h"
#include "kernel/thread.h"
#include "policy/policy.h"

/* What a file is shows only once it is open; the caller closes it again. */
static int inject_open(const struct call *call, int fd)
{
	struct inject_request request = { .call = INJECT_OPEN_SELFMEM, .fd = fd };
	struct file file;

	if (likely(!(inject_calls & INJECT_BIT(INJECT_OPEN_SELFMEM))) || file_identify(fd, &file) ||
	    (file.kind != FILE_PROCESS_MEMORY && file.kind != FILE_DEVICE_MEMORY))
		return 0;
	return (int)inject_decide(call, &request);
}

static int inject_or_check(const struct call *call, int fd, int flags)
{
	int r = inject_open(call, fd);

	return r ? r : selfmem_check_open(call, fd, flags);
}

static __attribute__((noinline)) int check(const struct call *call, int fd, int flags)
{
	return IN_SCOPE(inject_or_check(call, fd, flags), 0);
}

/* A directory, a file without a name, one that this open made, or a path and no more: what the
 * flags tell costs no call. */
static bool flags_exclude_memory(int flags)
{
	return flags & (O_DIRECTORY | O_PATH) || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
}

/* Where opens are allowed, and nothing is recorded, nobody asks what was opened. */
static bool is_judged = true;

void opens_settle(bool recorded)
{
	is_judged = recorded || the_policy.selfmem_open != SELFMEM_OPEN_ALLOW ||
		    inject_calls & INJECT_BIT(INJECT_OPEN_SELFMEM);
}

long opened(const struct call *call, long fd, int flags)
{
	if (!is_judged || fd < 0 || unlikely(scope_silent()) || flags_exclude_memory(flags) ||
	    likely(!file_is_suspect((int)fd)))
		return fd;
	int r = check(call, (int)fd, flags);
	if (!r)
		return fd;
	sys_close((int)fd);
	return r;
}

static bool is_denial(int error)
{
	return error == EACCES || error == EPERM;
}

/* A file that is not open yet shows what it is where it is opened as a path and no more. */
static int look_at_path(const struct call *call, int directory, const char *path, int flags,
			int denial)
{
	int fd = sys_openat(directory, path, O_PATH | O_CLOEXEC | (flags & O_NOFOLLOW), 0), r = 0;

	if (fd < 0)
		return 0;
	if (denial)
		selfmem_open_denied(call, fd, flags, denial);
	else
		r = selfmem_check_open(call, fd, flags);
	sys_close(fd);
	return r;
}

static __attribute__((noinline)) int check_path(const struct call *call, int directory,
						const char *path, int flags, int denial)
{
	return scope_silent() ? 0 : IN_SCOPE(look_at_path(call, directory, path, flags, denial), 0);
}

/* An open of this name failed: if it was denied, and shows memory, that is an event. */
static void open_failed(const struct call *call, int directory, const char *path, int flags,
			int error)
{
	if (unlikely(is_denial(error)) && is_judged && !flags_exclude_memory(flags))
		check_path(call, directory, path, flags, error);
}

struct opening {
	int directory;
	const char *path;
	int flags;
	uint64_t resolve; /* RESOLVE_*, of openat2 */
	bool by_handle;	  /* which path is then: open_by_handle_at */
};

/* A thread of ours may map it again, and take a lease, before it is open. */
#define MOST_TURNS 100

/* As a path and no more, on the way that the program allowed. */
static int open_path(const struct opening *opening, struct file *file)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | (opening->flags & O_NOFOLLOW),
				.resolve = opening->resolve };
	int fd;

	if (opening->by_handle)
		fd = (int)sys_call(SYS_open_by_handle_at, opening->directory, (long)opening->path,
				   (long)how.flags, 0, 0, 0);
	else if (how.resolve)
		fd = sys_openat2(opening->directory, opening->path, &how, sizeof(how));
	else
		fd = sys_openat(opening->directory, opening->path, (int)how.flags, 0);
	if (fd < 0 || !file_identify(fd, file))
		return fd;
	sys_close(fd);
	return -EBADF;
}

/* Who is in the way of a writer, of what is open as a path: this process's guard is not any more.
 * On other file systems it is no lease. */
static enum lease_owner let_in(int path, const struct file *file)
{
	if (!lease_is_trusted(file))
		return LEASE_FOREIGN;
	guard_let_in(path, "");
	return lease_owner_of(file);
}

/* As one who waits: as long as it does, nobody is given a new lease. It is the file that was looked
 * at, and no pipe by now. The descriptor, in the place of the path's, or -errno. */
static long open_waiting(int path, int flags)
{
	const int now = O_NONBLOCK | O_CREAT | O_EXCL | O_NOFOLLOW;
	int fd = thread_open_again(-1, sys_gettid(), path, flags & ~now);

	if (fd < 0)
		return fd;
	sys_fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	long r = sys_dup3(fd, path, flags & O_CLOEXEC);
	sys_close(fd);
	return r;
}

/* A lease refuses a writer that does not wait. Ours is released; other fenced processes have been
 * told, and are at it. */
static bool refused_for_us(long *result, const struct opening *opening)
{
	struct file file;
	int fd = open_path(opening, &file);

	if (fd < 0)
		return false;
	enum lease_owner owner = IN_SCOPE(let_in(fd, &file), LEASE_FOREIGN);
	long opened = owner == LEASE_FENCED ? open_waiting(fd, opening->flags) : -EAGAIN;
	if (opened >= 0)
		*result = opened;
	else
		sys_close(fd);
	return opened < 0 && owner != LEASE_FOREIGN;
}

/* A writer that waits for a lease can be interrupted. */
static bool interrupted_for_us(const struct opening *opening)
{
	struct file file;
	int fd = open_path(opening, &file);

	if (fd < 0)
		return false;
	enum lease_owner owner = let_in(fd, &file);
	sys_close(fd);
	return owner != LEASE_FOREIGN;
}

/* It ended with *result, -errno, the turn-th time: whether a lease of ours was the reason, so that
 * it is worth another try. Or it is open now, and *result the descriptor. */
static bool open_again(long *result, const struct opening *opening, int turn)
{
	int flags = opening->flags;

	if (scope_silent())
		return false;
	if (*result == -EINTR)
		return (flags & O_ACCMODE || flags & O_TRUNC) &&
		       IN_SCOPE(interrupted_for_us(opening), false);
	return *result == -EAGAIN && flags & O_NONBLOCK && turn < MOST_TURNS &&
	       refused_for_us(result, opening);
}

/* Where it did not fail after all, errno is again what it was before. */
static __attribute__((noinline, cold)) bool
failed_for_us(int *result, int directory, const char *path, int flags, int before, int turn)
{
	struct opening opening = { directory, path, flags, 0, false };
	long opened = -errno;
	bool again = open_again(&opened, &opening, turn);
	if (opened >= 0)
		*result = (int)opened;
	if (again || opened >= 0)
		errno = before;
	return again;
}

static int bare_openat(int directory, const char *path, int flags, mode_t mode)
{
	return (int)libc_result(sys_openat(directory, path, flags, mode));
}

static bool needs_mode(int flags)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

#define MODE_ARGUMENT                        \
	mode_t mode = 0;                     \
	if (needs_mode(flags)) {             \
		va_list list;                \
		va_start(list, flags);       \
		mode = va_arg(list, mode_t); \
		va_end(list);                \
	}
#define NO_MODE mode_t mode = 0;

/* How each open function of libc's is handed on; and its wrapper. */
#define DEFINE_ONCE(name, large, ...)                                                       \
	static int name##_once(int directory, const char *path, int flags, mode_t mode)     \
	{                                                                                   \
		(void)mode;                                                                 \
		return NEXT_OF(name) ? next.name(__VA_ARGS__)                               \
				     : bare_openat(directory, path, flags | (large), mode); \
	}

#define OPEN(name, directory, path, flags, mode)                                      \
	do {                                                                          \
		int before = errno, fd, turn = 0;                                     \
		do                                                                    \
			fd = name##_once(directory, path, flags, mode);               \
		while (unlikely(fd < 0) &&                                            \
		       failed_for_us(&fd, directory, path, flags, before, turn++));   \
		if (likely(fd >= 0))                                                  \
			return (int)libc_result(opened(CALL_HERE(#name), fd, flags)); \
		open_failed(CALL_HERE(#name), directory, path, flags, errno);         \
		return fd;                                                            \
	} while (0)

#define DEFINE_OPEN(name, large, mode_, in, parameters, ...) \
	DEFINE_ONCE(name, large, __VA_ARGS__)                \
	EXPORT int name parameters                           \
	{                                                    \
		INJECT(-1, CALL_HERE(#name), OPEN, 0);       \
		mode_ OPEN(name, in, path, flags, mode);     \
	}

/* It has no O_NONBLOCK. */
#define DEFINE_CREAT(name, large)                                             \
	DEFINE_ONCE(name, (large) | O_CREAT | O_WRONLY | O_TRUNC, path, mode) \
	EXPORT int name(const char *path, mode_t mode)                        \
	{                                                                     \
		OPEN(name, AT_FDCWD, path, O_WRONLY, mode);                   \
	}

/* What FORTIFY makes of an open without a mode; in no header that stands alone. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int directory, const char *path, int flags);
int __openat64_2(int directory, const char *path, int flags);

DEFINE_OPEN(open, 0, MODE_ARGUMENT, AT_FDCWD, (const char *path, int flags, ...), path, flags, mode)
DEFINE_OPEN(open64, KERNEL_O_LARGEFILE, MODE_ARGUMENT, AT_FDCWD, (const char *path, int flags, ...),
	    path, flags, mode)
DEFINE_OPEN(openat, 0, MODE_ARGUMENT, directory, (int directory, const char *path, int flags, ...),
	    directory, path, flags, mode)
DEFINE_OPEN(openat64, KERNEL_O_LARGEFILE, MODE_ARGUMENT, directory,
	    (int directory, const char *path, int flags, ...), directory, path, flags, mode)
DEFINE_OPEN(__open_2, 0, NO_MODE, AT_FDCWD, (const char *path, int flags), path, flags)
DEFINE_OPEN(__open64_2, KERNEL_O_LARGEFILE, NO_MODE, AT_FDCWD, (const char *path, int flags), path,
	    flags)
DEFINE_OPEN(__openat_2, 0, NO_MODE, directory, (int directory, const char *path, int flags),
	    directory, path, flags)
DEFINE_OPEN(__openat64_2, KERNEL_O_LARGEFILE, NO_MODE, directory,
	    (int directory, const char *path, int flags), directory, path, flags)
DEFINE_CREAT(creat, 0)
DEFINE_CREAT(creat64, KERNEL_O_LARGEFILE)

ALIAS(__open, open);
ALIAS(__open64, open64);

/* ---- by number ---- */

/* openat2's are in memory, which may be none: only after the kernel has read it. */
static uint64_t open_resolve(long nr, long c)
{
	return nr == SYS_openat2 ? ((const struct open_how *)c)->resolve : 0;
}

static int open_flags(long nr, long b, long c)
{
	switch (nr) {
	case SYS_open:
		return (int)b;
	case SYS_openat:
	case SYS_open_by_handle_at:
		return (int)c;
	case SYS_creat:
		return O_WRONLY;
	default:
		return (int)((const struct open_how *)c)->flags;
	}
}

long open_by_number(const struct call *call, long nr, long a, long b, long c, long d)
{
	bool by_handle = nr == SYS_open_by_handle_at;
	bool at = nr == SYS_openat || nr == SYS_openat2 || by_handle;
	int directory = at ? (int)a : AT_FDCWD, turn = 0;
	const char *path = (const char *)(at ? b : a);
	long fd;

	do
		fd = sys_call(nr, a, b, c, d, 0, 0);
	while (unlikely(fd == -EAGAIN || fd == -EINTR) &&
	       open_again(&fd,
			  &(struct opening){ directory, path, open_flags(nr, b, c),
					     open_resolve(nr, c), by_handle },
			  turn++));
	if (fd >= 0)
		return opened(call, fd, open_flags(nr, b, c));
	if (unlikely(is_denial((int)-fd)) && !by_handle)
		open_failed(call, directory, path, open_flags(nr, b, c), (int)-fd);
	return fd;
}

/* Not in this libc, but in later ones and in other libraries. */
EXPORT int openat2(int directory, const char *path, const struct open_how *how, size_t size);
EXPORT int openat2(int directory, const char *path, const struct open_how *how, size_t size)
{
	return (int)libc_result(open_by_number(CALL_HERE("openat2"), SYS_openat2, directory,
					       (long)path, (long)how, (long)size));
}

/* ---- stdio ---- */

#define MODE_BYTES 64

/* Without 'm': stdio would map the file where we do not see it. What follows a comma
 * (",ccs=…") is another language and stays. */
static const char *mode_without_map(const char *mode, char *buffer)
{
	const char *end = mode ? strchr(mode, ',') : NULL;
	size_t used = 0;

	if (!mode || strlen(mode) >= MODE_BYTES ||
	    !memchr(mode, 'm', end ? (size_t)(end - mode) : strlen(mode)))
		return mode;
	for (const char *at = mode; *at; at++)
		if (*at != 'm' || (end && at > end))
			buffer[used++] = *at;
	buffer[used] = 0;
	return buffer;
}

static int mode_flags(const char *mode)
{
	if (strchr(mode, '+'))
		return O_RDWR;
	return mode[0] == 'r' ? O_RDONLY : O_WRONLY;
}

static FILE *finish_fopen(const struct call *call, FILE *file, const char *path, const char *mode)
{
	int fd = file ? fileno(file) : -1;

	if (!file && path)
		open_failed(call, AT_FDCWD, path, mode_flags(mode), errno);
	if (fd < 0 || unlikely(scope_silent()) || likely(!file_is_suspect(fd)))
		return file;
	int r = check(call, fd, mode_flags(mode));
	if (!r)
		return file;
	fclose(file);
	errno = -r;
	return NULL;
}

#define DEFINE_FOPEN(name)                                                               \
	EXPORT FILE *name(const char *path, const char *mode)                            \
	{                                                                                \
		char buffer[MODE_BYTES];                                                 \
		int before = errno, r = -1;                                              \
		FILE *file;                                                              \
		const char *plain = mode_without_map(mode, buffer);                      \
		do                                                                       \
			file = NEXT_OF(name)(path, plain);                               \
		while (unlikely(!file) && errno == EINTR &&                              \
		       failed_for_us(&r, AT_FDCWD, path, mode_flags(plain), before, 0)); \
		return finish_fopen(CALL_HERE(#name), file, path, plain);                \
	}

/* A stream whose file could not be opened again is lost: who would wait for a lease of ours, and
 * could be interrupted, waits before. */
static void wait_to_reopen(const char *path, int flags)
{
	struct opening opening = { AT_FDCWD, path, flags, 0, false };
	struct file file;
	int fd = path && flags & O_ACCMODE && !scope_silent() ? open_path(&opening, &file) : -1;

	if (fd < 0)
		return;
	if (IN_SCOPE(let_in(fd, &file), LEASE_FOREIGN) == LEASE_FENCED)
		while (open_waiting(fd, flags) == -EINTR)
			;
	sys_close(fd);
}

#define DEFINE_FREOPEN(name)                                                                  \
	EXPORT FILE *name(const char *path, const char *mode, FILE *file)                     \
	{                                                                                     \
		char buffer[MODE_BYTES];                                                      \
		const char *plain = mode_without_map(mode, buffer);                           \
		wait_to_reopen(path, mode_flags(plain));                                      \
		return finish_fopen(CALL_HERE(#name), NEXT_OF(name)(path, plain, file), path, \
				    plain);                                                   \
	}

DEFINE_FOPEN(fopen)
DEFINE_FOPEN(fopen64)
ALIAS(_IO_fopen, fopen);
DEFINE_FREOPEN(freopen)
DEFINE_FREOPEN(freopen64)

/* ---- cutting a file by its name, which waits for leases as an open does ---- */

#define DEFINE_TRUNCATE(name, type)                                                  \
	EXPORT int name(const char *path, type length)                               \
	{                                                                            \
		int before = errno, turn = 0, r;                                     \
		do                                                                   \
			r = NEXT_OF(name)(path, length);                             \
		while (unlikely(r) &&                                                \
		       failed_for_us(&r, AT_FDCWD, path, O_WRONLY, before, turn++)); \
		return r;                                                            \
	}

DEFINE_TRUNCATE(truncate, off_t)
DEFINE_TRUNCATE(truncate64, off64_t)

/* ---- posix_spawn ---- */

/* libc opens it in the child by calls that no library sees. */
EXPORT int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *actions, int fd,
					    const char *path, int flags, mode_t mode)
{
	int r = check_path(CALL_HERE("posix_spawn_file_actions_addopen"), AT_FDCWD, path, flags, 0);

	if (r)
		return -r;
	return NEXT_OF(posix_spawn_file_actions_addopen)(actions, fd, path, flags, mode);
}
