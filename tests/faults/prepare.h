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

	if (fd < 0 || ftruncate(fd, sizeof(struct fault_page)))
		_exit(98);
	close(fd);
}

/* Under the library in which calls fail and threads are held. */
#define FAULTY(suite, name)                              \
	static void suite##_##name(const char *variant); \
	Test(suite, name)                                \
	{                                                \
		suite##_##name("faults");                \
	}                                                \
	static void suite##_##name(const char *variant)
#define FAULTY_BY(prepared, program, ...)                                                          \
	.helper = program, .preload = build_path("faults/libmmfence.so"), .args = { __VA_ARGS__ }, \
	.env = { "FENCE_TEST_PAGE=../page" }, .prepare = prepared
#define FAULTY_RUN(...) FAULTY_BY(make_page, __VA_ARGS__)

#endif
