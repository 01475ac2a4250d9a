/* SPDX-License-Identifier: MIT */
/*
 * What holds at the end of every run, whatever its test is about: no trouble in the log that the
 * test does not ask for, the numbers of each process whole, each snapshot with an end or a mapping,
 * nothing of ours among the program's descriptors.
 */
#ifndef MMFENCE_TESTS_INVARIANTS_H
#define MMFENCE_TESTS_INVARIANTS_H

#include "runner.h"

/* The test looks for this event itself. */
void invariants_expect(const char *action);
/* Fails the test that runs when one does not hold. */
void invariants_hold(const struct run *run);

#endif
