/* SPDX-License-Identifier: MIT */
/*
 * What the wrappers share. The only files that define names of libc's; nothing but
 * thin wrappers: result and errno are what libc's function would give.
 */
#ifndef MMFENCE_INTERPOSE_INTERPOSE_H
#define MMFENCE_INTERPOSE_INTERPOSE_H

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "inject/inject.h"
#include "mapping/request.h"
#include "support/call.h"
#include "support/scope.h"
#include "support/sys.h"
#include "support/text.h"

#define EXPORT __attribute__((visibility("default")))
/* Another name that libc has for the same function, from old binaries. */
#define ALIAS(other, name) \
	__asm__(".globl " #other "; .type " #other ", @function; .set " #other ", " #name)
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Starts a scope, with the library ready and aware of which process this is. False inside the
 * shim: then the wrapper passes straight through. */
bool enter(struct scope *scope);

/* A value that is to be had inside a scope; or the other one, where there is none to be had. */
#define IN_SCOPE(value, otherwise)                                          \
	({                                                                  \
		struct scope scope_;                                        \
		bool inside_ = enter(&scope_);                              \
		__typeof__(value) value_ = inside_ ? (value) : (otherwise); \
		if (inside_)                                                \
			scope_leave(&scope_);                               \
		value_;                                                     \
	})

/* What is done inside a scope, or not at all. */
#define DO_IN_SCOPE(...)                      \
	do {                                  \
		struct scope scope_;          \
		if (enter(&scope_)) {         \
			__VA_ARGS__;          \
			scope_leave(&scope_); \
		}                             \
	} while (0)

/* False in a process that was copied from the one that the tables speak of, until it enters. */
bool same_process_as_before(void);

/* -errno to -1 and errno. */
static inline long libc_result(long result)
{
	if (likely(!sys_failed(result)))
		return result;
	errno = (int)-result;
	return -1;
}

/* 0, or the -errno that process.inject wants of this call. Its arguments are the system call's, the
 * last one in bytes. */
long injected(const struct call *call, enum inject_call kind, long a, long b, long c, long d,
	      long e, int64_t offset);

/* The same, at the cost of one test where nothing is wanted of this kind of call. */
#define INJECTED(call, kind, ...)                                                           \
	(unlikely(inject_calls & INJECT_BIT(INJECT_##kind))                                 \
		 ? injected(call, INJECT_##kind, INJECT_SIX(__VA_ARGS__, 0, 0, 0, 0, 0, 0)) \
		 : 0)
#define INJECT_SIX(a, b, c, d, e, f, ...) (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), f

/* First in a wrapper: leaves it with this value, and errno, where the call is to fail. */
#define INJECT(value, ...)                           \
	do {                                         \
		long error_ = INJECTED(__VA_ARGS__); \
		if (unlikely(error_)) {              \
			errno = (int)-error_;        \
			return value;                \
		}                                    \
	} while (0)

/* shmat and shmdt, by their numbers or, on i386, by ipc's. */
long segments_call(long nr, long a, long b, long c, long d, long e);

/* A descriptor that was just opened (or -errno): itself, or -EACCES with it closed. */
long opened(const struct call *call, long fd, int flags);
/* At start: whether there is a log. */
void opens_settle(bool recorded);

/* Calls that reach into another process. */
long processes_memory(const struct call *call, bool writes, pid_t pid, long a, long b, long c,
		      long d, long flags);
long processes_descriptor(const struct call *call, int pidfd, int fd, unsigned int flags);
bool processes_traces(long request);
long processes_trace(const struct call *call, long request, pid_t pid, long address, long data);

/* The descriptor calls: of ours is taken leave before the program closes them, or wants their
 * numbers. */
long descriptors_close(int fd);
long descriptors_close_range(unsigned int first, unsigned int last, unsigned int flags);
/* dup3 by this call, which returns what the kernel does. */
typedef long duplicate_call(int from, int onto, int flags);
long descriptors_dup(duplicate_call *call, int from, int onto, int flags);

/* open, openat, creat or openat2, by its number. */
long open_by_number(const struct call *call, long nr, long a, long b, long c, long d);

/* umount2: no file is held any more that nobody needs. */
long files_unmount(const char *target, int flags);
/* fanotify_init: the program will be told of opens, and perhaps have to allow them. None of ours
 * from now on. */
long files_watched(unsigned int flags, unsigned int event_flags);

/* The program sets a limit of its own (process 0) or another's; soft, of 4 or 8 bytes, may be NULL.
 */
void limits_change(pid_t process, int resource, const void *soft, size_t size);

/* Before another program replaces this one: reports gaps, and writes the totals. */
long process_execveat(const struct call *call, int directory, const char *path, char *const *argv,
		      char *const *envp, int flags);
/* The program is about to change its credentials, or what it may open. */
void credentials_change(void);
/* It did; or it is about to make a call that wants a process of one thread, or leave its root. */
void credentials_changed(void);
void credentials_alone(void);
/* It is about to send a signal to a thread, which may be none of its own. */
void credentials_signalled(pid_t thread, int signal);

/* seccomp(2) and prctl(2): the program may put itself under a filter. */
long sandbox_seccomp(const struct call *call, long operation, long flags, long arguments);
long sandbox_prctl(const struct call *call, long option, long a, long b, long c, long d);

/* A fork that libc knows nothing of: the system call itself between the handlers. */
long process_fork(long nr, long a, long b, long c, long d, long e);

/* A thread ends by the system call itself: if it is the program's last one, the lease thread ends
 * too. */
void process_thread_ends(void);

/* The end of the process, with its exit status or -1. */
void process_ends(int status);

/* ---- fork.c ---- */

/* This process is the one that the tables speak of, from now on. */
void process_settle(void);
/* Whether it was copied since, by a clone that no handler saw; and what is done then. */
bool process_is_copy(void);
void process_was_copied(void);

void fork_before(void);
void fork_in_parent(void);
void fork_in_child(void);

/* ---- process.c ---- */

struct call;
struct gap;

/* At the start: what this program is may be a gap. */
void process_look_at_itself(void);

/* What every room has counted and not recorded; each begins anew. */
void process_tell_totals(void);

/* What is not fenced: what a call starts, or, without one and without a path, this program. */
void process_report_gap(const struct call *call, const char *path, const struct gap *gap);
/* Says that what is started is not looked into, because there was no room for the preload. */
void process_not_followed(const struct call *call, const char *path);

/* For a shell that libc starts: a copy of the log's descriptor that stays open over exec, and what
 * leads to it in text, as sink_hand_on; inside a scope. The shell itself is a gap then, and where
 * it cannot be fenced. */
int process_before_shell(const struct call *call, const char *path, bool preloaded, char *text);

/* ---- signals.c ---- */

struct signal_action;

/* Ours, if the program has SIG_DFL there, and if anything may be said or rescued. */
void signals_stand_in(void);
/* Ours no more. */
void signals_withdraw(void);

/* The call by its number. */
long signals_by_number(int signal, const struct signal_action *action, struct signal_action *before,
		       size_t set_size);

/* From the handler: the signal as it came, to the kernel's own action. A fault that is sure to be
 * repeated the kernel sends again by itself. */
void signals_hand_on(const siginfo_t *info, bool repeats);

/* kill(2): a crash handler may send SIGBUS to the process, and then another thread dies of it. What
 * this thread's fault was is asked of the handler, by a signal that is a question. */
void signals_before_kill(int pid, int signal);
bool signals_is_question(const siginfo_t *info);

/* sigbus.c: the handler. */
void sigbus_handle(int signal, siginfo_t *info, void *context);
void sigbus_after_fork(void);

/* ---- the next library (plain.c) ---- */

struct next {
#define NEXT(result, name, parameters)	      result(*name) parameters;
#define HANDS(result, name, parameters, ...)  NEXT(result, name, parameters)
#define CHANGE(result, name, parameters, ...) NEXT(result, name, parameters)
#include "interpose/calls.def"
};

extern struct next next;

/* Looks for it, and puts it there; NULL: nobody has it. */
void *next_find(void **member, const char *name);
/* The function. NULL: this libc has none, as those before it came. */
#define NEXT_OF(name)                  \
	(likely(next.name) ? next.name \
			   : (__typeof__(next.name))next_find((void **)&next.name, #name))

/* ---- road.c ---- */

long road_mmap(const struct call *call, uintptr_t address, size_t length, int protection, int flags,
	       int fd, int64_t offset);
long road_munmap(const struct call *call, uintptr_t address, size_t length);
long road_mremap(const struct call *call, const struct move_request *request);
long road_mprotect(const struct call *call, uintptr_t address, size_t length, int protection);
long road_pkey_mprotect(uintptr_t address, size_t length, int protection, int key);
long road_madvise(uintptr_t address, size_t length, int advice);
struct iovec;
long road_process_madvise(int pidfd, const struct iovec *areas, size_t count, int advice,
			  unsigned int flags);
long road_remap_file_pages(const struct call *call, const struct remap_request *request);
long road_mlock(uintptr_t address, size_t length);
long road_mlock2(uintptr_t address, size_t length, unsigned int flags);
long road_munlock(uintptr_t address, size_t length);
long road_mlockall(int flags);
long road_munlockall(void);

/* Whatever else replaces a range by something: 0 or an address, or -errno. */
long road_replace(uintptr_t start, uintptr_t end, long (*replace)(void *), void *argument);
/* The same inside a scope. */
long road_replace_inside(uintptr_t start, uintptr_t end, long (*replace)(void *), void *argument);
/* False: nothing of ours is at the address. */
bool road_has_ours(uintptr_t address);
/* Some of the range was unmapped by a call that is none of these. */
void road_gone(uintptr_t start, uintptr_t end);
/* What will be done to the range does not let it be replaced later: it is preserved now. */
void road_settle(uintptr_t address, size_t length);
/* Address space of ours that is spare is given back. */
void road_trim(void);

/* ---- environment.c ---- */

/* At start: which LD_PRELOAD entry is ours, and our options. */
void environment_remember(char *const *environment);

/* False when it, or a string of it, is not the program's memory: exec says EFAULT. */
bool environment_readable(char *const *environment);
/* Whether the dynamic linker would preload us. */
bool environment_has_preload(char *const *environment);
/* And not without all of our options: who passes on a list of variables may know LD_PRELOAD alone.
 * Where single ones are missing, that is the program's wish. */
bool environment_has_ours(char *const *environment);

/* The preload entry as the linker was given it ("/…/$LIB/libmmfence.so"), or NULL. */
const char *environment_preload(void);

/* How much memory environment_copy needs for this environment, whatever is added. */
size_t environment_bytes(char *const *environment);

enum preload {
	PRELOAD_STAYS,
	PRELOAD_ADDED,	/* first, where it is missing, and our options with it */
	PRELOAD_DROPPED /* where the linker would only complain of it */
};

/* A copy of the environment, in the memory given; with the log that is handed on (audit/sink.h), or
 * NULL. */
void environment_copy(char *const *environment, enum preload preload, const char *log,
		      char **pointers);

/* Shell commands that set what environment_copy would. */
void environment_shell(char *const *environment, enum preload preload, const char *log,
		       struct text *out);

/* Whether a program of this many bits could load the library from where the preload entry says. */
bool environment_library_is_there(int bits);

/* At start: the log that was handed on to this program, or NULL; nobody else finds it afterwards.
 */
const char *environment_take_log(void);
/* A program that runs with more rights than who started it hands none of our options on, whoever
 * set them. */
void environment_take_options(void);

#endif
