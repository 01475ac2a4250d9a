/* SPDX-License-Identifier: MIT */
/*
 * What a reader knows of its memory, and the comparison with what is there. A page is
 * as it was captured, except where the reader itself stored a stamp.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "torture.h"

#define STAMP_BYTES 32

/* ---- faults ---- */

static const struct view *view_at(const unsigned char *address)
{
	for (size_t i = 0; me.reader && i < me.reader->count; i++) {
		const struct view *view = &me.reader->views[i];
		if (address >= view->at && address < view->at + view->pages * PAGE)
			return view;
	}
	return NULL;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	const unsigned char *address = info->si_addr;
	char what[80];

	(void)context;
	if (me.expected) {
		me.expected = 0;
		siglongjmp(me.fault, number);
	}
	const struct view *view = view_at(address);
	snprintf(what, sizeof(what), "unexpected signal %d (%s) at %p", number, strsignal(number),
		 (const void *)address);
	if (view)
		view_fail(view, (size_t)(address - view->at) / PAGE, what);
	fail("%s, outside of all mappings", what);
}

/* SA_NODEFER: the jump out restores no mask, which would cost a system call for each page read. */
void faults_catch(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	static const int numbers[] = { SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGABRT, SIGTRAP };

	for (size_t i = 0; i < COUNT(numbers); i++)
		sigaction(numbers[i], &action, NULL);
}

/* The signal that reading there raises, or 0 with the page in out, where that is wanted. */
static int page_read(const unsigned char *at, unsigned char *out)
{
	int number = sigsetjmp(me.fault, 0);

	if (number)
		return number;
	me.expected = 1;
	if (out)
		memcpy(out, at, PAGE);
	else
		(void)*(const volatile unsigned char *)at;
	me.expected = 0;
	return 0;
}

/* ---- reports ---- */

void view_history(struct view *view, const char *call)
{
	view->history[view->calls++ % COUNT(view->history)] = call;
}

static void history_text(const struct view *view, char *out, size_t size)
{
	size_t used = 0;

	out[0] = 0;
	for (unsigned int i = 0; i < COUNT(view->history); i++) {
		const char *call = view->history[(view->calls + i) % COUNT(view->history)];
		if (call && used < size)
			used += (size_t)snprintf(out + used, size - used, "%s ", call);
	}
}

/* The lines of /proc/self/maps that overlap a view. */
static void maps_text(const struct view *view, char *out, size_t size)
{
	unsigned long from = (unsigned long)view->at, to = from + view->pages * PAGE, start, end;
	FILE *maps = fopen("/proc/self/maps", "re");
	size_t used = 0;
	char line[512];

	out[0] = 0;
	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start < to && end > from &&
		    used < size)
			used += (size_t)snprintf(out + used, size - used, "\t%s", line);
	if (maps)
		fclose(maps);
}

static void capture_text(const struct capture *capture, char *out, size_t size)
{
	if (!capture)
		snprintf(out, size, "anonymous memory");
	else if (capture->exact)
		snprintf(out, size, "file %d, captured at generation %u (known), %llu bytes",
			 capture->file, capture->generation, (unsigned long long)capture->size);
	else
		snprintf(out, size, "file %d, captured while it was changed (about generation %u)",
			 capture->file, capture->generation);
}

void view_fail(const struct view *view, size_t page, const char *what)
{
	const struct capture *capture = view->capture;
	char maps[1200], history[200], origin[200], now[100] = "";

	capture_text(capture, origin, sizeof(origin));
	history_text(view, history, sizeof(history));
	maps_text(view, maps, sizeof(maps));
	if (capture) {
		const struct slot *slot = &state->slots[capture->file];
		snprintf(now, sizeof(now), "; now at generation %u, last change: %s by process %u",
			 slot->generation, change_name(slot->last_change), slot->last_process);
	}
	fail("%s\n\tpage %llu of %s%s\n\tmapping %p, %zu pages, protection %d, %s, depth %d, page "
	     "%zu of it (%p); calls: %s\n%s",
	     what, capture ? (unsigned long long)(capture->first + view->from + page) : 0ULL,
	     origin, now, (void *)view->at, view->pages, view->protection,
	     view->shared ? "shared" : "private", me.reader ? me.reader->depth : 0, page,
	     (void *)(view->at + page * PAGE), history, maps);
}

static _Noreturn void bytes_fail(const struct view *view, size_t page,
				 const unsigned char *expected, const char *when)
{
	const unsigned char *found = view->at + page * PAGE;
	char what[400], right[100], wrong[100];
	size_t offset = 0;

	while (offset < PAGE - 1 && found[offset] == expected[offset])
		offset++;
	pattern_describe(expected, offset, right, sizeof(right));
	pattern_describe(found, offset, wrong, sizeof(wrong));
	snprintf(what, sizeof(what), "wrong byte at %zu (%s): expected %s, found %s", offset, when,
		 right, wrong);
	view_fail(view, page, what);
}

/* ---- captures ---- */

struct capture *capture_new(int file, uint64_t first, size_t pages)
{
	struct capture *capture = calloc(1, sizeof(*capture));

	if (!capture)
		fail("no memory");
	*capture = (struct capture){ .users = 1, .file = file, .first = first, .pages = pages };
	capture->bytes = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	capture->beyond = calloc(pages, sizeof(*capture->beyond));
	if (capture->bytes == MAP_FAILED || !capture->beyond)
		fail("no memory");
	return capture;
}

