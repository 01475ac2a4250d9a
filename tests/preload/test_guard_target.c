/* SPDX-License-Identifier: MIT */
/*
 * S14: where old pages go, nothing is asked about what is there already. Tried where the answer
 * would be wrong: in huge pages, and where there are no holes.
 */
#include <stdio.h>
#include <string.h>

#include "test_guard_stage.h"

static void all_put_aside(const char *variant, const char *type, const char *options)
{
	struct run run = { .variant = variant,
			   .helper = "guard_target",
			   .options = { "snapshot.preserve=spill" },
			   .seconds = 120 };

	stage_spill_on(&run, type, options);
	run_helper(&run);
	run_must_hold(&run);
	all_say(&run, "snapshot.preserve", "mmfence.snapshot.engine", "spill");
	run_end(&run);
}

EACH_WIDTH(S14, spill_directory_with_huge_pages_gets_all_pages)
{
	all_put_aside(variant, "tmpfs", "huge=always");
}

EACH_WIDTH(S14, spill_directory_in_ramfs_gets_all_pages)
{
	all_put_aside(variant, "ramfs", NULL);
}

/* Memory with huge pages: as the machine is set, which no test changes. */
static void skip_unless_huge(void)
{
	char line[128] = "";
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "re");

	if (!file || !fgets(line, sizeof(line), file) || strstr(line, "[never]") ||
	    strstr(line, "[deny]") || strstr(line, "[advise]"))
		cr_skip_test("memfds have no huge pages here (shmem_enabled: %s)", line);
	fclose(file);
}

EACH_WIDTH(S14, memory_with_huge_pages_gets_all_pages)
{
	struct run run = { .variant = variant, .helper = "guard_target", .seconds = 120 };

	skip_unless_huge();
	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}

/* Two pages of two huge ones: less memory than that is not enough, whatever was copied. */
EACH_WIDTH(S13, huge_pages_count_whole)
{
	struct run run = { .variant = variant,
			   .helper = "guard_target",
			   .args = { "windows/two" },
			   .options = { "snapshot.memory=1M", "snapshot.preserve=memory" } };

	skip_unless_huge();
	run_helper(&run);
	json_t *event = find_event(&run, "snapshot.lost");
	cr_assert(event, "more memory than snapshot.memory was taken");
	cr_assert_str_eq(field_string(event, "error.message"), "snapshot.memory is used up");
	run_end(&run);
}

WIDTHS_HOLD(bare, guard_target, "guard_target", "--bare", .preload = RUN_BARE, .seconds = 120)
