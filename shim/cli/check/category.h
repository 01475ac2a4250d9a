/* SPDX-License-Identifier: MIT */
/*
 * What `mmfence check' looks for among the findings of a run.
 */
#ifndef MMFENCE_CLI_CHECK_CATEGORY_H
#define MMFENCE_CLI_CHECK_CATEGORY_H

#include "cli/model/model.h"
#include "policy/policy.h"

struct category_info {
	const char *name;
	bool by_default;
	const char *help;
	const char *before, *after; /* a finding's own words */
	/* The setting under which it cannot be seen, or NULL. */
	const char *(*hidden_by)(const struct policy *policy);
};

extern const struct category_info categories[CATEGORY_COUNT];

/* "remap_file_pages, 3 times, /tmp/file, pid 12 (name), at name+0x1234", printable. To be freed. */
char *finding_line(const struct finding *finding);

#endif
