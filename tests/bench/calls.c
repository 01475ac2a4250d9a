/* SPDX-License-Identifier: MIT */
/*
 *	calls KIND MILLISECONDS FILE
 *
 * Makes one kind of call over and over for so long, in batches, and prints the ns that one
 * took in the median batch: one in which the program had to wait for its processor does not
 * count. FILE is an ordinary file of at least FILE_PAGES pages. `calls preloaded` says by
 * its exit status whether the library is there at all.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "clock.h"

#define PAGE	     4096UL
#define FILE_PAGES   1024
#define WINDOW	     64
#define BATCH	     50
#define MOST_BATCHES 10000

static const char *path;
static int fd;
static unsigned char *window;
static uint32_t random_state = 1998;

static void open_close(void)
{
	int file = open(path, O_RDONLY);

	if (file < 0 || close(file))
		die(path);
}

static void map_unmap(int prot, int flags, int file)
{
	void *at = mmap(NULL, 16 * PAGE, prot, flags, file, 0);

	if (at == MAP_FAILED || munmap(at, 16 * PAGE))
		die("mmap");
}

static void map_anonymous(void)
{
	map_unmap(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void map_shared(void)
{
	map_unmap(PROT_READ | PROT_WRITE, MAP_SHARED, fd);
}

static void map_shared_readonly(void)
{
	map_unmap(PROT_READ, MAP_SHARED, fd);
}

static void remap(void)
{
	size_t slot, page;

	random_state = random_state * 1664525 + 1013904223;
	slot = (random_state >> 8) % WINDOW;
	page = (random_state >> 16) % FILE_PAGES;
	if (remap_file_pages(window + slot * PAGE, PAGE, 0, page, 0))
		die("remap_file_pages");
}

static void rewire(void)
{
	size_t slot, page;

	random_state = random_state * 1664525 + 1013904223;
	slot = (random_state >> 8) % WINDOW;
	page = (random_state >> 16) % FILE_PAGES;
	if (mmap(window + slot * PAGE, PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, (off_t)(page * PAGE)) == MAP_FAILED)
		die("mmap");
}

static void set_action(int signal)
{
	struct sigaction action = { .sa_handler = SIG_DFL }, before;

	if (sigaction(signal, &action, &before))
		die("sigaction");
}

static void set_bus(void)
{
	set_action(SIGBUS);
}

static void set_other(void)
{
	set_action(SIGUSR1);
}

/* What a record of a call costs at least: so many bytes, appended to a file. */
static void write_record(void)
{
	static char record[900];
	static int log = -1;

	if (log < 0)
		log = open("log.jsonl", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (write(log, record, sizeof(record)) != (ssize_t)sizeof(record))
		die("log.jsonl");
}

static const struct kind {
	const char *name;
	void (*call)(void);
} kinds[] = {
	{ "open", open_close },	    { "anonymous", map_anonymous },
	{ "shared", map_shared },   { "readonly", map_shared_readonly },
	{ "remap", remap },	    { "rewire", rewire },
	{ "sigaction", set_other }, { "sigbus", set_bus },
	{ "write", write_record },
};

static int preloaded(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[4096];
	int found = 0;

	while (maps && fgets(line, sizeof(line), maps))
		found |= strstr(line, "libmmfence") != NULL;
	return found;
}

static double batch(void (*call)(void))
{
	double begin = now_ns();

	for (int i = 0; i < BATCH; i++)
		call();
	return now_ns() - begin;
}

static double measure(void (*call)(void), double milliseconds)
{
	static double batches[MOST_BATCHES];
	double spent = 0;
	size_t count = 0;

	batch(call);
	while (count < MOST_BATCHES && spent < milliseconds * 1e6) {
		batches[count] = batch(call);
		spent += batches[count++];
	}
	return median(batches, count) / BATCH;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "preloaded") == 0)
		return !preloaded();
	if (argc != 4) {
		fprintf(stderr, "usage: calls KIND MILLISECONDS FILE\n");
		return 2;
	}
	path = argv[3];
	fd = open(path, O_RDWR | O_CLOEXEC);
	window = mmap(NULL, WINDOW * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || window == MAP_FAILED)
		die(path);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(argv[1], kinds[i].name) != 0)
			continue;
		printf("%.1f\n", measure(kinds[i].call, strtod(argv[2], NULL)));
		return 0;
	}
	fprintf(stderr, "calls: no such kind: %s\n", argv[1]);
	return 2;
}
