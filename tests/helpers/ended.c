/* SPDX-License-Identifier: MIT */
/*
 * P3: the first mapping is made by a thread that is gone when the file is written, and so is its
 * TLS, which the lease thread was started with.
 */

#include "helper.h"

#define PAGES  16
#define ROUNDS 10

static char *view;

static void *make_view(void *name)
{
	view = view_make(name, PROT_READ, 0, PAGES);
	return NULL;
}

/* Takes the stack of a thread that is gone, and fills it. */
static void *use_stack(void *unused)
{
	volatile char stack[100000];

	for (size_t i = 0; i < sizeof(stack); i++)
		stack[i] = 1;
	return NULL;
}

static void round_of(const char *name)
{
	file_make(name, 1, PAGES);
	in_thread(make_view, (void *)(uintptr_t)name);
	in_thread(use_stack, NULL);
	IN_CHILD {
		file_overwrite(name, 2, 0, PAGES);
	}
	view_check(view, 1, 0, PAGES, "after the write");
	munmap(view, PAGES * PAGE);
}

int main(void)
{
	for (int i = 0; i < ROUNDS; i++)
		round_of("ended.data");
	return 0;
}
