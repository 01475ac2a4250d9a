/* SPDX-License-Identifier: MIT */
/*
 * All that a program may do with a mapping, each on one view.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "torture.h"

void view_unmap(struct reader *reader, struct view *view)
{
	doing(DOING_UNMAP, -1);
	if (munmap(view->at, view->pages * PAGE))
		view_fail(view, 0, "munmap failed");
	view_forget(reader, view);
}

static void cover_anonymous(struct reader *reader, struct view *view)
{
	size_t pages = view->pages;
	void *at = mmap(view->at, pages * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (at != view->at)
		view_fail(view, 0, "mmap(MAP_FIXED) of anonymous memory failed");
	view_forget(reader, view);
	view = &reader->views[reader->count++];
	*view = (struct view){ .at = at, .pages = pages, .protection = PROT_READ | PROT_WRITE };
	view_history(view, "mmap-fixed-anonymous");
}

/* The range may be gone or not, if it fails: nothing is known of it any more. What the new mapping
 * leaves of the old is unmapped. */
static void cover_file(struct reader *reader, struct view *view)
{
	size_t pages = view->pages;
	struct wish wish = { .file = (int)chance(FILES), .at = view->at, .pages = pages };

	view_forget(reader, view);
	bool done = snapshot_take(reader, &wish);
	if (done && wish.pages < pages)
		munmap(wish.at + wish.pages * PAGE, (pages - wish.pages) * PAGE);
}

void view_cover(struct reader *reader, struct view *view)
{
	doing(DOING_FIXED, -1);
	if (chance(2))
		cover_anonymous(reader, view);
	else
		cover_file(reader, view);
}

/* ---- mremap ---- */

void view_shrink(struct view *view, size_t pages)
{
	doing(DOING_REMAP, -1);
	if (mremap(view->at, view->pages * PAGE, pages * PAGE, 0) != view->at)
		view_fail(view, 0, "mremap to less failed");
	view->pages = pages;
	view_history(view, "mremap-shrink");
}

static void view_grown(struct view *view, size_t pages, unsigned char *at)
{
	struct capture *old = view->capture;
	size_t had = view->pages;

	if (view->stamps) {
		view->stamps = realloc(view->stamps, pages * sizeof(*view->stamps));
		if (!view->stamps)
			fail("no memory");
		memset(view->stamps + had, 0, (pages - had) * sizeof(*view->stamps));
	}
	view->at = at;
	view->pages = pages;
	view_history(view, "mremap-grow");
	counted(COUNT_GROWN, 1);
	if (!old)
		return;
	struct capture *new = capture_new(old->file, old->first + view->from, pages);
	new->exact = old->exact;
	new->generation = old->generation;
	new->size = old->size;
	memcpy(new->bytes, old->bytes + view->from * PAGE, had * PAGE);
	memcpy(new->beyond, old->beyond + view->from, had * sizeof(*new->beyond));
	view->capture = new;
	view->from = 0;
	capture_drop(old);
	if (view->protection & PROT_READ)
		capture_learn(new, had, pages - had, at + had * PAGE, view);
}

/* ENOMEM: only the window was captured. */
void view_grow(struct view *view, size_t pages)
{
	if (!(view->protection & PROT_READ))
		return;
	doing(DOING_REMAP, -1);
	unsigned char *at = mremap(view->at, view->pages * PAGE, pages * PAGE, MREMAP_MAYMOVE);
	if (at != MAP_FAILED)
		view_grown(view, pages, at);
	else if (errno != ENOMEM && errno != EAGAIN)
		view_fail(view, 0, strerror(errno));
}

void view_move(struct view *view)
{
	size_t bytes = view->pages * PAGE;

	doing(DOING_REMAP, -1);
	void *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED)
		return;
	if (mremap(view->at, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, room) != room)
		view_fail(view, 0, "mremap to another place failed");
	view->at = room;
	view_history(view, "mremap-move");
}

/* ---- protection, stores, advice ---- */

void view_protect(struct view *view, int protection)
{
	static const char *const names[] = { "none", "r", "w", "rw" };
	bool refused = view->shared && protection & PROT_WRITE;

	doing(DOING_PROTECT, -1);
	int r = mprotect(view->at, view->pages * PAGE, protection);
	if (r && !(refused && errno == EACCES) && errno != ENOMEM)
		view_fail(view, 0, "mprotect failed");
	if (!r && refused)
		view_fail(view, 0, "a shared snapshot could be made writable");
	if (r)
		return;
	view->protection = protection;
	view_history(view, names[protection]);
}

void view_store_some(struct view *view)
{
	if (!(view->protection & PROT_WRITE))
		return;
	doing(DOING_STORE, -1);
	for (uint32_t i = 0; i < 1 + view->pages / 4; i++)
		view_store(view, chance((uint32_t)view->pages));
	view_history(view, "store");
}

void view_drop(struct view *view)
{
	doing(DOING_ADVISE, -1);
	if (madvise(view->at, view->pages * PAGE, MADV_DONTNEED))
		return; /* locked */
	free(view->stamps);
	view->stamps = NULL;
	view_history(view, "dontneed");
}

#ifndef MADV_COLD
#define MADV_COLD    20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* A child has no part in what is not forked; here that is only noted. */
void view_advise(struct view *view)
{
	static const int advice[] = { MADV_WILLNEED,	  MADV_RANDOM,	   MADV_SEQUENTIAL,
				      MADV_NORMAL,	  MADV_COLD,	   MADV_PAGEOUT,
				      MADV_POPULATE_READ, MADV_NOHUGEPAGE, MADV_DONTDUMP };
	size_t bytes = view->pages * PAGE;

	doing(DOING_ADVISE, -1);
	switch (chance(6)) {
	case 0:
		view->not_forked = !madvise(view->at, bytes, MADV_DONTFORK);
		break;
	case 1:
		view->not_forked = madvise(view->at, bytes, MADV_DOFORK) && view->not_forked;
		break;
	case 2:
		if (bytes < 65536)
			mlock(view->at, bytes);
		break;
	case 3:
		munlock(view->at, bytes);
		break;
	default:
		madvise(view->at, bytes, advice[chance(COUNT(advice))]);
	}
	view_history(view, "advise");
}
