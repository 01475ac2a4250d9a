/* SPDX-License-Identifier: MIT */
/*
 * What it came to: the counters of the program's own, and what the log says.
 */
#include <stdio.h>
#include <string.h>

#include "torture.h"

/* What the log says: how often each of these, and the first record that must not be there. */
static struct {
	const char *text;
	bool bad;
	unsigned long count;
} events[] = {
	{ "\"snapshot.create\"", false, 0 },
	{ "\"guard\"", false, 0 },
	{ "\"snapshot.preserve\"", false, 0 },
	{ "\"break\"", false, 0 },
	{ "\"protect\"", false, 0 },
	{ "\"fork\"", false, 0 },
	{ "\"credentials\"", false, 0 },
	{ "\"snapshot.grow\"", false, 0 },
	{ "\"snapshot.unprotected\"", false, 0 },
	{ "\"snapshot.lost\"", true, 0 },
	{ "\"log.dropped\"", true, 0 },
};

bool log_count(const char *path)
{
	static char line[65536];
	FILE *log = fopen(path, "re");
	bool good = true;

	while (log && fgets(line, sizeof(line), log))
		for (size_t i = 0; i < COUNT(events); i++) {
			if (!strstr(line, events[i].text))
				continue;
			if (events[i].bad && !events[i].count)
				fprintf(stderr, "torture: FAILED: in the log: %s", line);
			good = good && !events[i].bad;
			events[i].count++;
		}
	if (log)
		fclose(log);
	return good;
}

static unsigned long long counter(enum counter which)
{
	return atomic_load(&state->counters[which]);
}

void summary_print(void)
{
	printf("%llu processes, %llu changes, %llu captures (%llu of known content, %llu refused), "
	       "%llu forks, %llu grown,\n%llu stores, %llu faults past the end, %.1f GB checked, "
	       "longest wait of a writer %.1f ms\n",
	       counter(COUNT_PROCESSES), counter(COUNT_CHANGES), counter(COUNT_CAPTURES),
	       counter(COUNT_EXACT), counter(COUNT_REFUSED), counter(COUNT_FORKS),
	       counter(COUNT_GROWN), counter(COUNT_STORES), counter(COUNT_FAULTS),
	       (double)counter(COUNT_BYTES) / 1e9, (double)counter(COUNT_WAIT_US) / 1e3);
	printf("log:");
	for (size_t i = 0; i < COUNT(events); i++)
		printf("%s %.*s %lu", i ? "," : "", (int)strlen(events[i].text) - 2,
		       events[i].text + 1, events[i].count);
	printf("\n");
}
