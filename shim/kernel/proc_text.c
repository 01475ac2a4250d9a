/* SPDX-License-Identifier: MIT */
/*
 * Texts of /proc, a line at a time, in a buffer of the caller's. The kernel gives whole lines,
 * about a page of them at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "kernel/vma.h"
#include "support/sys.h"
#include "support/text.h"

/* A zombie has no memory, and so no program. */
static bool first_thread_is_gone(int self)
{
	char link[1];

	if (sys_gettid() == sys_getpid())
		return false;
	return sys_readlinkat(self, self < 0 ? "/proc/self/exe" : "exe", link, sizeof(link)) ==
	       -ENOENT;
}

/* Not through the thread's own directory where the process's will do: a parent that reaps the
 * process while a thread goes, each with names below the same directory to forget, spins for
 * milliseconds until the other is done. */
int proc_open_own(int self, const char *name, int flags)
{
	return proc_open_of(self, first_thread_is_gone(self) ? sys_gettid() : 0, name, flags);
}

int proc_open_of(int self, pid_t thread, const char *name, int flags)
{
	const char *root = self < 0 ? "/proc/self/" : "";
	char path[64];

	if (thread)
		text_make(path, sizeof(path), "%stask/%u/%s", root, (unsigned int)thread, name);
	else
		text_make(path, sizeof(path), "%s%s", root, name);
	return sys_open_in(self < 0 ? AT_FDCWD : self, path, flags);
}

void proc_text_begin(struct proc_text *text, int fd, char *buffer, size_t size)
{
	*text = (struct proc_text){ .fd = fd, .buffer = buffer, .size = size };
}

static long read_more(struct proc_text *text)
{
	long got;

	memmove(text->buffer, text->buffer + text->at, text->used -= text->at);
	text->at = 0;
	if (text->used == text->size)
		text->used /= 2;
	do
		got = sys_pread(text->fd, text->buffer + text->used, text->size - text->used,
				text->position);
	while (got == -EINTR);
	text->position += got > 0 ? got : 0;
	text->used += got > 0 ? (size_t)got : 0;
	return got;
}

char *proc_text_next(struct proc_text *text)
{
	for (;;) {
		char *line = text->buffer + text->at;
		char *end = memchr(line, '\n', text->used - text->at);

		if (end) {
			*end = 0;
			text->at = (size_t)(end - text->buffer) + 1;
			return line;
		}
		text->error = (int)read_more(text);
		if (text->error <= 0)
			return NULL;
	}
}

void proc_text_end(struct proc_text *text)
{
	sys_close_if_open(text->fd);
}
