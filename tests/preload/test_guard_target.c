/* SPDX-License-Identifier: MIT */
/*
 * S14: where old pages go, nothing is asked about what is there already. Tried where the answer
 * would be wrong: in huge pages, and where there are no holes.
 */
#include <stdio.h>
#include <string.h>

#include "test_guard_stage.h"

static void huge_tmpfs(struct run *run)
{
	stage_spill_on(run, "tmpfs", "huge=always");
}

static void in_ramfs(struct run *run)
{
	stage_spill_on(run, "ramfs", NULL);
}

#define ALL_PUT_ASIDE(name, place)                                                             \
	RUNS(EACH_WIDTH, S14, name, .helper = "guard_target", .before = place, .seconds = 120, \
	     .options = { "snapshot.preserve=spill" },                                         \
	     .finds = { "snapshot.preserve[*] mmfence.snapshot.engine=spill" })

ALL_PUT_ASIDE(spill_directory_with_huge_pages_gets_all_pages, huge_tmpfs)
ALL_PUT_ASIDE(spill_directory_in_ramfs_gets_all_pages, in_ramfs)

/* Memory with huge pages: as the machine is set, which no test changes. */
static void skip_unless_huge(struct run *run)
{
	char line[128] = "";
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "re");

	if (!file || !fgets(line, sizeof(line), file) || strstr(line, "[never]") ||
	    strstr(line, "[deny]") || strstr(line, "[advise]"))
		cr_skip_test("memfds have no huge pages here (shmem_enabled: %s)", line);
	fclose(file);
}

RUNS(EACH_WIDTH, S14, memory_with_huge_pages_gets_all_pages, .helper = "guard_target",
     .before = skip_unless_huge, .seconds = 120)

/* Two pages of two huge ones: less memory than that is not enough, whatever was copied. */
WIDTHS_HOLD(S13, huge_pages_count_whole, "guard_target", "windows/two", .before = skip_unless_huge,
	    .options = { "snapshot.memory=1M", "snapshot.preserve=memory" }, .ends_with = 1,
	    .finds = { "snapshot.lost error.message=snapshot.memory is used up" })

WIDTHS_HOLD(bare, guard_target, "guard_target", "--bare", .preload = RUN_BARE, .seconds = 120)
