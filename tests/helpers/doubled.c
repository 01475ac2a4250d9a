/* SPDX-License-Identifier: MIT */
/*
 * S5: a second view of a snapshot, by mremap, in place of another snapshot.
 */
#include "helper.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

int main(void)
{
	file_make("kept", 1, 4);
	file_make("covered", 1, 4);
	char *kept = view_make("kept", PROT_READ, 0, 4);
	char *covered = view_make("covered", PROT_READ, 0, 4);

	if (mremap(kept, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		   covered) != covered)
		skip("no second view: %s", strerrorname_np(errno));
	file_overwrite("kept", 2, 0, 4);
	file_overwrite("covered", 2, 0, 4);
	view_check(kept, 1, 0, 4, "the first view");
	view_check(covered, 1, 0, 4, "the second view");
	return 0;
}
