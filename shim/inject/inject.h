/* SPDX-License-Identifier: MIT */
/*
 * Fault injection: wrapped calls that fail as another kernel would have them fail, with
 * nothing else done (process.inject). Where none is wanted, a wrapper tests one word.
 */
#ifndef MMFENCE_INJECT_INJECT_H
#define MMFENCE_INJECT_INJECT_H

#include "policy/inject.h"
#include "support/call.h"

/* What the program asks for, as far as its kind of call has it. */
struct inject_request {
	enum inject_call call;
	uintptr_t address, new_address;
	size_t length, new_length;
	int protection, flags, fd;
	int64_t offset;
};

/* Bits of the calls that some rule may want; 0 without rules. */
extern uint32_t inject_calls __attribute__((visibility("hidden")));

/* The rules of process.inject; they were checked before. */
void inject_prepare(const char *list);

/* Counts the call: 0, or the -errno it fails with. Inside a scope; takes no lock. */
long inject_decide(const struct call *call, const struct inject_request *request);

/* How many calls each rule failed since the last time, as records: at exit and before exec. */
void inject_totals(void);

/* A child counts from 1. */
void inject_after_fork(void);

/* max_map_count: whether a kernel with this limit would fail the call. */
struct area_limit {
	uint64_t limit;
	uint64_t count; /* found, where the call fails */
};
bool areas_exceeded(struct area_limit *areas, const struct inject_request *request);

#endif
