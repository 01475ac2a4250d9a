/* SPDX-License-Identifier: MIT */
/*
 * Reaching a mapped file when the program's descriptor is closed: by the kernel's link
 * to it in /proc/self/map_files, or by its path if device and inode agree. The file is
 * opened on a bare thread with a descriptor table of its own, for reading and writing:
 * a shared mapping of less could not be made writable any more.
 * It is never opened in the program's table, where a closed descriptor would also drop the
 * program's record locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "support/sys.h"
#include "kernel/thread.h"
#include "nonlinear/nonlinear.h"
#include "support/arena.h"
#include "support/lock.h"

#define PATH_BYTES 4096
#define OPEN_FLAGS (O_RDWR | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW)

struct errand {
	const struct vma *area;
	uintptr_t address;
	uint64_t size, page;
	int protection, flags;
	char *name; /* of PATH_BYTES */
	/* what came of it */
	enum way way;
	long result;
};

const char *way_name(enum way way)
{
	static const char *const names[] = {
		NULL, NULL, "refused", "mapping", "map_files", "path"
	};

	return names[way];
}

static bool is_the_file(int fd, const struct vma *area)
{
	struct statx st;

	return !sys_fstat(fd, &st) && (S_ISREG(st.stx_mode) || S_ISBLK(st.stx_mode)) &&
	       st.stx_ino == area->inode &&
	       ((uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor) == area->device;
}

static int open_file(struct errand *errand)
{
	char link[VMA_LINK_BYTES];
	int fd;

	vma_link(errand->area, link);
	errand->way = WAY_MAP_FILES;
	fd = sys_open(link, OPEN_FLAGS & ~O_NOFOLLOW, 0);
	if (fd >= 0 || errand->name[0] != '/')
		return fd;
	errand->way = WAY_PATH;
	fd = sys_open(errand->name, OPEN_FLAGS, 0);
	if (fd >= 0 && !is_the_file(fd, errand->area)) {
		sys_close(fd);
		return -ESTALE;
	}
	return fd;
}

static char stack[THREAD_STACK_BYTES] LARGE __attribute__((aligned(64)));
static struct lock stack_lock;

void reopen_after_fork(void)
{
	lock_reset(&stack_lock);
}

/* On a thread without TLS. */
static void run_errand(void *argument)
{
	struct errand *errand = argument;
	int fd = thread_own_table(-1);

	if (!fd)
		fd = open_file(errand);
	if (fd < 0) {
		errand->way = WAY_NONE;
		errand->result = fd;
		return;
	}
	errand->result = sys_mmap(errand->address, errand->size, errand->protection, errand->flags,
				  fd, (int64_t)(errand->page * PAGE_BYTES));
}

static void find_name(const struct vma *area, char *name)
{
	struct vma again;

	if (vma_find(area->start, &again, name, PATH_BYTES) || again.start != area->start ||
	    again.inode != area->inode)
		name[0] = 0;
}

long reopen_map(const struct vma *area, uintptr_t address, uint64_t size, int protection, int flags,
		uint64_t page, enum way *way)
{
	struct errand errand = {
		.area = area,
		.address = address,
		.size = size,
		.page = page,
		.protection = protection,
		.flags = flags,
		.name = arena_alloc(PATH_BYTES),
		.way = WAY_NONE,
		.result = -ENOMEM,
	};

	*way = WAY_NONE;
	if (!errand.name)
		return -ENOMEM;
	find_name(area, errand.name);
	lock_take(&stack_lock);
	long r = thread_run_on(stack, run_errand, &errand);
	lock_drop(&stack_lock);
	arena_free(errand.name, PATH_BYTES);
	*way = errand.way;
	return r ? r : errand.result;
}
