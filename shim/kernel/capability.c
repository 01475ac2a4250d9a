/* SPDX-License-Identifier: MIT */
/*
 * Credentials of one thread: see capability.h.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>

#include "kernel/capability.h"
#include "support/sys.h"

#define BIT(capability) (1ULL << (capability))
#define KEPT                                                                                   \
	(BIT(CAP_LEASE) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_SETUID) | \
	 BIT(CAP_SETGID) | BIT(CAP_IPC_LOCK))

static int capabilities_get(uint64_t *effective, uint64_t *permitted)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	long r = sys_capget(&header, data);

	*effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	*permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	return (int)r;
}

static int capabilities_set(uint64_t effective, uint64_t permitted)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)effective, .permitted = (uint32_t)permitted },
		{ .effective = (uint32_t)(effective >> 32),
		  .permitted = (uint32_t)(permitted >> 32) },
	};

	return sys_capset(&header, data);
}

void capability_keep_for_leases(void)
{
	uint64_t effective, permitted;

	sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (!capabilities_get(&effective, &permitted))
		capabilities_set(effective & KEPT, permitted & KEPT);
}

/* Only root's come back, and ambient ones stay; which these are is not worth asking. */
bool capability_ends_with_exec(void)
{
	uint64_t effective, permitted;

	return sys_geteuid() && !capabilities_get(&effective, &permitted) && effective;
}

int credentials_get(struct credentials *out)
{
	long r = sys_getresuid(&out->uid[0], &out->uid[1], &out->uid[2]);

	if (!r)
		r = sys_getresgid(&out->gid[0], &out->gid[1], &out->gid[2]);
	/* An impossible number changes nothing and tells what it is. */
	out->uid[3] = sys_setfsuid(-1);
	out->gid[3] = sys_setfsgid(-1);
	if (r)
		return (int)r;
	out->group_count = sys_getgroups(CREDENTIAL_GROUPS, out->groups);
	if (out->group_count < 0)
		return out->group_count;
	return capabilities_get(&out->effective, &out->permitted);
}

static int set_groups(const struct credentials *wanted)
{
	uint32_t now[CREDENTIAL_GROUPS];
	int count = sys_getgroups(CREDENTIAL_GROUPS, now);

	if (count == wanted->group_count &&
	    !memcmp(now, wanted->groups, (size_t)count * sizeof(*now)))
		return 0;
	return sys_setgroups(wanted->group_count, wanted->groups);
}

/* Groups first, while there is still the right to; then check, as each may have been refused. */
int credentials_set(const struct credentials *wanted)
{
	struct credentials now;
	uint64_t effective, permitted;
	int r = set_groups(wanted);

	if (!r)
		r = sys_setresgid(wanted->gid[0], wanted->gid[1], wanted->gid[2]);
	if (!r)
		r = sys_setresuid(wanted->uid[0], wanted->uid[1], wanted->uid[2]);
	if (r)
		return r;
	sys_setfsgid(wanted->gid[3]);
	sys_setfsuid(wanted->uid[3]);
	if (!capabilities_get(&effective, &permitted))
		capabilities_set(effective & wanted->effective & KEPT,
				 permitted & wanted->permitted & KEPT);
	r = credentials_get(&now);
	if (r)
		return r;
	return memcmp(now.uid, wanted->uid, sizeof(now.uid)) ||
			       memcmp(now.gid, wanted->gid, sizeof(now.gid))
		       ? -EPERM
		       : 0;
}
