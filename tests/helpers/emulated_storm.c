/* SPDX-License-Identifier: MIT */
/*
 * N2: threads that all play in one emulated window, each in a part of its own: they remap,
 * cover, map anew, move and read, while what the window comes from grows, or is given back
 * after each call, and other mappings wait for the addresses that become free. Each page of
 * the file says which it is, and those of the other file say so too. As many calls each
 * time, whatever the time they take.
 *
 *	emulated_storm growing|given_back [ROUNDS]
 */
#include <stdatomic.h>
#include <sys/resource.h>

#include "helper.h"

#define NAME	"storm.data"
#define OTHER	"storm.other"
#define THREADS 4
#define PART	6 /* pages of the window that are one thread's */
#define CALLS	48
#define RUN	16 /* pages that follow each other, behind each power of two */

struct player {
	pthread_t thread;
	uint64_t random;
	int protection;
	char *part;
	size_t shows[PART]; /* pages of the file */
};

static struct player players[THREADS];
static pthread_barrier_t start, end;
static int file, other;
static size_t rounds, highest; /* power of two */
static atomic_bool over;

static uint32_t random_below(uint64_t *state, uint32_t bound)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((*state >> 33) % bound);
}

/* --- files whose pages are told by their first word, and mostly are holes --- */

static void tag_run(int fd, unsigned int generation, size_t first)
{
	for (size_t page = first; page < first + RUN; page++) {
		uint64_t word = pattern_word(generation, page, 0);

		must(pwrite(fd, &word, sizeof(word), (off_t)(page * PAGE)) == sizeof(word));
	}
}

static int tagged_file(const char *name, unsigned int generation)
{
	int fd = sure(open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));

	tag_run(fd, generation, 0);
	for (size_t power = 4; power <= highest; power++)
		tag_run(fd, generation, (size_t)1 << power);
	must(!ftruncate(fd, (off_t)(2 * PAGE << highest)));
	return fd;
}

/* The further a round has come, the further behind. */
static size_t some_page(struct player *player, size_t call)
{
	size_t power = 4 + call * (highest - 3) / CALLS;
	size_t first = random_below(&player->random, 2) ? (size_t)1 << power : 0;

	return first + random_below(&player->random, RUN - 1);
}

static void look(const char *at, size_t page, const char *after)
{
	uint64_t word = *(const volatile uint64_t *)at;

	promise(word == pattern_word(1, page, 0), "after %s: not page %zu but %s", after, page,
		word == pattern_word(2, page, 0) ? "another file's" : "another");
}

static void look_at_part(const struct player *player, const char *after)
{
	for (size_t i = 0; i < PART; i++)
		look(player->part + i * PAGE, player->shows[i], after);
}

/* --- what they do --- */

static void now_shows(struct player *player, size_t slot, size_t pages, size_t page,
		      const char *after)
{
	for (size_t i = 0; i < pages; i++)
		player->shows[slot + i] = page + i;
	look_at_part(player, after);
}

static void remap(struct player *player, size_t slot, size_t pages, size_t page)
{
	promise(!remap_file_pages(player->part + slot * PAGE, pages * PAGE, 0, page, 0),
		"remap_file_pages of %zu pages from %zu on: %s", pages, page, strerror(errno));
	now_shows(player, slot, pages, page, "remap_file_pages");
}

static void map_over(struct player *player, size_t slot, size_t pages, size_t page)
{
	char *at = player->part + slot * PAGE;

	must(mmap(at, pages * PAGE, player->protection, MAP_SHARED | MAP_FIXED, file,
		  (off_t)(page * PAGE)) == at);
	now_shows(player, slot, pages, page, "mmap over it");
}

static void cover(struct player *player, size_t slot, size_t pages, size_t page)
{
	char *at = player->part + slot * PAGE;

	must(mmap(at, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	     at);
	map_over(player, slot, pages, page);
}

/* In a window of its own: another thread may take what is free in the common one. */
static void move(struct player *player, size_t page)
{
	char *at = sure(mmap(NULL, PAGE, player->protection, MAP_SHARED, file, 5 * PAGE));

	promise(!remap_file_pages(at, PAGE, 0, page, 0), "remap_file_pages of %zu: %s", page,
		strerror(errno));
	look(at, page, "remap_file_pages elsewhere");
	at = sure(mremap(at, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	look(at, page, "mremap");
	look(at + PAGE, page + 1, "mremap");
	must(!munmap(at, 2 * PAGE));
}

static void play(struct player *player)
{
	for (size_t call = 0; call < CALLS; call++) {
		size_t page = some_page(player, call);
		uint32_t what = random_below(&player->random, 16);
		size_t pages = 1 + what % 2;
		size_t slot = random_below(&player->random, (uint32_t)(PART - pages + 1));

		if (what < 13)
			remap(player, slot, pages, page);
		else if (what == 13)
			map_over(player, slot, pages, page);
		else if (what == 14)
			cover(player, slot, pages, page);
		else
			move(player, page);
	}
}

static void *live(void *argument)
{
	struct player *player = argument;

	for (size_t round = 0; round < rounds; round++) {
		pthread_barrier_wait(&start);
		must(!mprotect(player->part, PART * PAGE, player->protection));
		play(player);
		pthread_barrier_wait(&end);
	}
	return NULL;
}

/* Takes addresses as soon as somebody lets go of them. */
static void *take(void *unused)
{
	uint64_t random = 99;

	while (!atomic_load(&over)) {
		char *views[4];
		size_t pages = (size_t)64 << random_below(&random, 5);

		for (size_t i = 0; i < COUNT(views); i++) {
			views[i] = mmap(NULL, pages * PAGE, RW, MAP_SHARED, other, 0);
			must(views[i] != MAP_FAILED);
		}
		for (size_t i = 0; i < COUNT(views); i++)
			must(!munmap(views[i], pages * PAGE));
	}
	return unused;
}

static void play_round(void)
{
	size_t length = THREADS * PART * PAGE;
	char *window = sure(mmap(NULL, length, RW, MAP_SHARED, file, 0));

	for (size_t i = 0; i < THREADS; i++) {
		players[i].part = window + i * PART * PAGE;
		for (size_t k = 0; k < PART; k++)
			players[i].shows[k] = i * PART + k;
	}
	pthread_barrier_wait(&start);
	pthread_barrier_wait(&end);
	must(!munmap(window, length));
}

static void storm(void)
{
	pthread_t taker;

	file = tagged_file(NAME, 1);
	other = tagged_file(OTHER, 2);
	must(!pthread_barrier_init(&start, NULL, THREADS + 1));
	must(!pthread_barrier_init(&end, NULL, THREADS + 1));
	for (size_t i = 0; i < THREADS; i++) {
		players[i].random = i + 1;
		players[i].protection = i % 2 ? PROT_READ : RW;
		players[i].thread = thread_start(live, &players[i]);
	}
	taker = thread_start(take, NULL);
	for (size_t round = 0; round < rounds; round++)
		play_round();
	for (size_t i = 0; i < THREADS; i++)
		thread_end(players[i].thread);
	atomic_store(&over, true);
	thread_end(taker);
}

int main(int argc, char **argv)
{
	struct rlimit limit = { 1U << 31, 1U << 31 };
	bool given_back;

	if (argc < 2)
		skip("growing or given_back?");
	given_back = !strcmp(argv[1], "given_back");
	/* Under a limit of address space a mapping of ours serves one call only. */
	if (given_back)
		must(!setrlimit(RLIMIT_AS, &limit));
	highest = given_back ? 8 : 15;
	rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : 200;
	storm();
	printf("%zu calls\n", rounds * THREADS * CALLS);
	return 0;
}
