/* SPDX-License-Identifier: MIT */
/*
 * Read leases (fcntl(2), F_SETLEASE): while one is held, whoever would write to the file or cut it
 * waits, and the owner is told by a signal. The kernel takes a lease away that is not released in
 * time. On bare threads too: raw calls only.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "kernel/file.h"
#include "kernel/lease_thread.h"
#include "kernel/thread.h"
#include "kernel/vma.h"
#include "support/arena.h"
#include "support/sys.h"
#include "support/text.h"

void lease_set_owner(int fd, pid_t thread)
{
	struct f_owner_ex owner = { F_OWNER_TID, thread };

	sys_fcntl_owner(fd, F_SETOWN_EX, &owner);
	sys_fcntl(fd, F_SETSIG, LEASE_SIGNAL);
}

bool lease_is_trusted(const struct file *file)
{
	return file->kind == FILE_ORDINARY && filesystem_has(file->filesystem, KEEPS_LEASES);
}

int lease_take(int fd, pid_t thread)
{
	/* First: a break in between would kill the process with SIGIO. */
	lease_set_owner(fd, thread);
	return sys_fcntl(fd, F_SETLEASE, F_RDLCK);
}

bool lease_is_held(int fd)
{
	return sys_fcntl(fd, F_GETLEASE, 0) == F_RDLCK;
}

int lease_release(int fd)
{
	return sys_fcntl(fd, F_SETLEASE, F_UNLCK);
}

/* ---- other processes' ---- */

#define TEXT_BYTES 4096

#define PID_FIELD 4

/* "1: LEASE  ACTIVE    READ  pid major:minor:inode 0 EOF", or BREAKING and UNLCK. Where there is no
 * block device, it may be named otherwise than by stat(2) (btrfs). */
static uint64_t owner_if_of(const char *line, const struct file *file)
{
	uint64_t process, major, minor, inode;

	if (!strstr(line, " LEASE "))
		return 0;
	for (int field = 0; field < PID_FIELD; field++) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	line = text_read_number(line, 10, &process);
	line = text_read_number(line + strspn(line, " "), 16, &major);
	line = text_read_number(line + (*line == ':'), 16, &minor);
	text_read_number(line + (*line == ':'), 10, &inode);
	bool same = (major << 32 | minor) == file->device || !(major || file->device >> 32);
	return same && inode == file->inode ? process : 0;
}

#define LOOKED_AT 1024

/* A lease of ours is in no descriptor table of the program's. */
static bool program_has(const struct file *file, char *buffer)
{
	struct proc_text text;
	bool has = false;
	char *line;

	for (int fd = 0; !has && fd < LOOKED_AT; fd++) {
		proc_text_begin(&text, thread_open_info(-1, fd), buffer, TEXT_BYTES);
		while (!has && (line = proc_text_next(&text)))
			has = owner_if_of(line, file);
		proc_text_end(&text);
	}
	return has;
}

static enum lease_owner owner_is(uint64_t pid, const struct file *file, char *buffer)
{
	enum lease_owner owner;
	struct proc_text text;
	char path[40], *line;

	if (pid == (uint64_t)sys_getpid())
		return program_has(file, buffer) ? LEASE_FOREIGN : LEASE_UNSURE;
	text_make(path, sizeof(path), "/proc/%u/maps", (unsigned int)pid);
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	/* Who is ending has no memory any more, and still its files. */
	owner = fd < 0 && fd != -ENOENT ? LEASE_FOREIGN : LEASE_UNSURE;
	proc_text_begin(&text, fd, buffer, TEXT_BYTES);
	while (owner != LEASE_FENCED && (line = proc_text_next(&text)))
		owner = strstr(line, "/libmmfence.so") ? LEASE_FENCED : LEASE_FOREIGN;
	proc_text_end(&text);
	return owner;
}

enum lease_owner lease_owner_of(const struct file *file)
{
	enum lease_owner owner = LEASE_NOBODYS;
	char *buffer = scratch_take(); /* a handler's stack may be small */
	struct proc_text text;
	uint64_t last = 0;
	char *line;

	proc_text_begin(&text, sys_open("/proc/locks", O_RDONLY | O_CLOEXEC, 0), buffer,
			TEXT_BYTES);
	while (owner != LEASE_FOREIGN && (line = proc_text_next(&text))) {
		uint64_t process = owner_if_of(line, file);
		if (!process || process == last)
			continue;
		enum lease_owner one = owner_is(process, file, buffer + TEXT_BYTES);
		owner = one > owner ? one : owner;
		last = process;
	}
	proc_text_end(&text);
	scratch_put(buffer);
	return owner;
}

/* ---- why there is none ---- */

const char *lease_refusal(int error)
{
	switch (error) {
	case 0:
		return "leases are not to be trusted on this file system";
	case -EAGAIN:
		return "somebody has the file open for writing";
	case -EACCES:
		return "no lease: not the file's owner";
	default:
		return "no lease on this file system";
	}
}
