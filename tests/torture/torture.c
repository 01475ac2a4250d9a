/* SPDX-License-Identifier: MIT */
/*
 * S1-S6, S11, P2: many readers, all of whose bytes are known, against many writers.
 *
 *	torture --library PATH [--seconds N] [--directory DIR] [--seed N] [--hang N] [--keep]
 *
 * Starts itself again: readers under the shim, in both word sizes where torture32 lies
 * beside it, and writers bare. Ends with status 1 and a report at the first wrong byte,
 * signal, or hang; options of the shim's in the environment reach the readers.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "torture.h"

static struct {
	const char *library;
	int seconds, hang, readers, writers;
	bool keep, no32;
	char program[2][300];
	char log[300];
} want = { .seconds = 120, .hang = 30, .readers = 3, .writers = 2 };

static void die(const char *what)
{
	fprintf(stderr, "torture: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- starting ---- */

static void state_make(unsigned int seed)
{
	int fd = memfd_create("torture", 0);

	if (fd < 0 || ftruncate(fd, sizeof(*state)) || dup2(fd, STATE_FD) < 0)
		die("memfd_create");
	close(fd);
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, STATE_FD, 0);
	if (state == MAP_FAILED)
		die("mmap");
	state->seed = seed;
	state->hot = -1;
	state->end_ms = now_us() / 1000 + want.seconds * 1000LL;
}

static void state_find(const char *where)
{
	directory = where;
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, STATE_FD, 0);
	if (state == MAP_FAILED)
		die("the shared state");
	preloaded = getenv("LD_PRELOAD");
}

static void directory_make(const char *parent)
{
	static char made[200];

	if (!parent)
		parent = getenv("TMPDIR");
	snprintf(made, sizeof(made), "%s/torture.XXXXXX", parent ? parent : "/tmp");
	if (!mkdtemp(made))
		die(made);
	chmod(made, 0755); /* for children that give up their privileges */
	directory = made;
	snprintf(want.log, sizeof(want.log), "%s/log.jsonl", made);
}

