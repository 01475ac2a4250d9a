/* SPDX-License-Identifier: MIT */
/*
 * Programs that mmfence cannot look into, because the dynamic linker is not there
 * or ignores LD_PRELOAD: it says nothing about that, so the command must.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/run/program.h"

/* Whether the capabilities of the file (VFS_CAP_*, in this machine's byte order as x86 is
 * little-endian) give anything: then the kernel asks for secure mode, unless root runs it. */
static bool file_capabilities_count(const char *path)
{
	struct vfs_ns_cap_data data = { 0 };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct mine[2] = { 0 };

	if (getuid() == 0 || getxattr(path, "security.capability", &data, sizeof(data)) < 4)
		return false;
	if (data.magic_etc & VFS_CAP_FLAGS_EFFECTIVE)
		return true;
	if (syscall(SYS_capget, &header, mine))
		return true;
	for (int i = 0; i < 2; i++) {
		if (data.data[i].permitted || (data.data[i].inheritable & mine[i].inheritable))
			return true;
	}
	return false;
}

/* What gives AT_SECURE, after the kernel's bprm_fill_uid and cap_bprm_creds_from_file: ids that
 * change, or capabilities gained. A set-uid-root program that root runs has neither. */
static const char *secure_reason(const char *path)
{
	struct stat st;
	struct statvfs fs;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 || stat(path, &st))
		return NULL;
	if (!statvfs(path, &fs) && fs.f_flag & ST_NOSUID)
		return NULL;
	if (st.st_mode & S_ISUID && st.st_uid != getuid())
		return "set-uid";
	if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != getgid())
		return "set-gid";
	return file_capabilities_count(path) ? "a program with file capabilities" : NULL;
}

/* "a.sh is run by /bin/x, which" or "/bin/x". */
static void begin(const struct program *program, char *sentence, size_t size)
{
	if (program->script)
		snprintf(sentence, size, "%.2000s is run by %.2000s, which", program->path,
			 program->binary);
	else
		snprintf(sentence, size, "%.2000s", program->path);
}

#define NEEDED_VERSION "GLIBC_2.5"

/* libc lies beside the dynamic linker that it came with. One that is not there is no reason to
 * refuse: it may be elsewhere. */
static bool libc_is_old(const char *loader)
{
	char path[PATH_MAX], libc[PATH_MAX + 16];
	char *slash = realpath(loader, path) ? strrchr(path, '/') : NULL;

	if (!slash)
		return false;
	*slash = 0;
	snprintf(libc, sizeof(libc), "%s/libc.so.6", path);
	return elf_defines_version(libc, NEEDED_VERSION) == 0;
}

static enum gap judge(const struct program *program, const struct preload *preload,
		      const char **reason)
{
	const struct elf_facts *elf = &program->elf;
	const char *slash = strrchr(elf->loader, '/');

	if (program->unknown)
		return GAP_NONE;
	if (!elf->bits)
		return GAP_FOREIGN;
	if (!elf->loader[0] && !elf->is_loader)
		return GAP_STATIC;
	if (slash && !strncmp(slash, "/ld-musl", 8))
		return GAP_LOADER;
	if (elf->loader[0] && libc_is_old(elf->loader))
		return GAP_OLD_LIBC;
	*reason = secure_reason(program->binary);
	if (*reason)
		return GAP_SET_ID;
	if (elf->bits == 32 && !preload->file32[0])
		return GAP_NO_LIBRARY;
	return GAP_NONE;
}

enum gap program_gap(const struct program *program, const struct preload *preload, char *sentence,
		     size_t size)
{
	const char *reason = "";
	enum gap gap = judge(program, preload, &reason);

	begin(program, sentence, size);
	char *more = sentence + strlen(sentence);
	size -= (size_t)(more - sentence);
	switch (gap) {
	case GAP_NONE:
		*sentence = 0;
		break;
	case GAP_FOREIGN:
		snprintf(more, size, " is a program for %s, and mmfence is for x86-64 and i386",
			 elf_machine_name(&program->elf));
		break;
	case GAP_STATIC:
		snprintf(more, size,
			 " is statically linked, so that no library can be preloaded into it");
		break;
	case GAP_LOADER:
		snprintf(more, size, " uses the C library musl, and mmfence is made for glibc");
		break;
	case GAP_OLD_LIBC:
		snprintf(more, size,
			 " uses a C library older than glibc 2.5, which cannot load mmfence's");
		break;
	case GAP_SET_ID:
		snprintf(more, size,
			 " is %s, so that the dynamic linker ignores what is to be preloaded",
			 reason);
		break;
	case GAP_NO_LIBRARY:
		snprintf(more, size,
			 " is a 32-bit program, and the 32-bit libmmfence.so is not installed");
		break;
	}
	return gap;
}
