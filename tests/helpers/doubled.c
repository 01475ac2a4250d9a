/* SPDX-License-Identifier: MIT */
/*
 * S5: a second view of a snapshot, by mremap, in place of another snapshot.
 */
#include "helper.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* Of the first the middle, in place of all of the second; what is behind that stays. */
int main(void)
{
	file_make("kept", 1, 8);
	file_make("covered", 1, 4);
	char *kept = view_make("kept", PROT_READ, 0, 8);
	char *covered = anonymous(8 * PAGE);
	int fd = file_open("covered");

	for (size_t i = 4; i < 8; i++)
		pattern_fill(covered + i * PAGE, 3, i);
	must(mmap(covered, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == covered);
	must(close(fd) == 0);
	if (mremap(kept + 2 * PAGE, 4 * PAGE, 4 * PAGE,
		   MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, covered) != covered)
		skip("no second view: %s", strerrorname_np(errno));
	file_overwrite("kept", 2, 0, 8);
	file_overwrite("covered", 2, 0, 4);
	view_check(kept, 1, 0, 8, "the first view");
	view_check(covered, 1, 2, 4, "the second view");
	view_check(covered + 4 * PAGE, 3, 4, 4, "what is behind it");
	must(munmap(covered, 4 * PAGE) == 0 && munmap(kept, 8 * PAGE) == 0);
	return 0;
}
