/* SPDX-License-Identifier: MIT */
/*
 * The system calls whose arguments differ between the two architectures, and the
 * small reads from /proc that everybody needs. Never libc: see raw.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/raw.h"

#ifdef __i386__
#include "support/auxiliary.h"

/* The kernel's fast entry, found at start; int $0x80, forty times as slow, before that. Not libc's
 * own pointer to it, which is in TLS. */
extern __attribute__((visibility("hidden"))) void (*raw_entry)(void);
void raw_slow_entry(void) __attribute__((visibility("hidden")));
void (*raw_entry)(void) = raw_slow_entry;

#define PUSH(reg) "push %" reg "; .cfi_adjust_cfa_offset 4; .cfi_rel_offset " reg ", 0;"
#define POP(reg)  "pop %" reg "; .cfi_adjust_cfa_offset -4; .cfi_restore " reg ";"

/* clang-format off */
__asm__(".text; .type raw_slow_entry, @function; .hidden raw_slow_entry;"
	"raw_slow_entry: .cfi_startproc; int $0x80; ret; .cfi_endproc;"
	".size raw_slow_entry, . - raw_slow_entry;"
	".type raw_enter, @function; .hidden raw_enter; .globl raw_enter;"
	"raw_enter: .cfi_startproc;"
	PUSH("ebx") PUSH("esi") PUSH("edi") PUSH("ebp")
	"call 1f; .cfi_adjust_cfa_offset 4; 1: pop %ecx; .cfi_adjust_cfa_offset -4;"
	"add $_GLOBAL_OFFSET_TABLE_+(.-1b), %ecx;"
	"push raw_entry@GOTOFF(%ecx); .cfi_adjust_cfa_offset 4;"
	"mov 4(%eax), %ebx; mov 8(%eax), %ecx; mov 12(%eax), %edx; mov 16(%eax), %esi;"
	"mov 20(%eax), %edi; mov 24(%eax), %ebp; mov (%eax), %eax;"
	"call *(%esp);"
	"lea 4(%esp), %esp; .cfi_adjust_cfa_offset -4;"
	POP("ebp") POP("edi") POP("esi") POP("ebx")
	"ret; .cfi_endproc; .size raw_enter, . - raw_enter;");
/* clang-format on */

static __attribute__((constructor(101))) void find_entry(void)
{
	unsigned long entry = auxiliary(AT_SYSINFO);

	if (entry)
		raw_entry = (void (*)(void))entry;
}
#endif

long raw_mmap(uintptr_t addr, size_t length, int prot, int flags, int fd, int64_t offset)
{
#ifdef __x86_64__
	return raw(SYS_mmap, addr, length, prot, flags, fd, offset);
#else
	if (offset & (PAGE_BYTES - 1))
		return -EINVAL;
	/* mmap2 counts pages in 32 bits; what lies beyond libc refuses in the same way. */
	if ((uint64_t)offset >> 44)
		return -EINVAL;
	return raw(SYS_mmap2, addr, length, prot, flags, fd,
		   (unsigned long)((uint64_t)offset >> 12));
#endif
}

int64_t raw_lseek(int fd, int64_t offset, int whence)
{
#ifdef __x86_64__
	return raw(SYS_lseek, fd, offset, whence);
#else
	/* A negative position that was accepted is not written back. */
	int64_t result = offset;
	long r = raw(SYS__llseek, fd, (long)(offset >> 32), (long)offset, &result, whence);
	return r ? r : result;
#endif
}

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
	long r = raw(STAT_AT, directory, path, &st, flags & ~AT_STATX_SYNC_TYPE);

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

int raw_statx(int directory, const char *path, int flags, unsigned int mask, struct statx *out)
{
	long r = raw(SYS_statx, directory, path, flags, mask, out);

	/* EPERM: filters of containers that do not know the call. */
	return r == -ENOSYS || r == -EPERM ? stat_at(directory, path, flags, out) : (int)r;
}

