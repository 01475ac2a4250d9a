/* SPDX-License-Identifier: MIT */
/*
 * Filters that are there before the program: see filter.h.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
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

	/* Root needs to give up nothing for it. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) &&
	    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	     prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)))
		_exit(98);
}

void filter_as_before_6_7(struct run *run)
{
	filter_as_kernel("6.6");
}

/* ---- playing an older kernel ---- */

#define ANY 255 /* no argument is looked at */

/* What came with a kernel: calls by their numbers, first to last, in 64 and in 32 bit; if an
 * argument matters, when its bits in `mask` are `value`, or, where value is 0, when one of them is
 * set.
 *
 * Cannot be played: flags that an older kernel ignores (MAP_FIXED_NOREPLACE, 4.17;
 * CLONE_PIDFD, 5.2), names in file systems (/proc/thread-self, 3.17; /dev/userfaultfd, 6.1), and
 * what calls do there that is other than today (remap_file_pages before 4.0). */
static const struct novelty {
	unsigned int version; /* 4.18 is 418 */
	int error;
	unsigned int first64, last64, first32, last32;
	unsigned int argument, mask, value;
} novelties[] = {
#define CALLS(version, a64, b64, a32, b32)                     \
	{                                                      \
		version, ENOSYS, a64, b64, a32, b32, ANY, 0, 0 \
	}
#define CALL(version, nr64, nr32) CALLS(version, nr64, nr64, nr32, nr32)
#define NEW(version, first, last) CALLS(version, first, last, first, last)
#define BITS(version, error, nr64, nr32, argument, bits)                  \
	{                                                                 \
		version, error, nr64, nr64, nr32, nr32, argument, bits, 0 \
	}
#define IS(version, error, nr64, nr32, argument, value)                      \
	{                                                                    \
		version, error, nr64, nr64, nr32, nr32, argument, ~0u, value \
	}

	CALLS(314, 314, 315, 351, 352), /* sched_setattr, sched_getattr */
	CALL(315, 316, 353),		/* renameat2 */
	CALLS(317, 317, 319, 354, 356), /* seccomp, getrandom, memfd_create */
	CALL(318, 321, 357),		/* bpf */
	CALL(319, 322, 358),		/* execveat */
	CALLS(403, 323, 324, 374, 375), /* userfaultfd, membarrier */
	CALLS(403, ~0u, ~0u, 359, 373), /* socket, …: before, by socketcall */
	CALL(404, 325, 376),		/* mlock2 */
	CALL(405, 326, 377),		/* copy_file_range */
	CALLS(406, 327, 328, 378, 379), /* preadv2, pwritev2 */
	CALLS(409, 329, 331, 380, 382), /* pkey_mprotect, pkey_alloc, pkey_free */
	CALL(411, 332, 383),		/* statx */
	CALLS(418, 333, 334, 385, 386), /* io_pgetevents, rseq */
	CALLS(501, ~0u, ~0u, 403, 423), /* the calls with time64 */
	NEW(501, 424, 427),		/* pidfd_send_signal, io_uring */
	NEW(502, 428, 433),		/* open_tree, … */
	NEW(503, 434, 435),		/* pidfd_open, clone3 */
	NEW(506, 437, 438),		/* openat2, pidfd_getfd */
	NEW(508, 439, 439),		/* faccessat2 */
	NEW(509, 436, 436),		/* close_range */
	NEW(510, 440, 440),		/* process_madvise */
	NEW(511, 441, 441),		/* epoll_pwait2 */
	NEW(512, 442, 442),		/* mount_setattr */
	NEW(513, 444, 446),		/* landlock */
	NEW(514, 443, 443),		/* quotactl_fd */
	NEW(514, 447, 447),		/* memfd_secret */
	NEW(515, 448, 448),		/* process_mrelease */
	NEW(516, 449, 449),		/* futex_waitv */
	NEW(517, 450, 450),		/* set_mempolicy_home_node */
	NEW(605, 451, 451),		/* cachestat */
	NEW(606, 452, 453),		/* fchmodat2, map_shadow_stack */
	NEW(607, 454, 456),		/* futex_wake, … */
	NEW(608, 457, 461),		/* statmount, … */
	NEW(610, 462, 462),		/* mseal */
	NEW(613, 463, 500),

	BITS(311, EISDIR, SYS_open, 5, 1, 020000000),	  /* O_TMPFILE */
	BITS(311, EISDIR, SYS_openat, 295, 2, 020000000), /* O_TMPFILE */
	IS(315, EINVAL, SYS_fcntl, 221, 1, 36),		  /* F_OFD_GETLK */
	IS(315, EINVAL, SYS_fcntl, 221, 1, 37),
	IS(315, EINVAL, SYS_fcntl, 221, 1, 38),
	IS(317, EINVAL, SYS_fcntl, 221, 1, 1033),		   /* F_ADD_SEALS */
	IS(317, EINVAL, SYS_fcntl, 221, 1, 1034),		   /* F_GET_SEALS */
	IS(610, EINVAL, SYS_fcntl, 221, 1, 1027),		   /* F_DUPFD_QUERY */
	BITS(404, EINVAL, SYS_mlockall, 152, 0, 4),		   /* MCL_ONFAULT */
	BITS(406, EINVAL, SYS_unshare, 310, 0, 0x02000000),	   /* CLONE_NEWCGROUP */
	BITS(506, EINVAL, SYS_unshare, 310, 0, 0x00000080),	   /* CLONE_NEWTIME */
	BITS(414, EOPNOTSUPP, 328, 379, 5, 8),			   /* RWF_NOWAIT */
	BITS(414, EINVAL, 319, 356, 1, 4),			   /* MFD_HUGETLB */
	BITS(603, EINVAL, 319, 356, 1, 0x18),			   /* MFD_NOEXEC_SEAL, MFD_EXEC */
	{ 415, EINVAL, SYS_mmap, SYS_mmap, 192, 192, 3, 0x0f, 3 }, /* MAP_SHARED_VALIDATE */
	BITS(507, EINVAL, SYS_mremap, 163, 3, 4),		   /* MREMAP_DONTUNMAP */
	BITS(511, EINVAL, 436, 436, 2, 4),			   /* CLOSE_RANGE_CLOEXEC */
	BITS(511, EINVAL, 323, 374, 0, 1),			   /* UFFD_USER_MODE_ONLY */
	BITS(609, EINVAL, 434, 434, 1, 0200),			   /* PIDFD_THREAD */
	IS(405, EINVAL, SYS_madvise, 219, 2, 8),		   /* MADV_FREE */
	IS(414, EINVAL, SYS_madvise, 219, 2, 18),		   /* MADV_WIPEONFORK */
	IS(414, EINVAL, SYS_madvise, 219, 2, 19),
	IS(504, EINVAL, SYS_madvise, 219, 2, 20), /* MADV_COLD, MADV_PAGEOUT */
	IS(504, EINVAL, SYS_madvise, 219, 2, 21),
	IS(514, EINVAL, SYS_madvise, 219, 2, 22), /* MADV_POPULATE_READ, _WRITE */
	IS(514, EINVAL, SYS_madvise, 219, 2, 23),
	IS(518, EINVAL, SYS_madvise, 219, 2, 24),  /* MADV_DONTNEED_LOCKED */
	IS(601, EINVAL, SYS_madvise, 219, 2, 25),  /* MADV_COLLAPSE */
	IS(613, EINVAL, SYS_madvise, 219, 2, 102), /* MADV_GUARD_INSTALL, _REMOVE */
	IS(613, EINVAL, SYS_madvise, 219, 2, 103),
	IS(517, EINVAL, SYS_prctl, 172, 0, 0x53564d41),	       /* PR_SET_VMA */
	IS(603, EINVAL, SYS_prctl, 172, 0, 65),		       /* PR_SET_MDWE */
	IS(405, ENOTTY, SYS_ioctl, IOCTL_I386, 1, 0x40049409), /* FICLONE, but on btrfs */
	IS(405, ENOTTY, SYS_ioctl, IOCTL_I386, 1, 0x4020940d), /* FICLONERANGE */
	IS(607, ENOTTY, SYS_ioctl, IOCTL_I386, 1, PAGEMAP_SCAN),
	IS(611, ENOTTY, SYS_ioctl, IOCTL_I386, 1, PROCMAP_QUERY),
};

