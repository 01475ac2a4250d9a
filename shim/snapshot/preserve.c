/* SPDX-License-Identifier: MIT */
/*
 * Clone, memfd, spill file: see preserve.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include "support/sys.h"
#include "kernel/file.h"
#include "policy/policy.h"
#include "snapshot/guard.h"
#include "snapshot/preserve.h"
#include "snapshot/snapshot.h"
#include "support/arena.h"
#include "support/text.h"
#include "support/sort.h"

/* ---- Joining and looking up parts of a file. On bare threads too. ---- */

int windows_alloc(struct windows *windows, size_t capacity)
{
	*windows = (struct windows){ .capacity = capacity ? capacity : 1 };
	windows->list = arena_alloc(windows->capacity * sizeof(*windows->list));
	return windows->list ? 0 : -ENOMEM;
}

void windows_free(struct windows *windows)
{
	arena_free(windows->list, windows->capacity * sizeof(*windows->list));
	windows->list = NULL;
}

void windows_add(struct windows *windows, const struct window *window)
{
	if (window->start < window->end)
		windows->list[windows->count++] = *window;
}

/* Files have no negative offsets. */
static uint64_t start_of(const void *window)
{
	return (uint64_t)((const struct window *)window)->start;
}

void windows_join(struct windows *windows)
{
	struct window *list = windows->list;
	size_t kept = 0;

	sort(list, windows->count, sizeof(*list), start_of);
	for (size_t i = 0; i < windows->count; i++) {
		if (!kept || list[i].start > list[kept - 1].end)
			list[kept++] = list[i];
		else if (list[i].end > list[kept - 1].end)
			list[kept - 1].end = list[i].end;
	}
	windows->count = kept;
}

