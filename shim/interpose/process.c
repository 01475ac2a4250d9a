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
#include "audit/identity.h"
#include "audit/sink.h"
#include "interpose/interpose.h"
#include "kernel/guarded.h"
#include "kernel/thread.h"
#include "kernel/program.h"
#include "nonlinear/nonlinear.h"
#include "pages/pages.h"
#include "policy/policy.h"
#include "selfmem/selfmem.h"
#include "snapshot/snapshot.h"
#include "snapshot/guard.h"
#include "kernel/lease_thread.h"
#include "support/arena.h"
#include "support/text.h"
#include "support/user.h"

/* ---- ends ---- */

static void report_end(int status)
{
	struct snapshot_totals totals = snapshot_totals();
	struct record *record = record_begin(EVENT_PROCESS_END, OUTCOME_SUCCESS, NULL);
	unsigned long unfinished = record ? identity_unfinished() - 1 : 0; /* without this one */

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

void process_tell_totals(void)
{
	sites_report();
	processes_totals();
	snapshot_repeats();
	inject_totals();
}

static void say_and_drop(int status)
{
	if (!home_is_here())
		return;
	if (anything_to_say()) {
		process_tell_totals();
		guard_look_at_end();
		drift_at_end();
		pages_at_exit();
		if (audit_process_started())
			report_end(status);
		sink_flush_dropped();
	}
	sink_drop_empty();
}

void process_ends(int status)
{
	if (anything_to_say() || sink_may_be_empty())
		DO_IN_SCOPE(say_and_drop(status));
}

void process_thread_ends(void)
{
	if (lease_thread_is_company())
		DO_IN_SCOPE(guard_preserve_all_and_stop("exit"));
}

/* Some came after the glibc that is the oldest one here. */
#define EXITS(name)                        \
	EXPORT void name(int status)       \
	{                                  \
		process_ends(status);      \
		if (NEXT_OF(name))         \
			next.name(status); \
		sys_exit_group(status);    \
	}
EXITS(_exit)
EXITS(quick_exit)
EXITS(_Exit)

/* ---- gaps ---- */

/* A program as a caller names it: a file, or a name to be searched in $PATH. */
struct named_program {
	int directory;
	const char *path;
	bool search;
};

#define FOUND_BYTES 1024

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
	const struct gap *found = program_gap(program, library_for(program->bits));

	if (program->kind == PROGRAM_UNKNOWN)
		return false;
	if (found) {
		*gap = *found;
		return true;
	}
	if (preloaded && !environment_library_is_there(program->bits)) {
		*gap = (struct gap){ library_gap,
				     "the library is not where the preload entry says, "
				     "or may not be loaded from there" };
		return true;
	}
	*gap = (struct gap){ "environment",
			     "the preload, or its options, were taken out of the environment" };
	return !preloaded;
}

void process_report_gap(const struct call *call, const char *path, const struct gap *gap)
{
	const struct image *own = path ? NULL : identity_image();
	struct record *record = call ? record_of_call(EVENT_COVERAGE_GAP, OUTCOME_UNKNOWN, call)
				     : record_begin(EVENT_COVERAGE_GAP, OUTCOME_UNKNOWN, NULL);

	record_str(record, "file.path", own ? own->executable : path);
	record_error(record, 0, gap->message);
	if (call)
		record_str(record, "mmfence.call", call->name);
	record_str(record, "mmfence.gap.reason", gap->reason);
	record_emit(record);
}

/* ---- before a program is started ---- */

static void inspect_in_path(const char *name, struct program *program, char *found)
{
	const char *path = environment_get(environ, "PATH");

	for (path = path ? path : "/bin:/usr/bin"; program->kind == PROGRAM_UNKNOWN;) {
		size_t length = strcspn(path, ":");
		if (text_make(found, FOUND_BYTES, "%.*s%s%s", (int)length, path, length ? "/" : "",
			      name) &&
		    !sys_faccessat(AT_FDCWD, found, X_OK))
			program_inspect(AT_FDCWD, found, program);
		if (!path[length])
			return;
		path += length + 1;
	}
}

/* found gets the path: as given, as found in $PATH, or where the descriptor leads. */
static void inspect(const struct named_program *target, struct program *program, char *found)
{

	*program = (struct program){ .kind = PROGRAM_UNKNOWN };
	if (target->search && !strchr(target->path, '/')) {
		inspect_in_path(target->path, program, found);
		return;
	}
	program_inspect(target->directory, target->path, program);
	text_make(found, FOUND_BYTES, "%s", target->path);
	if (!target->path[0] && sys_fd_path(target->directory, found, FOUND_BYTES) < 0)
		found[0] = 0;
}

