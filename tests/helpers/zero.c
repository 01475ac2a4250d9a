/* SPDX-License-Identifier: MIT */
/*
 * A shared mapping of /dev/zero that cannot be written: a device on a file system that has the
 * number of tmpfs, and where data is said to be at the same place for ever.
 */
#include "helper.h"

int main(void)
{
	int fd = file_open("/dev/zero");

	must(mmap(NULL, 16 * PAGE, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	return 0;
}
