/* SPDX-License-Identifier: MIT */
/*
 * M4 against a model: random sequences of allocate, alias, copy, store, protect, unmap,
 * give up and fork over a few pages. The model says for each page whether it is mapped, how it is
 * protected, and which object it shows; after each step all of memory is compared with it.
 *
 *	model SEQUENCES [SEED]
 *
 * With MMFENCE_SELFMEM_FORK=split a child's stores stay its own.
 */

#include "views.h"

#define SLOTS	    12
#define STEPS	    30
#define CHILD_STEPS 8
#define OBJECTS	    (SLOTS * STEPS * 2)

/* What happens to a page that is given up: it is zero; it is what was copied; it is zero for all
 * who see it; the same, but they are the parent's too; nothing. */
enum side { PRIVATE, COPY, TURNED, INHERITED, VIEW };

struct slot {
	bool mapped;
	int prot;
	int object;
	enum side side;
};

struct object {
	uint32_t value, copied;
	bool shared;
};

static struct slot slots[SLOTS];
static struct object objects[OBJECTS];
static int object_count;
static char *base;
static uint64_t seed, state;
static bool split, in_a_child;
static char history[4096];

static uint32_t below(uint32_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 20) % limit;
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	size_t used = strlen(history);
	va_list list;

	va_start(list, format);
	vsnprintf(history + used, sizeof(history) - used, format, list);
	va_end(list);
}

#define wrong(...)                                                           \
	do {                                                                 \
		printf("seed %llu:%s\n", (unsigned long long)seed, history); \
		fflush(stdout);                                              \
		broken(__VA_ARGS__);                                         \
	} while (0)

static char *page(size_t slot)
{
	return base + slot * PAGE;
}

static int new_object(uint32_t value, bool shared)
{
	objects[object_count] = (struct object){ value, value, shared };
	return object_count++;
}

/* The first word and the last. */
static void put(char *at, uint32_t value)
{
	memcpy(at, &value, 4);
	memcpy(at + PAGE - 4, &value, 4);
}

static uint32_t get(const char *at, bool last)
{
	uint32_t value;

	memcpy(&value, at + (last ? PAGE - 4 : 0), 4);
	return value;
}

static void compare(void)
{
	for (size_t i = 0; i < SLOTS; i++) {
		if (is_mapped(page(i)) != slots[i].mapped)
			wrong("page %zu is%s mapped", i, slots[i].mapped ? " not" : "");
		if (!slots[i].mapped || slots[i].prot == PROT_NONE)
			continue;
		uint32_t value = objects[slots[i].object].value;
		if (get(page(i), false) != value || get(page(i), true) != value)
			wrong("page %zu holds %u and %u, not %u", i, get(page(i), false),
			      get(page(i), true), value);
	}
}

/* --- steps --- */