static void emit(struct filter *filter, struct sock_filter instruction)
{
	filter->code[filter->length++] = instruction;
}

/* In one word size: if the number is none of these, on past the rest. */
static void fail_new(struct filter *filter, unsigned int first, unsigned int last,
		     const struct novelty *new)
{
	unsigned char rest = new->argument == ANY ? 1 : 4;

	emit(filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						  offsetof(struct seccomp_data, nr)));
	emit(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, rest + 1));
	emit(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last, rest, 0));
	if (new->argument != ANY) {
		emit(filter, (struct sock_filter)BPF_STMT(
				     BPF_LD | BPF_W | BPF_ABS,
				     offsetof(struct seccomp_data, args[new->argument])));
		emit(filter, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, new->mask));
		emit(filter,
		     new->value ? (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							       new->value, 0, 1)
				: (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0));
	}
	emit(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
						  SECCOMP_RET_ERRNO | (unsigned int)new->error));
}

unsigned int filter_version(const char *version)
{
	char *end;
	unsigned long major = strtoul(version, &end, 10);

	return (unsigned int)(major * 100 + strtoul(end + (*end == '.'), NULL, 10));
}

void filter_as_kernel(const char *version)
{
	struct filter filter = { .length = 0 };
	unsigned int played = filter_version(version);

	/* The rules for 64 bit, an end of their own, and those for 32 bit: too far for a jump, but
	 * not for one that jumps always. */
	emit(&filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						   offsetof(struct seccomp_data, arch)));
	emit(&filter,
	     (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
	unsigned short jump = filter.length;
	emit(&filter, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
	for (size_t i = 0; i < sizeof(novelties) / sizeof(*novelties); i++)
		if (novelties[i].version > played && novelties[i].first64 != ~0u)
			fail_new(&filter, novelties[i].first64, novelties[i].last64, &novelties[i]);
	emit(&filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	filter.code[jump].k = filter.length - jump - 1u;
	for (size_t i = 0; i < sizeof(novelties) / sizeof(*novelties); i++)
		if (novelties[i].version > played)
			fail_new(&filter, novelties[i].first32, novelties[i].last32, &novelties[i]);
	filter_install(&filter);
}
