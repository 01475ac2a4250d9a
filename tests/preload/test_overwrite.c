/* SPDX-License-Identifier: MIT */
/*
 * S1: a byte read through a snapshot is the file's byte at the moment of mmap, however and
 * by whom the file is changed. Each test runs all sixteen combinations of who changes it,
 * before or after the first touch, protection, and whether the descriptor stays open.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runner.h"

HELPER_HOLDS(S1, snapshot_survives_write, "overwrite", "write/*")
HELPER_HOLDS(S1, snapshot_survives_pwritev, "overwrite", "pwritev/*")
HELPER_HOLDS(S1, snapshot_survives_stores_through_a_shared_mapping, "overwrite", "shared/*")
HELPER_HOLDS(S1, snapshot_survives_o_trunc, "overwrite", "o_trunc/*")
HELPER_HOLDS(S1, snapshot_survives_creat, "overwrite", "creat/*")
HELPER_HOLDS(S1, snapshot_survives_fopen, "overwrite", "fopen/*")
HELPER_HOLDS(S1, snapshot_survives_truncate, "overwrite", "truncate/*")
HELPER_HOLDS(S1, snapshot_survives_ftruncate, "overwrite", "ftruncate/*")
HELPER_HOLDS(S1, snapshot_survives_punch_hole, "overwrite", "punch/*")
HELPER_HOLDS(S1, snapshot_survives_collapse_range, "overwrite", "collapse/*")
HELPER_HOLDS(S1, snapshot_survives_insert_range, "overwrite", "insert/*")
HELPER_HOLDS(S1, snapshot_survives_zero_range, "overwrite", "zero/*")
HELPER_HOLDS(S1, snapshot_survives_copy_file_range, "overwrite", "copy_file_range/*")
HELPER_HOLDS(S1, snapshot_survives_sendfile, "overwrite", "sendfile/*")
HELPER_HOLDS(S1, snapshot_survives_o_direct, "overwrite", "direct/*")
HELPER_HOLDS(S1, snapshot_survives_rename_over, "overwrite", "rename/*")
HELPER_HOLDS(S1, snapshot_survives_unlink, "overwrite", "unlink/*")
HELPER_HOLDS(S1, snapshot_survives_write_after_unlink, "overwrite", "unlink_write/*")

/* S1 on another file system than the one that the tests run on. */
static const char *shared_memory;

static void go_to_shared_memory(struct run *run)
{
	if (chdir(shared_memory))
		_exit(98);
}

EACH_VARIANT(S1, snapshot_survives_on_tmpfs)
{
	const char *given = getenv("MMFENCE_SHM");
	char dir[128], command[160];
	struct run run = { .variant = variant, .helper = "overwrite" };

	snprintf(dir, sizeof(dir), "%s/mmfence.XXXXXX", given ? given : "/dev/shm");
	if (!mkdtemp(dir))
		cr_skip_test("/dev/shm is not there");
	shared_memory = dir;
	run.prepare = go_to_shared_memory;
	run_helper(&run);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert(system(command) == 0);
	run_must_hold(&run);
	run_end(&run);
}
