/* SPDX-License-Identifier: MIT */
/*
 * A3: closes or replaces every descriptor it can, has its own file under all numbers, and
 * does what makes records. None may land in the file. At the end prints how many mappings
 * it made afterwards.
 *
 *	descriptors WAY [some|all]	how many numbers to take: all leaves no room for a log
 */
#include <sys/resource.h>

#include "helper.h"

#define OWN_FILE "descriptors.own"
#define MAPPED	 "descriptors.data"
#define MAPPINGS 5

static int own_file, highest;

ACTS(way, void, void)
#define WAY(name)	  ACT(way, #name, way_##name) static void way_##name(void)
#define WAY_IS(name, ...) WAY(name) DOES(__VA_ARGS__)

/* --- the ways --- */

WAY(close)
{
	for (int fd = 3; fd <= highest; fd++)
		close(fd);
}

static void range_closed(long result)
{
	must(skip_without(result, CLOSE_RANGE_SINCE) == 0);
}

WAY_IS(close_range, range_closed(close_range(3, ~0u, 0)))
WAY_IS(closefrom, closefrom(3))

WAY(syscall_close)
{
	for (int fd = 3; fd <= highest; fd++)
		syscall(SYS_close, fd);
}

WAY_IS(syscall_close_range, range_closed(syscall(SYS_close_range, 3, ~0u, 0)))

WAY(hand_close)
{
	for (int fd = 3; fd <= highest; fd++)
		by_hand(SYS_close, fd, 0, 0, 0, 0);
}

WAY(hand_close_range)
{
	errno = (int)-by_hand(SYS_close_range, 3, 0x7fffffff, 0, 0, 0);
	range_closed(errno ? -1 : 0);
}

static void open_own(void)
{
	own_file = sure(open(OWN_FILE, O_RDWR));
}

WAY(dup2)
{
	open_own();
	for (int fd = 3; fd <= highest; fd++)
		must(dup2(own_file, fd) == fd);
}

WAY(dup3)
{
	open_own();
	for (int fd = 3; fd <= highest; fd++)
		must(fd == own_file || dup3(own_file, fd, O_CLOEXEC) == fd);
}

WAY(syscall_dup2)
{
	open_own();
	for (int fd = 3; fd <= highest; fd++)
		must(syscall(SYS_dup2, own_file, fd) == fd);
}

WAY(hand_dup2)
{
	open_own();
	for (int fd = 3; fd <= highest; fd++)
		must(by_hand(SYS_dup2, own_file, fd, 0, 0, 0) == fd);
}

/* Every second only, so that there is room for the log elsewhere. */
WAY(hand_dup2_some)
{
	open_own();
	for (int fd = 3; fd <= highest; fd++)
		if (fd % 4 == 0 && fd != own_file)
			by_hand(SYS_close, fd, 0, 0, 0, 0);
		else
			must(by_hand(SYS_dup2, own_file, fd, 0, 0, 0) == fd);
}

/* --- the trial --- */

/* As daemons that inherited unknown descriptors look for them. */
static void nothing_is_open_below(int limit)
{
	for (int fd = 3; fd < limit; fd++)
		promise(fcntl(fd, F_GETFD) == -1 && errno == EBADF, "descriptor %d is open", fd);
}

static void take_numbers(bool all)
{
	int fd;

	do {
		fd = open(OWN_FILE, O_RDWR);
		promise(fd >= 0 || (all && errno == EMFILE), "open: %s", strerror(errno));
	} while (fd >= 0 && (all || fd < highest / 2));
}

static void make_records(int mapped)
{
	for (int i = 0; i < MAPPINGS; i++) {
		char *view = sure(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, mapped, 0));
		promise(page_is(view, 1, 0), "a mapping shows something else");
		must(munmap(view, PAGE) == 0);
	}
}

static void own_file_is_empty(void)
{
	struct stat file;

	must(stat(OWN_FILE, &file) == 0);
	promise(file.st_size == 0, "%jd bytes landed in a file of the program's",
		(intmax_t)file.st_size);
}

int main(int argc, char **argv)
{
	const struct way *way = NULL;
	struct rlimit limit;
	int mapped;

	for (size_t i = 0; i < way_count; i++)
		if (argc > 1 && !strcmp(argv[1], ways[i].name))
			way = &ways[i];
	must(way && getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = 1024;
	must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	highest = (int)limit.rlim_cur - 1;
	file_make(OWN_FILE, 1, 0);
	file_make(MAPPED, 1, 1);
	make_records(open(MAPPED, O_RDONLY)); /* the log is open from here on */
	way->act();
	if (strstr(way->name, "close"))
		nothing_is_open_below(64);
	must(dup2(open(MAPPED, O_RDONLY), 0) == 0 || dup2(own_file, 0) == 0);
	mapped = 0;
	if (own_file) {
		/* All numbers are taken: borrow one. */
		close(5);
		must(dup2(open(MAPPED, O_RDONLY), 0) == 0);
		must(dup2(own_file, 5) == 5);
	} else {
		take_numbers(argc > 2 && !strcmp(argv[2], "all"));
	}
	make_records(mapped);
	own_file_is_empty();
	printf("%d mappings\n", MAPPINGS);
	return 0;
}
