/* SPDX-License-Identifier: MIT */
/*
 * S16: who wants to see others' changes through a private mapping sees them; NAMED shows that
 * snapshot.paths takes the same mappings in.
 */

#include "helper.h"

#define FILE_NAME "live.data"
#define PAGES	  3

struct format {
	const char *bytes;
	size_t offset, length;
};

static const struct format dconf = { "GVariant", 0, 8 }, swapped = { "raVGtnai", 0, 8 },
			   btree = { "\x62\x31\x05\x00", 12, 4 },
			   hash = { "\x61\x15\x06\x00", 12, 4 },
			   queue = { "\x00\x04\x22\x53", 12, 4 };

static void write_at(const void *bytes, size_t length, size_t offset)
{
	int fd = open(FILE_NAME, O_WRONLY | O_CLOEXEC);

	must(fd >= 0 && pwrite(fd, bytes, length, (off_t)offset) == (ssize_t)length);
	close(fd);
}

/* What the reader sees after the writer has put zeros over the format's mark. */
static bool sees_the_writer(const struct format *format, int type)
{
	static const char zeros[8];

	file_make(FILE_NAME, 1, PAGES);
	write_at(format->bytes, format->length, format->offset);
	int fd = file_open(FILE_NAME);
	const char *view = mmap(NULL, PAGES * PAGE, PROT_READ, type, fd, 0);

	must(view != MAP_FAILED && !close(fd));
	write_at(zeros, format->length, format->offset);
	return !memcmp(view + format->offset, zeros, format->length);
}

static void marked(const void *format)
{
	promise(sees_the_writer(format, MAP_PRIVATE),
		"the reader does not see what the writer marked");
}

static void shared(const void *format)
{
	promise(sees_the_writer(format, MAP_SHARED), "the reader does not see what was marked");
}

static void marked_named(const void *format)
{
	promise(!sees_the_writer(format, MAP_PRIVATE), "no snapshot, although it is named");
}

/* The mark is somewhere else: a file like any other. */
CASE_NAMED("other_later", marked_later)
{
	static const struct format later = { "GVariant", 1, 8 };

	promise(!sees_the_writer(&later, MAP_PRIVATE), "a file of no such format was left plain");
}

/* False: the page that the file has by now is SIGBUS. */
static bool sees_growth(size_t mapped)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, mapped);
	file_overwrite(FILE_NAME, 2, 0, PAGES + 2);
	return !touch(view + PAGES * PAGE);
}

CASE(ahead, HOLDS_BARE)
{
	promise(sees_growth(PAGES + 1), "what was added cannot be read: one page");
	promise(sees_growth(PAGES + 2), "what was added cannot be read");
}

CASE_NAMED("named_ahead", ahead_named)
{
	promise(!sees_growth(PAGES + 2), "no snapshot, although it is named");
}

/* Nobody can have both growth and zeros. */
CASE(rescued)
{
	file_make(FILE_NAME, 1, PAGES);
	const volatile char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES + 2);
	must(truncate(FILE_NAME, PAGE) == 0);
	promise(view[PAGE] == 0, "what was cut off is no zero");
	file_overwrite(FILE_NAME, 2, 0, PAGES + 2);
	promise(view[PAGE] == 0 && view[(PAGES + 1) * PAGE] == 0, "the zeros do not stay");
}

/* Not a page beyond the end: a file like any other. */
CASE_NAMED("other_end", to_the_end)
{
	file_make_tail(FILE_NAME, 1, PAGES, 1);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES + 1);
	file_overwrite(FILE_NAME, 2, 0, PAGES + 2);
	view_check(view, 1, 0, PAGES, "mapped to its end");
}

CASE_OF("dconf", marked, &dconf, HOLDS_BARE)
CASE_OF("swapped", marked, &swapped, HOLDS_BARE)
CASE_OF("btree", marked, &btree, HOLDS_BARE)
CASE_OF("hash", marked, &hash, HOLDS_BARE)
CASE_OF("queue", marked, &queue, HOLDS_BARE)
CASE_OF("shared", shared, &dconf, HOLDS_BARE)
CASE_OF("named_dconf", marked_named, &dconf)

CASES_MAIN
