/* SPDX-License-Identifier: MIT */
/*
 * The categories of findings: their names, and their words.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/check/category.h"
#include "cli/cli.h"
#include "cli/text/printable.h"
#include "cli/text/show.h"

static const char *no_snapshots(const struct policy *policy)
{
	return policy->snapshot_mode == SNAPSHOT_OFF ? "snapshot.mode=off" : NULL;
}

static const char *no_drift(const struct policy *policy)
{
	return policy->audit_drift == AUDIT_DRIFT_OFF ? "audit.drift=off" : no_snapshots(policy);
}

static const char *no_nonlinear(const struct policy *policy)
{
	return policy->audit_nonlinear == AUDIT_NONLINEAR_OFF ? "audit.nonlinear=off" : NULL;
}

const struct category_info categories[CATEGORY_COUNT] = {
	{ "sigbus", true, "a page of a file mapping could not be had", "", "", NULL },
	{ "nonlinear", true, "remap_file_pages was called", "", "", no_nonlinear },
	{ "rewire", false, "mmap made a nonlinear window", "", "", no_nonlinear },
	{ "pressure", true, "a process came near vm.max_map_count", "", "", NULL },
	{ "selfmem", true, "memory was opened or mapped as a file", "", "", NULL },
	{ "unprotected", true, "a private mapping got no snapshot", "no snapshot: ", "",
	  no_snapshots },
	{ "torn", true, "a snapshot may be torn", "", "", no_snapshots },
	{ "lost", true, "a snapshot did not last", "snapshot lost: ", "", no_snapshots },
	{ "drift", true, "a file changed under a snapshot", "", "", no_drift },
	{ "gap", false, "a program could not be looked into", "not looked into (", ")", NULL },
};

char *finding_line(const struct finding *finding)
{
	const struct category_info *info = &categories[finding->category];
	char *line, *visible;
	size_t size;
	FILE *out = open_text(&line, &size);

	fprintf(out, "%s%s%s, %lld time%s", info->before, finding->what, info->after,
		(long long)finding->times, plural(finding->times));
	if (*finding->where)
		fprintf(out, ", %s", finding->where);
	fprintf(out, ", pid %lld (%s)", (long long)finding->pid, finding->process);
	if (finding->processes > 1)
		fprintf(out, " and %lld other%s", (long long)finding->processes - 1,
			plural(finding->processes - 1));
	if (*finding->site)
		fprintf(out, ", at %s", finding->site);
	fclose(out);
	visible = printable(line);
	free(line);
	return visible;
}
