/* SPDX-License-Identifier: MIT */
/*
 * For run->prepare: the file that page.h speaks of, as FENCE_TEST_PAGE=../page.
 */
#ifndef MMFENCE_TESTS_FAULTS_PREPARE_H
#define MMFENCE_TESTS_FAULTS_PREPARE_H

#include <fcntl.h>
#include <unistd.h>

#include "page.h"
#include "runner.h"

static inline void make_page(struct run *run)
{
	int fd = open("../page", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	(void)run;
	if (fd < 0 || ftruncate(fd, sizeof(struct fault_page)))
		_exit(98);
	close(fd);
}

#endif
