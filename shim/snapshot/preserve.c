/* SPDX-License-Identifier: MIT */
/*
 * Clone, memfd, spill file: see preserve.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>

#include "support/sys.h"
#include "kernel/unnamed.h"
#include "policy/policy.h"
#include "kernel/transfer.h"
#include "snapshot/guard.h"
#include "snapshot/places.h"
#include "snapshot/preserve.h"
#include "snapshot/snapshot.h"
#include "support/arena.h"

#define PATH_BYTES 4096

static int clone_into(const struct preserve *preserve, const char *directory)
{
	int fd = sys_open(directory, O_TMPFILE | O_RDWR, 0600);

	if (fd < 0)
		return fd;
	int r = sys_ioctl_int(fd, FICLONE, preserve->source);
	if (r) {
		sys_close(fd);
		return r;
	}
	return fd;
}

/* The file's own directory is on the same file system for sure; it may not be writable. */
static int clone_beside(const struct preserve *preserve)
{
	char *directory = arena_alloc(PATH_BYTES);
	char *end;
	int fd = -ENOENT;

	if (!directory)
		return -ENOMEM;
	strncpy(directory, preserve->path, PATH_BYTES - 1);
	end = strrchr(directory, '/');
	if (end) {
		end[end == directory] = 0;
		fd = clone_into(preserve, directory);
	}
	arena_free(directory, PATH_BYTES);
	return fd;
}

/* Devices whose file systems have no reflinks, as was found out: an unnamed file costs more than a
 * small copy. */
#define PLAIN_DEVICES 16
static _Atomic uint64_t plain_devices[PLAIN_DEVICES];

static _Atomic uint64_t *plain_slot(uint64_t device)
{
	return &plain_devices[(device ^ device >> 32) % PLAIN_DEVICES];
}

static bool cannot_clone(int error)
{
	return error == -EOPNOTSUPP || error == -ENOTTY;
}

static int clone_try(const struct preserve *preserve)
{
	const char *places[CLONE_PLACES];
	uint64_t device = preserve->file->device;

	if (atomic_load_explicit(plain_slot(device), memory_order_relaxed) == device + 1)
		return -EOPNOTSUPP;
	int fd = clone_beside(preserve);
	clone_places(places);
	/* A file system without reflinks says so at once, and in every directory. */
	for (int i = 0; fd < 0 && !cannot_clone(fd) && fd != -EINVAL && i < CLONE_PLACES; i++)
		if (places[i] && places[i][0])
			fd = clone_into(preserve, places[i]);
	if (cannot_clone(fd))
		atomic_store_explicit(plain_slot(device), device + 1, memory_order_relaxed);
	return fd;
}

static void begin_with(struct preserve *preserve, int fd, enum engine engine)
{
	struct file file = { .inode = 0 };

	file_identify(fd, &file);
	preserve->target = fd;
	preserve->engine = engine;
	preserve->whole = engine == ENGINE_CLONE;
	preserve->shown.inode = file.inode;
	/* On disk the areas may have another device. */
	preserve->shown.device = engine == ENGINE_MEMORY ? file.device : 0;
}

static int begin_clone(struct preserve *preserve)
{
	int fd = clone_try(preserve);

	if (fd < 0)
		return fd;
	begin_with(preserve, fd, ENGINE_CLONE);
	return 0;
}

static int sized(struct preserve *preserve, int fd, enum engine engine)
{
	int r = fd < 0 ? fd : sys_ftruncate(fd, preserve->file->size);

	if (fd >= 0 && r)
		sys_close(fd);
	if (r)
		return r;
	begin_with(preserve, fd, engine);
	return 0;
}

static int begin_memory(struct preserve *preserve)
{
	int r = budget_charge(preserve->most, &preserve->reason);

	if (r)
		return r;
	r = sized(preserve, unnamed_memory("mmfence", 0), ENGINE_MEMORY);
	if (r) {
		budget_return(preserve->most);
		preserve->reason = r == -EFBIG ? "RLIMIT_FSIZE is less than the file's size"
					       : "no file in memory can be made";
		return r;
	}
	preserve->charged = preserve->most;
	return 0;
}

