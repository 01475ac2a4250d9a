/* SPDX-License-Identifier: MIT */
/*
 * Reading lines: see proc_text.h. The kernel gives whole lines, about a page of them at a time.
 */
#include <errno.h>
#include <string.h>

#include "kernel/proc_text.h"
#include "kernel/raw.h"

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
		got = raw(SYS_read, text->fd, text->buffer + text->used, text->size - text->used);
	while (got == -EINTR);
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
