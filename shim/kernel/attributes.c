/* SPDX-License-Identifier: MIT */
/*
 * What a mapping has besides its protection: memory lock, advice, protection key, and whether its
 * memory is reserved. Asked of the kernel (VmFlags in smaps) before a mapping is replaced, and
 * given to what replaces it. Reading smaps walks page tables, so it is done only in processes that
 * ever made a call that sets any of these.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "support/sys.h"
#include "kernel/thread.h"
#include "kernel/vma.h"
#include "support/arena.h"
#include "support/text.h"

#define BUFFER_BYTES 16384

static atomic_bool noted;

/* VmFlags in the order of their bits, and the advice that sets them; -1: another call does. */
static const struct {
	char flag[3];
	int advice;
} kept[] = {
	{ "dc", MADV_DONTFORK },
	{ "dd", MADV_DONTDUMP },
	{ "hg", MADV_HUGEPAGE },
	{ "nh", MADV_NOHUGEPAGE },
	{ "rr", MADV_RANDOM },
	{ "sr", MADV_SEQUENTIAL },
	{ "mg", MADV_MERGEABLE },
	{ "lo", -1 },
	{ "lf", -1 },
	{ "nr", -1 },
	{ "??", -1 },
	{ "sh", -1 },
	{ "ht", -1 },
};
#define KEPT_COUNT (sizeof(kept) / sizeof(*kept))

void attributes_note(void)
{
	atomic_store_explicit(&noted, true, memory_order_relaxed);
}

bool attributes_noted(void)
{
	return atomic_load_explicit(&noted, memory_order_relaxed);
}

/* ---- smaps ---- */

static bool is_header(const char *line)
{
	return (line[0] >= '0' && line[0] <= '9') || (line[0] >= 'a' && line[0] <= 'f');
}

static void parse_flags(const char *at, struct attributes *out)
{
	for (; at[0] && at[1]; at += at[2] ? 3 : 2) {
		while (*at == ' ')
			at++;
		if (!at[0] || !at[1])
			return;
		for (unsigned int i = 0; i < KEPT_COUNT; i++)
			if (at[0] == kept[i].flag[0] && at[1] == kept[i].flag[1])
				out->flags |= 1U << i;
	}
}

static int key_in(const char *at)
{
	uint64_t key;

	text_read_number(at + strspn(at, " "), 10, &key);
	return (int)key;
}

/* ---- an area at a time ---- */

static void read_header(struct attributes_walk *walk, const char *line)
{
	struct vma area;

	vma_parse(line, &area, NULL, 0);
	walk->next_start = area.start;
	walk->next_end = area.end;
	walk->more = true;
}

/* Reads on to where the next area begins. */
static void read_area(struct attributes_walk *walk)
{
	char *line;

	walk->start = walk->next_start;
	walk->end = walk->next_end;
	walk->attributes = (struct attributes){ 0, 0 };
	walk->more = false;
	while (!walk->more && (line = proc_text_next(&walk->text))) {
		if (is_header(line))
			read_header(walk, line);
		else if (!strncmp(line, "VmFlags:", 8))
			parse_flags(line + 8, &walk->attributes);
		else if (!strncmp(line, "ProtectionKey:", 14))
			walk->attributes.key = key_in(line + 14);
	}
}

static void begin(struct attributes_walk *walk, int fd)
{
	*walk = (struct attributes_walk){ .more = false };
	proc_text_begin(&walk->text, fd, fd < 0 ? NULL : arena_alloc(BUFFER_BYTES), BUFFER_BYTES);
	if (walk->text.buffer)
		read_area(walk); /* none yet, but where the first begins */
}

void attributes_walk_begin(struct attributes_walk *walk, int proc)
{
	begin(walk, attributes_noted() ? proc_open_own(proc, "smaps", O_RDONLY) : -1);
}

const struct attributes *attributes_at(struct attributes_walk *walk, uintptr_t address)
{
	static const struct attributes none;

	while (walk->end <= address && walk->more)
		read_area(walk);
	return address >= walk->start && address < walk->end ? &walk->attributes : &none;
}

void attributes_walk_end(struct attributes_walk *walk)
{
	arena_free(walk->text.buffer, BUFFER_BYTES);
	proc_text_end(&walk->text);
}

struct question {
	uintptr_t address;
	struct attributes *out;
};

static void answer(void *argument)
{
	const struct question *question = argument;
	struct attributes_walk walk;

	if (thread_own_table(-1))
		return;
	begin(&walk, proc_open_own(-1, "smaps", O_RDONLY));
	*question->out = *attributes_at(&walk, question->address);
	attributes_walk_end(&walk);
}

void attributes_read_apart(uintptr_t address, struct attributes *out)
{
	struct question question = { address, out };

	*out = (struct attributes){ 0, 0 };
	thread_run(answer, &question);
}

/* ---- given to what replaces it ---- */

bool attributes_are_huge(uintptr_t address)
{
	struct attributes_walk walk;

	begin(&walk, proc_open_own(-1, "smaps", O_RDONLY));
	bool huge = attributes_at(&walk, address)->flags & ATTRIBUTE_HUGE;
	attributes_walk_end(&walk);
	return huge;
}

/* Older kernels (Linux 6.1) have no name for it, and of what may stand beside a lock for it alone.
 */
static bool locked_on_fault(const struct attributes *attributes)
{
	return attributes->flags & ATTRIBUTE_LOCKED_ON_FAULT ||
	       (attributes->flags & (ATTRIBUTE_LOCKED | ATTRIBUTE_NAMELESS)) ==
		       (ATTRIBUTE_LOCKED | ATTRIBUTE_NAMELESS);
}

void attributes_apply(const struct attributes *attributes, uintptr_t start, uintptr_t end,
		      int protection)
{
	for (unsigned int i = 0; i < KEPT_COUNT; i++)
		if (attributes->flags & 1U << i && kept[i].advice >= 0)
			sys_madvise(start, end - start, kept[i].advice);
	/* What is locked on fault is shown as locked too. */
	if (locked_on_fault(attributes))
		sys_mlock2(start, end - start, MLOCK_ONFAULT);
	else if (attributes->flags & ATTRIBUTE_LOCKED)
		sys_mlock(start, end - start);
	if (attributes->key > 0)
		sys_pkey_mprotect(start, end - start, protection, attributes->key);
}
