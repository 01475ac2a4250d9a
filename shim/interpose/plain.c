/* SPDX-License-Identifier: MIT */
/*
 * The wrappers that are one line of calls.def. errno is libc's, or what the system call
 * answered.
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "kernel/symbol.h"

/* In no header, or in none of every libc. */
int pidfd_getfd(int pidfd, int fd, unsigned int flags);
int capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data);

#define LIST(...) __VA_ARGS__
#define PLAIN(result, name, parameters, arguments, kind, ...) \
	EXPORT result name parameters                         \
	{                                                     \
		const struct call *call = CALL_HERE(#name);   \
                                                              \
		INJECT(-1, call, kind, LIST arguments);       \
		return (result)libc_result(__VA_ARGS__);      \
	}
/* Some came after the glibc that is the oldest one here. */
#define HANDS(result, name, parameters, arguments, ...)                           \
	EXPORT result name parameters                                             \
	{                                                                         \
		__VA_ARGS__;                                                      \
		return NEXT_OF(name) ? next.name arguments                        \
				     : (result)libc_result(sys_##name arguments); \
	}
#define CHANGE(result, name, parameters, arguments, numbers) \
	EXPORT result name parameters                        \
	{                                                    \
		credentials_change();                        \
		result r = NEXT_OF(name) arguments;          \
		if (r != -1)                                 \
			credentials_changed();               \
		return r;                                    \
	}
#include "interpose/calls.def"

/* ---- The next library in the chain: the functions that a wrapper hands on to, which are libc's
 * or another preload library's. Each is looked for when it is first wanted: most programs call few
 * of them. The search reads memory alone, also in a handler. ---- */

struct next next;

void *next_find(void **member, const char *name)
{
	void *found = symbol_next(name);

	__atomic_store_n(member, found, __ATOMIC_RELAXED);
	return found;
}
