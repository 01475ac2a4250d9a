/* SPDX-License-Identifier: MIT */
/*
 * Leases over fork: before it the lease thread opens each guarded file again and leases it a
 * second time; a writer then waits for both processes, and neither needs the other to
 * live. The new descriptions travel in a socket that the child inherits: they are
 * never in the program's own table, where closing one would drop its record locks.
 *
 * In a child that no handler saw (a raw clone) leases are taken anew, and kept if the
 * files are as they were.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "support/sys.h"
#include "kernel/thread.h"
#include "kernel/lease_thread.h"
#include "snapshot/family.h"
#include "snapshot/lease.h"
#include "snapshot/snapshot.h"
#include "support/lock.h"

#define BATCH 253 /* SCM_MAX_FD: no message takes more */

/* The two ends, in the program's table, while the gate is closed; and their inodes: another thread
 * of the program's may close whatever it finds, and have the numbers for something else. A thread
 * that forks may even have a table of its own. */
static struct end {
	int fd;
	uint64_t inode;
} ends[2] = { { -1, 0 }, { -1, 0 } };

/* A message: second leases, and what the signal of a break will call each. It is kept small, as
 * some 20,000 leases are to fit into the socket before the child reads any. */
struct parcel {
	size_t count;
	int turns; /* that were waited for others */
	int signal_fds[BATCH];
	int fds[BATCH];
	struct lease *leases[BATCH]; /* on this side */
};

struct envelope {
	struct msghdr header;
	struct iovec content;
	char control[CMSG_SPACE(BATCH * sizeof(int))] __attribute__((aligned(8)));
};

static void envelope_make(struct envelope *envelope, struct parcel *parcel)
{
	memset(&envelope->header, 0, sizeof(envelope->header));
	envelope->content.iov_base = parcel->signal_fds;
	envelope->content.iov_len = sizeof(parcel->signal_fds);
	envelope->header.msg_iov = &envelope->content;
	envelope->header.msg_iovlen = 1;
	envelope->header.msg_control = envelope->control;
	envelope->header.msg_controllen = sizeof(envelope->control);
}

/* ---- before, on the lease thread ---- */

#define TURNS_FOR_ROOM 1000 /* a quarter of a second, for all of a fork */

/* What is on its way in sockets counts for all processes of a user together; RLIMIT_NOFILE bounds
 * it. Others' are mostly taken in a moment. */
static long send_when_there_is_room(int socket, const struct msghdr *header, int *turns)
{
	long sent;

	while ((sent = sys_sendmsg(socket, header, MSG_DONTWAIT | MSG_NOSIGNAL)) == -ETOOMANYREFS &&
	       *turns < TURNS_FOR_ROOM)
		sys_wait_turn((*turns)++);
	return sent;
}

static int send_parcel(int socket, struct parcel *parcel)
{
	struct envelope envelope;

	envelope_make(&envelope, parcel);
	envelope.content.iov_len = parcel->count * sizeof(*parcel->signal_fds);
	struct cmsghdr *control = CMSG_FIRSTHDR(&envelope.header);
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(parcel->count * sizeof(int));
	envelope.header.msg_controllen = CMSG_SPACE(parcel->count * sizeof(int));
	memcpy(CMSG_DATA(control), parcel->fds, parcel->count * sizeof(int));
	long sent = send_when_there_is_room(socket, &envelope.header, &parcel->turns);
	return sent < 0 ? (int)sent : 0;
}

/* What could not be handed over is preserved: then both have the old pages. */
static void parcel_close(struct parcel *parcel, bool sent)
{
	/* All first: a copy needs descriptors. */
	for (size_t i = 0; i < parcel->count; i++)
		sys_close(parcel->fds[i]);
	for (size_t i = 0; !sent && i < parcel->count; i++)
		lease_preserve(parcel->leases[i], "fork");
	parcel->count = 0;
}

static void flush(int socket, struct parcel *parcel)
{
	if (parcel->count)
		parcel_close(parcel, !send_parcel(socket, parcel));
}

