/* SPDX-License-Identifier: MIT */
/*
 * What a process offers to its family, where it is so late that others did without it.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernel/thread.h"
#include "kernel/lease_thread.h"
#include "kernel/file.h"
#include "snapshot/family.h"
#include "snapshot/snapshot.h"
#include "support/scope.h"
#include "support/sys.h"

#define PLACES 4 /* family.c: as many claims later its place is another's turn */

/* As whoever starts a thread of ours. */
static void block_signals(void)
{
	struct scope scope;

	signals_block(&scope);
}

static struct family_share share_of(int64_t end)
{
	return (struct family_share){ .file = { .inode = 1 }, .window = { 0, end } };
}

static void offer(struct family_share *share)
{
	family_offer(share, unnamed_memory("test", 0), 0, &share->window);
}

/* Each needs more than the one before has. */
static void late(void *result)
{
	struct family_share first = share_of(1), others[PLACES], last = share_of(100);
	enum family_turn *turn = result;

	family_get();
	family_grows();
	bool mine = family_ask(&first) == FAMILY_MINE;
	for (int i = 0; mine && i < PLACES; i++) {
		others[i] = share_of(i + 2);
		mine = family_wait(&others[i]) == FAMILY_MINE;
		offer(&others[i]);
		family_settle(&others[i], true);
	}
	first.window = last.window;
	offer(&first);
	*turn = mine ? family_ask(&last) : FAMILY_BUSY;
}

Test(S1, a_late_offer_is_not_taken_for_anothers, .init = block_signals)
{
	enum family_turn turn = FAMILY_BUSY;

	home_settle();
	cr_assert_eq(lease_thread_call(late, &turn), 0);
	cr_assert_eq(turn, FAMILY_MINE, "%d", turn);
}

struct another {
	int file; /* that has the copy's number afterwards */
	enum family_turn turn;
	bool held;
};

static void closed(void *argument)
{
	struct another *another = argument;
	struct family_share first = share_of(1), second = share_of(1);
	int copy = unnamed_memory("test", 0);

	family_get();
	family_grows();
	family_ask(&first);
	family_offer(&first, copy, 0, &first.window);
	family_settle(&first, true);
	sys_close(copy);
	another->file =
		thread_open_again(lease_thread_files.proc, home_process(), another->file, O_RDONLY);
	if (another->file != copy || lease_take(copy, lease_thread_number()))
		return;
	another->turn = family_ask(&second);
	another->held = lease_is_held(copy);
}

/* S2: a copy's number that a leased file has by now. */
Test(S2, a_lease_is_not_broken_in_search_of_a_copy, .init = block_signals)
{
	char name[] = "/tmp/mmfence.XXXXXX";
	int fd = mkstemp(name);
	struct another another = { .turn = FAMILY_BUSY };

	home_settle();
	cr_assert(fd >= 0 && close(fd) == 0);
	another.file = open(name, O_RDONLY);
	cr_assert(another.file >= 0 && unlink(name) == 0);
	cr_assert_eq(lease_thread_call(closed, &another), 0);
	cr_expect_eq(another.turn, FAMILY_MINE, "%d", another.turn);
	cr_expect(another.held);
}

struct untrusted {
	int copy;
	enum family_turn turn;
};

static void offer_and_ask(void *argument)
{
	struct untrusted *it = argument;
	struct family_share first = share_of(1), second = share_of(1);

	family_get();
	family_grows();
	family_ask(&first);
	int fd = thread_open_again(lease_thread_files.proc, home_process(), it->copy, O_RDWR);
	family_offer(&first, fd, 0, &first.window);
	family_settle(&first, true);
	it->turn = family_ask(&second);
}

static enum family_turn turn_after(int copy)
{
	struct untrusted it = { .copy = copy, .turn = FAMILY_BUSY };

	home_settle();
	cr_assert(copy >= 0);
	cr_assert_eq(lease_thread_call(offer_and_ask, &it), 0);
	return it.turn;
}

/* S1: whoever gave up its rights can still write to the table. */
Test(S1, copy_that_has_a_name_is_none, .init = block_signals)
{
	char name[] = "/tmp/mmfence.XXXXXX";
	int fd = mkstemp(name);

	cr_expect_eq(turn_after(fd), FAMILY_MINE);
	cr_expect(!unlink(name));
}

Test(S1, copy_of_this_user_serves, .init = block_signals)
{
	cr_expect_eq(turn_after(unnamed_memory("test", 0)), FAMILY_THERE);
}

Test(S1, copy_of_another_user_does_not, .init = block_signals)
{
	int fd = unnamed_memory("test", 0);

	if (geteuid())
		cr_skip_test("only root can give a file away");
	cr_assert(!fchown(fd, 65534, 65534));
	cr_expect_eq(turn_after(fd), FAMILY_MINE);
}

/* S13: another has the place in the table that would be this process's. */
static void charge_after_exec(void *result)
{
	struct family *family = family_get();
	struct family_member *first = &family->members[home_process() % FAMILY_MEMBERS];
	struct family_member *mine = &family->members[(home_process() + 1) % FAMILY_MEMBERS];
	const char *reason;

	family->limit = 1 << 20;
	first->process = 1;
	mine->process = home_process();
	mine->charged = 1 << 20;
	budget_drop_what_was(family);
	*(int *)result = budget_charge(4096, &reason);
}

Test(S13, charges_of_the_program_before_are_dropped, .init = block_signals)
{
	int result = 1;

	home_settle();
	cr_assert_eq(thread_run(charge_after_exec, &result), 0);
	cr_expect_eq(result, 0);
}

static void charge_without_a_table(void *reason)
{
	uint64_t none[2] = { 0, RLIM_INFINITY };

	prlimit64(0, RLIMIT_AS, (struct rlimit64 *)none, NULL);
	cr_expect_eq(budget_charge(4096, reason), -ENOMEM);
}

Test(S10, without_the_familys_table_that_is_the_reason, .init = block_signals)
{
	const char *reason = NULL;

	home_settle();
	cr_assert_eq(thread_run(charge_without_a_table, &reason), 0);
	cr_expect_str_eq(reason, "no memory for the family's table, or no place in it");
}
