/* SPDX-License-Identifier: MIT */
/*
 * P3: a program with a libunwind of its own, which it uses around and inside of what makes
 * records.
 */
#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "../helper.h"

#define FILE_NAME "unwinder.data"
#define PAGES	  4

static int depth_here(void)
{
	void *frames[64];

	return unw_backtrace(frames, 64);
}

static int walk(void)
{
	unw_context_t context;
	unw_cursor_t cursor;
	char name[64];
	unw_word_t offset;
	int found = 0;

	must(unw_getcontext(&context) == 0 && unw_init_local(&cursor, &context) == 0);
	do
		found += unw_get_proc_name(&cursor, name, sizeof(name), &offset) == 0 &&
			 !strcmp(name, "main");
	while (unw_step(&cursor) > 0);
	return found;
}

int main(void)
{
	int before = depth_here();

	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	promise(walk() == 1, "main is not in the backtrace");
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	view_check(view, 1, 0, PAGES, "content");
	close(open("/proc/self/mem", O_RDONLY));
	promise(depth_here() == before && walk() == 1, "the backtrace changed");
	return 0;
}