/* See proc_text.c for why the lease thread's own directory in /proc is left alone. */
static int open_anew(const struct lease *lease)
{
	int fd = file_open_same(lease->path, &lease->file.id);

	return fd < 0 ? thread_open_again(lease_thread_files.proc, 0, lease->fd,
					  O_RDONLY | O_NONBLOCK | O_NOCTTY)
		      : fd;
}

/* Until the child's lease thread owns it ours is told of a break, and finds nothing of that number.
 */
static int second_lease(const struct lease *lease)
{
	int fd = open_anew(lease);

	if (fd < 0)
		return fd;
	int r = lease_take(fd, lease_thread_number());
	/* The first may have been taken away, and the writer be done. */
	if (!r && !lease_is_held(lease->fd))
		r = -ESTALE;
	if (r)
		sys_close(fd);
	return r ? r : fd;
}

static void hand_over(struct lease *lease, int socket, struct parcel *parcel)
{
	int fd = second_lease(lease);

	if (fd < 0 && parcel->count) { /* what is under way holds descriptors that a copy needs */
		flush(socket, parcel);
		fd = second_lease(lease);
	}
	if (fd < 0) { /* about to be written to, or no descriptor left */
		lease_preserve(lease, "fork");
		return;
	}
	parcel->leases[parcel->count] = lease;
	parcel->signal_fds[parcel->count] = fd;
	parcel->fds[parcel->count++] = fd;
	if (parcel->count == BATCH || !lease_thread_can_spare(fd))
		flush(socket, parcel);
}

static uint64_t inode_of(int fd)
{
	struct statx st;

	return fd < 0 || sys_statx(fd, "", AT_EMPTY_PATH, STATX_INO, &st) ? 0 : st.stx_ino;
}

static int end_fetch(const struct end *end)
{
	int fd = end->fd < 0 ? -1 : thread_fetch(0, end->fd);

	if (fd < 0 || inode_of(fd) == end->inode)
		return fd;
	sys_close(fd);
	return -1;
}

static void hand_over_all(void *pair)
{
	struct parcel *parcel = arena_alloc(sizeof(*parcel));
	int socket = parcel ? end_fetch(pair) : -1;
	struct lease *lease, *following;

	guard_drop_unused(NULL);
	HASH_ITER (hh, leases, lease, following)
		if (socket < 0)
			lease_preserve(lease, "fork");
		else
			hand_over(lease, socket, parcel);
	if (socket >= 0) {
		flush(socket, parcel);
		sys_close(socket);
	}
	arena_free(parcel, sizeof(*parcel));
}

/* ---- before, on the thread that forks ---- */

static void close_ends(void)
{
	for (int i = 0; i < 2; i++)
		if (ends[i].fd >= 0) {
			if (inode_of(ends[i].fd) == ends[i].inode)
				sys_close(ends[i].fd);
			ends[i].fd = -1;
		}
}

/* The child's lease thread will open it, and be where this thread is: in a chroot, or in a Landlock
 * domain that the lease thread here is not in. */
static bool proc_is_open(void)
{
	int fd = sys_open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);

	sys_close_if_open(fd);
	return fd >= 0;
}

/* A child of vfork has another table, and its own socket in it. */
static bool can_hand_over(void)
{
	return home_is_here() && proc_is_open();
}

