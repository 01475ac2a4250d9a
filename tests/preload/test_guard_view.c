/* SPDX-License-Identifier: MIT */
/*
 * S1 to S5, S7, S11 for mappings that are guarded: nothing is copied until somebody comes to
 * write, and then all promises hold as if it had been.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "test_guard_stage.h"

/* Six trials each: other process, thread, same thread; before and after the first touch. */
#define SURVIVES(name, way)                                                                   \
	WIDTHS_HOLD(S1, guarded_snapshot_survives_##name, "guard_view", "survives/" way "/*", \
		    .breaks = 6, .look = guard_events)

SURVIVES(write, "write")
SURVIVES(o_trunc, "o_trunc")
SURVIVES(truncate, "truncate")
SURVIVES(stores_through_a_shared_mapping, "shared")
SURVIVES(punch_hole, "punch")
SURVIVES(cutting_and_growing, "cut_twice")

/* Nobody comes: nothing is ever copied, which S10 says of each, and S5: munmap of all gives the
 * lease back. */
WIDTHS_HOLD(S1, guarded_snapshot_costs_nothing, "guard_view", "unmapped_gives_the_lease_back",
	    .look = guard_events,
	    .finds = { "snapshot.end", "snapshot.end[*] mmfence.snapshot.fate=untouched",
		       "process.end mmfence.snapshot_bytes=0" })

WIDTHS_HOLD(S1, mappings_before_and_after_breaks_show_their_own_time, "guard_view",
	    "several_at_different_times")
WIDTHS_HOLD(S1, all_windows_of_a_file_survive_its_break, "guard_view", "many_windows")

/* --- S3 --- */

WIDTHS_HOLD(S3, guarded_mapping_is_preserved_before_it_is_writable, "guard_areas",
	    "writable_is_preserved_first",
	    .finds = { "snapshot.preserve 1",
		       "snapshot.preserve[*] mmfence.snapshot.trigger=protect" })
WIDTHS_HOLD(S3, guarded_mapping_made_writable_by_number, "guard_areas", "writable_by_number")
WIDTHS_HOLD(S3, guarded_mappings_made_writable_across, "guard_areas", "writable_across")
WIDTHS_HOLD(S3, mprotect_that_fails_over_a_gap_breaks_no_promise, "guard_areas",
	    "writable_over_a_gap")

/* --- S4 --- */

#define PIECE(name, piece) WIDTHS_HOLD(S4, name, "guard_areas", piece)

PIECE(protections_of_pieces_stay_over_the_preserve, "piece/protection")
PIECE(locked_pieces_stay_locked_over_the_preserve, "piece/mlock")
PIECE(pieces_locked_by_number_stay_locked, "piece/mlock_by_number")
PIECE(pieces_locked_on_fault_stay_so, "piece/mlock2")
PIECE(mlockall_stays_over_the_preserve, "piece/mlockall")
PIECE(unlocked_pieces_stay_unlocked, "piece/unlocked")
PIECE(advice_of_pieces_stays_over_the_preserve, "piece/*advice*")
PIECE(advice_about_huge_pages_stays_over_the_preserve, "piece/huge")
PIECE(protection_keys_stay_over_the_preserve, "piece/key")
PIECE(advice_by_process_madvise_stays, "piece/by_process_madvise")
PIECE(all_attributes_together_stay, "piece/all")
PIECE(map_locked_stays_over_the_preserve, "map/locked")
PIECE(map_noreserve_stays_over_the_preserve, "map/no_reserve")
PIECE(map_populate_is_guarded, "map/populated")

/* --- S5 --- */

WIDTHS_HOLD(S5, guarded_mapping_moves_and_grows, "guard_view", "moved_and_grown")
WIDTHS_HOLD(S5, preserved_mapping_grows_only_over_what_is_held, "guard_view",
	    "grows_only_over_what_was_put_aside", .expects = { "snapshot.grow" })
WIDTHS_HOLD(S5, one_lease_for_many_mappings, "guard_view", "one_lease_for_many_mappings")

WIDTHS_HOLD(S5, munmap_of_all_frees_an_unlinked_file, "guard_view", "unmapped_frees_the_file",
	    .before = stage_on_tmpfs)

RUNS(EACH_WIDTH, S11, munmap_of_all_lets_the_writer_in_without_a_copy, .helper = "guard_view",
     .args = { "unmapped_lets_the_writer_in" }, .breaks = 0, .look = guard_events)

/* --- S11 --- */

WIDTHS_HOLD(S11, another_writer_that_does_not_wait_gets_ewouldblock_once, "guard_view",
	    "nonblocking_writer")
WIDTHS_HOLD(S15, fenced_writer_that_does_not_wait_is_not_refused, "guard_view",
	    "nonblocking_fenced")

