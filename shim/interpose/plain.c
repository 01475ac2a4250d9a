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
#include <stddef.h>
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
		credentials_change();                        \
		result r = NEXT_OF(name) arguments;          \
		if (r != -1)                                 \
			credentials_changed();               \
		return r;                                    \
	}
#include "interpose/calls.def"

/* ---- The next library in the chain: the functions that a wrapper hands on to, which are libc's
 * or another preload library's. Resolved once in the constructor; before it a member is NULL and
 * the wrapper makes the system call itself, because dlsym may allocate and the allocator may be
 * what called us. ---- */

struct next next;

struct entry {
	const char *name;
	size_t offset;
};

static const struct entry entries[] = {
#define NEXT(result, name, ...)	  { #name, offsetof(struct next, name) },
#define HANDS(result, name, ...)  NEXT(result, name)
#define CHANGE(result, name, ...) NEXT(result, name)
#include "interpose/calls.def"
};

static void resolve_from(const struct symbol_table *symbols)
{
	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		void **member = (void **)((char *)&next + entries[i].offset);

		if (!*member)
			*member = symbol_find(symbols, entries[i].name);
	}
}

void next_resolve(void)
{
	const struct link_map *library = NULL;
	struct symbol_table symbols;

	while ((library = symbol_after(library)))
		if (symbol_read(library, &symbols))
			resolve_from(&symbols);
}
