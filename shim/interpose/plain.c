/* SPDX-License-Identifier: MIT */
/*
 * The wrappers that are one line of calls.def. errno is libc's, or what the system call
 * answered.
 */
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/fanotify.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "interpose/road.h"
#include "kernel/next.h"

/* In no header. */
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
#define HANDS(result, name, parameters, arguments, ...)                       \
	EXPORT result name parameters                                         \
	{                                                                     \
		__VA_ARGS__;                                                  \
		return next.name ? next.name arguments                        \
				 : (result)libc_result(sys_##name arguments); \
	}
#define CHANGE(result, name, parameters, arguments, numbers) \
	EXPORT result name parameters                        \
	{                                                    \
		if (unlikely(!next.name))                    \
			next_resolve();                      \
		credentials_change();                        \
		result r = next.name arguments;              \
		if (r != -1)                                 \
			credentials_changed();               \
		return r;                                    \
	}
#include "interpose/calls.def"
