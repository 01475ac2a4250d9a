/* SPDX-License-Identifier: MIT */
/*
 * A program that knows of mmfence, through include/mmfence.h and linked with nothing.
 *
 *	snapshot_api
 *
 * It asks for a snapshot of a file by name (MAP_SNAPSHOT), lets another process write to the
 * file, has its mapping show the new content (refresh) and the old pages put aside before
 * anybody writes (preserve), and after each step says what it reads and what is known of the
 * mapping. Without the library the same program runs with a plain mapping.
 *
 * Exit status: 0 when it read what it may expect: under the library the old bytes until it
 * refreshed, without it whatever the file had.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "mmfence.h"

#define SIZE (1024 * 1024)

static const char *const engines[] = { "guarded", "in a clone", "in memory", "in a spill file" };
static const char *const consistencies[] = { "perhaps torn", "verified", "proven" };
static const char *const fates[] = { "untouched", "preserved", "private", "lost" };

static int disappointed;

static void die(const char *what)
{
	fprintf(stderr, "snapshot_api: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void fill(int fd, char byte)
{
	static char content[SIZE];

	memset(content, byte, sizeof(content));
	if (pwrite(fd, content, sizeof(content), 0) != sizeof(content))
		die("writing the file");
}

/* Another process opens the file and writes to it: only then is a snapshot put to the test. */
static void overwrite(const char *path, char byte)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			_exit(1);
		fill(fd, byte);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		die("the other process");
}

/* The first and the last byte, which should be the same one, and what mmfence knows. */
static void say(const char *when, const char *map, char expected)
{
	struct mmfence_snapshot s;

	printf("%-17s %c...%c", when, map[0], map[SIZE - 1]);
	if (mmfence_snapshot_info(map, &s))
		printf(" (%s)\n", errno == ENOSYS ? "no mmfence" : "no snapshot");
	else
		printf(" (snapshot %llu: %s, %s, %s)\n", (unsigned long long)s.id,
		       engines[s.engine], consistencies[s.consistency], fates[s.fate]);
	if (mmfence_active() && (map[0] != expected || map[SIZE - 1] != expected))
		disappointed = 1;
}

static void wish(const char *what, int result)
{
	if (!result)
		return;
	printf("%s failed: %s\n", what, strerror(errno));
	if (mmfence_active())
		disappointed = 1;
}

static void greet(void)
{
	int version = mmfence_active();

	if (version)
		printf("mmfence %d.%d.%d is there.\n", version / 10000, version / 100 % 100,
		       version % 100);
	else
		printf("mmfence is not there: MAP_SNAPSHOT means nothing, and the mapping is a "
		       "plain one.\n");
	fflush(stdout); /* before a child has it too */
}

int main(void)
{
	char path[] = "snapshot_api.XXXXXX";
	int writer = mkstemp(path), fd;
	char *map;

	if (writer < 0)
		die(path);
	fill(writer, 'a');
	close(writer); /* as long as somebody can write there is no lease */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	greet();
	map = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE | MAP_SNAPSHOT, fd, 0);
	if (fd < 0 || map == MAP_FAILED)
		die("mmap");
	close(fd); /* a mapping needs no descriptor, and neither does a refresh */

	setvbuf(stdout, NULL, _IOLBF, 0);
	say("Mapped:", map, 'a');
	overwrite(path, 'b');
	say("Somebody wrote b:", map, 'a');
	wish("mmfence_snapshot_refresh", mmfence_snapshot_refresh(map));
	say("Refreshed:", map, 'b');
	wish("mmfence_snapshot_preserve", mmfence_snapshot_preserve(map));
	say("Preserved:", map, 'b');
	overwrite(path, 'c');
	say("Somebody wrote c:", map, 'b');
	unlink(path);
	return disappointed;
}
