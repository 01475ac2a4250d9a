/* SPDX-License-Identifier: MIT */
/*
 * A second view of one's own memory, as a program asks for it.
 */
#ifndef MMFENCE_TESTS_VIEWS_H
#define MMFENCE_TESTS_VIEWS_H

#include "helper.h"

static inline void *view_through(const char *path, int mode, void *at, const volatile void *source,
				 size_t length, int prot, int flags)
{
	int fd = sure(open(path, mode | O_CLOEXEC));

	void *view = mmap64(at, length, prot, flags, fd, (off64_t)(uintptr_t)source);
	int error = errno;
	must(close(fd) == 0);
	errno = error;
	return view;
}

static inline void *view_try(void *at, const volatile void *source, size_t length, int prot,
			     int flags)
{
	return view_through("/proc/self/mem", O_RDWR, at, source, length, prot, flags);
}

/* The same, where there must be one: at that very place with MAP_FIXED. */
static inline char *view_get(void *at, const volatile void *source, size_t length, int prot,
			     int flags)
{
	char *view = view_try(at, source, length, prot, flags);

	promise(view != MAP_FAILED, "no view: %s", strerrorname_np(errno));
	promise(view == at || !(flags & MAP_FIXED), "the view is at %p, not %p", (void *)view, at);
	return view;
}

/* A shared writable view of whole pages. */
static inline char *view_of(const volatile void *source, size_t length)
{
	return view_get(NULL, source, length, RW, MAP_SHARED);
}

static inline char *view_over(void *at, const volatile void *source, size_t length)
{
	return view_get(at, source, length, RW, MAP_SHARED | MAP_FIXED);
}

/* Through a descriptor that can only read. */
static inline char *view_readonly(const volatile void *source, size_t length)
{
	char *view = view_through("/proc/self/mem", O_RDONLY, NULL, source, length, PROT_READ,
				  MAP_SHARED);

	promise(view != MAP_FAILED, "no view: %s", strerrorname_np(errno));
	return view;
}

static inline void fill_pages(char *at, unsigned int generation, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		pattern_fill(at + i * PAGE, generation, i);
}

/* Stores on either side are seen on the other, in every page. */
static inline void must_be_coherent(volatile char *source, volatile char *view, size_t length,
				    const char *what)
{
	for (size_t i = 0; i < length; i += PAGE) {
		source[i + 7] = (char)(i / PAGE + 1);
		promise(view[i + 7] == (char)(i / PAGE + 1),
			"%s: page %zu: the view does not see a store to the source", what,
			(size_t)(i / PAGE));
		view[i + PAGE - 1] = (char)(i / PAGE + 2);
		promise(source[i + PAGE - 1] == (char)(i / PAGE + 2),
			"%s: page %zu: the source does not see a store to the view", what,
			(size_t)(i / PAGE));
	}
}

static inline void views_in_child(void (*act)(char *, char *), char *source, char *view)
{
	IN_CHILD {
		act(source, view);
	}
}

#endif
