/* SPDX-License-Identifier: MIT */
/*
 * S1: a private mapping shows the file as it was when it was mapped, whoever changes the
 * file and however. Cases: WAY/WHO/WHEN/PROTECTION/DESCRIPTOR.
 */
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "helper.h"

#ifndef FALLOC_FL_INSERT_RANGE
#include <linux/falloc.h>
#endif

#define PAGES	  16
#define BYTES	  (PAGES * PAGE)
#define FILE_NAME "overwrite.data"
#define NEW_NAME  "overwrite.new"

static int open_for_writing(int flags)
{
	return sure(open(FILE_NAME, O_RDWR | O_CLOEXEC | flags));
}

ACTS(way, void, void)
#define WAY(name)	  ACT(way, #name, way_##name) static void way_##name(void)
#define WAY_IS(name, ...) WAY(name) DOES(__VA_ARGS__)

WAY(write)
{
	unsigned char page[PAGE];
	int fd = open_for_writing(0);

	for (size_t i = 0; i < PAGES; i++) {
		pattern_fill(page, 2, i);
		must(write(fd, page, PAGE) == (ssize_t)PAGE);
	}
	must(close(fd) == 0);
}

WAY(pwritev)
{
	unsigned char page[2][PAGE];
	struct iovec parts[2] = { { page[0], PAGE }, { page[1], PAGE } };
	int fd = open_for_writing(0);

	for (size_t i = 0; i < PAGES; i += 2) {
		pattern_fill(page[0], 2, i);
		pattern_fill(page[1], 2, i + 1);
		must(pwritev(fd, parts, 2, (off_t)(i * PAGE)) == 2 * (ssize_t)PAGE);
	}
	must(close(fd) == 0);
}

WAY(shared)
{
	int fd = open_for_writing(0);
	char *shared = sure(mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, fd, 0));

	for (size_t i = 0; i < PAGES; i++)
		pattern_fill(shared + i * PAGE, 2, i);
	must(munmap(shared, PAGES * PAGE) == 0);
	must(close(fd) == 0);
}

WAY(o_trunc)
{
	int fd = open_for_writing(O_TRUNC);

	file_fill(fd, 2, 0, PAGES);
	must(close(fd) == 0);
}

WAY_IS(creat, must(close(creat(FILE_NAME, 0644)) == 0))

WAY(fopen)
{
	FILE *file = fopen(FILE_NAME, "w");

	must(file && fputs("short", file) >= 0 && fclose(file) == 0);
}

WAY(truncate)
{
	must(truncate(FILE_NAME, 0) == 0);
	must(truncate(FILE_NAME, PAGES * PAGE) == 0);
}

WAY(ftruncate)
{
	int fd = open_for_writing(0);

	must(ftruncate(fd, 10) == 0);
	must(close(fd) == 0);
}

static void change_range(int mode, off_t offset, off_t length)
{
	int fd = open_for_writing(0);

	if (fallocate(fd, mode, offset, length)) {
		if (errno == EOPNOTSUPP)
			skip("this file system has no such fallocate");
		die("fallocate");
	}
	must(close(fd) == 0);
}

WAY_IS(punch, change_range(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BYTES))
WAY_IS(collapse, change_range(FALLOC_FL_COLLAPSE_RANGE, 0, PAGE))
WAY_IS(insert, change_range(FALLOC_FL_INSERT_RANGE, 0, PAGE))
WAY_IS(zero, change_range(FALLOC_FL_ZERO_RANGE, 0, BYTES))

WAY(copy_file_range)
{
	int to = open_for_writing(0), from;
	off_t at_from = 0, at_to = 0;

	file_make(NEW_NAME, 2, PAGES);
	from = file_open(NEW_NAME);
	while (at_from < (off_t)(PAGES * PAGE)) {
		loff_t in = at_from, out = at_to;
		ssize_t done = copy_file_range(from, &in, to, &out, PAGES * PAGE, 0);
		skip_without(done, "copy_file_range before Linux 4.5");
		must(done > 0);
		at_from += done;
		at_to += done;
	}
	close(from);
	must(close(to) == 0);
}

WAY(sendfile)
{
	int to = open_for_writing(0), from;

	file_make(NEW_NAME, 2, PAGES);
	from = file_open(NEW_NAME);
	for (size_t done = 0; done < PAGES * PAGE;) {
		ssize_t part = sendfile(to, from, NULL, PAGES * PAGE - done);
		must(part > 0);
		done += (size_t)part;
	}
	close(from);
	must(close(to) == 0);
}

WAY(direct)
{
	int fd = open(FILE_NAME, O_RDWR | O_CLOEXEC | O_DIRECT);
	unsigned char *page;

	if (fd < 0 && errno == EINVAL)
		skip("this file system has no O_DIRECT");
	must(fd >= 0);
	must(posix_memalign((void **)&page, PAGE, PAGE) == 0);
	for (size_t i = 0; i < PAGES; i++) {
		pattern_fill(page, 2, i);
		must(pwrite(fd, page, PAGE, (off_t)(i * PAGE)) == (ssize_t)PAGE);
	}
	free(page);
	must(close(fd) == 0);
}

WAY(rename)
{
	file_make(NEW_NAME, 2, PAGES);
	must(rename(NEW_NAME, FILE_NAME) == 0);
}

WAY_IS(unlink, must(unlink(FILE_NAME) == 0))

WAY(unlink_write)
{
	int fd = open_for_writing(0);

	must(unlink(FILE_NAME) == 0);
	file_fill(fd, 2, 0, PAGES);
	must(close(fd) == 0);
}

#define BY_OTHER 1
#define TOUCHED	 2
#define WRITABLE 4
#define KEPT	 8
#define COMBINED 16

struct trial {
	const struct way *way;
	int how;
};

static void act(const void *argument)
{
	const struct way *way = argument;

	way->act();
}

static void trial_run(const void *argument)
{
	const struct trial *trial = argument;
	struct other other = { 0 };
	char *view;
	int fd;

	unlink(FILE_NAME);
	file_make(FILE_NAME, 1, PAGES);
	if (trial->how & BY_OTHER)
		other = other_start(act, trial->way);
	fd = file_open(FILE_NAME);
	view = sure(mmap(NULL, PAGES * PAGE, PROT_READ | (trial->how & WRITABLE ? PROT_WRITE : 0),
			 MAP_PRIVATE, fd, 0));
	if (!(trial->how & KEPT))
		must(close(fd) == 0);
	if (trial->how & TOUCHED)
		view_check(view, 1, 0, PAGES, "before the change");
	if (trial->how & BY_OTHER)
		other_go(&other);
	else
		trial->way->act();
	view_check(view, 1, 0, PAGES, "after the change");
	if (trial->how & BY_OTHER)
		other_end(&other);
	must(munmap(view, PAGES * PAGE) == 0);
}

int main(int argc, char **argv)
{
	static struct trial trials[COUNT(ways) * COMBINED];

	for (size_t i = 0; i < way_count * COMBINED; i++) {
		const char *name = ways[i / COMBINED].name;
		bool another_file = !strcmp(name, "rename") || !strcmp(name, "unlink");
		int how = i % COMBINED;

		trials[i] = (struct trial){ &ways[i / COMBINED], how };
		case_make(trial_run, &trials[i], another_file, "%s/%s/%s/%s/%s", name,
			  how & BY_OTHER ? "other" : "self",
			  how & TOUCHED ? "touched" : "untouched", how & WRITABLE ? "rw" : "ro",
			  how & KEPT ? "kept" : "closed");
	}
	return cases_main(argc, argv);
}
