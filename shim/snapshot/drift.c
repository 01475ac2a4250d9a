/* SPDX-License-Identifier: MIT */
/*
 * What a program would have seen change under it: when a snapshot whose pages were put aside ends,
 * they are compared with the file of that moment (audit.drift=on). Read from the mapping's own
 * backing through /proc/self/mem, since the program may have taken the right to read it away, and
 * from the file under its name, if that is still the same one. The program's own stores are no
 * drift: pages of its own are left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "audit/event.h"
#include "kernel/pagemap.h"
#include "kernel/vma.h"
#include "support/sys.h"
#include "kernel/thread.h"
#include "policy/policy.h"
#include "snapshot/snapshot.h"
#include "support/arena.h"
#include "support/text.h"

#define PIECES	    64
#define RANGES	    64
#define RANGE_BYTES 2048

struct comparison {
	uintptr_t start;
	struct piece pieces[PIECES];
	size_t count;
	const char *path;
	uint64_t id;
	struct file_id captured;
	/* on the way */
	bool has_table; /* of descriptors */
	int file, memory, pagemap;
	unsigned char here[PAGE_BYTES], there[PAGE_BYTES];
	/* what came of it */
	uint64_t pages;
	size_t ranges;
	int64_t range_start, range_end;
	char text[RANGE_BYTES];
	struct text list;
	const char *reason; /* why it could not be compared */
};

static void range_close(struct comparison *it)
{
	if (it->range_end > it->range_start && it->ranges++ < RANGES) {
		text_add(&it->list, it->list.length ? " " : "");
		text_add_int(&it->list, it->range_start);
		text_add_char(&it->list, '+');
		text_add_int(&it->list, it->range_end - it->range_start);
	}
	it->range_start = it->range_end = 0;
}

static void page_differs(struct comparison *it, int64_t offset)
{
	it->pages++;
	if (it->range_end != offset || it->range_end == it->range_start) {
		range_close(it);
		it->range_start = offset;
	}
	it->range_end = offset + (int64_t)PAGE_BYTES;
}

static bool is_programs_own(const struct comparison *it, uintptr_t address)
{
	uint64_t entry = 0;

	sys_pread(it->pagemap, &entry, sizeof(entry),
		  (int64_t)(address / PAGE_BYTES * sizeof(entry)));
	return entry & (ENTRY_PRESENT | ENTRY_SWAPPED) && !(entry & ENTRY_FILE);
}

/* Past its end a file has no page: what is captured there and gone now has changed too. */
static void compare_page(struct comparison *it, uintptr_t address, int64_t offset)
{
	if (is_programs_own(it, address) || sys_lseek(it->memory, (int64_t)address, SEEK_SET) < 0 ||
	    sys_read(it->memory, it->here, PAGE_BYTES) != (long)PAGE_BYTES)
		return;
	memset(it->there, 0, PAGE_BYTES);
	int64_t got = sys_pread(it->file, it->there, PAGE_BYTES, offset);
	if (got <= 0 || memcmp(it->here, it->there, PAGE_BYTES))
		page_differs(it, offset);
}

static void compare_pieces(struct comparison *it)
{
	for (size_t i = 0; i < it->count; i++) {
		const struct piece *piece = &it->pieces[i];
		int64_t offset = piece->offset;
		for (uintptr_t at = piece->start; at < piece->end; at += PAGE_BYTES) {
			compare_page(it, at, offset);
			offset += (int64_t)PAGE_BYTES;
		}
	}
	range_close(it);
}

static const char *compare_with(struct comparison *it)
{
	if (!it->has_table)
		return "no descriptor table of its own for the comparison";
	if (it->file == -ESTALE)
		return "another file has its name";
	if (it->file < 0 || it->memory < 0 || it->pagemap < 0)
		return "the file is no longer there, or may not be read";
	compare_pieces(it);
	return NULL;
}

static void compare(struct comparison *it)
{
	it->pages = it->ranges = 0;
	text_init(&it->list, it->text, sizeof(it->text));
	it->file = it->has_table ? file_open_same(it->path, &it->captured) : -1;
	it->reason = compare_with(it);
	sys_close_if_open(it->file);
}

static void report(const struct comparison *it)
{
	struct record *record = record_begin(EVENT_SNAPSHOT_DRIFT,
					     it->reason ? OUTCOME_UNKNOWN : OUTCOME_SUCCESS, NULL);

	record_str(record, "file.path", it->path);
	if (it->reason)
		record_error(record, 0, it->reason);
	record_uint(record, "mmfence.snapshot.id", it->id);
	if (!it->reason) {
		record_uint(record, "mmfence.drift.pages", it->pages);
		record_str(record, "mmfence.drift.ranges", it->text);
	}
	record_emit(record);
}

static bool any_ends(uintptr_t start, uintptr_t end)
{
	struct piece piece;
	bool found = false;

	snapshot_lock();
	for (uintptr_t at = start; !found && index_next(at, &piece) && piece.start < end;
	     at = piece.end)
		found = piece.snapshot->fate != FATE_UNTOUCHED;
	snapshot_unlock();
	return found;
}

/* The pieces in the range of the first snapshot at or after *at that ends with it. False: no more.
 */
static bool next_to_end(uintptr_t *at, uintptr_t end, struct comparison *it)
{
	const struct snapshot *snapshot = NULL;
	struct piece piece;
	uint64_t bytes = 0;

	it->count = 0;
	snapshot_lock();
	for (uintptr_t here = *at; index_next(here, &piece) && piece.start < end;
	     here = piece.end) {
		if (!snapshot && piece.snapshot->fate != FATE_UNTOUCHED)
			snapshot = piece.snapshot;
		if (piece.snapshot != snapshot)
			continue;
		if (!it->count)
			*at = piece.end;
		bytes += (piece.end < end ? piece.end : end) -
			 (piece.start > it->start ? piece.start : it->start);
		if (it->count < PIECES)
			it->pieces[it->count++] = piece;
	}
	if (snapshot) {
		it->id = snapshot->id;
		it->captured = snapshot->file;
		it->path = bytes >= snapshot->mapped ? arena_strdup(snapshot->path) : NULL;
	}
	snapshot_unlock();
	return snapshot;
}

/* A thread with a table of its own: closing the files here would drop the program's record locks.
 * It says nothing itself: the log is not in that table. */
static void compare_apart(void *argument)
{
	struct comparison *it = argument;

	it->has_table = !thread_own_table(-1);
	it->memory = it->has_table ? proc_open_own(-1, "mem", O_RDONLY) : -1;
	it->pagemap = it->has_table ? proc_open_own(-1, "pagemap", O_RDONLY) : -1;
	compare(it);
}

static void compare_all(struct comparison *it, uintptr_t end)
{
	for (uintptr_t at = it->start; next_to_end(&at, end, it);) {
		if (!it->path)
			continue;
		if (!thread_run(compare_apart, it))
			report(it);
		arena_free((char *)it->path, strlen(it->path) + 1);
	}
}

void drift_before_unmap(uintptr_t start, uintptr_t end)
{
	struct comparison *it;

	if (the_policy.audit_drift != AUDIT_DRIFT_ON || !audit_enabled() || !any_ends(start, end))
		return;
	it = arena_alloc(sizeof(*it));
	if (!it)
		return;
	it->start = start;
	compare_all(it, end);
	arena_free(it, sizeof(*it));
}

void drift_at_end(void)
{
	drift_before_unmap(0, UINTPTR_MAX);
}
