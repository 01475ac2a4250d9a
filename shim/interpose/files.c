/* SPDX-License-Identifier: MIT */
/*
 * The open family. What was opened is checked, never the path: one cheap system call
 * tells nearly every file from those that show memory. Async-signal-safe but for
 * stdio's.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "kernel/file.h"
#include "kernel/next.h"
#include "selfmem/selfmem.h"
#include "snapshot/guard.h"
#include "kernel/lease.h"
#include "kernel/lease_thread.h"

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

static __attribute__((noinline)) int check(const struct call *call, int fd, int flags)
{
	struct scope scope;

	if (!enter(&scope))
		return 0;
	int r = inject_open(call, fd);
	if (!r)
		r = selfmem_check_open(call, fd, flags);
	scope_leave(&scope);
	return r;
}

/* A directory, a file without a name, one that this open made, or a path and no more: what the
 * flags tell costs no call. */
static bool flags_exclude_memory(int flags)
{
	return flags & (O_DIRECTORY | O_PATH) || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
}

long opened(const struct call *call, long fd, int flags)
{
	if (fd < 0 || unlikely(scope_silent()) || flags_exclude_memory(flags) ||
	    likely(!file_is_suspect((int)fd)))
		return fd;
	int r = check(call, (int)fd, flags);
	if (!r)
		return fd;
	sys_close((int)fd);
	return r;
}

/* libc has set errno when the open itself failed. */
static int finish_open(const struct call *call, int fd, int flags)
{
	return fd < 0 ? fd : (int)libc_result(opened(call, fd, flags));
}

#define LONGEST_WAIT 50000000 /* nanoseconds between two looks */
#define MOST_LOOKS   2000     /* longer than the kernel lets anybody hold a writer up */

static enum lease_owner look_at_owner(int directory, const char *path)
{
	enum lease_owner owner = LEASE_FOREIGN;
	struct scope scope;
	struct file file;

	if (!enter(&scope))
		return owner;
	if (!file_at(directory, path, &file) && file.kind == FILE_ORDINARY)
		owner = lease_owner_of(file.inode);
	scope_leave(&scope);
	return owner;
}

/* Another fenced process has been told, and is at it: false where it is not one. No scope is held
 * meanwhile. */
static bool await_others(int directory, const char *path)
{
	struct timespec pause = { 0, 500000 };
	enum lease_owner owner = look_at_owner(directory, path);

	for (int look = 0; owner == LEASE_FENCED && look < MOST_LOOKS; look++) {
		sys_nanosleep(&pause, NULL);
		if (pause.tv_nsec < LONGEST_WAIT)
			pause.tv_nsec *= 2;
		owner = look_at_owner(directory, path);
	}
	return owner == LEASE_NOBODYS;
}

/* A lease refuses a writer that does not wait. Fenced programs are not to notice ours. */
bool open_again(int directory, const char *path, int flags)
{
	struct scope scope;

	if (!(flags & O_NONBLOCK) || scope_silent() || !enter(&scope))
		return false;
	bool again = lease_thread_running() && guard_let_in(directory, path);
	scope_leave(&scope);
	return await_others(directory, path) || again;
}

/* Then errno is again what it was before. */
static bool failed_for_us(int fd, int directory, const char *path, int flags, int before)
{
	if (likely(fd >= 0) || errno != EAGAIN || !open_again(directory, path, flags))
		return false;
	errno = before;
	return true;
}

static int bare_openat(int directory, const char *path, int flags, mode_t mode)
{
	return (int)libc_result(sys_openat(directory, path, flags, mode));
}

static bool needs_mode(int flags)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

#define MODE_ARGUMENT(flags, mode)           \
	mode_t mode = 0;                     \
	if (needs_mode(flags)) {             \
		va_list list;                \
		va_start(list, flags);       \
		mode = va_arg(list, mode_t); \
		va_end(list);                \
	}

/* How each open function of libc's is handed on; and its wrapper. */
#define DEFINE_ONCE(name, large, ...)                                                           \
	static int name##_once(int directory, const char *path, int flags, mode_t mode)         \
	{                                                                                       \
		(void)mode;                                                                     \
		return likely(next.name) ? next.name(__VA_ARGS__)                               \
					 : bare_openat(directory, path, flags | (large), mode); \
	}

