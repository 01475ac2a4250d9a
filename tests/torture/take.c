/* SPDX-License-Identifier: MIT */
/*
 * Taking a snapshot, and what is known of it: where the file was changed by nobody from
 * before its open until after the mmap, its generation and size, and so every byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "torture.h"

struct moment {
	unsigned int begun;
	uint32_t generation;
	bool quiet;
};

static void moment_take(int file, struct moment *moment)
{
	const struct slot *slot = &state->slots[file];

	moment->begun = atomic_load(&slot->begun);
	moment->quiet = atomic_load(&slot->ended) == moment->begun;
	moment->generation = atomic_load(&slot->generation);
}

static int kind_of_mapping(struct wish *wish, bool may_write)
{
	bool write = !chance(3), shared = !write && !chance(4);
	char path[256];

	wish->protection = PROT_READ | (write ? PROT_WRITE : 0);
	wish->flags = wish->at ? MAP_FIXED : 0;
	wish->flags |= shared ? MAP_SHARED : MAP_PRIVATE;
	wish->flags |= chance(8) ? 0 : MAP_POPULATE;
	wish->flags |= chance(16) ? 0 : MAP_NORESERVE;
	wish->flags |= chance(40) ? 0 : MAP_LOCKED;
	path_of(wish->file, path, sizeof(path));
	/* Our own descriptor that can write keeps the lease away, and breaks those of others. */
	wish->fd =
		open(path, (may_write && !shared && !chance(12) ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	return wish->fd;
}

/* Mostly within the file, now and then beyond its end. */
static int window(struct wish *wish, size_t most)
{
	struct stat st;

	if (fstat(wish->fd, &st))
		return -1;
	uint32_t pages = (uint32_t)PAGES_OF((uint64_t)st.st_size);
	wish->first = chance(2) ? 0 : chance(pages + 2);
	wish->pages = 1 + chance(chance(24) ? 24 : pages + 8);
	if (wish->pages > most)
		wish->pages = most;
	wish->bytes = wish->pages * PAGE - (chance(3) ? 0 : chance(PAGE));
	return 0;
}

/* A file that was gone when it was mapped is nobody's snapshot. */
static bool named_still(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_nlink > 0;
}

static void view_add(struct reader *reader, const struct wish *wish, const struct moment *moment,
		     unsigned char *at)
{
	struct capture *capture = capture_new(wish->file, wish->first, wish->pages);
	struct view *view = &reader->views[reader->count++];

	capture->exact =
		moment->quiet && atomic_load(&state->slots[wish->file].begun) == moment->begun;
	capture->generation = moment->generation;
	capture->size = pattern_size(wish->file, moment->generation);
	*view = (struct view){
		.at = at,
		.pages = wish->pages,
		.capture = capture,
		.protection = wish->protection,
		.shared = wish->flags & MAP_SHARED,
	};
	view_history(view, wish->at ? "mmap-fixed" : "mmap");
	counted(COUNT_CAPTURES, 1);
	if (capture->exact)
		counted(COUNT_EXACT, 1);
	capture_learn(capture, 0, capture->pages, at, view);
}

bool snapshot_take(struct reader *reader, struct wish *wish)
{
	struct moment moment;

	doing(DOING_MAP, wish->file);
	moment_take(wish->file, &moment);
	if (kind_of_mapping(wish, !reader->unprivileged) < 0) {
		if (errno != ENOENT)
			fail("open of file %d: %s", wish->file, strerror(errno));
		return false;
	}
	if (window(wish, wish->at ? wish->pages : 4096)) {
		close(wish->fd);
		return false;
	}
	unsigned char *at = mmap(wish->at, wish->bytes, wish->protection, wish->flags, wish->fd,
				 (off_t)(wish->first * PAGE));
	if (at == MAP_FAILED) {
		if (errno != ENOMEM && errno != EAGAIN)
			fail("mmap of file %d: %s", wish->file, strerror(errno));
		counted(COUNT_REFUSED, 1);
	} else if (named_still(wish->fd)) {
		view_add(reader, wish, &moment, at);
	} else {
		munmap(at, wish->bytes);
		at = MAP_FAILED;
	}
	close(wish->fd);
	return at != MAP_FAILED;
}
