/* SPDX-License-Identifier: MIT */
/*
 * What is done to the files: each change makes a mess in its own way, and then brings
 * the file to its next generation. Only one thread changes a file at a time; that the
 * others see the mess is the purpose.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "change.h"

/* What the file system does not have is not done; the generation is written all the same. */
static void need(long result, const char *call, const struct work *work)
{
	if (result >= 0 || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)
		return;
	fail("%s of file %d: %s", call, work->file, strerror(errno));
}

static void rewrite(const struct work *work)
{
	write_pages(work, work->fd, false);
}

static void by_truncating_open(struct work *work)
{
	open_to_write(work, O_WRONLY | O_TRUNC);
	pause_a_little();
	write_pages(work, work->fd, true);
}

static void in_place(struct work *work)
{
	open_to_write(work, O_WRONLY);
	rewrite(work);
}

static void by_ftruncate(struct work *work)
{
	open_to_write(work, O_RDWR);
	must(!ftruncate(work->fd, (off_t)chance((uint32_t)work->before + 1)), "ftruncate", work);
	pause_a_little();
	must(!ftruncate(work->fd, (off_t)(work->before + chance(3 * PAGE))), "ftruncate", work);
	pause_a_little();
	rewrite(work);
}

static void by_truncate(struct work *work)
{
	doing(DOING_OPEN_TO_WRITE, work->file);
	must(!truncate(work->path, (off_t)chance((uint32_t)work->before + 1)), "truncate", work);
	pause_a_little();
	must(!truncate(work->path, (off_t)(work->before + chance(3 * PAGE))), "truncate", work);
	pause_a_little();
	in_place(work);
}

static void by_fallocate(struct work *work, int mode, const char *name)
{
	uint64_t pages = PAGES_OF(work->before);

	open_to_write(work, O_RDWR);
	for (int i = 0; i < 3 && pages; i++) {
		uint64_t first = chance((uint32_t)pages);
		uint64_t count = 1 + chance((uint32_t)(pages - first));
		need(fallocate(work->fd, mode, (off_t)(first * PAGE), (off_t)(count * PAGE)), name,
		     work);
	}
	pause_a_little();
	rewrite(work);
}

static void by_punch(struct work *work)
{
	by_fallocate(work, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, "punch");
}

static void by_zero(struct work *work)
{
	by_fallocate(work, FALLOC_FL_ZERO_RANGE, "zero range");
}

static void by_collapse(struct work *work)
{
	by_fallocate(work, FALLOC_FL_COLLAPSE_RANGE, "collapse");
}

static void by_insert(struct work *work)
{
	by_fallocate(work, FALLOC_FL_INSERT_RANGE, "insert");
}

static void by_extending(struct work *work)
{
	unsigned char *junk = buffer_get(1);

	open_to_write(work, O_RDWR);
	memset(junk, 0xe7, PAGE);
	for (unsigned int i = 0; i < 3; i++)
		put(work, work->fd, junk, PAGE, work->before + i * PAGE + chance(PAGE));
	free(junk);
	pause_a_little();
	rewrite(work);
}

static void by_stores(struct work *work)
{
	open_to_write(work, O_RDWR);
	store_pages(work);
}

static void by_direct_io(struct work *work)
{
	open_to_write(work, O_RDWR | (chance(2) ? O_DSYNC : 0));
	int flags = fcntl(work->fd, F_GETFL);
	bool direct = !fcntl(work->fd, F_SETFL, flags | O_DIRECT);
	unsigned char *buffer = buffer_get(BATCH);
	for (uint64_t page = 0; direct && page * PAGE < work->size;) {
		size_t pages = batch(work, page, buffer);
		/* A file system that cannot is no failure; the pages are written below. */
		if (pages && pwrite(work->fd, buffer, pages * PAGE, (off_t)(page * PAGE)) < 0)
			break;
		page += pages ? pages : 1;
	}
	free(buffer);
	fcntl(work->fd, F_SETFL, flags);
	rewrite(work);
}

static void by_renaming_over(struct work *work)
{
	char path[300];

	work->fd = written_elsewhere(work, path, sizeof(path));
	must(!rename(path, work->path), "rename", work);
}

