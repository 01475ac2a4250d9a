/* SPDX-License-Identifier: MIT */
/*
 * Filters that are there before the program: see filter.h.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filter.h"

#define IOCTL_I386 54
/* As linux/fs.h has them since. */
#define PROCMAP_QUERY 0xc0686611
#define PAGEMAP_SCAN  0xc0606610

void filter_fail(struct filter *filter, unsigned int nr64, unsigned int nr32, unsigned int second,
		 unsigned int error)
{
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr64, 2, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr32, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | (second ? BPF_JEQ : BPF_JGE) | BPF_K, second, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
	};

	memcpy(filter->code + filter->length, code, sizeof(code));
	filter->length += sizeof(code) / sizeof(*code);
}

void filter_install(struct filter *filter)
{
	filter->code[filter->length++] =
		(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { filter->length, filter->code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(98);
}

void filter_as_before_6_7(struct run *run)
{
	struct filter filter = { .length = 0 };

	(void)run;
	filter_fail(&filter, SYS_ioctl, IOCTL_I386, PROCMAP_QUERY, ENOTTY);
	filter_fail(&filter, SYS_ioctl, IOCTL_I386, PAGEMAP_SCAN, ENOTTY);
	filter_install(&filter);
}
