/* SPDX-License-Identifier: MIT */
/*
 * M1 with selfmem.open=refuse: a link that is switched all the time between an ordinary
 * file and the memory of this process. What was opened is judged, not where the link led
 * before.
 */
#include <linux/openat2.h>
#include <stdatomic.h>
#include <sys/vfs.h>

#include "helper.h"

#define LINK	    "races.link"
#define PROC_MAGIC  0x9fa0
#define OFTEN	    200
#define MOST_ROUNDS 2000000

static atomic_bool stop;

static void *switch_link(void *unused)
{
	for (unsigned int i = 0; !atomic_load(&stop); i++) {
		char name[32];
		snprintf(name, sizeof(name), "races.%u", i % 2);
		unlink(name); /* of a case that ended in between */
		must(symlink(i % 2 ? "/proc/self/mem" : "races.file", name) == 0);
		must(rename(name, LINK) == 0);
	}
	return NULL;
}

static int by_open(void)
{
	return open(LINK, O_RDONLY | O_CLOEXEC);
}

static int by_openat2(void)
{
	struct open_how how = { .flags = O_RDWR | O_CLOEXEC };

	return (int)skip_without(syscall(SYS_openat2, AT_FDCWD, LINK, &how, sizeof(how)),
				 "openat2 before Linux 5.6");
}

static int by_fopen(void)
{
	FILE *file = fopen(LINK, "re");
	int fd = file ? dup(fileno(file)) : -1;
	int error = errno;

	if (file)
		fclose(file);
	errno = error;
	return fd;
}

static void race(const void *argument)
{
	int (*const *opener)(void) = argument;
	unsigned long given = 0, refused = 0;
	pthread_t thread;

	file_make("races.file", 1, 1);
	unlink(LINK);
	must(symlink("races.file", LINK) == 0);
	thread = thread_start(switch_link, NULL);
	for (long i = 0; i < MOST_ROUNDS && (given < OFTEN || refused < OFTEN); i++) {
		struct statfs fs;
		int fd = (*opener)();
		if (fd < 0) {
			must(errno == EACCES);
			refused++;
			continue;
		}
		must(fstatfs(fd, &fs) == 0 && close(fd) == 0);
		promise(fs.f_type != PROC_MAGIC, "the memory was opened, at the %ldth try", i);
		given++;
	}
	atomic_store(&stop, true);
	thread_end(thread);
	if (given < OFTEN || refused < OFTEN)
		skip("the link was hardly switched (%lu, %lu)", given, refused);
}

static int (*const openers[])(void) = { by_open, by_openat2, by_fopen };
CASE_OF("open", race, &openers[0])
CASE_OF("openat2", race, &openers[1])
CASE_OF("fopen", race, &openers[2])

CASES_MAIN
