/* SPDX-License-Identifier: MIT */
/*
 * What every thread needs: its place in the shared state, chance, the clock, and the
 * way to say that something is wrong.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "torture.h"

struct state *state;
const char *directory;
bool preloaded;
void (*last_words)(void);
__thread struct me me;

int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void sleep_us(unsigned int us)
{
	struct timespec time = { us / 1000000, (long)(us % 1000000) * 1000 };

	nanosleep(&time, NULL);
}

bool over(void)
{
	return atomic_load(&state->stop) || now_us() / 1000 > state->end_ms;
}

uint32_t chance(uint32_t below)
{
	me.random ^= me.random << 13;
	me.random ^= me.random >> 7;
	me.random ^= me.random << 17;
	return (uint32_t)(me.random >> 32) % below;
}

int file_choose(void)
{
	int hot = atomic_load(&state->hot);

	if (hot >= 0 && chance(2))
		return hot;
	return (int)chance(chance(8) ? ACTIVE : FILES);
}

uint64_t counted(enum counter counter, uint64_t add)
{
	return atomic_fetch_add(&state->counters[counter], add) + add;
}

void worker_begin(int role, uint64_t seed)
{
	me.random = (seed + state->seed) * 0x9e3779b97f4a7c15u | 1;
	me.worker = NULL;
	for (int i = 0; i < 20; i++)
		chance(2);
	for (size_t i = 0; i < WORKERS; i++) {
		struct worker *worker = &state->workers[i];
		int expected = 0;
		if (!atomic_compare_exchange_strong(&worker->thread, &expected, -1))
			continue;
		worker->process = getpid();
		worker->role = role;
		worker->doing = DOING_NOTHING;
		atomic_fetch_add(&worker->beat, 1);
		me.worker = worker;
		atomic_store(&worker->thread, (int)syscall(SYS_gettid));
		return;
	}
}

void worker_end(void)
{
	if (me.worker)
		atomic_store(&me.worker->thread, 0);
	me.worker = NULL;
}

void doing(enum doing what, int file)
{
	if (!me.worker)
		return;
	atomic_store(&me.worker->doing, (int)what);
	atomic_store(&me.worker->file, file);
	atomic_fetch_add(&me.worker->beat, 1);
}

void fail(const char *format, ...)
{
	char text[3000];
	int expected = 0;
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	if (atomic_compare_exchange_strong(&state->failed, &expected, 1)) {
		snprintf(state->message, sizeof(state->message),
			 "process %d thread %d (%d bit, %s): %s", getpid(),
			 (int)syscall(SYS_gettid), (int)sizeof(long) * 8,
			 preloaded ? "under the shim" : "bare", text);
		atomic_store(&state->failed, 2);
	}
	atomic_store(&state->stop, 1);
	if (last_words)
		last_words();
	_exit(1);
}

void child_ended(pid_t pid, int status)
{
	for (size_t i = 0; i < WORKERS; i++)
		if (state->workers[i].process == pid)
			atomic_store(&state->workers[i].thread, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		counted(COUNT_SEEN_KILLED, 1);
		return;
	}
	if (WIFSIGNALED(status))
		fail("process %d was ended by signal %d", (int)pid, WTERMSIG(status));
	if (!atomic_load(&state->failed))
		fail("process %d ended with status %d", (int)pid, WEXITSTATUS(status));
}
