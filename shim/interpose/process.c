/* SPDX-License-Identifier: MIT */
/*
 * Programs that start programs: the preload is put back where it was left out, what
 * mmfence will not see is reported, and totals are written before an image is
 * replaced or the process ends. Async-signal-safe, and safe in children of vfork.
 */
#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/event.h"
#include "audit/sink.h"
#include "audit/trace.h"
#include "interpose/environment.h"
#include "interpose/interpose.h"
#include "interpose/process.h"
#include "kernel/guarded.h"
#include "kernel/home.h"
#include "kernel/next.h"
#include "kernel/program.h"
#include "nonlinear/nonlinear.h"
#include "pages/exit.h"
#include "policy/policy.h"
#include "snapshot/drift.h"
#include "snapshot/guard.h"
#include "kernel/lease_thread.h"
#include "snapshot/snapshot.h"
#include "support/place.h"
#include "support/text.h"
#include "support/user.h"

/* ---- ends ---- */

static void report_end(int status)
{
	struct snapshot_totals totals = snapshot_totals();
	struct record *record = record_begin(EVENT_PROCESS_END, OUTCOME_SUCCESS, NULL);
	unsigned long unfinished = record ? record_unfinished() - 1 : 0; /* without this one */

	if (status >= 0)
		record_int(record, "process.exit_code", status & 0xff);
	record_uint(record, "mmfence.snapshots", totals.snapshots);
	record_uint(record, "mmfence.snapshot_bytes", totals.bytes);
	record_uint(record, "mmfence.unprotected", totals.unprotected);
	record_uint(record, "mmfence.dropped", sink_dropped_total());
	if (unfinished)
		record_uint(record, "mmfence.unfinished", unfinished);
	record_emit(record);
}

/* If not, no call is made that a tracer would see, or a filter refuse. */
static bool anything_to_say(void)
{
	return audit_enabled() &&
	       (audit_any_record() || sink_dropped_pending() || inject_calls ||
		the_policy.pages_census == CENSUS_EXIT || the_policy.audit_drift == AUDIT_DRIFT_ON);
}

void process_ends(int status)
{
	struct scope scope;

	if (!anything_to_say() || !enter(&scope))
		return;
	if (home_is_here()) {
		nonlinear_totals();
		inject_totals();
		guard_look_at_end();
		drift_at_end();
		pages_at_exit();
		if (audit_process_started())
			report_end(status);
		sink_flush_dropped();
	}
	scope_leave(&scope);
}

void process_thread_ends(void)
{
	struct scope scope;

	if (!lease_thread_is_company() || !enter(&scope))
		return;
	guard_preserve_all_and_stop("exit");
	scope_leave(&scope);
}

EXPORT void _exit(int status)
{
	process_ends(status);
	if (next._exit)
		next._exit(status);
	sys_exit_group(status);
}

EXPORT void quick_exit(int status)
{
	process_ends(status);
	if (!next.quick_exit)
		next_resolve();
	if (next.quick_exit) /* not before glibc 2.10 */
		next.quick_exit(status);
	sys_exit_group(status);
}

EXPORT void _Exit(int status)
{
	process_ends(status);
	if (next._Exit)
		next._Exit(status);
	sys_exit_group(status);
}

/* ---- gaps ---- */

/* A program as a caller names it: a file, or a name to be searched in $PATH. */
struct target {
	int directory;
	const char *path;
	bool search;
};

#define FOUND_BYTES 1024

struct gap {
	const char *reason;
	const char *message;
};

/* Whether the preload entry leads to a library for programs of this many bits. */
static bool library_for(int bits)
{
	if (bits == (int)(8 * sizeof(long)))
		return true;
	const char *entry = environment_preload();
	return entry && strstr(entry, "$LIB");
}

static const char library_gap[] = "library";

static bool find_gap(const struct program *program, bool preloaded, struct gap *gap)
{
	switch (program->kind) {
	case PROGRAM_STATIC:
		*gap = (struct gap){ "static",
				     "a statically linked program loads no preload library" };
		return true;
	case PROGRAM_SET_ID:
		*gap = (struct gap){ "set-id", "the dynamic linker drops the preload when the "
					       "program changes identity" };
		return true;
	case PROGRAM_FOREIGN:
		*gap = (struct gap){ "architecture", "a program for another architecture" };
		return true;
	case PROGRAM_UNKNOWN:
		return false;
	case PROGRAM_DYNAMIC:
		break;
	}
	if (!library_for(program->bits)) {
		*gap = (struct gap){ "architecture",
				     "no library for programs of this word size: the "
				     "preload entry has no $LIB" };
		return true;
	}
	if (preloaded && !environment_library_is_there(program->bits)) {
		*gap = (struct gap){ library_gap,
				     "the library is not where the preload entry says" };
		return true;
	}
	*gap = (struct gap){ "environment", "the preload was taken out of the environment" };
	return !preloaded;
}

