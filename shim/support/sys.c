/* SPDX-License-Identifier: MIT */
/*
 * i386's way into the kernel, statx where there is none, and the small reads from /proc
 * that everybody needs. Never libc.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "support/sys.h"
#include "support/text.h"

#ifdef __i386__

/* The kernel's fast entry, found at start; int $0x80, forty times as slow, before that. Not libc's
 * own pointer to it, which is in TLS. */
extern __attribute__((visibility("hidden"))) void (*sys_entry)(void);
void sys_slow_entry(void) __attribute__((visibility("hidden")));
void (*sys_entry)(void) = sys_slow_entry;

#define PUSH(reg) "push %" reg "; .cfi_adjust_cfa_offset 4; .cfi_rel_offset " reg ", 0;"
#define POP(reg)  "pop %" reg "; .cfi_adjust_cfa_offset -4; .cfi_restore " reg ";"

/* clang-format off */
__asm__(".text; .type sys_slow_entry, @function; .hidden sys_slow_entry;"
	"sys_slow_entry: .cfi_startproc; int $0x80; ret; .cfi_endproc;"
	".size sys_slow_entry, . - sys_slow_entry;"
	".type sys_enter, @function; .hidden sys_enter; .globl sys_enter;"
	"sys_enter: .cfi_startproc;"
	PUSH("ebx") PUSH("esi") PUSH("edi") PUSH("ebp")
	"call 1f; .cfi_adjust_cfa_offset 4; 1: pop %ecx; .cfi_adjust_cfa_offset -4;"
	"add $_GLOBAL_OFFSET_TABLE_+(.-1b), %ecx;"
	"push sys_entry@GOTOFF(%ecx); .cfi_adjust_cfa_offset 4;"
	"mov 4(%eax), %ebx; mov 8(%eax), %ecx; mov 12(%eax), %edx; mov 16(%eax), %esi;"
	"mov 20(%eax), %edi; mov 24(%eax), %ebp; mov (%eax), %eax;"
	"call *(%esp);"
	"lea 4(%esp), %esp; .cfi_adjust_cfa_offset -4;"
	POP("ebp") POP("edi") POP("esi") POP("ebx")
	"ret; .cfi_endproc; .size sys_enter, . - sys_enter;");
/* clang-format on */

static __attribute__((constructor(101))) void find_entry(void)
{
	unsigned long entry = auxiliary(AT_SYSINFO);

	if (entry)
		sys_entry = (void (*)(void))entry;
}
#endif

#ifdef __x86_64__
#define STAT_AT SYS_newfstatat
typedef struct stat kernel_stat;
#else
#define STAT_AT SYS_fstatat64
typedef struct stat64 kernel_stat;
#endif

static struct statx_timestamp timestamp(const struct timespec *t)
{
	return (struct statx_timestamp){ .tv_sec = t->tv_sec, .tv_nsec = (uint32_t)t->tv_nsec };
}

static uint32_t device_major(uint64_t device)
{
	return (uint32_t)(device >> 8) & 0xfff;
}

static uint32_t device_minor(uint64_t device)
{
	return (uint32_t)((device & 0xff) | (device >> 12 & 0xfff00));
}

static int stat_at(int directory, const char *path, int flags, struct statx *out)
{
	kernel_stat st;
	long r = sys_call(STAT_AT, directory, (long)path, (long)&st, flags & ~AT_STATX_SYNC_TYPE, 0,
			  0);

	if (r)
		return (int)r;
	*out = (struct statx){
		.stx_mask = STATX_BASIC_STATS,
		.stx_blksize = (uint32_t)st.st_blksize,
		.stx_nlink = (uint32_t)st.st_nlink,
		.stx_uid = st.st_uid,
		.stx_gid = st.st_gid,
		.stx_mode = (uint16_t)st.st_mode,
		.stx_ino = st.st_ino,
		.stx_size = (uint64_t)st.st_size,
		.stx_blocks = (uint64_t)st.st_blocks,
		.stx_atime = timestamp(&st.st_atim),
		.stx_ctime = timestamp(&st.st_ctim),
		.stx_mtime = timestamp(&st.st_mtim),
		.stx_rdev_major = device_major(st.st_rdev),
		.stx_rdev_minor = device_minor(st.st_rdev),
		.stx_dev_major = device_major(st.st_dev),
		.stx_dev_minor = device_minor(st.st_dev),
	};
	return 0;
}

