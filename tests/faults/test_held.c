/* SPDX-License-Identifier: MIT */
/*
 * Races that were mended, each by a thread that is held where it mattered; and a fork at any
 * place of another thread's way through the library.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../mounts.h"
#include "filter.h"
#include "prepare.h"
#include "test_guard_stage.h"

#define HELD_BY(helper, suite, name, pattern, ...)                                        \
	RUNS(FAULTY, suite, name, FAULTY_RUN(helper, pattern), .before = lease_time_keep, \
	     .options = { __VA_ARGS__ })
#define HELD(...) HELD_BY("held", __VA_ARGS__)

#define COPY "snapshot.preserve=memory"

HELD(S4, protection_waits_for_a_replacement, "protect", COPY)
HELD(S4, lock_waits_for_a_replacement, "lock", COPY)
HELD(S4, advice_waits_for_a_replacement, "advise", COPY)
HELD(S4, giving_up_waits_for_a_replacement, "give_up", COPY, "selfmem.map=emulate")
HELD(S5, unmapping_waits_for_a_replacement, "unmap", COPY)
HELD(S5, an_address_that_is_given_away_again, "given_away_again", COPY)
HELD(S5, replaced_while_it_is_copied, "replaced", COPY)
HELD(S5, replaced_unheard_while_it_is_copied, "replaced_unheard", COPY)
HELD(S5, moved_while_it_is_copied, "moved", COPY)
HELD(S5, grown_while_it_is_copied, "grown", COPY)
HELD(S1, mapped_while_another_is_copied, "mapped_again", COPY)
HELD(S1, mapped_while_the_lease_is_given_back, "mapped_while_let_go", COPY)
HELD_BY("held_fork", S6, forked_while_it_is_copied, "forked_while_copied", COPY)
HELD_BY("held_fork", S6, forked_while_it_is_copied_beside, "forked_while_copied_beside", COPY)
HELD(S15, own_call_is_not_interrupted, "interrupted/*", COPY)
HELD(S15, the_way_that_a_writer_allowed, "way_is_exchanged", COPY)
HELD(S15, a_writer_that_does_not_wait, "nonblocking_waits", COPY)
HELD(S15, a_short_copy_goes_first, "short_goes_first", COPY)
RUNS(FAULTY, S10, copy_that_takes_too_long_is_said, FAULTY_RUN("held", "copy_takes_too_long"),
     .before = lease_time_shorten,
     .finds = { "snapshot.lost error.message~the copy took too long" })

/* Nobody waits for ever for who makes the copy for all. */
HELD(S13, whoever_copies_for_all_is_killed, "copier_is_killed", COPY)
HELD(S13, whoever_copies_for_all_is_slow, "copier_is_slow", COPY)
HELD(S1, grown_while_another_copies_for_all, "grown_while_waiting", COPY)
HELD_BY("held_fork", S6, broken_before_the_child_adopts_it, "broken_before_adoption", COPY)
HELD_BY("held_fork", S6, granted_while_a_fork_waits, "granted_while_a_fork_waits", COPY)
HELD_BY("held_fork", S6, tables_stand_still_while_a_fork_begins, "fork_begins", COPY)
RUNS(FAULTY, P1, nobody_waits_for_who_jumped_out, FAULTY_RUN("held_log", "jumps_out"),
     .expects = { "coverage.gap" })
HELD_BY("held_fork", P2, a_fork_that_waits_for_another_holds_nobody_up, "two_fork", COPY)
HELD_BY("held_fork", P2, forked_while_areas_are_counted, "forked_while_areas_are_counted", COPY)
HELD_BY("held_fork", M4, a_view_goes_while_a_fork_splits, "unmapped_while_split",
	"selfmem.map=emulate", "selfmem.fork=split")
HELD(S1, two_threads_map_a_file_first, "granted_twice", COPY)

