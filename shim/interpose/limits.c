/* SPDX-License-Identifier: MIT */
/*
 * Resource limits. A lower RLIMIT_NOFILE, RLIMIT_AS or RLIMIT_FSIZE holds for the lease thread too:
 * what it could not serve under the new limit is preserved before.
 */
#include <sys/resource.h>

#include "interpose/interpose.h"
#include "interpose/road.h"
#include "kernel/next.h"
#include "snapshot/guard.h"
#include "support/user.h"

void limits_change(pid_t process, int resource, const void *soft, size_t size)
{
	struct scope scope;
	uint64_t value = 0; /* of 4 or 8 bytes, the lower first */

	bool matters =
		resource == RLIMIT_NOFILE || resource == RLIMIT_AS || resource == RLIMIT_FSIZE;

	if (resource == RLIMIT_AS && soft)
		road_trim();
	if (!matters || !soft || !guard_any())
		return;
	if ((process && process != sys_getpid()) || !enter(&scope))
		return;
	if (user_copy_in(&value, soft, size))
		value = UINT64_MAX; /* the kernel says what is wrong with it */
	if (size == sizeof(uint32_t) && value == UINT32_MAX)
		value = UINT64_MAX;
	if (value != UINT64_MAX)
		guard_before_limit(resource, value);
	scope_leave(&scope);
}

#define DEFINE_SETRLIMIT(name, type)                                           \
	EXPORT int name(__rlimit_resource_t resource, const type *rlim)        \
	{                                                                      \
		if (unlikely(!next.name))                                      \
			next_resolve();                                        \
		limits_change(0, (int)resource, rlim, sizeof(rlim->rlim_cur)); \
		return next.name(resource, rlim);                              \
	}

#define DEFINE_PRLIMIT(name, type)                                                                 \
	EXPORT int name(pid_t process, __rlimit_resource_t resource, const type *to, type *before) \
	{                                                                                          \
		if (unlikely(!next.name))                                                          \
			next_resolve();                                                            \
		limits_change(process, (int)resource, to, sizeof(to->rlim_cur));                   \
		if (next.name)                                                                     \
			return next.name(process, resource, to, before);                           \
		return (int)libc_result(-ENOSYS); /* glibc before 2.13 */                          \
	}

DEFINE_SETRLIMIT(setrlimit, struct rlimit)
DEFINE_SETRLIMIT(setrlimit64, struct rlimit64)
DEFINE_PRLIMIT(prlimit, struct rlimit)
DEFINE_PRLIMIT(prlimit64, struct rlimit64)