static void by_unlinking(struct work *work)
{
	bool scribble = chance(2);
	int old = -1;

	if (scribble) {
		open_to_write(work, O_RDWR);
		old = work->fd;
	}
	must(!unlink(work->path), "unlink", work);
	pause_a_little();
	open_to_write(work, O_RDWR | O_EXCL);
	write_pages(work, work->fd, true);
	if (!scribble)
		return;
	/* Who maps the old one still has it as it was. */
	struct work other = *work;
	other.fd = old;
	other.generation += 1000000;
	other.size = work->before;
	rewrite(&other);
	must(!ftruncate(old, 0), "ftruncate", work);
	close(old);
}

static void by_nothing(struct work *work)
{
	open_to_write(work, O_RDWR);
	pause_a_little();
	close(work->fd);
	in_place(work);
}

/* Not among them: open(O_RDONLY | O_TRUNC), which POSIX leaves undefined. Linux cuts the file and
 * breaks no read lease for it, so that nothing held by leases can know. */
static const struct {
	const char *name;
	void (*make)(struct work *work);
} changes[] = {
	{ "O_TRUNC", by_truncating_open },
	{ "write in place", in_place },
	{ "ftruncate", by_ftruncate },
	{ "truncate", by_truncate },
	{ "punch", by_punch },
	{ "zero range", by_zero },
	{ "collapse", by_collapse },
	{ "insert", by_insert },
	{ "extend", by_extending },
	{ "stores", by_stores },
	{ "O_DIRECT", by_direct_io },
	{ "copy_file_range, sendfile or clone", copy_pages },
	{ "rename over", by_renaming_over },
	{ "unlink", by_unlinking },
	{ "open and close", by_nothing },
};

const char *change_name(unsigned int kind)
{
	return kind < COUNT(changes) ? changes[kind].name : "none";
}

static void work_begin(struct work *work, int file)
{
	struct slot *slot = &state->slots[file];
	uint32_t now = atomic_load(&slot->generation);

	*work = (struct work){ .file = file, .fd = -1, .generation = now + 1 };
	work->size = pattern_size(file, now + 1);
	work->before = pattern_size(file, now);
	path_of(file, work->path, sizeof(work->path));
}

void change(int file)
{
	struct slot *slot = &state->slots[file];
	unsigned int expected = 0, kind = chance(COUNT(changes));
	struct work work;

	if (!atomic_compare_exchange_strong(&slot->owner, &expected, (unsigned int)getpid()))
		return;
	doing(DOING_CHANGE, file);
	atomic_store(&slot->last_change, kind);
	atomic_store(&slot->last_process, (unsigned int)getpid());
	atomic_fetch_add(&slot->begun, 1);
	work_begin(&work, file);
	changes[kind].make(&work);
	close(work.fd);
	atomic_store(&slot->generation, work.generation);
	atomic_fetch_add(&slot->ended, 1);
	atomic_store(&slot->owner, 0);
	counted(COUNT_CHANGES, 1);
	doing(DOING_NOTHING, file);
}

/* Whether the thread that owned the file is gone, and it is ours now. */
static bool orphaned(struct slot *slot)
{
	unsigned int owner = atomic_load(&slot->owner);

	return owner && kill((pid_t)owner, 0) && errno == ESRCH &&
	       atomic_compare_exchange_strong(&slot->owner, &owner, (unsigned int)getpid());
}

void changes_repair(void)
{
	struct work work;

	for (int file = 0; file < FILES; file++) {
		struct slot *slot = &state->slots[file];
		if (!orphaned(slot))
			continue;
		work_begin(&work, file);
		/* It may have died with any size, and between unlink and open. */
		open_to_write(&work, O_WRONLY | O_TRUNC);
		write_pages(&work, work.fd, true);
		close(work.fd);
		atomic_store(&slot->generation, work.generation);
		atomic_store(&slot->ended, atomic_load(&slot->begun));
		atomic_store(&slot->owner, 0);
	}
}

void files_make(void)
{
	struct work work;

	for (int file = 0; file < FILES; file++) {
		work_begin(&work, file);
		work.generation = 0;
		work.size = pattern_size(file, 0);
		work.fd = open(work.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		must(work.fd >= 0, "open", &work);
		write_pages(&work, work.fd, true);
		close(work.fd);
	}
}
