/* SPDX-License-Identifier: MIT */
/*
 * P4, P5, S15: the lease thread is who the program is, may do no more, and is no slower.
 */
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "guard_file.h"

#define USER 40321

/* --- credentials --- */

struct identity {
	char uid[64], gid[64], groups[1024];
	unsigned long long permitted, effective, inheritable, ambient;
};

static void identity_get(pid_t thread, struct identity *out)
{
	char path[64], line[2048];

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", thread);
	snprintf(out->uid, sizeof(out->uid), "%.60s", proc_line(path, "Uid:", line, sizeof(line)));
	snprintf(out->gid, sizeof(out->gid), "%.60s", proc_line(path, "Gid:", line, sizeof(line)));
	snprintf(out->groups, sizeof(out->groups), "%.1000s",
		 proc_line(path, "Groups:", line, sizeof(line)));
	out->permitted = strtoull(proc_line(path, "CapPrm:", line, sizeof(line)), NULL, 16);
	out->effective = strtoull(proc_line(path, "CapEff:", line, sizeof(line)), NULL, 16);
	out->inheritable = strtoull(proc_line(path, "CapInh:", line, sizeof(line)), NULL, 16);
	out->ambient = strtoull(proc_line(path, "CapAmb:", line, sizeof(line)), NULL, 16);
}

/* Every thread is who the program is, and may do no more. */
static void same_identity(const char *when)
{
	struct identity program, thread;
	pid_t threads[16];
	size_t count = threads_get(threads, COUNT(threads));

	identity_get(threads[0], &program);
	for (size_t i = 1; i < count; i++) {
		identity_get(threads[i], &thread);
		promise(!strcmp(thread.uid, program.uid), "%s: uid%s, the program%s", when,
			thread.uid, program.uid);
		promise(!strcmp(thread.gid, program.gid), "%s: gid%s, the program%s", when,
			thread.gid, program.gid);
		promise(!strcmp(thread.groups, program.groups), "%s: groups%s, the program%s", when,
			thread.groups, program.groups);
		promise(!(thread.permitted & ~program.permitted) &&
				!(thread.effective & ~program.effective) &&
				!(thread.inheritable & ~program.inheritable) &&
				!(thread.ambient & ~program.ambient),
			"%s: capabilities %llx %llx, the program %llx %llx", when, thread.permitted,
			thread.effective, program.permitted, program.effective);
	}
}

ACTS(change, void, void)
#define CHANGE(name)	     ACT(change, #name, change_##name) static void change_##name(void)
#define CHANGE_IS(name, ...) CHANGE(name) DOES(__VA_ARGS__)

CHANGE(capset_by_number)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	must(syscall(SYS_capset, &header, data) == 0);
}

extern int capset(struct __user_cap_header_struct *, const struct __user_cap_data_struct *);

CHANGE(capset)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	must(capset(&header, data) == 0);
}

static const gid_t some_groups[] = { USER + 1, USER + 2, USER + 3 };

CHANGE_IS(all, must(setgroups(0, NULL) == 0 && setgid(USER) == 0 && setuid(USER) == 0))
CHANGE_IS(setuid, must(setuid(USER) == 0))
CHANGE_IS(setgid, must(setgid(USER) == 0))
CHANGE_IS(seteuid, must(seteuid(USER) == 0))
CHANGE_IS(setegid, must(setegid(USER) == 0))
CHANGE_IS(setreuid, must(setreuid(USER, USER) == 0))
CHANGE_IS(setregid, must(setregid(USER, USER) == 0))
CHANGE_IS(setresuid, must(setresuid(USER, USER, USER) == 0))
CHANGE_IS(setresgid, must(setresgid(USER, USER, USER) == 0))
CHANGE_IS(setgroups, must(setgroups(3, some_groups) == 0))
CHANGE_IS(initgroups, must(initgroups("nobody", USER) == 0))

#ifdef __i386__
#define NUMBER_setuid SYS_setuid32
#else
#define NUMBER_setuid SYS_setuid
#endif

CHANGE_IS(number, must(syscall(NUMBER_setuid, USER) == 0))

CHANGE(there_and_back)
{
	must(seteuid(USER) == 0);
	same_identity("there");
	must(seteuid(0) == 0);
}

/* Real and effective exchanged, saved set apart. */
CHANGE(exchanged)
{
	must(setresuid(0, USER, 0) == 0);
	same_identity("set apart");
	must(setreuid(USER, 0) == 0);
}

