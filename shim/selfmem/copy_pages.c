/* SPDX-License-Identifier: MIT */
/*
 * Memory into a file, by write(2): more than twice as fast as memcpy into a mapping of it. Pages
 * that nobody ever touched stay holes. On bare threads: raw calls only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "kernel/pagemap.h"
#include "kernel/vma.h"
#include "support/sys.h"
#include "selfmem/view.h"
#include "support/arena.h"

#define MOST_BYTES (256UL << 20) /* by one write */

static int write_some(int fd, uintptr_t *from, uintptr_t end, int64_t *at, uint64_t *bytes)
{
	size_t size = end - *from < MOST_BYTES ? end - *from : MOST_BYTES;
	long done = sys_pwrite(fd, (const void *)*from, size, *at);

	if (done == -EINTR)
		return 0;
	if (done <= 0)
		return done ? (int)done : -EIO;
	*from += (uintptr_t)done;
	*at += done;
	*bytes += (uint64_t)done;
	return 0;
}

int copy_every_page(int fd, uintptr_t from, uintptr_t end, int64_t at, uint64_t *bytes)
{
	int r = 0;

	while (!r && from < end)
		r = write_some(fd, &from, end, &at, bytes);
	return r;
}

/* ---- anonymous memory ---- */

void proc_open(struct proc *proc)
{
	proc->pagemap = proc_open_own(-1, "pagemap", O_RDONLY);
	proc->memory = proc_open_own(-1, "mem", O_RDONLY);
}

struct search {
	int fd, pagemap;
	int memory; /* to read through, or -1: as it is */
	uintptr_t from;
	int64_t at;
	uint64_t *bytes;
};

static int through(const struct search *search, char *buffer, uintptr_t start, uintptr_t end,
		   int64_t at)
{
	int r = 0;

	while (!r && start < end) {
		size_t size = end - start < SCRATCH_BYTES ? end - start : SCRATCH_BYTES;
		int64_t got = sys_pread(search->memory, buffer, size, (int64_t)start);
		if (got <= 0)
			return -EFAULT;
		r = copy_every_page(search->fd, (uintptr_t)buffer,
				    (uintptr_t)buffer + (uintptr_t)got, at, search->bytes);
		start += (uintptr_t)got;
		at += got;
	}
	return r;
}

static int copy_run(uintptr_t start, uintptr_t end, void *context)
{
	const struct search *search = context;
	int64_t at = search->at + (int64_t)(start - search->from);

	if (search->memory < 0)
		return copy_every_page(search->fd, start, end, at, search->bytes);
	char *buffer = scratch_take();
	int r = through(search, buffer, start, end, at);
	scratch_put(buffer);
	return r;
}

static int copy_found(struct search *search, uintptr_t end)
{
	if (search->pagemap < 0)
		return copy_run(search->from, end, search);
	return pagemap_walk(search->pagemap, search->from, end, PAGE_ZERO, copy_run, search);
}

int copy_touched_pages(int fd, const struct proc *proc, uintptr_t from, uintptr_t end, int64_t at,
		       uint64_t *bytes)
{
	struct search search = { fd, proc->pagemap, -1, from, at, bytes };

	return copy_found(&search, end);
}

int copy_unreadable_pages(int fd, const struct proc *proc, bool touched, uintptr_t from,
			  uintptr_t end, int64_t at, uint64_t *bytes)
{
	struct search search = { fd, touched ? proc->pagemap : -1, proc->memory, from, at, bytes };

	return proc->memory < 0 ? -EFAULT : copy_found(&search, end);
}

/* ---- shared memory ---- */

/* A fault on a hole fails instead of filling it, and one on a page in swap brings that back. */
static int copy_but_holes(int fd, uintptr_t from, uintptr_t end, int64_t at, uint64_t *bytes)
{
	struct hold refusal;
	int r = 0;

	if (hold_refuse_missing(&refusal, from, end)) /* not memory, or no userfaultfd */
		return copy_every_page(fd, from, end, at, bytes);
	while (from < end && (!r || r == -EFAULT)) {
		if (r) {
			from += PAGE_BYTES;
			at += PAGE_BYTES;
		}
		r = from < end ? write_some(fd, &from, end, &at, bytes) : 0;
	}
	hold_close(&refusal);
	return r == -EFAULT ? 0 : r;
}

int copy_shared_pages(int fd, uintptr_t from, uintptr_t end, int64_t at, uint64_t *bytes)
{
	/* A second view, which the program does not know of. */
	long view = sys_mremap(from, 0, end - from, MREMAP_MAYMOVE, 0);

	if (sys_failed(view))
		return copy_every_page(fd, from, end, at, bytes);
	sys_mprotect(view, end - from, PROT_READ);
	int r = copy_but_holes(fd, (uintptr_t)view, (uintptr_t)view + (end - from), at, bytes);
	sys_munmap(view, end - from);
	return r;
}
