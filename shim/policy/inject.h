/* SPDX-License-Identifier: MIT */
/*
 * process.inject: which wrapped calls fail, with which error, and when. Text to rules;
 * the expressions of when= mean what they mean to strace(1).
 *
 *	CALL=ERRNO[:when=FIRST[..LAST][+[STEP]]]    CALL=ERRNO[:after=N]    max_map_count=N
 */
#ifndef MMFENCE_POLICY_INJECT_H
#define MMFENCE_POLICY_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/text.h"

/* The wrapped functions, told apart as the kernel tells them apart. */
enum inject_call {
	INJECT_MMAP,
	INJECT_MUNMAP,
	INJECT_MREMAP,
	INJECT_MPROTECT,
	INJECT_MADVISE,
	INJECT_REMAP_FILE_PAGES, /* up to here they have an address and a length */
	INJECT_OPEN,
	INJECT_OPEN_SELFMEM, /* a memory file, after whatever opened it */
	INJECT_NONE,	     /* no rule has it */
};

#define INJECT_BIT(call) (1u << (call))

enum inject_filter {
	INJECT_IF_ANY,
	INJECT_IF_ANONYMOUS,
	INJECT_IF_FILE,
	INJECT_IF_SHARED,
	INJECT_IF_PRIVATE,
	INJECT_IF_FIXED,
	INJECT_IF_SELFMEM,
};

/* The first call of a kind is number 1. */
struct inject_when {
	uint64_t first, last, step;
};

struct inject_rule {
	const char *text; /* in the list */
	size_t length;
	uint32_t calls; /* bits */
	enum inject_filter filter;
	int error;
	uint64_t areas; /* of max_map_count; otherwise 0 */
	struct inject_when when;
};

#define INJECT_RULES 32

/* The rules of a list: how many. -EINVAL, with the rest of a sentence added to error. */
int inject_parse(const char *list, struct inject_rule rules[INJECT_RULES], struct text *error);

/* Whether the number-th call is one that fails. */
bool inject_due(const struct inject_when *when, uint64_t number);

#endif
