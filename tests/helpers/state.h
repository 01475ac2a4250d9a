/* SPDX-License-Identifier: MIT */
/*
 * What a helper leaves for the runner when it ends (tests/preload/invariants.c): its memory areas
 * and its descriptors, in the file $RUN_STATE/PID. By calls that no library sees; where it cannot
 * be written (another root, a full table) there is nothing to judge.
 */
#ifndef MMFENCE_TESTS_STATE_H
#define MMFENCE_TESTS_STATE_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "by_hand.h"

static inline int state_open(const char *path, int flags)
{
	return (int)by_hand(SYS_openat, AT_FDCWD, (long)path, flags | O_CLOEXEC, 0666, 0);
}

static inline void state_areas(int to, char *buffer, size_t size)
{
	int maps = state_open("/proc/self/maps", O_RDONLY);
	long got;

	while ((got = by_hand(SYS_read, maps, (long)buffer, (long)size, 0, 0)) > 0)
		if (by_hand(SYS_write, to, (long)buffer, got, 0, 0) != got)
			break;
	by_hand(SYS_close, maps, 0, 0, 0, 0);
}

/* "fd N NAME", without those that are our own. */
static inline void state_descriptors(int to, char *buffer, size_t size)
{
	struct entry {
		uint64_t inode;
		int64_t next;
		uint16_t length;
		uint8_t type;
		char name[];
	};
	int list = state_open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
	long got;

	while ((got = by_hand(SYS_getdents64, list, (long)buffer, (long)size, 0, 0)) > 0)
		for (long at = 0; at < got;) {
			struct entry *entry = (struct entry *)(uintptr_t)(buffer + at);
			char path[64], target[256], line[384];
			at += entry->length;
			if (entry->name[0] == '.' || atoi(entry->name) == to ||
			    atoi(entry->name) == list)
				continue;
			snprintf(path, sizeof(path), "/proc/self/fd/%.16s", entry->name);
			long length = by_hand(SYS_readlink, (long)path, (long)target,
					      sizeof(target), 0, 0);
			length = snprintf(line, sizeof(line), "fd %.16s %.*s\n", entry->name,
					  length > 0 ? (int)length : 0, target);
			by_hand(SYS_write, to, (long)line, length, 0, 0);
		}
	by_hand(SYS_close, list, 0, 0, 0, 0);
}

static inline void state_leave(void)
{
	static char buffer[4096] __attribute__((aligned(8)));
	const char *directory = getenv("RUN_STATE");
	char path[512];
	int to;

	if (!directory || !*directory)
		return;
	snprintf(path, sizeof(path), "%s/%ld", directory, by_hand(SYS_getpid, 0, 0, 0, 0, 0));
	to = state_open(path, O_WRONLY | O_CREAT | O_TRUNC);
	if (to < 0)
		return;
	state_areas(to, buffer, sizeof(buffer));
	state_descriptors(to, buffer, sizeof(buffer));
	by_hand(SYS_close, to, 0, 0, 0, 0);
}

static __attribute__((destructor)) void state_at_exit(void)
{
	state_leave();
}

#endif