int sys_statx(int directory, const char *path, int flags, unsigned int mask, struct statx *out)
{
	long r = sys_call(SYS_statx, directory, (long)path, flags, mask, (long)out, 0);

	return sys_is_missing(r) ? stat_at(directory, path, flags, out) : (int)r;
}

int sys_fstat(int fd, struct statx *out)
{
	return sys_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_SUBVOL, out);
}

int sys_open(const char *path, int flags, mode_t mode)
{
	return sys_openat(AT_FDCWD, path, flags | O_CLOEXEC | KERNEL_O_LARGEFILE, mode);
}

int sys_open_in(int directory, const char *path, int flags)
{
	return sys_openat(directory, path, flags | O_CLOEXEC | KERNEL_O_LARGEFILE, 0);
}

void sys_fd_link(int fd, char out[FD_LINK_BYTES])
{
	text_make(out, FD_LINK_BYTES, "/proc/self/fd/%u", (unsigned int)fd);
}

int sys_fd_path(int fd, char *out, size_t size)
{
	char link[FD_LINK_BYTES];

	if (fd < 0)
		return -EBADF;
	sys_fd_link(fd, link);
	int length = sys_readlinkat(AT_FDCWD, link, out, size - 1);
	if (length >= 0)
		out[length] = 0;
	return length;
}

char *sys_deleted_mark(char *path)
{
	static const char mark[] = " (deleted)";
	size_t length = strlen(path), end = sizeof(mark) - 1;

	return length > end && !strcmp(path + length - end, mark) ? path + length - end : NULL;
}

long sys_read_text(int fd, char *out, size_t size)
{
	size_t used = 0;
	long got = 0;

	if (fd < 0)
		return fd;
	while (used < size - 1 &&
	       ((got = sys_read(fd, out + used, size - 1 - used)) > 0 || got == -EINTR))
		used += got > 0 ? (size_t)got : 0;
	sys_close(fd);
	if (got < 0)
		return got;
	out[used] = 0;
	return (long)used;
}

long sys_read_file(const char *path, char *out, size_t size)
{
	return sys_read_text(sys_open(path, O_RDONLY | O_NOCTTY, 0), out, size);
}

int64_t sys_clock(int clock)
{
	struct timespec now = { 0, 0 };
#ifdef __i386__
	int64_t both[2]; /* since Linux 5.1, if no filter thinks otherwise */

	if (!sys_call(SYS_clock_gettime64, clock, (long)both, 0, 0, 0, 0))
		return both[0] * 1000000000 + both[1];
#endif
	sys_call(SYS_clock_gettime, clock, (long)&now, 0, 0, 0, 0);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t sys_limit(int resource)
{
	uint64_t limit[2]; /* the soft one, the hard one */

	return sys_call(SYS_prlimit64, 0, resource, 0, (long)limit, 0, 0) ? UINT64_MAX : limit[0];
}

#define TURNS 16 /* without sleeping */

void sys_wait_turn(int turn)
{
	struct timespec moment = { 0, 200000 };

	if (turn < TURNS)
		sys_sched_yield();
	else
		sys_nanosleep(&moment, NULL);
}

/* ---- The auxiliary vector where the kernel put it: on the first stack, behind the arguments
 * and the environment. The dynamic linker takes names out of the environment of a set-user-ID
 * program by moving the others down; then more than one end stands there. ---- */

/* The dynamic linker's: where the first stack was when the process began. */
extern void *__libc_stack_end;

unsigned long auxiliary(unsigned long type)
{
	const uintptr_t *at = __libc_stack_end;

	at += 1 + *at + 1; /* the number of arguments, they, and their end */
	while (*at)
		at++;
	while (!*at)
		at++;
	for (const ElfW(auxv_t) *entry = (void *)at; entry->a_type != AT_NULL; entry++)
		if (entry->a_type == type)
			return entry->a_un.a_val;
	return 0;
}