/* A program that must allow opens would wait for itself. */
static bool look_for_gap(const struct named_program *target, bool preloaded, struct gap *gap,
			 char *found)
{
	struct program program;

	if (guard_may_open()) {
		inspect(target, &program, found);
		return find_gap(&program, preloaded, gap);
	}
	text_make(found, FOUND_BYTES, "%s", target->path);
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

static const struct gap shell_gap = {
	"log", "the shell that libc starts cannot open the log; what it starts is handed the log"
};

/* To a program that has the library, and may lack the right, or the sight, to open the log. */
static void hand_on_log(const struct call *call, const char *path, bool room,
			struct followed *follow)
{
	follow->log = sink_hand_on(follow->log_text);
	if (follow->log >= 0 && !room) {
		guarded_close_copy(follow->log_text);
		follow->log = HAND_IMPOSSIBLE;
	}
	if (follow->log == HAND_IMPOSSIBLE)
		process_report_gap(call, path, &log_gap);
}

/* What this process knows is lost with its memory; a child that shares memory loses nothing. */
static void before_exec(const struct call *call, const struct named_program *target, bool preloaded,
			bool replaces, bool room, struct followed *follow)
{
	char found[FOUND_BYTES];
	uintptr_t page = 1;
	struct scope scope;
	struct gap gap;

	/* A path that is no pointer is for the kernel to refuse. */
	if (!audit_enabled() || !user_readable_string(target->path, &page) || !enter(&scope))
		return;
	if (look_for_gap(target, preloaded, &gap, found)) {
		process_report_gap(call, found, &gap);
		if (gap.reason == library_gap && room)
			follow->preload = environment_has_preload(follow->environment)
						  ? PRELOAD_DROPPED
						  : PRELOAD_STAYS;
	} else {
		hand_on_log(call, found, room, follow);
	}
	if (replaces && home_is_here()) {
		process_tell_totals(); /* drift is left to the end: exec may fail */
		sink_drop_empty();     /* the next has another name, maybe */
	}
	scope_leave(&scope);
}

int process_before_shell(const struct call *call, const char *path, bool preloaded, char *text)
{
	struct named_program target = { AT_FDCWD, path, false };
	char found[FOUND_BYTES];
	struct gap gap;

	if (look_for_gap(&target, preloaded, &gap, found)) {
		process_report_gap(call, path, &gap);
		return HAND_NEEDLESS;
	}
	int log = sink_hand_on(text);
	if (log != HAND_NEEDLESS)
		process_report_gap(call, path, log < 0 ? &log_gap : &shell_gap);
	return log;
}

void process_look_at_itself(void)
{
	static const struct gap gap = {
		"own-calls", "a program of Go, whose library makes system calls of its own"
	};

	if (audit_enabled() && program_is_go())
		process_report_gap(NULL, NULL, &gap);
}

void process_not_followed(const struct call *call, const char *path)
{
	static const struct gap gap = { "environment",
					"the preload does not fit into what exec takes" };

	if (audit_enabled())
		DO_IN_SCOPE(process_report_gap(call, path, &gap));
}

/* ---- the preload is put back ---- */

/* A copy of the environment is on the stack where exec may run in a child of vfork: any other
 * memory would be its parent's, and nobody would be left to free it. One that is too large for that
 * is not made there. Elsewhere a stack may be as small as a signal handler's. */
#define STACK_MOST 8192

static bool may_map(bool replaces)
{
	return !replaces || home_is_here();
}

static void *block_of(size_t size)
{
	long block = place_map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return sys_failed(block) ? NULL : (void *)block;
}

static void log_end(struct followed *follow)
{
	if (follow->log >= 0)
		guarded_close_copy(follow->log_text);
	follow->log = HAND_NEEDLESS;
}

static struct followed follow_begin(const struct call *call, const struct named_program *target,
				    char *const *envp, bool replaces)
{
	struct followed follow = { .environment = (char **)(uintptr_t)envp, .log = HAND_NEEDLESS };

	if (scope_silent()) /* no call may be made that could tell what can be read */
		return follow;
	/* Readable: else the kernel says what is wrong with it. */
	bool readable = environment_readable(envp);
	bool preloaded = !environment_preload() || !readable || environment_has_ours(envp);
	size_t size = readable ? environment_bytes(envp) : 0;
	bool room = readable && (size <= STACK_MOST || may_map(replaces));

	if (!preloaded && room && the_policy.process_follow == FOLLOW_EXEC)
		follow.preload = PRELOAD_ADDED;
	before_exec(call, target, preloaded || follow.preload == PRELOAD_ADDED, replaces, room,
		    &follow);
	if (follow.preload == PRELOAD_STAYS && follow.log < 0)
		return follow;
	follow.size = size;
	follow.block = may_map(replaces) ? block_of(size) : NULL;
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
	struct named_program target = { directory, path, false };
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
	struct named_program target = { AT_FDCWD, path, false };
	FOLLOW(follow, call, target, envp, true);

	START(int, TOO_LONG, call, path, envp,
	      NEXT_OF(execve) ? next.execve(path, argv, environment)
			      : (int)libc_result(sys_execve(path, argv, environment)));
}

/* glibc before 2.11 searches with the process's own environment alone. */
static int search_with(const char *file, char *const *argv, char *const *environment)
{
	char **before = environ;

	environ = (char **)(uintptr_t)environment;
	int r = NEXT_OF(execvp)(file, argv);
	environ = before;
	return r;
}

static int exec_search(const struct call *call, const char *file, char *const *argv,
		       char *const *envp)
{
	struct named_program target = { AT_FDCWD, file, true };
	FOLLOW(follow, call, target, envp, true);

	START(int, TOO_LONG, call, file, envp,
	      NEXT_OF(execvpe) ? next.execvpe(file, argv, environment)
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
	struct named_program target = { fd, "", false };
	const struct call *call = CALL_HERE("fexecve");

	if (!envp) /* as libc, and not the kernel, has it */
		return NEXT_OF(fexecve)(fd, argv, envp);
	FOLLOW(follow, call, target, envp, true);

	START(int, TOO_LONG, call, "", envp, NEXT_OF(fexecve)(fd, argv, environment));
}

EXPORT int execveat(int directory, const char *path, char *const argv[], char *const envp[],
		    int flags)
{
	struct named_program target = { directory, path, false };
	const struct call *call = CALL_HERE("execveat");
	FOLLOW(follow, call, target, envp, true);

	START(int, TOO_LONG, call, path, envp,
	      NEXT_OF(execveat)
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

/* execl and its kin: the arguments, gathered into argv on the stack, and what follows them. */
#define LISTED(name, exec, envp)                                        \
	EXPORT int name(const char *path, const char *argument, ...)    \
	{                                                               \
		va_list list;                                           \
		va_start(list, argument);                               \
		size_t count = count_arguments(list);                   \
		va_end(list);                                           \
		char **argv = alloca((count + 1) * sizeof(char *));     \
		va_start(list, argument);                               \
		argv[0] = (char *)(uintptr_t)argument;                  \
		for (size_t i = 1; i <= count; i++)                     \
			argv[i] = va_arg(list, char *);                 \
		char *const *environment = envp;                        \
		va_end(list);                                           \
		return exec(CALL_HERE(#name), path, argv, environment); \
	}
LISTED(execl, exec_path, environ)
LISTED(execlp, exec_search, environ)
LISTED(execle, exec_path, va_arg(list, char *const *))

/* Numbers that file actions close or take, for good, as nobody sees which actions a spawn is given:
 * the log's copy may get one. The last stands for all beyond it. */
#define LAST_NUMBER 1023
static atomic_bool taken[LAST_NUMBER + 1] LARGE;

static atomic_bool *taken_at(int fd)
{
	return &taken[fd < 0 || fd > LAST_NUMBER ? LAST_NUMBER : fd];
}

EXPORT int posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *actions, int fd)
{
	atomic_store(taken_at(fd), true);
	return NEXT_OF(posix_spawn_file_actions_addclose)(actions, fd);
}

EXPORT int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int onto)
{
	atomic_store(taken_at(onto), true);
	return NEXT_OF(posix_spawn_file_actions_adddup2)(actions, from, onto);
}

EXPORT int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from)
{
	for (int fd = from < 0 ? LAST_NUMBER : from; fd <= LAST_NUMBER; fd++)
		atomic_store(taken_at(fd), true);
	return NEXT_OF(posix_spawn_file_actions_addclosefrom_np)
		       ? next.posix_spawn_file_actions_addclosefrom_np(actions, from)
		       : ENOSYS;
}

static void look_at_actions(const struct call *call, const char *path, const void *actions,
			    const struct followed *follow)
{
	if (unlikely(follow->log >= 0 && actions && atomic_load(taken_at(follow->log))))
		DO_IN_SCOPE(process_report_gap(call, path, &log_gap));
}

/* glibc has these, and says so, since 2.39. */
__typeof__(posix_spawn) pidfd_spawn, pidfd_spawnp;

#define SPAWN(name, search)                                                                      \
	EXPORT int name(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, \
			const posix_spawnattr_t *attributes, char *const argv[],                 \
			char *const envp[])                                                      \
	{                                                                                        \
		if (unlikely(!NEXT_OF(name)))                                                    \
			return ENOSYS;                                                           \
		struct named_program target = { AT_FDCWD, path, search };                        \
		const struct call *call = CALL_HERE(#name);                                      \
		FOLLOW(follow, call, target, envp, false);                                       \
		look_at_actions(call, path, actions, &follow);                                   \
		START(int, result == E2BIG, call, path, envp,                                    \
		      next.name(pid, path, actions, attributes, argv, environment));             \
	}
SPAWN(posix_spawn, false)
SPAWN(posix_spawnp, true)
SPAWN(pidfd_spawn, false)
SPAWN(pidfd_spawnp, true)