static void report_gap(const struct call *call, const char *path, const struct gap *gap)
{
	struct trace trace;

	trace_capture(&trace, call->ip, call->cfa);
	struct record *record = record_begin(EVENT_COVERAGE_GAP, OUTCOME_UNKNOWN, &trace);
	record_str(record, "file.path", path);
	record_error(record, 0, gap->message);
	record_str(record, "mmfence.call", call->name);
	record_str(record, "mmfence.gap.reason", gap->reason);
	record_emit(record);
}

/* ---- before a program is started ---- */

static void inspect_in_path(const char *name, struct program *program, char *found)
{
	const char *path = environment_get(environ, "PATH");
	struct text text;

	for (path = path ? path : "/bin:/usr/bin"; program->kind == PROGRAM_UNKNOWN;) {
		size_t length = strcspn(path, ":");
		text_init(&text, found, FOUND_BYTES);
		text_add_bytes(&text, path, length);
		text_add(&text, length ? "/" : "");
		text_add(&text, name);
		if (!text.overflow && !sys_faccessat(AT_FDCWD, found, X_OK))
			program_inspect(AT_FDCWD, found, program);
		if (!path[length])
			return;
		path += length + 1;
	}
}

/* found gets the path: as given, as found in $PATH, or where the descriptor leads. */
static void inspect(const struct target *target, struct program *program, char *found)
{
	struct text text;

	*program = (struct program){ .kind = PROGRAM_UNKNOWN };
	if (target->search && !strchr(target->path, '/')) {
		inspect_in_path(target->path, program, found);
		return;
	}
	program_inspect(target->directory, target->path, program);
	text_init(&text, found, FOUND_BYTES);
	text_add(&text, target->path);
	if (!target->path[0] && sys_fd_path(target->directory, found, FOUND_BYTES) < 0)
		found[0] = 0;
}

/* A program that must allow opens would wait for itself. */
static bool look_for_gap(const struct target *target, bool preloaded, struct gap *gap, char *found)
{
	struct program program;

	if (guard_may_open()) {
		inspect(target, &program, found);
		return find_gap(&program, preloaded, gap);
	}
	struct text text;
	text_init(&text, found, FOUND_BYTES);
	text_add(&text, target->path);
	*gap = (struct gap){ "fanotify", "this process answers for opens: what it starts is not "
					 "looked into" };
	return true;
}

/* The environment that the next program gets: envp, or a copy with what it lacks. */
struct followed {
	char **environment;
	enum preload preload;
	int log; /* a copy of the log's descriptor that stays open over exec, or negative */
	char log_text[GUARDED_TEXT_BYTES];
	size_t size; /* of the copy; 0: there is none */
	void *block; /* where it lies, if not on the stack */
};

static const struct gap log_gap = {
	"log", "what is started cannot open the log, and it could not be handed on"
};

/* To a program that has the library, and may lack the right, or the sight, to open the log. */
static void hand_on_log(const struct call *call, const char *path, bool room,
			struct followed *follow)
{
	follow->log = sink_hand_on(follow->log_text);
	if (follow->log >= 0 && !room) {
		sys_close(follow->log);
		follow->log = HAND_IMPOSSIBLE;
	}
	if (follow->log == HAND_IMPOSSIBLE)
		report_gap(call, path, &log_gap);
}

/* What this process knows is lost with its memory; a child that shares memory loses nothing. */
static void before_exec(const struct call *call, const struct target *target, bool preloaded,
			bool replaces, bool room, struct followed *follow)
{
	char found[FOUND_BYTES];
	uintptr_t page = 1;
	struct scope scope;
	struct gap gap;

	/* A path that is no pointer is for the kernel to refuse. */
	if (!audit_enabled() || scope_silent() || !user_readable_string(target->path, &page) ||
	    !enter(&scope))
		return;
	if (look_for_gap(target, preloaded, &gap, found)) {
		report_gap(call, found, &gap);
		if (gap.reason == library_gap && room)
			follow->preload =
				follow->preload == PRELOAD_ADDED ? PRELOAD_STAYS : PRELOAD_DROPPED;
	} else {
		hand_on_log(call, found, room, follow);
	}
	if (replaces && home_is_here()) {
		nonlinear_totals(); /* drift is left to the end: exec may fail */
		inject_totals();
	}
	scope_leave(&scope);
}

