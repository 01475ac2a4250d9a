/* SPDX-License-Identifier: MIT */
/*
 * Backtraces: see trace.h. Unwinding costs microseconds and legacy programs call
 * from the same places again and again; so for each place on each stack it is
 * remembered where on the stack the return addresses were, and a trace whose
 * return addresses are all still there is taken from memory.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <unwind.h>

#include "audit/trace.h"
#include "support/sys.h"

#define ENTRIES	  256
#define OWN_DEPTH 64 /* the shim's own frames, at most */
#define WORD	  sizeof(uintptr_t)

/* Readers never wait: a sequence that is odd or has moved means no answer. One that stays odd,
 * because its writer was lost in a fork, costs that entry and nothing else. */
struct known_stack {
	atomic_uint sequence;
	uint32_t count;
	uintptr_t ip, cfa;
	uintptr_t frame[TRACE_FRAMES];
	uint32_t slot[TRACE_FRAMES]; /* words above the first return address */
};

static struct known_stack entries[ENTRIES] LARGE;

struct stack_walk {
	struct trace *trace;
	uintptr_t ip, cfa;
	uint32_t slot[TRACE_FRAMES];
	int skipped;
	bool faulted; /* the first frame did, by itself */
	bool regular; /* every frame was called, and its return address is where it should be */
};

static struct known_stack *entry_of(uintptr_t ip, uintptr_t cfa)
{
	uint64_t key = (ip ^ (uint64_t)cfa << 20) * 0x9e3779b97f4a7c15u;

	return &entries[key >> 32 & (ENTRIES - 1)];
}

static uint64_t hash_of(const struct trace *trace)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (uint32_t i = 0; i < trace->count; i++) {
		hash = (hash ^ trace->frame[i]) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 32;
	}
	return hash;
}

static uintptr_t *slot_at(uintptr_t cfa, uint32_t words)
{
	return (uintptr_t *)(cfa - WORD) + words;
}

static void note_slot(struct stack_walk *walk, uintptr_t cfa, uintptr_t ip, bool interrupted)
{
	uint32_t i = walk->trace->count;
	uintptr_t words = (cfa - walk->cfa) / WORD;

	/* A frame that a signal interrupted pushed nothing, and its stack may be at an end there.
	 */
	if (interrupted || !walk->regular || cfa < walk->cfa || words > UINT32_MAX ||
	    cfa % WORD != walk->cfa % WORD || (i ? words <= walk->slot[i - 1] : words != 0) ||
	    *slot_at(walk->cfa, (uint32_t)words) != ip) {
		walk->regular = false;
		return;
	}
	walk->slot[i] = (uint32_t)words;
}

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *data)
{
	struct stack_walk *walk = data;
	struct trace *trace = walk->trace;
	int interrupted = 0;
	uintptr_t ip = _Unwind_GetIPInfo(context, &interrupted);

	if (!trace->count && ip != walk->ip)
		return ++walk->skipped < OWN_DEPTH ? _URC_NO_REASON : _URC_END_OF_STACK;
	if (!ip)
		return _URC_END_OF_STACK;
	/* The frame's canonical address here is that of the frame it called: its return address
	 * lies right below. */
	note_slot(walk, _Unwind_GetCFA(context), ip, interrupted);
	trace->frame[trace->count++] = ip;
	/* Unwind tables hold at calls. Where a signal came, in a prologue or in hand-written code,
	 * they may be wrong, and what they then point at may not be mapped: no further. */
	if (interrupted && !(walk->faulted && trace->count == 1))
		return _URC_END_OF_STACK;
	return trace->count < TRACE_FRAMES && unwind_may_pass(ip) ? _URC_NO_REASON
								  : _URC_END_OF_STACK;
}

static void remember(const struct stack_walk *walk)
{
	struct known_stack *entry = entry_of(walk->ip, walk->cfa);
	unsigned int sequence = atomic_load_explicit(&entry->sequence, memory_order_relaxed);
	uint32_t count = walk->trace->count;

	if ((sequence & 1) ||
	    !atomic_compare_exchange_strong(&entry->sequence, &sequence, sequence + 1))
		return;
	atomic_thread_fence(memory_order_release);
	__atomic_store_n(&entry->ip, walk->ip, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->cfa, walk->cfa, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->count, count, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < count; i++) {
		__atomic_store_n(&entry->frame[i], walk->trace->frame[i], __ATOMIC_RELAXED);
		__atomic_store_n(&entry->slot[i], walk->slot[i], __ATOMIC_RELAXED);
	}
	atomic_store_explicit(&entry->sequence, sequence + 2, memory_order_release);
}

/* Copies the entry for this place, if there is one; slots are looked at only once the copy is
 * known to be whole. */
static bool copy_entry(const struct stack_walk *walk, uint32_t *slot)
{
	struct known_stack *entry = entry_of(walk->ip, walk->cfa);
	unsigned int sequence = atomic_load_explicit(&entry->sequence, memory_order_acquire);
	uint32_t count = __atomic_load_n(&entry->count, __ATOMIC_RELAXED);

	if ((sequence & 1) || !count || count > TRACE_FRAMES ||
	    __atomic_load_n(&entry->ip, __ATOMIC_RELAXED) != walk->ip ||
	    __atomic_load_n(&entry->cfa, __ATOMIC_RELAXED) != walk->cfa)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		walk->trace->frame[i] = __atomic_load_n(&entry->frame[i], __ATOMIC_RELAXED);
		slot[i] = __atomic_load_n(&entry->slot[i], __ATOMIC_RELAXED);
	}
	walk->trace->count = count;
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&entry->sequence, memory_order_relaxed) == sequence;
}

/* From the inside out: a slot is read only after all that are nearer held what they held, so that
 * it lies on the same stack as they do. */
static bool recall(struct stack_walk *walk)
{
	if (!copy_entry(walk, walk->slot))
		return false;
	for (uint32_t i = 0; i < walk->trace->count; i++)
		if (*slot_at(walk->cfa, walk->slot[i]) != walk->trace->frame[i])
			return false;
	return true;
}

static void walk_stack(struct stack_walk *walk)
{
	walk->trace->count = 0;
	unwind_begin();
	_Unwind_Backtrace(visit, walk);
}

static void finish(struct stack_walk *walk)
{
	struct trace *trace = walk->trace;

	if (!trace->count) {
		trace->frame[0] = walk->ip;
		trace->count = 1;
	}
	trace->hash = hash_of(trace);
}

void trace_capture(struct trace *trace, void *from_ip, void *from_cfa)
{
	struct stack_walk walk = { .trace = trace,
				   .ip = (uintptr_t)from_ip,
				   .cfa = (uintptr_t)from_cfa,
				   .regular = true };

	if (!recall(&walk)) {
		walk_stack(&walk);
		if (trace->count && walk.regular)
			remember(&walk);
	}
	finish(&walk);
}

void trace_capture_fault(struct trace *trace, uintptr_t ip)
{
	struct stack_walk walk = { .trace = trace, .ip = ip, .faulted = true };

	walk_stack(&walk);
	finish(&walk);
}

static _Unwind_Reason_Code stop(struct _Unwind_Context *context, void *data)
{
	(void)context;
	(void)data;
	return _URC_END_OF_STACK;
}

/* The first use sets up a table under pthread_once, which no handler and no raw clone may meet
 * half done; and where this libc cannot find a frame table, those of now are looked for now. */
void trace_prepare(void)
{
	_Unwind_Backtrace(stop, NULL);
}