static void hold(int ready)
{
	int fd = open("foreign", O_RDONLY | O_CLOEXEC);
	char failed = signal(SIGIO, SIG_IGN) == SIG_ERR || prctl(PR_SET_PDEATHSIG, SIGKILL) ||
		      fcntl(fd, F_SETLEASE, F_RDLCK);

	if (write(ready, &failed, 1) == 1)
		for (int other = 0; other < 3; other++)
			close(other);
	while (!failed)
		pause();
	_exit(1);
}

/* By a process without mmfence, as long as the program lasts. */
static void hold_foreign_lease(struct run *run)
{
	char failed = 1;
	int ready[2];

	(void)run;
	cr_assert(!pipe2(ready, O_CLOEXEC));
	if (!fork())
		hold(ready[1]);
	if (read(ready[0], &failed, 1) != 1 || failed)
		_exit(77);
}

#define FOREIGN(suite, name, pattern)                                                  \
	WIDTHS_HOLD(suite, name, "guard_view", pattern, .prepare = hold_foreign_lease, \
		    .files = { TEXT("foreign", "x") })

FOREIGN(P1, waiting_for_a_foreign_lease_can_be_interrupted, "foreign/interrupted")
WIDTHS_HOLD(P1, waiting_for_a_lease_of_the_program_can_be_interrupted, "guard_view",
	    "program/interrupted")
FOREIGN(P2, open_needs_little_of_a_signal_stack, "foreign/small_stack")

WIDTHS_HOLD(P1, own_open_without_waiting_is_not_refused, "guard_view", "own_nonblocking/*")

/* The pages go to a file system that is frozen while the case runs: what waits for them hangs. */
static void freeze(struct run *run)
{
	stage_spill(run);
	lease_time_keep(run);
}

#define SLOW(suite, name, pattern)                                                       \
	WIDTHS_HOLD(                                                                     \
		suite, name, "guard_slow", pattern, .options = { "snapshot.memory=8K" }, \
		.before = freeze,                                                        \
		.finds = { "snapshot.preserve mmfence.snapshot.engine=spill", "snapshot.lost 0" })

SLOW(S11, memory_calls_do_not_wait_for_the_copy, "calls_do_not_wait")
SLOW(S11, mapping_another_file_does_not_wait_for_the_copy, "another_file_does_not_wait")
SLOW(S11, what_is_unmapped_during_the_copy_is_not_replaced, "unmapped_meanwhile")
SLOW(S11, two_files_break_at_once, "two_breaks")
SLOW(S3, stores_after_a_copy_under_way_stay, "writable_meanwhile")
SLOW(S15, freopen_during_the_copy_is_not_interrupted, "freopen_meanwhile")
SLOW(S6, fork_while_a_break_is_served, "fork_meanwhile")

/* --- S7 --- */

#define NAMED .options = { "snapshot.shared=**/guard.data" }

RUNS(EACH_WIDTH, S7, shared_read_only_snapshot_is_guarded_and_survives, .helper = "guard_shared",
     .args = { "shared/*" }, NAMED, .breaks = 36, .look = guard_events)

WIDTHS_HOLD(S7, shared_snapshot_refuses_stores_and_stays_guarded, "guard_shared",
	    "shared_refuses_stores_while_guarded", NAMED)
WIDTHS_HOLD(S7, shared_snapshot_beside_a_writable_mapping, "guard_shared",
	    "shared_beside_a_writable_mapping", NAMED)
WIDTHS_HOLD(S7, shared_and_private_snapshots_of_one_file, "guard_shared", "shared_and_private",
	    NAMED)

/* Not named: it stays what it was, and the others are snapshots. */
WIDTHS_HOLD(S7, shared_mapping_that_is_not_named_is_plain, "observe", "map=shared",
	    .options = { "snapshot.shared=**/guard.data" }, .says = "plain mprotect=EACCES\n",
	    .finds = { "snapshot.create 0" })

/* --- the proof that these can fail --- */

#define GUARD_FAILS_BARE(helper_name) \
	WIDTHS_HOLD(bare, helper_name, #helper_name, "--bare", .preload = RUN_BARE, .seconds = 120)

GUARD_FAILS_BARE(guard_view)
GUARD_FAILS_BARE(guard_areas)
GUARD_FAILS_BARE(guard_shared)
GUARD_FAILS_BARE(guard_invisible)
GUARD_FAILS_BARE(guard_end)
GUARD_FAILS_BARE(guard_identity)
GUARD_FAILS_BARE(guard_spaces)

/* Without a guard the snapshots are copies, and the cases notice. */
RUNS_AND(EACH_WIDTH, bare, guard_none_is_no_guard, .helper = "guard_view",
	 .args = { "survives/write/self/touched" }, .options = { "snapshot.guard=none" },
	 .ends_with = 1)
{
	cr_assert(strstr(run->output, "engine memory, not guard"), "%s", run->output);
}