/* How many begin at or below at. */
static size_t begin_by(const struct windows *windows, int64_t at)
{
	size_t low = 0, high = windows->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (windows->list[middle].start <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool windows_gap(const struct windows *windows, int64_t at, int64_t end, struct window *out)
{
	size_t next = begin_by(windows, at);

	if (next && windows->list[next - 1].end > at)
		at = windows->list[next - 1].end;
	if (next < windows->count && windows->list[next].start < end)
		end = windows->list[next].start;
	*out = (struct window){ at, end };
	return at < end;
}

/* Where clones may go besides: the user's own directory for them, then those for temporary and for
 * cached files. */
static const char *temporary_directory, *cache_directory;

/* As the XDG base directory specification has it. */
static const char *cache_below(const char *home)
{
	static char buffer[1024] LARGE;

	return text_make(buffer, sizeof(buffer), "%s/.cache", home) ? buffer : NULL;
}

void clone_places_settle(const char *temporary, const char *cache, const char *home)
{
	temporary_directory = temporary;
	cache_directory = (cache && *cache) || !home ? cache : cache_below(home);
}

#define PATH_BYTES 4096

static int clone_into(const struct preserve *preserve, const char *directory)
{
	int fd = sys_open(directory, O_TMPFILE | O_RDWR, 0600);

	if (fd < 0)
		return fd;
	int r = sys_ioctl_int(fd, FICLONE, preserve->copy.source);
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

static bool is_plain(uint64_t device)
{
	return atomic_load_explicit(plain_slot(device), memory_order_relaxed) == device + 1;
}

/* A writer would find the blocks gone that were its file's own. */
static bool has_room_again(const struct preserve *preserve)
{
	struct statfs64 space;

	return sys_fstatfs(preserve->copy.source, &space) ||
	       (uint64_t)space.f_bavail * (uint64_t)space.f_bsize >=
		       (uint64_t)preserve->file->blocks * 512;
}

static int clone_try(const struct preserve *preserve)
{
	const char *places[] = { the_policy.snapshot_clone_dir, temporary_directory, "/var/tmp",
				 cache_directory };
	uint64_t device = preserve->file->device;

	if (is_plain(device))
		return -EOPNOTSUPP;
	if (the_policy.snapshot_preserve != PRESERVE_CLONE && !has_room_again(preserve))
		return -ENOSPC;
	int fd = clone_beside(preserve);
	/* A file system without reflinks says so at once, and in every directory. */
	for (int i = 0; fd < 0 && !cannot_clone(fd) && fd != -EINVAL && i < 4; i++)
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
	preserve->copy.target = fd;
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

#define LONG_TO_WRITE (16 << 20)

#define SAMPLES	     16
#define SAMPLE_BYTES (128 << 10)

/* A clone would write it out first, which takes longer than a copy. Asking of every page of a large
 * file takes longer than its clone: samples tell. Before Linux 6.5 it is not known. */
static bool is_dirty(const struct preserve *preserve)
{
	uint64_t size = (uint64_t)preserve->file->size, dirty = 0;
	struct cache_pages pages;

	if (size < LONG_TO_WRITE || is_plain(preserve->file->device))
		return false;
	for (uint64_t i = 0; i < SAMPLES; i++) {
		struct cache_range range = { size / SAMPLES * i, SAMPLE_BYTES };
		if (sys_cachestat((unsigned int)preserve->copy.source, &range, &pages, 0))
			return false;
		dirty += pages.dirty + pages.being_written;
	}
	return dirty * PAGE_BYTES * (size / (SAMPLES * SAMPLE_BYTES)) >= LONG_TO_WRITE;
}

int preserve_begin(struct preserve *preserve)
{
	int wanted = the_policy.snapshot_preserve;
	int r = -EOPNOTSUPP;

	preserve->copy.target = -1;
	preserve->reason = wanted == PRESERVE_SPILL ? "there is no snapshot.spill-dir to write to"
						    : "no reflink clone is to be had";
	if (wanted == PRESERVE_AUTO && !preserve->no_copy && is_dirty(preserve) &&
	    !begin_memory(preserve))
		return 0;
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

void preserve_borrow(struct preserve *preserve, int target, enum engine engine)
{
	begin_with(preserve, target, engine);
	preserve->borrowed = true;
	preserve->copied.count = 0;
}

/* Huge pages are taken whole, however little is put into them. */
static int charge_again(struct preserve *preserve)
{
	struct statx now;

	if (preserve->borrowed || preserve->engine != ENGINE_MEMORY ||
	    sys_fstat(preserve->copy.target, &now))
		return 0;
	uint64_t takes = now.stx_blocks * 512;
	if (takes <= preserve->charged)
		return 0;
	int r = budget_charge(takes - preserve->charged, &preserve->reason);
	if (!r)
		preserve->charged = takes;
	return r;
}

#define STEP (16 << 20)

/* In steps: what comes to more than was charged is noticed before it is much more. */
int preserve_part(struct preserve *preserve, bool has_holes, int64_t start, int64_t end)
{
	int r = 0;

	for (int64_t to; !r && start < end; start = to) {
		to = end - start > STEP ? start + STEP : end;
		r = (has_holes ? copy_data : copy_range)(&preserve->copy, start, to);
		if (r)
			preserve->reason = r == -ENOSPC ? "no space left for the old pages"
							: "the copy failed";
		else
			r = charge_again(preserve);
	}
	return r;
}

static int copy_all(struct preserve *preserve)
{
	const struct windows *windows = &preserve->copied;
	int r = 0;

	for (size_t i = 0; !r && i < windows->count; i++)
		r = preserve_part(preserve, true, windows->list[i].start, windows->list[i].end);
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
	int r = preserve->whole || preserve->borrowed ? 0 : copy_all(preserve);

	return r == -ENOMEM && preserve->engine == ENGINE_MEMORY ? spill_instead(preserve) : r;
}

/* Others show what was borrowed: nothing is put into it, least of all by who may have lost its
 * lease meanwhile. */
static int own_instead(struct preserve *preserve)
{
	sys_close(preserve->copy.target);
	preserve->borrowed = false;
	int r = preserve_begin(preserve);
	return r ? r : preserve_windows(preserve);
}

int preserve_window(struct preserve *preserve, const struct window *window)
{
	struct window gap;
	int64_t at = window->start;
	int r = 0;

	while (!r && !preserve->whole && windows_gap(&preserve->copied, at, window->end, &gap)) {
		if (preserve->borrowed) {
			r = own_instead(preserve);
			continue;
		}
		r = preserve_part(preserve, true, gap.start, gap.end);
		at = gap.end;
	}
	return r;
}

void preserve_show(const struct preserve *preserve, struct snapshot *snapshot)
{
	snapshot->engine = preserve->engine;
	snapshot->shown = preserve->shown;
	snapshot->whole = preserve->whole;
}

void preserve_end(struct preserve *preserve, bool failed)
{
	sys_close_if_open(preserve->copy.target);
	preserve->copy.target = -1;
	if (!failed)
		return;
	budget_return(preserve->charged);
	preserve->charged = 0;
}