HELD_BY("held_log", A2, a_number_that_was_taken_is_not_the_logs, "number_is_taken", COPY)
HELD_BY("held_log", A2, a_log_that_is_opened_slowly_loses_nothing, "opens_slowly", COPY)
HELD_BY("held_log", A2, a_number_that_is_taken_is_left_to_it, "number_is_left", COPY)
HELD_BY("held_log", A2, a_number_that_is_kept_is_looked_for_again, "number_is_kept", COPY)
HELD_BY("held_log", A3, a_number_that_the_log_was_opened_at_is_taken, "number_is_opened", COPY)
HELD_BY("held_log", A3, a_number_that_will_be_taken_is_left_to_it, "number_will_be_taken", COPY)
HELD_BY("held_log", A3, a_number_that_left_its_slot_is_ours_still, "left_its_slot/*", COPY)
HELD_BY("held_log", P1, a_number_beside_one_that_is_left, "number_of_maps", COPY)
RUNS(FAULTY, A3, a_number_that_a_socket_was_opened_at_is_taken,
     FAULTY_RUN("held_log", "number_of_a_socket"), .log = "unix:/nonexistent/socket",
     .options = { COPY })
HELD_BY("held_log", P1, a_number_of_another_table_is_no_matter, "number_is_of_another_table", COPY)
HELD_BY("held_log", P1, a_number_that_is_free_is_closed, "number_is_free", COPY)

static void without_the_call(struct run *run)
{
	struct filter filter = { .length = 0 };

	make_page(run);
	filter_fail(&filter, SYS_remap_file_pages, 257, 0, ENOSYS);
	filter_install(&filter);
}

RUNS(FAULTY, N2, the_way_to_the_lowest_page_is_replaced,
     FAULTY_BY(without_the_call, "held", "lowest_is_replaced"), .as_root = true)

static void prepare_noexec(struct run *run)
{
	char work[PATH_MAX];

	make_page(run);
	snprintf(work, sizeof(work), "%s/work", run->dir);
	if (!own_mounts(0) || mount("tmpfs", work, "tmpfs", MS_NOEXEC, NULL) || chdir(work))
		_exit(98);
}

static void need_mounts(struct run *run)
{
	skip_without_mounts();
}

RUNS(FAULTY, S5, execution_is_judged_by_what_is_there_now,
     FAULTY_BY(prepare_noexec, "held", "forgets_noexec"), .before = need_mounts)

RUNS_AND(FAULTY, A2, who_comes_second_waits_for_process_start,
	 FAULTY_RUN("held_log", "announces_once"), .finds = { "process.start 1", "selfmem.open 2" })
{
	cr_assert_str_eq(field_string(run->records[0], "event.action"), "process.start");
}

RUNS(FAULTY, A3, a_log_is_not_looked_for_in_another_table,
     FAULTY_RUN("held_log", "compared_in_another_table"), .before = lease_time_keep,
     .options = { COPY, "audit.drift=on" }, .finds = { "snapshot.drift 1" })

RUNS(FAULTY, A2, the_end_tells_what_was_begun, FAULTY_RUN("held_log", "ends_unfinished"),
     .finds = { "selfmem.open 1", "process.end mmfence.unfinished=1" })

/* Locks, buffers and flags that another thread had when memory was copied are free in the child. */
static void at_any_place(const char *how)
{
	int step = getenv("MMFENCE_FAULTS") ? 1 : 7;
	bool over = false;

	for (int place = 0; !over; place += step) {
		struct run run = { .variant = "faults", FAULTY_RUN("held_fork", how) };
		char number[16];

		cr_assert(place < 5000);
		snprintf(number, sizeof(number), "%d", place);
		run.args[1] = number;
		run.options[0] = "nonlinear.emulate=always";
		run.options[1] = "selfmem.map=emulate";
		run.options[2] = COPY;
		run_helper(&run);
		cr_assert(run_exit(&run) == 0, "place %d: status %d\n%s%s", place, run_exit(&run),
			  run.output, run.errors);
		over = strstr(run.output, "over");
		run_end(&run);
	}
}

Test(P2, a_fork_at_any_place_of_another_thread, .timeout = 600)
{
	at_any_place("fork");
}

Test(S6, a_raw_clone_at_any_place_of_another_thread, .timeout = 600)
{
	at_any_place("clone");
}