void capture_drop(struct capture *capture)
{
	if (!capture || --capture->users)
		return;
	munmap(capture->bytes, capture->pages * PAGE);
	free(capture->beyond);
	free(capture);
}

/* Where nobody was changing the file, the capture must be exactly its generation. */
static void learnt_check(const struct capture *capture, size_t index, const struct view *view,
			 size_t page)
{
	unsigned char right[PAGE];
	uint64_t number = capture->first + index;

	if (capture->beyond[index] != (number >= PAGES_OF(capture->size)))
		view_fail(view, page,
			  capture->beyond[index] ? "SIGBUS on a page that existed at capture"
						 : "no SIGBUS on a page past the end at capture");
	pattern_page(capture->file, capture->generation, capture->size, number, right);
	if (!capture->beyond[index] && memcmp(right, capture->bytes + index * PAGE, PAGE))
		bytes_fail(view, page, right, "at once after the capture");
}

void capture_learn(struct capture *capture, size_t from, size_t pages, unsigned char *at,
		   const struct view *view)
{
	for (size_t i = 0; i < pages; i++) {
		int number = page_read(at + i * PAGE, capture->bytes + (from + i) * PAGE);
		if (number && number != SIGBUS)
			view_fail(view, (size_t)(at - view->at) / PAGE + i, "SIGSEGV on reading");
		capture->beyond[from + i] = number == SIGBUS;
		if (capture->exact)
			learnt_check(capture, from + i, view, (size_t)(at - view->at) / PAGE + i);
	}
	counted(COUNT_BYTES, pages * PAGE);
}

/* ---- checks ---- */

static size_t stamp_place(uint32_t stamp)
{
	return stamp * 2654435761u % (PAGE - STAMP_BYTES);
}

static void stamp_bytes(uint32_t stamp, unsigned char *out)
{
	for (unsigned int i = 0; i < STAMP_BYTES / sizeof(stamp); i++) {
		uint32_t word = stamp ^ i * 0x01010101u;
		memcpy(out + i * sizeof(word), &word, sizeof(word));
	}
}

static void page_expected(const struct view *view, size_t page, unsigned char *out)
{
	memset(out, 0, PAGE);
	if (view->capture)
		memcpy(out, view->capture->bytes + (view->from + page) * PAGE, PAGE);
	if (view->stamps && view->stamps[page])
		stamp_bytes(view->stamps[page], out + stamp_place(view->stamps[page]));
}

static bool beyond(const struct view *view, size_t page)
{
	return view->capture && view->capture->beyond[view->from + page];
}

static void page_check(const struct view *view, size_t page, const char *when)
{
	const unsigned char *captured =
		view->capture ? view->capture->bytes + (view->from + page) * PAGE : NULL;
	unsigned char expected[PAGE];

	if (beyond(view, page)) {
		if (chance(16))
			return;
		if (page_read(view->at + page * PAGE, NULL) != SIGBUS)
			view_fail(view, page, "no SIGBUS on a page past the end at capture");
		counted(COUNT_FAULTS, 1);
		return;
	}
	if (captured && !(view->stamps && view->stamps[page]) &&
	    !memcmp(captured, view->at + page * PAGE, PAGE))
		return;
	page_expected(view, page, expected);
	if (memcmp(expected, view->at + page * PAGE, PAGE))
		bytes_fail(view, page, expected, when);
}

void view_check(const struct view *view, const char *when)
{
	if (!(view->protection & PROT_READ))
		return;
	doing(DOING_CHECK, view->capture ? view->capture->file : -1);
	for (size_t page = 0; page < view->pages; page++)
		page_check(view, page, when);
	counted(COUNT_BYTES, view->pages * PAGE);
}

void view_store(struct view *view, size_t page)
{
	uint32_t stamp = chance(0xfffffffe) + 1;

	if (beyond(view, page))
		return;
	if (!view->stamps)
		view->stamps = calloc(view->pages, sizeof(*view->stamps));
	if (!view->stamps)
		fail("no memory");
	/* One stamp a page: the first place must not be forgotten. */
	if (view->stamps[page])
		stamp = view->stamps[page];
	view->stamps[page] = stamp;
	stamp_bytes(stamp, view->at + page * PAGE + stamp_place(stamp));
	counted(COUNT_STORES, 1);
}

/* ---- cutting ---- */

static void part_of(const struct view *whole, size_t page, size_t pages, struct view *out)
{
	*out = *whole;
	out->at += page * PAGE;
	out->from += page;
	out->pages = pages;
	out->stamps = NULL;
	if (whole->stamps) {
		out->stamps = malloc(pages * sizeof(*out->stamps));
		if (!out->stamps)
			fail("no memory");
		memcpy(out->stamps, whole->stamps + page, pages * sizeof(*out->stamps));
	}
	if (out->capture)
		out->capture->users++;
}

struct view *view_cut(struct reader *reader, size_t index, size_t page, size_t pages)
{
	struct view whole = reader->views[index];
	size_t after = whole.pages - page - pages;

	if (!page && !after)
		return &reader->views[index];
	if (reader->count + 2 > VIEWS)
		return NULL;
	part_of(&whole, page, pages, &reader->views[index]);
	if (page)
		part_of(&whole, 0, page, &reader->views[reader->count++]);
	if (after)
		part_of(&whole, page + pages, after, &reader->views[reader->count++]);
	free(whole.stamps);
	capture_drop(whole.capture);
	return &reader->views[index];
}

void view_forget(struct reader *reader, struct view *view)
{
	free(view->stamps);
	capture_drop(view->capture);
	*view = reader->views[--reader->count];
}