#define OPEN(name, directory, path, flags, mode)                                 \
	do {                                                                     \
		int before = errno;                                              \
		int fd = name##_once(directory, path, flags, mode);              \
		if (unlikely(failed_for_us(fd, directory, path, flags, before))) \
			fd = name##_once(directory, path, flags, mode);          \
		return finish_open(CALL_HERE(#name), fd, flags);                 \
	} while (0)

#define DEFINE_OPEN(name, large)                          \
	DEFINE_ONCE(name, large, path, flags, mode)       \
	EXPORT int name(const char *path, int flags, ...) \
	{                                                 \
		INJECT(-1, CALL_HERE(#name), OPEN, 0);    \
		MODE_ARGUMENT(flags, mode)                \
		OPEN(name, AT_FDCWD, path, flags, mode);  \
	}

#define DEFINE_OPENAT(name, large)                                       \
	DEFINE_ONCE(name, large, directory, path, flags, mode)           \
	EXPORT int name(int directory, const char *path, int flags, ...) \
	{                                                                \
		INJECT(-1, CALL_HERE(#name), OPEN, 0);                   \
		MODE_ARGUMENT(flags, mode)                               \
		OPEN(name, directory, path, flags, mode);                \
	}

/* It has no O_NONBLOCK. */
#define DEFINE_CREAT(name, large)                                             \
	DEFINE_ONCE(name, (large) | O_CREAT | O_WRONLY | O_TRUNC, path, mode) \
	EXPORT int name(const char *path, mode_t mode)                        \
	{                                                                     \
		OPEN(name, AT_FDCWD, path, O_WRONLY, mode);                   \
	}

/* What FORTIFY makes of an open without a mode. */
#define DEFINE_OPEN_2(name, large)                     \
	DEFINE_ONCE(name, large, path, flags)          \
	EXPORT int name(const char *path, int flags);  \
	EXPORT int name(const char *path, int flags)   \
	{                                              \
		INJECT(-1, CALL_HERE(#name), OPEN, 0); \
		OPEN(name, AT_FDCWD, path, flags, 0);  \
	}

#define DEFINE_OPENAT_2(name, large)                                 \
	DEFINE_ONCE(name, large, directory, path, flags)             \
	EXPORT int name(int directory, const char *path, int flags); \
	EXPORT int name(int directory, const char *path, int flags)  \
	{                                                            \
		INJECT(-1, CALL_HERE(#name), OPEN, 0);               \
		OPEN(name, directory, path, flags, 0);               \
	}

DEFINE_OPEN(open, 0)
DEFINE_OPEN(open64, KERNEL_O_LARGEFILE)
DEFINE_OPENAT(openat, 0)
DEFINE_OPENAT(openat64, KERNEL_O_LARGEFILE)
DEFINE_CREAT(creat, 0)
DEFINE_CREAT(creat64, KERNEL_O_LARGEFILE)
DEFINE_OPEN_2(__open_2, 0)
DEFINE_OPEN_2(__open64_2, KERNEL_O_LARGEFILE)
DEFINE_OPENAT_2(__openat_2, 0)
DEFINE_OPENAT_2(__openat64_2, KERNEL_O_LARGEFILE)

ALIAS(__open, open);
ALIAS(__open64, open64);

/* Not in this libc, but in later ones and in other libraries. */
EXPORT int openat2(int directory, const char *path, const struct open_how *how, size_t size);
EXPORT int openat2(int directory, const char *path, const struct open_how *how, size_t size)
{
	long fd = sys_openat2(directory, path, how, size);

	if (unlikely(fd == -EAGAIN) && open_again(directory, path, (int)how->flags))
		fd = sys_openat2(directory, path, how, size);
	if (fd < 0)
		return (int)libc_result(fd);
	return (int)libc_result(opened(CALL_HERE("openat2"), fd, (int)how->flags));
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

static FILE *finish_fopen(const struct call *call, FILE *file, const char *mode)
{
	int fd = file ? fileno(file) : -1;

	if (fd < 0 || unlikely(scope_silent()) || likely(!file_is_suspect(fd)))
		return file;
	int r = check(call, fd, mode_flags(mode));
	if (!r)
		return file;
	fclose(file);
	errno = -r;
	return NULL;
}

#define DEFINE_FOPEN(name)                                                            \
	EXPORT FILE *name(const char *path, const char *mode)                         \
	{                                                                             \
		char buffer[MODE_BYTES];                                              \
		if (unlikely(!next.name))                                             \
			next_resolve();                                               \
		const char *plain = mode_without_map(mode, buffer);                   \
		return finish_fopen(CALL_HERE(#name), next.name(path, plain), plain); \
	}

#define DEFINE_FREOPEN(name)                                                                \
	EXPORT FILE *name(const char *path, const char *mode, FILE *file)                   \
	{                                                                                   \
		char buffer[MODE_BYTES];                                                    \
		if (unlikely(!next.name))                                                   \
			next_resolve();                                                     \
		const char *plain = mode_without_map(mode, buffer);                         \
		return finish_fopen(CALL_HERE(#name), next.name(path, plain, file), plain); \
	}

DEFINE_FOPEN(fopen)
DEFINE_FOPEN(fopen64)
DEFINE_FREOPEN(freopen)
DEFINE_FREOPEN(freopen64)