static void make_pair(struct end pair[2])
{
	int fds[2];

	if (!can_hand_over() || sys_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return;
	for (int i = 0; i < 2; i++)
		pair[i] = (struct end){ fds[i], inode_of(fds[i]) };
}

void guard_before_fork(void)
{
	struct end pair[2] = { { -1, 0 }, { -1, 0 } };

	lease_thread_hold();
	family_grows();
	if (guard_any()) {
		make_pair(pair);
		lease_thread_call_held(hand_over_all, pair);
	}
	snapshot_before_fork();
	lease_thread_release();
	memcpy(ends, pair, sizeof(ends));
}

void guard_after_fork_in_parent(void)
{
	close_ends(); /* the child has its own, and in them the second leases */
	gate_open();
}

/* ---- in the child ---- */

static void adopt(int signal_fd, int fd)
{
	struct file file;
	struct lease *lease = file_identify(fd, &file) ? NULL : lease_find(&file.id);

	if (!lease) { /* its last snapshot went, or was preserved, before the fork itself */
		sys_close(fd);
		return;
	}
	lease->fd = fd;
	lease->signal_fd = signal_fd;
	lease_set_owner(fd, lease_thread_number());
	/* A break that began before sends us no signal. */
	if (!lease_is_held(fd))
		lease_preserve(lease, "break");
	else
		lease->state = LEASE_HELD;
}

/* False when there is no more. */
static bool receive(int socket, struct parcel *parcel)
{
	struct envelope envelope;

	envelope_make(&envelope, parcel);
	long got = sys_recvmsg(socket, &envelope.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got <= 0)
		return false;
	struct cmsghdr *control = CMSG_FIRSTHDR(&envelope.header);
	if (!control || control->cmsg_type != SCM_RIGHTS)
		return false;
	parcel->count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(parcel->fds, CMSG_DATA(control), parcel->count * sizeof(int));
	for (size_t i = 0; i < parcel->count; i++)
		adopt(parcel->signal_fds[i], parcel->fds[i]);
	return true;
}

static void lose_without_descriptor(const char *reason)
{
	struct lease *lease, *following;

	HASH_ITER (hh, leases, lease, following)
		if (lease->fd < 0)
			lease_lose(lease, reason);
}

/* Whether the file's times tell of all that was done to it without a lease. */
static bool change_would_show(const struct lease *lease)
{
	return filesystem_has(lease->file.filesystem, TIMES_STORES) &&
	       file_change_would_show(&lease->file, lease->looked_at);
}

static void lease_again(struct lease *lease)
{
	struct file now;
	int fd = change_would_show(lease) ? file_open_same(lease->path, &lease->file.id) : -ESTALE;

	if (fd < 0)
		return;
	int r = lease_take(fd, lease_thread_number());
	if (!r)
		r = file_at(fd, "", &now);
	if (!r && !file_is_unchanged(&lease->file.version, &now.version))
		r = -ESTALE;
	if (r) {
		sys_close(fd);
		return;
	}
	lease->fd = lease->signal_fd = fd;
	lease->granted = family_now();
	lease->state = LEASE_HELD;
}

static void lease_missing_again(const char *reason)
{
	for (struct lease *lease = leases; lease; lease = lease->hh.next)
		if (lease->fd < 0)
			lease_again(lease);
	lose_without_descriptor(reason);
}

static void adopt_all(void *unused)
{
	struct parcel *parcel = arena_alloc(sizeof(*parcel));
	int socket = end_fetch(&ends[1]);

	(void)unused;
	while (parcel && socket >= 0 && receive(socket, parcel))
		;
	sys_close_if_open(socket);
	arena_free(parcel, sizeof(*parcel));
	/* Also one that another thread was granted while this one waited for somebody in its fork.
	 */
	lease_missing_again("the lease could not be taken over by the child");
}

/* The numbers are those of the parent's lease thread. */
static void forget_descriptors(void)
{
	lease_break_forget();
	store_forget_kept(NULL);
	for (struct lease *lease = leases; lease; lease = lease->hh.next)
		lease->fd = -1;
}

void guard_after_fork_in_child(void)
{
	lease_thread_forget();
	forget_descriptors();
	if (leases && lease_thread_call(adopt_all, NULL))
		lose_without_descriptor("no lease thread could be started in the child");
	close_ends();
}

/* ---- in a child that nobody announced ---- */

static void lease_all_again(void *unused)
{
	(void)unused;
	lease_missing_again("a raw clone: the file was, or may have been, written to before the "
			    "child could be guarded, or cannot be leased");
}

void guard_after_raw_clone(void)
{
	lease_thread_forget();
	if (sys_getppid()) /* else of another namespace, whose numbers are others */
		family_grows();
	forget_descriptors();
	if (leases && lease_thread_call(lease_all_again, NULL))
		lose_without_descriptor("no lease thread could be started in the child");
}