static bool may_spill(void)
{
	return (the_policy.snapshot_preserve == PRESERVE_AUTO ||
		the_policy.snapshot_preserve == PRESERVE_SPILL) &&
	       the_policy.snapshot_spill_dir[0] && guard_may_open();
}

static int begin_spill(struct preserve *preserve)
{
	int fd = unnamed_file(the_policy.snapshot_spill_dir, "mmfence");
	int r = sized(preserve, fd, ENGINE_SPILL);

	if (r)
		preserve->reason = "no file could be made in snapshot.spill-dir";
	return r;
}

int preserve_begin(struct preserve *preserve)
{
	int wanted = the_policy.snapshot_preserve;
	int r = -EOPNOTSUPP;

	preserve->target = -1;
	preserve->reason = wanted == PRESERVE_SPILL ? "there is no snapshot.spill-dir to write to"
						    : "no reflink clone is to be had";
	if (guard_may_open() && (wanted == PRESERVE_AUTO || wanted == PRESERVE_CLONE))
		r = begin_clone(preserve);
	if (r && preserve->no_copy) {
		preserve->reason = preserve->no_copy;
		return -EFBIG;
	}
	if (r && (wanted == PRESERVE_AUTO || wanted == PRESERVE_MEMORY))
		r = begin_memory(preserve);
	return r && may_spill() ? begin_spill(preserve) : r;
}

/* Huge pages are taken whole, however little is put into them. */
int preserve_charge(struct preserve *preserve)
{
	struct statx now;

	if (preserve->engine != ENGINE_MEMORY || sys_fstat(preserve->target, &now))
		return 0;
	uint64_t takes = now.stx_blocks * 512;
	if (takes <= preserve->charged)
		return 0;
	int r = budget_charge(takes - preserve->charged, &preserve->reason);
	if (!r)
		preserve->charged = takes;
	return r;
}

static int copy_part(struct preserve *preserve, int64_t start, int64_t end)
{
	struct copy copy = { preserve->source, preserve->target, true, 0 };
	int r = copy_data(&copy, start, end);

	preserve->bytes += copy.bytes;
	if (r)
		preserve->reason =
			r == -ENOSPC ? "no space left for the old pages" : "the copy failed";
	return r ? r : preserve_charge(preserve);
}

static int copy_all(struct preserve *preserve)
{
	const struct windows *windows = &preserve->copied;
	int r = 0;

	for (size_t i = 0; !r && i < windows->count; i++)
		r = copy_part(preserve, windows->list[i].start, windows->list[i].end);
	return r;
}

/* It took more memory than there is for it. */
static int spill_instead(struct preserve *preserve)
{
	preserve_end(preserve, true);
	int r = may_spill() ? begin_spill(preserve) : -ENOMEM;
	return r ? r : copy_all(preserve);
}

int preserve_windows(struct preserve *preserve)
{
	int r = preserve->whole ? 0 : copy_all(preserve);

	return r == -ENOMEM && preserve->engine == ENGINE_MEMORY ? spill_instead(preserve) : r;
}

int preserve_window(struct preserve *preserve, const struct window *window)
{
	struct window gap;
	int64_t at = window->start;
	int r = 0;

	while (!r && !preserve->whole && windows_gap(&preserve->copied, at, window->end, &gap)) {
		r = copy_part(preserve, gap.start, gap.end);
		at = gap.end;
	}
	return r;
}

void preserve_end(struct preserve *preserve, bool failed)
{
	if (preserve->target >= 0)
		sys_close(preserve->target);
	preserve->target = -1;
	if (!failed)
		return;
	budget_return(preserve->charged);
	preserve->charged = 0;
}
