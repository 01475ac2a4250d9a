/* SPDX-License-Identifier: MIT */
/*
 * Ways to write the next generation of a file: by each kind of write, by stores, by
 * copies within the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "change.h"

void pause_a_little(void)
{
	if (chance(2))
		sleep_us(chance(3000));
}

void must(bool done, const char *call, const struct work *work)
{
	if (!done)
		fail("%s of file %d: %s", call, work->file, strerror(errno));
}

static void note_wait(int64_t us)
{
	unsigned long long longest = atomic_load(&state->counters[COUNT_WAIT_US]);

	while ((unsigned long long)us > longest &&
	       !atomic_compare_exchange_weak(&state->counters[COUNT_WAIT_US], &longest,
					     (unsigned long long)us))
		;
}

/* Without blocking: the kernel says EWOULDBLOCK until the leases are gone. */
static int open_patiently(const struct work *work, int flags)
{
	int64_t until = now_us() + 20000000;
	int fd;

	while ((fd = open(work->path, flags | O_NONBLOCK, 0644)) < 0 && errno == EWOULDBLOCK) {
		if (now_us() > until)
			fail("open(O_NONBLOCK) of file %d: EWOULDBLOCK for 20 s", work->file);
		sleep_us(300);
	}
	return fd;
}

void open_to_write(struct work *work, int flags)
{
	int64_t started = now_us();

	doing(DOING_OPEN_TO_WRITE, work->file);
	flags |= O_CLOEXEC | O_CREAT;
	work->fd = chance(8) ? open(work->path, flags, 0644) : open_patiently(work, flags);
	note_wait(now_us() - started);
	must(work->fd >= 0, "open", work);
	doing(DOING_CHANGE, work->file);
}

void *buffer_get(size_t pages)
{
	void *buffer = NULL;

	if (posix_memalign(&buffer, PAGE, pages * PAGE))
		fail("no memory");
	return buffer;
}

static bool hole(const struct work *work, uint64_t page)
{
	return pattern_hole(work->file, work->generation, page);
}

size_t batch(const struct work *work, uint64_t first, unsigned char *buffer)
{
	size_t pages = 0;

	while (pages < BATCH && (first + pages) * PAGE < work->size && !hole(work, first + pages)) {
		pattern_page(work->file, work->generation, work->size, first + pages,
			     buffer + pages * PAGE);
		pages++;
	}
	return pages;
}

void put(const struct work *work, int fd, const unsigned char *buffer, size_t size, uint64_t at)
{
	struct iovec parts[2] = { { (void *)buffer, size / 2 },
				  { (void *)(buffer + size / 2), size - size / 2 } };
	ssize_t done;

	switch (chance(3)) {
	case 0:
		must(lseek(fd, (off_t)at, SEEK_SET) >= 0, "lseek", work);
		done = write(fd, buffer, size);
		break;
	case 1:
		done = pwritev(fd, parts, 2, (off_t)at);
		break;
	default:
		done = pwrite(fd, buffer, size, (off_t)at);
	}
	must(done == (ssize_t)size, "write", work);
}

static void make_hole(const struct work *work, int fd, uint64_t page)
{
	static const unsigned char zeros[PAGE] __attribute__((aligned(PAGE)));

	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(page * PAGE), PAGE))
		must(pwrite(fd, zeros, PAGE, (off_t)(page * PAGE)) == PAGE, "write", work);
}

void write_pages(const struct work *work, int fd, bool fresh)
{
	unsigned char *buffer = buffer_get(BATCH);
	uint64_t page = 0, size = work->size;

	while (page * PAGE < size) {
		size_t pages = batch(work, page, buffer);
		size_t bytes = pages * PAGE;
		if (!pages) {
			if (!fresh)
				make_hole(work, fd, page);
			page++;
			continue;
		}
		if (page * PAGE + bytes > size)
			bytes = (size_t)(size - page * PAGE);
		put(work, fd, buffer, bytes, page * PAGE);
		page += pages;
	}
	free(buffer);
	must(!ftruncate(fd, (off_t)size), "ftruncate", work);
}

void store_pages(struct work *work)
{
	size_t size = (size_t)work->size;

	must(!ftruncate(work->fd, (off_t)size), "ftruncate", work);
	if (!size)
		return;
	unsigned char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, work->fd, 0);
	must(at != MAP_FAILED, "mmap", work);
	/* A child of another thread would keep it, and with it the file open for writing. */
	madvise(at, size, MADV_DONTFORK);
	unsigned char *buffer = buffer_get(1);
	for (size_t start = 0; start < size; start += PAGE) {
		pattern_page(work->file, work->generation, work->size, start / PAGE, buffer);
		memcpy(at + start, buffer, size - start < PAGE ? size - start : PAGE);
	}
	free(buffer);
	if (!chance(4))
		msync(at, size, MS_SYNC);
	/* Without a descriptor the mapping alone keeps the file open for writing. */
	if (chance(2)) {
		close(work->fd);
		pause_a_little();
		at[0] = at[0];
		munmap(at, size);
		open_to_write(work, O_RDWR);
		return;
	}
	munmap(at, size);
}

int written_elsewhere(const struct work *work, char *path, size_t size)
{
	snprintf(path, size, "%s.%d.new", work->path, (int)getpid());
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	must(fd >= 0, "open of a new file in place", work);
	write_pages(work, fd, true);
	return fd;
}

static void copy_over(struct work *work, int from)
{
	uint64_t left = work->size;
	bool by_sendfile = chance(2);

	must(!lseek(from, 0, SEEK_SET) && !lseek(work->fd, 0, SEEK_SET), "lseek", work);
	while (left) {
		ssize_t done =
			by_sendfile ? sendfile(work->fd, from, NULL, (size_t)left)
				    : copy_file_range(from, NULL, work->fd, NULL, (size_t)left, 0);
		must(done > 0, by_sendfile ? "sendfile" : "copy_file_range", work);
		left -= (uint64_t)done;
	}
	must(!ftruncate(work->fd, (off_t)work->size), "ftruncate", work);
}

void copy_pages(struct work *work)
{
	char path[300];
	int from = written_elsewhere(work, path, sizeof(path));

	open_to_write(work, O_RDWR);
	if (chance(2) || ioctl(work->fd, FICLONE, from))
		copy_over(work, from);
	must(!ftruncate(work->fd, (off_t)work->size), "ftruncate", work);
	close(from);
	unlink(path);
}