CHANGE(step_by_step)
{
	change_setgroups();
	same_identity("groups");
	change_setresgid();
	same_identity("group");
	must(setresuid(USER, USER, 0) == 0);
	same_identity("root is saved");
	must(setresuid(USER, USER, USER) == 0);
}

/* With capabilities that stay although the user is another one. */
CHANGE(keepcaps)
{
	must(prctl(PR_SET_KEEPCAPS, 1) == 0);
	must(setuid(USER) == 0);
}

static void identity(const void *argument)
{
	const struct change *what = argument;
	struct other other;

	root_only();
	other = other_start(change_by_other, NULL);
	char *view = fresh();
	same_identity("at first");
	what->act();
	same_identity(what->name);
	unlink(SECOND);
	guard_works(&other, view, what->name);
	same_identity("in the end");
	other_end(&other);
}

static void *set_file_system_ids(void *unused)
{
	setfsgid(USER);
	setfsuid(USER);
	return unused;
}

/* These are of one thread. */
PROMISE_WIDTHS(P5, lease_thread_stays_when_a_thread_opens_files_as_another, HOLDS_BARE)
{
	struct identity before, after;
	pid_t threads[4];

	root_only();
	fresh();
	pid_t last = threads[threads_get(threads, COUNT(threads)) - 1];
	identity_get(last, &before);
	in_thread(set_file_system_ids, NULL);
	identity_get(last, &after);
	promise(!strcmp(before.uid, after.uid) && !strcmp(before.gid, after.gid),
		"the lease thread became uid%s gid%s", after.uid, after.gid);
}

/* Writers wait for it, however little the program wants of the processor. */
PROMISE_WIDTHS(S15, lease_thread_has_normal_priority)
{
	static const struct sched_param none;
	pid_t threads[4];

	root_only();
	must(setpriority(PRIO_PROCESS, 0, 19) == 0 &&
	     sched_setscheduler(0, SCHED_IDLE, &none) == 0);
	char *view = fresh();
	guarded_check(view, "at the lowest priority");
	pid_t thread = threads[threads_get(threads, COUNT(threads)) - 1];
	promise(thread != getpid() && getpriority(PRIO_PROCESS, (id_t)thread) == 0 &&
			sched_getscheduler(thread) == SCHED_OTHER,
		"the lease thread has nice %d, policy %d", getpriority(PRIO_PROCESS, (id_t)thread),
		sched_getscheduler(thread));
	promise(getpriority(PRIO_PROCESS, 0) == 19 && sched_getscheduler(0) == SCHED_IDLE,
		"the program's own changed");
}

/* What a child of vfork becomes is its own affair. */
PROMISE_WIDTHS(P5, lease_thread_stays_when_a_vforked_child_becomes_another)
{
	struct identity before, after;
	struct other other;
	pid_t threads[4], child;

	root_only();
	other = other_start(change_by_other, NULL);
	char *view = fresh();
	size_t last =
		threads_get(threads, COUNT(threads)) - 1; /* the lease thread, if there is one */
	identity_get(threads[last], &before);
	child = vfork();
	if (!child) {
		if (setgid(USER) || setuid(USER) || unshare(CLONE_NEWUTS) == 0)
			_exit(EXIT_TRIAL);
		_exit(0);
	}
	must(child > 0);
	child_wait(child);
	identity_get(threads[last], &after);
	promise(!strcmp(before.uid, after.uid) && !strcmp(before.gid, after.gid),
		"the lease thread became uid%s gid%s", after.uid, after.gid);
	guarded_check(view, "after vfork");
	guard_works(&other, view, "after vfork");
	other_end(&other);
}

/* The file is open to its owner alone, who the program is no longer: what is mapped stays. */
PROMISE_WIDTHS(P5, guard_outlives_the_right_to_open_the_file)
{
	struct other other;

	root_only();
	other = other_start(change_by_other, NULL);
	char *view = fresh();
	must(chmod(FILE_NAME, 0600) == 0);
	change_all();
	pid_t child = sure(fork());
	if (child) {
		child_wait(child);
		other_go(&other);
	}
	check(view, child ? "the parent" : "the child");
	if (!child)
		_exit(0);
	other_end(&other);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < change_count; i++)
		case_make(identity, &changes[i], false, "identity/%s", changes[i].name);
	return cases_main(argc, argv);
}
