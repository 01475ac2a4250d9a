/* SPDX-License-Identifier: MIT */
/*
 * The names of all events, as the library has them.
 */
#include <string.h>

#include "cli/model/model.h"

const char *const event_names[] = {
#define EVENT(id, action, category, type, doc) action,
#define FIELD(id, name, type, doc)
#include "audit/events.def"
#undef EVENT
#undef FIELD
};

const size_t event_kinds = sizeof(event_names) / sizeof(*event_names);

void event_count(int64_t *counts, const char *action)
{
	size_t i = 0;

	while (i < event_kinds && strcmp(event_names[i], action))
		i++;
	counts[i]++;
}