void process_not_followed(const struct call *call, const char *path)
{
	static const struct gap gap = { "environment",
					"the preload does not fit into what exec takes" };
	struct scope scope;

	if (!audit_enabled() || !enter(&scope))
		return;
	report_gap(call, path, &gap);
	scope_leave(&scope);
}

/* ---- the preload is put back ---- */

/* More than a small stack has room for. */
#define STACK_MOST 8192

/* A copy of the environment is on the stack, because exec may run in a child of vfork: any other
 * memory would be its parent's, and nobody would be left to free it. So there, and under a filter,
 * a copy that is too large for that is not made. */
static bool has_room(size_t size, bool replaces)
{
	return size <= STACK_MOST || (!scope_silent() && (!replaces || home_is_here()));
}

static void *large_block(size_t size)
{
	long block = size <= STACK_MOST ? -ENOMEM
					: place_map(size, PROT_READ | PROT_WRITE,
						    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return sys_failed(block) ? NULL : (void *)block;
}

static void log_end(struct followed *follow)
{
	if (follow->log >= 0)
		sys_close(follow->log);
	follow->log = HAND_NEEDLESS;
}

static struct followed follow_begin(const struct call *call, const struct target *target,
				    char *const *envp, bool replaces)
{
	struct followed follow = { .environment = (char **)(uintptr_t)envp, .log = HAND_NEEDLESS };
	/* Readable: else the kernel says what is wrong with it. */
	bool readable = environment_readable(envp);
	bool preloaded = !environment_preload() || !readable || environment_has_preload(envp);
	size_t size = readable ? environment_bytes(envp) : 0;
	bool room = readable && has_room(size, replaces);

	if (!preloaded && room && the_policy.process_follow == FOLLOW_EXEC)
		follow.preload = PRELOAD_ADDED;
	before_exec(call, target, preloaded || follow.preload == PRELOAD_ADDED, replaces, room,
		    &follow);
	if (follow.preload == PRELOAD_STAYS && follow.log < 0)
		return follow;
	follow.size = size;
	follow.block = large_block(size);
	if (size > STACK_MOST && !follow.block) { /* as if the kernel had none for exec either */
		process_not_followed(call, target->path);
		log_end(&follow);
		follow.size = 0;
	}
	return follow;
}

static void follow_fill(struct followed *follow, char *const *envp, void *memory)
{
	environment_copy(envp, follow->preload, follow->log < 0 ? NULL : follow->log_text, memory);
	follow->environment = memory;
}

static void follow_end(struct followed *follow)
{
	log_end(follow);
	if (follow->block)
		place_unmap((long)follow->block, follow->size);
}

/* A macro, because alloca lasts as long as its function. */
#define FOLLOW(follow, call, target, envp, replaces)                            \
	struct followed follow = follow_begin(call, &(target), envp, replaces); \
	if ((follow).size)                                                      \
	follow_fill(&(follow), envp, (follow).block ? (follow).block : alloca((follow).size))

/* Calls, and where our preload was what made the environment too long, calls again without. */
#define START(type, too_long, call, path, envp, ...)              \
	do {                                                      \
		char **environment = follow.environment;          \
		type result = __VA_ARGS__;                        \
		if (unlikely(follow.size && (too_long))) {        \
			process_not_followed(call, path);         \
			log_end(&follow);                         \
			environment = (char **)(uintptr_t)(envp); \
			result = __VA_ARGS__;                     \
		}                                                 \
		follow_end(&follow);                              \
		return result;                                    \
	} while (0)

long process_execveat(const struct call *call, int directory, const char *path, char *const *argv,
		      char *const *envp, int flags)
{
	struct target target = { directory, path, false };
	FOLLOW(follow, call, target, envp, true);

	if (directory == AT_FDCWD && !flags)
		START(long, result == -E2BIG, call, path, envp,
		      sys_execve(path, argv, environment));
	START(long, result == -E2BIG, call, path, envp,
	      sys_execveat(directory, path, argv, environment, flags));
}

/* ---- libc's names ---- */

#define TOO_LONG (result == -1 && errno == E2BIG)

static int exec_path(const struct call *call, const char *path, char *const *argv,
		     char *const *envp)
{
	struct target target = { AT_FDCWD, path, false };
	FOLLOW(follow, call, target, envp, true);

	START(int, TOO_LONG, call, path, envp,
	      next.execve ? next.execve(path, argv, environment)
			  : (int)libc_result(sys_execve(path, argv, environment)));
}

/* glibc before 2.11 searches with the process's own environment alone. */
static int search_with(const char *file, char *const *argv, char *const *environment)
{
	char **before = environ;

	environ = (char **)(uintptr_t)environment;
	int r = next.execvp(file, argv);
	environ = before;
	return r;
}

static int exec_search(const struct call *call, const char *file, char *const *argv,
		       char *const *envp)
{
	struct target target = { AT_FDCWD, file, true };
	FOLLOW(follow, call, target, envp, true);

	if (!next.execvp)
		next_resolve();
	START(int, TOO_LONG, call, file, envp,
	      next.execvpe ? next.execvpe(file, argv, environment)
			   : search_with(file, argv, environment));
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	return exec_path(CALL_HERE("execve"), path, argv, envp);
}

EXPORT int execv(const char *path, char *const argv[])
{
	return exec_path(CALL_HERE("execv"), path, argv, environ);
}

EXPORT int execvp(const char *file, char *const argv[])
{
	return exec_search(CALL_HERE("execvp"), file, argv, environ);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	return exec_search(CALL_HERE("execvpe"), file, argv, envp);
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	struct target target = { fd, "", false };
	const struct call *call = CALL_HERE("fexecve");
	FOLLOW(follow, call, target, envp, true);

	if (!next.fexecve)
		next_resolve();
	START(int, TOO_LONG, call, "", envp, next.fexecve(fd, argv, environment));
}

EXPORT int execveat(int directory, const char *path, char *const argv[], char *const envp[],
		    int flags)
{
	struct target target = { directory, path, false };
	const struct call *call = CALL_HERE("execveat");
	FOLLOW(follow, call, target, envp, true);

	START(int, TOO_LONG, call, path, envp,
	      next.execveat
		      ? next.execveat(directory, path, argv, environment, flags)
		      : (int)libc_result(sys_execveat(directory, path, argv, environment, flags)));
}

static size_t count_arguments(va_list list)
{
	size_t count = 1;

	while (va_arg(list, char *))
		count++;
	return count;
}

/* The arguments of execl and its kin, gathered into argv on the caller's stack. */
#define GATHER(argv, first, list)                           \
	va_start(list, first);                              \
	size_t count = count_arguments(list);               \
	va_end(list);                                       \
	char **argv = alloca((count + 1) * sizeof(char *)); \
	va_start(list, first);                              \
	argv[0] = (char *)(first);                          \
	for (size_t i = 1; i <= count; i++)                 \
	argv[i] = va_arg(list, char *)

EXPORT int execl(const char *path, const char *argument, ...)
{
	va_list list;
	GATHER(argv, argument, list);
	va_end(list);
	return exec_path(CALL_HERE("execl"), path, argv, environ);
}

EXPORT int execlp(const char *file, const char *argument, ...)
{
	va_list list;
	GATHER(argv, argument, list);
	va_end(list);
	return exec_search(CALL_HERE("execlp"), file, argv, environ);
}

EXPORT int execle(const char *path, const char *argument, ...)
{
	va_list list;
	GATHER(argv, argument, list);
	char *const *envp = va_arg(list, char *const *);
	va_end(list);
	return exec_path(CALL_HERE("execle"), path, argv, envp);
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	struct target target = { AT_FDCWD, path, false };
	const struct call *call = CALL_HERE("posix_spawn");
	FOLLOW(follow, call, target, envp, false);

	if (!next.posix_spawn)
		next_resolve();
	START(int, result == E2BIG, call, path, envp,
	      next.posix_spawn(pid, path, actions, attributes, argv, environment));
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	struct target target = { AT_FDCWD, file, true };
	const struct call *call = CALL_HERE("posix_spawnp");
	FOLLOW(follow, call, target, envp, false);

	if (!next.posix_spawnp)
		next_resolve();
	START(int, result == E2BIG, call, file, envp,
	      next.posix_spawnp(pid, file, actions, attributes, argv, environment));
}