int raw_fstat(int fd, struct statx *out)
{
	return raw_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_SUBVOL, out);
}

int64_t raw_sendfile(int to, int from, int64_t *at, size_t most)
{
#ifdef __x86_64__
	return raw(SYS_sendfile, to, from, at, most);
#else
	return raw(SYS_sendfile64, to, from, at, most);
#endif
}

int64_t raw_pread(int fd, void *buffer, size_t size, int64_t offset)
{
#ifdef __x86_64__
	return raw(SYS_pread64, fd, buffer, size, offset);
#else
	return raw(SYS_pread64, fd, buffer, size, (long)offset, (long)(offset >> 32));
#endif
}

int raw_ftruncate(int fd, int64_t size)
{
#ifdef __x86_64__
	return (int)raw(SYS_ftruncate, fd, size);
#else
	return (int)raw(SYS_ftruncate64, fd, (long)size, (long)(size >> 32));
#endif
}

/* O_LARGEFILE as the kernel has it: on x86-64 libc defines it as 0. */
#define KERNEL_O_LARGEFILE 0100000

int raw_open(const char *path, int flags, int mode)
{
	return (int)raw(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC | KERNEL_O_LARGEFILE, mode);
}

int raw_open_in(int directory, const char *path, int flags)
{
	return (int)raw(SYS_openat, directory, path, flags | O_CLOEXEC | KERNEL_O_LARGEFILE, 0);
}

int raw_close(int fd)
{
	return (int)raw(SYS_close, fd);
}

/* The kernel reads the set of signals before it looks what is to be done with it. At 0 there would
 * be none to read. */
static bool page_readable(uintptr_t page)
{
	return raw(SYS_rt_sigprocmask, -1, page + 8, 0, 8) != -EFAULT;
}

bool raw_readable(const void *at, size_t size)
{
	uintptr_t page = PAGE_DOWN((uintptr_t)at), end = (uintptr_t)at + size;

	if (end < page)
		return false;
	while (page < end && page_readable(page))
		page += PAGE_BYTES;
	return page >= end;
}

bool raw_readable_string(const char *at, uintptr_t *page)
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

int raw_copy_in(void *to, const void *from, size_t size)
{
	struct iovec local = { to, size }, remote = { (void *)(uintptr_t)from, size };
	long r = raw(SYS_process_vm_readv, raw(SYS_getpid), &local, 1, &remote, 1, 0);

	if (r == (long)size)
		return 0;
	if (r >= 0 || r == -EFAULT)
		return -EFAULT;
	/* A container's filter: then not at once, but hardly worse. */
	if (!raw_readable(from, size))
		return -EFAULT;
	memcpy(to, from, size);
	return 0;
}

int raw_fd_path(int fd, char *out, size_t size)
{
	char link[32] = "/proc/self/fd/";
	char digits[12];
	size_t end = strlen(link);
	int count = 0;
	unsigned int n = (unsigned int)fd;

	if (fd < 0)
		return -EBADF;
	do
		digits[count++] = (char)('0' + n % 10);
	while (n /= 10);
	while (count)
		link[end++] = digits[--count];
	link[end] = 0;

	long length = raw(SYS_readlink, link, out, size - 1);
	if (length < 0)
		return (int)length;
	out[length] = 0;
	return (int)length;
}

long raw_read_file(const char *path, char *out, size_t size)
{
	int fd = raw_open(path, O_RDONLY | O_NOCTTY, 0);
	size_t used = 0;

	if (fd < 0)
		return fd;
	while (used < size - 1) {
		long got = raw(SYS_read, fd, out + used, size - 1 - used);
		if (got == -EINTR)
			continue;
		if (got < 0) {
			raw_close(fd);
			return got;
		}
		if (got == 0)
			break;
		used += (size_t)got;
	}
	raw_close(fd);
	out[used] = 0;
	return (long)used;
}
