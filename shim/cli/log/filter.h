/* SPDX-License-Identifier: MIT */
/*
 * Which records `mmfence log' shows.
 */
#ifndef MMFENCE_CLI_LOG_FILTER_H
#define MMFENCE_CLI_LOG_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "cli/model/scan.h"

#define FILTER_MOST 64

struct log_filter {
	char *actions[FILTER_MOST]; /* patterns; none: all */
	size_t action_count;
	int64_t pids[FILTER_MOST];
	size_t pid_count;
	char since[96]; /* as @timestamp has it; "": always */
};

/* Each 0, or -1 with a sentence said. Lists are separated by commas. */
int filter_actions(struct log_filter *filter, const char *list);
int filter_pids(struct log_filter *filter, const char *list);
/* "2026-11-21", with "T12:03:17" or " 12:03" behind it, and then nothing (local time), Z or +02:00;
 * or how long before now: 90s, 10m, 2h, 3d, 1w. */
int filter_since(struct log_filter *filter, const char *text, time_t now);

bool filter_wants(const struct log_filter *filter, const struct scan *scan);

#endif
