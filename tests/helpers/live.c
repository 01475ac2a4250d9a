/* SPDX-License-Identifier: MIT */
/*
 * S16: who wants to see others' changes through a private mapping sees them; NAMED shows that
 * snapshot.paths takes the same mappings in.
 */
#include <string.h>

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
static bool sees_the_writer(const struct format *format)
{
	static const char zeros[8];

	file_make(FILE_NAME, 1, PAGES);
	write_at(format->bytes, format->length, format->offset);
	const char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	write_at(zeros, format->length, format->offset);
	return !memcmp(view + format->offset, zeros, format->length);
}

static void marked(const void *format)
{
	promise(sees_the_writer(format), "the reader does not see what the writer marked");
}

static void marked_named(const void *format)
{
	promise(!sees_the_writer(format), "no snapshot, although it is named");
}

/* The mark is somewhere else: a file like any other. */
static void marked_later(const void *unused)
{
	static const struct format later = { "GVariant", 1, 8 };

	(void)unused;
	promise(!sees_the_writer(&later), "a file of no such format was left plain");
}

/* False: the page that the file has by now is SIGBUS. */
static bool sees_growth(size_t mapped)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, mapped);
	file_overwrite(FILE_NAME, 2, 0, PAGES + 2);
	return !touch(view + PAGES * PAGE);
}

static void ahead(const void *unused)
{
	(void)unused;
	promise(sees_growth(PAGES + 1), "what was added cannot be read: one page");
	promise(sees_growth(PAGES + 2), "what was added cannot be read");
}

static void ahead_named(const void *unused)
{
	(void)unused;
	promise(!sees_growth(PAGES + 2), "no snapshot, although it is named");
}

/* Not a page beyond the end: a file like any other. */
static void to_the_end(const void *unused)
{
	(void)unused;
	file_make_tail(FILE_NAME, 1, PAGES, 1);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES + 1);
	file_overwrite(FILE_NAME, 2, 0, PAGES + 2);
	view_check(view, 1, 0, PAGES, "mapped to its end");
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "dconf", marked, &dconf, HOLDS_BARE },
		{ "swapped", marked, &swapped, HOLDS_BARE },
		{ "btree", marked, &btree, HOLDS_BARE },
		{ "hash", marked, &hash, HOLDS_BARE },
		{ "queue", marked, &queue, HOLDS_BARE },
		{ "ahead", ahead, NULL, HOLDS_BARE },
		{ "named_dconf", marked_named, &dconf, false },
		{ "named_ahead", ahead_named, NULL, false },
		{ "other_later", marked_later, NULL, false },
		{ "other_end", to_the_end, NULL, false },
	};

	return cases_main(cases, COUNT(cases), argc, argv);
}
