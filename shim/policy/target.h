/* SPDX-License-Identifier: MIT */
/*
 * What audit.log names: a file, or one of the other media. The library and the
 * command read it with the same code. Never allocates.
 */
#ifndef MMFENCE_POLICY_TARGET_H
#define MMFENCE_POLICY_TARGET_H

#include <stdbool.h>
#include <stdint.h>

enum target_medium {
	TARGET_FILE,
	TARGET_DESCRIPTOR,
	TARGET_UNIX,
	TARGET_SYSLOG,
	TARGET_JOURNAL,
};

/* An open file, by what statx says of it. */
struct place {
	uint64_t inode;
	uint32_t dev_major, dev_minor;
};

struct target {
	enum target_medium medium;
	const char *path; /* the file's template, or the socket's address: part of the value */
	int fd;		  /* of a descriptor */
	bool pinned;	  /* fd:N@MAJOR:MINOR:INODE: only while it is this file */
	struct place place;
};

/* A name with a slash is a file's whatever it looks like. NULL, or what is wrong with the value,
 * as the rest of a sentence that begins with it. */
const char *target_parse(const char *value, struct target *out);

/* Why a file that is there is no log for this user, as the rest of a sentence that begins with its
 * name; NULL: it is one. */
const char *target_refusal(uint32_t mode, uint32_t owner, uint32_t links, uint32_t user);

#endif
