/* SPDX-License-Identifier: MIT */
/*
 * Copying by sendfile, which was the fastest plain way between files: see copy.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "support/sys.h"
#include "kernel/thread.h"
#include "snapshot/copy.h"
#include "support/text.h"

static int64_t send(int to, int from, int64_t *offset, uint64_t length)
{
	size_t most = length > 0x7ffff000 ? 0x7ffff000 : (size_t)length;
	return sys_sendfile(to, from, offset, most);
}

int copy_range(struct copy *copy, int64_t start, int64_t end)
{
	int64_t at = sys_lseek(copy->target, start, SEEK_SET);

	if (at < 0)
		return (int)at;
	while (start < end) {
		int64_t sent = send(copy->target, copy->source, &start, (uint64_t)(end - start));
		if (sent == 0)
			return -ENODATA;
		if (sent < 0 && sent != -EINTR)
			return (int)sent;
		if (sent > 0)
			copy->bytes += (uint64_t)sent;
	}
	return 0;
}

static int64_t next_data(int fd, int64_t at, int64_t end)
{
	int64_t data = sys_lseek(fd, at, SEEK_DATA);

	if (data == -ENXIO || data > end)
		return end;
	return data < at ? at : data; /* a file system that cannot tell: all is data */
}

static int64_t next_hole(int fd, int64_t at, int64_t end)
{
	int64_t hole = sys_lseek(fd, at, SEEK_HOLE);

	return hole <= at || hole > end ? end : hole;
}

int copy_data(struct copy *copy, int64_t start, int64_t end)
{
	if (!copy->seekable)
		return copy_range(copy, start, end);
	while ((start = next_data(copy->source, start, end)) < end) {
		int64_t hole = next_hole(copy->source, start, end);
		int r = copy_range(copy, start, hole);
		if (r)
			return r;
		start = hole;
	}
	return 0;
}

/* ---- by two ---- */

#define WORTH_TWO (32LL << 20)

struct half {
	struct thread thread;
	struct copy copy;
	int64_t start, end;
	int result;
};

static void copy_half(void *argument)
{
	struct half *half = argument;

	half->result = copy_data(&half->copy, half->start, half->end);
}

static bool two_processors(void)
{
	unsigned long mask[1024 / (8 * sizeof(long))] = { 0 };
	int count = 0;

	sys_sched_getaffinity(0, sizeof(mask), mask);
	for (unsigned int i = 0; i < sizeof(mask) / sizeof(*mask); i++)
		count += __builtin_popcountl(mask[i]);
	return count > 1;
}

static int copy_by_two(struct copy *copy, struct half *upper, int64_t start, int64_t end)
{
	upper->start = start + (int64_t)PAGE_DOWN((uint64_t)(end - start) / 2);
	upper->end = end;
	if (thread_start(&upper->thread, copy_half, upper))
		return copy_data(copy, start, end);
	int r = copy_data(copy, start, upper->start);
	thread_join(&upper->thread);
	copy->bytes += upper->copy.bytes;
	return r ? r : upper->result;
}

int copy_data_fast(struct copy *copy, int64_t start, int64_t end)
{
	struct half upper = { .copy = { copy->source, -1, copy->seekable, 0 } };

	if (end - start < WORTH_TWO || !two_processors())
		return copy_data(copy, start, end);
	/* A description of its own, because writing moves the position. */
	upper.copy.target = thread_open_again(-1, 0, copy->target, O_RDWR);
	if (upper.copy.target < 0)
		return copy_data(copy, start, end);
	int r = copy_by_two(copy, &upper, start, end);
	sys_close(upper.copy.target);
	return r;
}
