/* SPDX-License-Identifier: MIT */
/*
 * Who writes: see identity.h. Everything here may run in a child that shares its
 * parent's memory (vfork, CLONE_VM): what is remembered of one process must not be
 * taken for the other's.
 */
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>

#include "audit/event.h"
#include "audit/identity.h"
#include "audit/json.h"
#include "kernel/thread.h"
#include "kernel/vma.h"
#include "support/sys.h"

#define GUESTS	 16
#define PATIENCE 200 /* turns of waiting for a thread that may be gone in a cloned child */

enum { UNKNOWN, BUSY, KNOWN };

static struct image image LARGE;
static atomic_int image_state;

/* The process whose memory this is, and others that live in it: vfork children, raw clones. A pid
 * when its process.start is on file, the same negative while it is being written. */
static atomic_int owner;
static atomic_int guests[GUESTS];
static atomic_ulong sequence; /* of the last record */
static atomic_ulong finished; /* how many were written, or could not be */

/* The owner's first thread, which most programs have alone, needs one system call. */
struct identity identity_get(void)
{
	struct identity who;

	who.tid = sys_gettid();
	who.pid = who.tid == atomic_load_explicit(&owner, memory_order_relaxed) ? who.tid
										: sys_getpid();
	return who;
}

static void read_name(char *name, size_t size)
{
	long length = sys_read_file("/proc/self/comm", name, size);

	if (length > 0 && name[length - 1] == '\n')
		name[length - 1] = 0;
	else if (length <= 0 && sys_prctl(PR_GET_NAME, (uintptr_t)name, 0, 0, 0))
		name[0] = 0;
}

static void read_executable(char *path, size_t size)
{
	int length = sys_readlinkat(AT_FDCWD, "/proc/self/exe", path, size - 1);

	path[length > 0 ? length : 0] = 0;
}

/* Where the dynamic linker was started by name, it is the executable. */
static void find_program(struct image *it)
{
	struct vma vma;

	if (auxiliary(AT_BASE) ||
	    !vma_at((uintptr_t)_r_debug.r_map->l_ld, &vma, it->program, sizeof(it->program)))
		strcpy(it->program, it->executable);
}

static void make_json(struct image *it)
{
	size_t name = strlen(it->name), path = strlen(it->executable);
	struct text text;
	unsigned int result;

	text_init(&text, it->json, sizeof(it->json));
	text_add(&text, "\"name\":");
	result = json_add_string(&text, it->name, name, 256);
	if (path) {
		text_add(&text, ",\"executable\":");
		result |= json_add_string(&text, it->executable, path, sizeof(it->json) - 512);
	}
	it->json_length = result == JSON_WHOLE ? text.length : 0;
}

const struct image *identity_image(void)
{
	int state = UNKNOWN;

	if (atomic_load_explicit(&image_state, memory_order_acquire) == KNOWN)
		return &image;
	if (atomic_compare_exchange_strong(&image_state, &state, BUSY)) {
		read_name(image.name, sizeof(image.name));
		read_executable(image.executable, sizeof(image.executable));
		find_program(&image);
		make_json(&image);
		atomic_store(&image_state, KNOWN);
	}
	for (int i = 0; i < PATIENCE && atomic_load(&image_state) == BUSY; i++)
		sys_sched_yield();
	return atomic_load(&image_state) == KNOWN ? &image : NULL;
}

static atomic_int *place_of(int pid)
{
	pid_t home = home_process();
	int first = home ? home : atomic_load(&owner);

	return !first || first == pid || first == -pid ? &owner
						       : &guests[(unsigned int)pid % GUESTS];
}

bool identity_announce(const struct identity *who)
{
	if (atomic_load_explicit(&owner, memory_order_acquire) == who->pid)
		return false;
	for (int i = 0; i < PATIENCE; i++) {
		atomic_int *place = place_of(who->pid);
		int seen = atomic_load(place);

		if (seen == who->pid)
			return false;
		if (seen == -who->pid)
			sys_wait_turn(i);
		else if (atomic_compare_exchange_strong(place, &seen, -who->pid))
			return true;
	}
	return false;
}

void identity_announced(const struct identity *who, bool written)
{
	atomic_store(place_of(who->pid), written ? who->pid : 0);
}

unsigned long identity_sequence(void)
{
	return atomic_fetch_add_explicit(&sequence, 1, memory_order_relaxed) + 1;
}

void identity_finished(void)
{
	atomic_fetch_add_explicit(&finished, 1, memory_order_release);
}

/* In this order: what is finished in between was begun before. */
unsigned long identity_unfinished(void)
{
	unsigned long done = atomic_load_explicit(&finished, memory_order_acquire);

	return atomic_load(&sequence) - done;
}

void identity_forget(void)
{
	atomic_store(&sequence, 0);
	atomic_store(&finished, 0);
	atomic_store(&image_state, UNKNOWN);
	atomic_store(&owner, 0);
	memset(guests, 0, sizeof(guests));
}

bool audit_process_started(void)
{
	int on_file = atomic_load(&owner);

	return on_file > 0 && on_file == sys_getpid();
}

bool audit_any_record(void)
{
	return atomic_load_explicit(&owner, memory_order_relaxed) != 0;
}
