/* SPDX-License-Identifier: MIT */
/*
 * Asks the kernel what a pointer leads to. No signal of a bad one, on any kernel.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "support/sys.h"
#include "support/user.h"

static bool unasked;

void user_believe(void)
{
	unasked = true;
}

/* The kernel reads the set of signals before it looks what is to be done with it. At 0 there would
 * be none to read. */
static bool page_readable(uintptr_t page)
{
	if (unasked)
		return page;
	return sys_rt_sigprocmask(-1, (const unsigned long *)(page + 8), NULL, SIGSET_BYTES) !=
	       -EFAULT;
}

bool user_readable(const void *at, size_t size)
{
	uintptr_t page = PAGE_DOWN((uintptr_t)at), end = (uintptr_t)at + size;

	if (end < page)
		return false;
	while (page < end && page_readable(page))
		page += PAGE_BYTES;
	return page >= end;
}

bool user_readable_string(const char *at, uintptr_t *page)
{
	for (;; at = (const char *)*page + PAGE_BYTES) {
		uintptr_t here = PAGE_DOWN((uintptr_t)at);

		if (here != *page && !page_readable(here))
			return false;
		*page = here;
		if (memchr(at, 0, here + PAGE_BYTES - (uintptr_t)at))
			return true;
	}
}

int user_copy_in(void *to, const void *from, size_t size)
{
	struct iovec local = { to, size }, remote = { (void *)(uintptr_t)from, size };
	long r = sys_process_vm_readv(sys_getpid(), &local, 1, &remote, 1, 0);

	if (r == (long)size)
		return 0;
	if (r >= 0 || r == -EFAULT)
		return -EFAULT;
	/* A container's filter: then not at once, but hardly worse. */
	if (!user_readable(from, size))
		return -EFAULT;
	memcpy(to, from, size);
	return 0;
}