static void allocate(size_t at, size_t count)
{
	note(" map(%zu,%zu)", at, count);
	must(mmap(page(at), count * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
	     MAP_FAILED);
	for (size_t i = at; i < at + count; i++)
		slots[i] = (struct slot){ true, RW, new_object(0, false), PRIVATE };
}

static bool all_mapped(size_t at, size_t count)
{
	for (size_t i = at; i < at + count; i++)
		if (!slots[i].mapped)
			return false;
	return true;
}

static void turn(struct slot *slot)
{
	objects[slot->object].shared = true;
	if (slot->side == PRIVATE)
		slot->side = TURNED;
	else if (slot->side ==
		 COPY) /* private memory of a file: its bytes are not to be had again */
		slot->side = VIEW;
}

static void view(size_t from, size_t to, size_t count, bool copy)
{
	struct slot seen[SLOTS];
	char *got = view_try(page(to), page(from), count * PAGE, RW,
			     MAP_FIXED | (copy ? MAP_PRIVATE : MAP_SHARED));

	note(" %s(%zu,%zu,%zu)", copy ? "copy" : "alias", from, to, count);
	if (!all_mapped(from, count)) {
		if (got != MAP_FAILED || errno != EINVAL)
			wrong("a view of a hole: %s", strerrorname_np(errno));
		return;
	}
	if (got == MAP_FAILED)
		wrong("no view: %s", strerrorname_np(errno));
	for (size_t i = 0; i < count; i++) {
		if (!copy)
			turn(&slots[from + i]);
		seen[i] = slots[from + i];
		if (copy)
			seen[i].object = new_object(objects[seen[i].object].value, false);
		seen[i].prot = RW;
		seen[i].side = copy ? COPY : VIEW;
	}
	memcpy(&slots[to], seen, count * sizeof(*seen));
}

static void store(size_t at)
{
	if (!slots[at].mapped || slots[at].prot != RW)
		return;
	uint32_t value = below(UINT32_MAX);
	note(" store(%zu)", at);
	put(page(at), value);
	objects[slots[at].object].value = value;
}

static void protect(size_t at, size_t count)
{
	static const int prots[] = { PROT_NONE, PROT_READ, RW };
	int prot = prots[below(3)];

	if (!all_mapped(at, count))
		return;
	note(" protect(%zu,%zu,%d)", at, count, prot);
	must(mprotect(page(at), count * PAGE, prot) == 0);
	for (size_t i = at; i < at + count; i++)
		slots[i].prot = prot;
}

static void unmap(size_t at, size_t count)
{
	note(" unmap(%zu,%zu)", at, count);
	must(munmap(page(at), count * PAGE) == 0);
	for (size_t i = at; i < at + count; i++)
		slots[i].mapped = false;
}

static void give_up_one(struct slot *slot)
{
	struct object *object = &objects[slot->object];

	switch (slot->side) {
	case PRIVATE:
	case TURNED:
		object->value = 0;
		break;
	case COPY:
		object->value = object->copied;
		break;
	case INHERITED:
		slot->object = new_object(0, false);
		slot->side = PRIVATE;
		break;
	case VIEW:
		break;
	}
}

static void give_up(size_t at, size_t count)
{
	int r = madvise(page(at), count * PAGE, MADV_DONTNEED);

	note(" drop(%zu,%zu)", at, count);
	if (all_mapped(at, count) ? r != 0 : r == 0 || errno != ENOMEM)
		wrong("given up: %s", r ? strerrorname_np(errno) : "no error");
	for (size_t i = at; i < at + count; i++)
		if (slots[i].mapped)
			give_up_one(&slots[i]);
}

static void inherit(void)
{
	in_a_child = true;
	for (size_t i = 0; i < SLOTS; i++)
		if (slots[i].side == TURNED && !split)
			slots[i].side = INHERITED;
}

static void step(void);

/* The child takes some steps of its own, and says what became of what both see. */
static void fork_once(void)
{
	static struct object then[OBJECTS];
	int results[2], count = object_count;

	note(" fork(");
	must(pipe2(results, O_CLOEXEC) == 0);
	memcpy(then, objects, sizeof(then));
	pid_t pid = sure(fork());
	if (!pid) {
		inherit();
		compare();
		for (int i = 0; i < CHILD_STEPS; i++)
			step();
		for (int i = 0; i < count; i++)
			must(write(results[1], &objects[i].value, 4) == 4);
		_exit(0);
	}
	close(results[1]);
	for (int i = 0; i < count; i++) {
		uint32_t value;
		if (read(results[0], &value, 4) != 4)
			break;
		if (then[i].shared && !split)
			objects[i].value = value;
	}
	close(results[0]);
	child_wait(pid);
	note(" )");
}

static void step(void)
{
	size_t from = below(SLOTS), to = below(SLOTS);
	size_t count = 1 + below((uint32_t)(SLOTS - (from > to ? from : to)));
	uint32_t kind = below(100);

	if (kind < 15)
		allocate(from, count);
	else if (kind < 45)
		view(from, to, count, false);
	else if (kind < 52)
		view(from, to, count, true);
	else if (kind < 75)
		store(from);
	else if (kind < 83)
		give_up(from, count);
	else if (kind < 90)
		protect(from, count);
	else if (kind < 97)
		unmap(from, count);
	else if (!in_a_child)
		fork_once();
	compare();
}

static void sequence(void)
{
	object_count = 0;
	history[0] = 0;
	must(munmap(base, SLOTS * PAGE) == 0);
	memset(slots, 0, sizeof(slots));
	allocate(0, SLOTS);
	for (int i = 0; i < STEPS; i++)
		step();
}

int main(int argc, char **argv)
{
	long sequences = argc > 1 ? strtol(argv[1], NULL, 10) : 100;
	const char *mode = getenv("MMFENCE_SELFMEM_FORK");

	split = mode && !strcmp(mode, "split");
	int random = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	must(read(random, &seed, sizeof(seed)) == sizeof(seed) && close(random) == 0);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 10);
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	state = seed ? seed : 1;
	base = anonymous(SLOTS * PAGE);
	for (long i = 0; i < sequences; i++)
		sequence();
	printf("%ld sequences\n", sequences);
	return 0;
}
