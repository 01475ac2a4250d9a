/* SPDX-License-Identifier: MIT */
/*
 * The processes that the supervisor starts: readers with several threads, and writers.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "torture.h"

/* Of the shim's descriptors, the program has one of the log at most. */
static void check_descriptors(void)
{
	char path[64], target[300];
	int logs = 0;

	for (int fd = 0; fd < 70000; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t length = readlink(path, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = 0;
		logs += strstr(target, "/log.jsonl") != NULL;
	}
	if (logs > 1)
		fail("%d descriptors of the log are open", logs);
}

/* Many leases at once: more than fit into one message to a child. */
static void herd(struct reader *reader)
{
	reader->limit = VIEWS;
	for (int file = ACTIVE; file < FILES && !over(); file++) {
		struct wish wish = { .file = file };
		if (reader->count < VIEWS - 20)
			snapshot_take(reader, &wish);
	}
}

struct thread {
	pthread_t thread;
	uint64_t seed;
	int64_t until_us;
	bool writes;
};

static void *thread_main(void *argument)
{
	struct thread *thread = argument;
	struct reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		fail("no memory");
	worker_begin(thread->writes ? 'W' : 't', thread->seed);
	me.reader = reader;
	reader->limit = 20;
	if (!thread->writes && !chance(16))
		herd(reader);
	if (thread->writes)
		while (!over() && now_us() < thread->until_us) {
			change(file_choose());
			sleep_us(chance(8000));
		}
	else
		reader_run(reader, ~0U, thread->until_us);
	reader_finish(reader);
	worker_end();
	return NULL;
}

/* The lease thread has few descriptors too, then, and some files cannot be leased. */
static void limit_descriptors(void)
{
	struct rlimit limit;

	if (chance(6) || getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = 40 + chance(60);
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Of a family it may be the one that copies, and keep a writer for long. */
void take_low_priority(void)
{
	static const struct sched_param none;

	if (!chance(6))
		setpriority(PRIO_PROCESS, 0, 1 + (int)chance(19));
	else if (!chance(12))
		sched_setscheduler(0, SCHED_BATCH, &none);
}

/* The process ends with its last thread, whatever the lease thread does. */
static _Noreturn void end(bool alone)
{
	worker_end();
	if (!alone && chance(2))
		pthread_exit(NULL);
	exit(0);
}

void reader_main(uint64_t serial)
{
	static struct thread threads[4];

	worker_begin('r', serial * 100);
	faults_catch();
	int64_t until_us = now_us() + 300000 + chance(4000000);
	uint32_t count = 1 + chance((uint32_t)COUNT(threads));
	bool writer = chance(2);
	me.alone = count == 1;
	limit_descriptors();
	take_low_priority();
	for (uint32_t i = 1; i < count; i++) {
		threads[i] = (struct thread){ .seed = serial * 100 + i,
					      .until_us = until_us,
					      .writes = writer && i == 1 };
		if (pthread_create(&threads[i].thread, NULL, thread_main, &threads[i]))
			fail("pthread_create: %s", strerror(errno));
	}
	threads[0] = (struct thread){ .seed = serial * 100, .until_us = until_us };
	worker_end();
	thread_main(&threads[0]);
	worker_begin('r', serial);
	bool wait_for_threads = chance(8);
	for (uint32_t i = 1; wait_for_threads && i < count; i++) {
		worker_end(); /* it is watched itself */
		pthread_join(threads[i].thread, NULL);
		worker_begin('r', serial + i);
	}
	children_reap(chance(2));
	if (wait_for_threads)
		check_descriptors();
	end(wait_for_threads);
}

void writer_main(uint64_t serial)
{
	worker_begin('w', serial * 100);
	while (!over()) {
		change(file_choose());
		sleep_us(chance(10000));
	}
	worker_end();
	exit(0);
}
