/* SPDX-License-Identifier: MIT */
/*
 * SIGBUS. Where the program leaves it to the kernel (SIG_DFL), a handler of ours stands there, and
 * the program is shown what it left. What it handles or ignores itself is in the kernel as it
 * wants it, and nothing of ours is in the way.
 */
#ifndef MMFENCE_INTERPOSE_SIGNALS_H
#define MMFENCE_INTERPOSE_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct signal_action;

/* Ours, if the program has SIG_DFL there, and if anything may be said or rescued. */
void signals_stand_in(void);
/* Ours no more. */
void signals_withdraw(void);

/* The calls by their numbers; the latter two are i386's. */
long signals_by_number(int signal, const struct signal_action *action, struct signal_action *before,
		       size_t set_size);
long signals_by_old_number(int signal, const void *action, void *before);
long signals_by_oldest_number(int signal, long handler);

/* From the handler: the signal as it came, to the kernel's own action. A fault that is sure to be
 * repeated the kernel sends again by itself. */
void signals_hand_on(const siginfo_t *info, bool repeats);

/* sigbus.c: the handler. */
void sigbus_handle(int signal, siginfo_t *info, void *context);
void sigbus_after_fork(void);

#endif
