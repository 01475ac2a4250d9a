/* SPDX-License-Identifier: MIT */
/*
 * Copying by sendfile, which was the fastest plain way between files.
 */
#include <errno.h>
#include <unistd.h>

#include "kernel/file.h"
#include "support/sys.h"

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