/* Not every compiler builds for 32 bits, and not every kernel runs what was built. */
static bool runs(const char *program)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		execl(program, program, "--nothing", (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 127;
}

static void programs_find(void)
{
	ssize_t length = readlink("/proc/self/exe", want.program[0], sizeof(want.program[0]) - 8);

	if (length <= 0)
		die("/proc/self/exe");
	want.program[0][length] = 0;
	snprintf(want.program[1], sizeof(want.program[1]), "%.*s32", (int)length, want.program[0]);
	want.no32 = !runs(want.program[1]);
}

static void start(bool reader, uint64_t serial)
{
	bool narrow = !want.no32 && serial % 3 == 2;
	char number[24];
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return;
	snprintf(number, sizeof(number), "%llu", (unsigned long long)serial);
	if (reader && want.library)
		setenv("LD_PRELOAD", want.library, 1);
	setenv("MMFENCE_AUDIT_LOG", want.log, 1);
	setenv("MMFENCE_SNAPSHOT_SHARED", "**", 0);
	setenv("MMFENCE_SNAPSHOT_PATHS", "**", 0); /* views beyond the end too */
	/* Otherwise a snapshot that cannot be given would look like a broken one. */
	setenv("MMFENCE_SNAPSHOT_ON_FAILURE", "deny", 0);
	execl(want.program[narrow], narrow ? "torture32" : "torture", reader ? "reader" : "writer",
	      directory, number, (char *)NULL);
	_exit(127);
}

/* ---- the end ---- */

static void kill_all(void)
{
	pid_t pids[256];
	size_t count;

	while ((count = descendants(pids, COUNT(pids)))) {
		for (size_t i = 0; i < count; i++)
			kill(pids[i], SIGKILL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		sleep_us(20000);
	}
}

static void say_failure(void)
{
	for (int i = 0; i < 100 && atomic_load(&state->failed) == 1; i++)
		sleep_us(10000);
	if (atomic_load(&state->failed))
		fprintf(stderr, "torture: FAILED: %s\n", state->message);
}

/* The supervisor itself came upon it. */
static void give_up(void)
{
	say_failure();
	kill_all();
	summary_print();
	fprintf(stderr, "torture: seed %u; %s is kept\n", state->seed, directory);
	fflush(NULL);
}

static void remove_all(void)
{
	char command[400];

	if (want.keep)
		return;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	if (system(command))
		fprintf(stderr, "torture: %s could not be removed\n", directory);
}

/* ---- in between ---- */

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		child_ended(pid, status);
}

/* A process may be killed at any moment: in a change, in a fork, while its lease is broken. */
static void kill_one(void)
{
	size_t index = chance(WORKERS);
	struct worker *worker = &state->workers[index];

	if (worker->thread <= 0 || worker->process == getpid())
		return;
	if (!kill(worker->process, SIGKILL))
		counted(COUNT_KILLED, 1);
}

static pid_t stopped;

/* The lease thread is stopped too: a writer, or a child's adoption, waits. */
static void stop_one(void)
{
	static int64_t until_us;

	if (stopped && now_us() > until_us) {
		kill(stopped, SIGCONT);
		stopped = 0;
	}
	struct worker *worker = &state->workers[chance(WORKERS)];
	if (stopped || over() || worker->thread <= 0 || kill(worker->process, SIGSTOP))
		return;
	stopped = worker->process;
	until_us = now_us() + chance(200000);
}

static bool hung(void)
{
	const struct worker *worker = watch_stuck(want.hang);

	if (!worker)
		return false;
	fprintf(stderr, "torture: FAILED: a hang: thread %d of process %d makes no progress\n",
		worker->thread, worker->process);
	watch_report();
	return true;
}

/* Direct children only: readers that ended are started anew. */
static void keep_running(void)
{
	static uint64_t serial;
	static int64_t next_us;
	int room = want.readers + 3 + 8 - atomic_load(&state->living);

	if (!serial)
		for (int i = 0; i < want.writers; i++)
			start(false, ++serial);
	if (over() || now_us() < next_us || room <= 0)
		return;
	start(true, ++serial);
	counted(COUNT_PROCESSES, 1);
	next_us = now_us() + 50000 + chance(400000);
}

/* Asked of the kernel: whoever is killed counts nothing any more. */
static void count_living(void)
{
	static pid_t pids[1024];

	atomic_store(&state->living, (int)descendants(pids, COUNT(pids)));
}

/* True when all ended well. */
static bool watch(void)
{
	int64_t last_us = state->end_ms * 1000 + (int64_t)want.hang * 1000000;

	while (!over() || atomic_load(&state->living) > 0) {
		reap();
		count_living();
		if (atomic_load(&state->failed))
			return false;
		keep_running();
		if (!stopped) /* whose lease it would wait for */
			changes_repair();
		if (!over() && !chance(40))
			kill_one();
		stop_one();
		if (hung())
			return false;
		if (now_us() > last_us) {
			fprintf(stderr, "torture: FAILED: %d processes do not end\n",
				atomic_load(&state->living));
			watch_report();
			return false;
		}
		sleep_us(20000);
	}
	return !atomic_load(&state->failed);
}

static void arguments(int argc, char **argv, const char **parent, unsigned int *seed)
{
	static const struct option options[] = {
		{ "library", required_argument, NULL, 'l' },
		{ "seconds", required_argument, NULL, 't' },
		{ "directory", required_argument, NULL, 'd' },
		{ "seed", required_argument, NULL, 's' },
		{ "hang", required_argument, NULL, 'h' },
		{ "readers", required_argument, NULL, 'r' },
		{ "writers", required_argument, NULL, 'w' },
		{ "keep", no_argument, NULL, 'k' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'l':
			want.library = optarg;
			break;
		case 't':
			want.seconds = atoi(optarg);
			break;
		case 'd':
			*parent = optarg;
			break;
		case 's':
			*seed = (unsigned int)strtoul(optarg, NULL, 0);
			break;
		case 'h':
			want.hang = atoi(optarg);
			break;
		case 'r':
			want.readers = atoi(optarg);
			break;
		case 'w':
			want.writers = atoi(optarg);
			break;
		case 'k':
			want.keep = true;
			break;
		default:
			exit(2);
		}
	}
}

static int supervise(int argc, char **argv)
{
	const char *parent = NULL;
	unsigned int seed = 0;

	if (getrandom(&seed, sizeof(seed), 0) < 0)
		die("getrandom");
	arguments(argc, argv, &parent, &seed);
	programs_find();
	directory_make(parent);
	state_make(seed);
	printf("torture: seed %u, %d s, in %s%s%s\n", seed, want.seconds, directory,
	       want.library ? "" : ", without a library", want.no32 ? ", 64 bits only" : "");
	fflush(stdout);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	worker_begin('s', 0);
	worker_end();
	last_words = give_up;
	files_make();
	bool good = watch();
	say_failure();
	kill_all();
	if (atomic_load(&state->counters[COUNT_SEEN_KILLED]) >
		    atomic_load(&state->counters[COUNT_KILLED]) &&
	    good) {
		fprintf(stderr, "torture: FAILED: a process was killed, and not by us\n");
		good = false;
	}
	good = (!want.library || log_count(want.log)) && good;
	summary_print();
	if (!good)
		fprintf(stderr, "torture: seed %u; %s is kept\n", seed, directory);
	else
		remove_all();
	printf("torture: %s\n", good ? "passed" : "FAILED");
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 4 && argv[1][0] != '-') {
		state_find(argv[2]);
		if (!strcmp(argv[1], "reader"))
			reader_main(strtoull(argv[3], NULL, 10));
		writer_main(strtoull(argv[3], NULL, 10));
	}
	return supervise(argc, argv);
}
