/* SPDX-License-Identifier: MIT */
/*
 *	use read|getc bare|fenced FILE OTHER
 *
 * What a program feels of a guarded snapshot that it has. `read` prints the median ns of
 * mapping FILE anew and reading all of it; `getc` the median ns a byte of a loop of getc over
 * FILE, single-threaded, while a snapshot of OTHER stands. `fenced` checks that the mappings
 * are guarded.
 */
#include <stdint.h>
#include "guarded.h"

#define PASSES 9

static volatile uint64_t sink;

static double read_pass(struct view *view, bool fenced)
{
	const uint64_t *at;
	uint64_t sum = 0;
	double begin, spent;

	view_map(view);
	if (fenced)
		view_expect_guard(view);
	at = view->map;
	begin = now_ns();
	for (size_t i = 0; i < view->size / sizeof(*at); i++)
		sum += at[i];
	spent = now_ns() - begin;
	sink = sum;
	view_unmap(view);
	return spent;
}

static double getc_pass(const char *path, size_t size)
{
	FILE *file = fopen(path, "re");
	unsigned int sum = 0;
	double begin;
	int byte;

	if (!file)
		die(path);
	begin = now_ns();
	while ((byte = getc(file)) != EOF)
		sum += (unsigned int)byte;
	begin = now_ns() - begin;
	sink = sum;
	fclose(file);
	return begin / (double)size;
}

int main(int argc, char **argv)
{
	struct view view, other;
	double spent[PASSES];
	bool fenced;

	if (argc != 5) {
		fprintf(stderr, "usage: use read|getc bare|fenced FILE OTHER\n");
		return 2;
	}
	fenced = strcmp(argv[2], "fenced") == 0;
	view_open(&view, argv[3]);
	view_open(&other, argv[4]);
	view_map(&other);
	if (fenced)
		view_expect_guard(&other);
	for (size_t i = 0; i < PASSES; i++)
		spent[i] = strcmp(argv[1], "read") == 0 ? read_pass(&view, fenced)
							: getc_pass(argv[3], view.size);
	printf("%.3f\n", median(spent, PASSES));
	return 0;
}
