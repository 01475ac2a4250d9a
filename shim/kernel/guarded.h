/* SPDX-License-Identifier: MIT */
/*
 * The few descriptors of ours that sit in the program's table: the log, and
 * /proc/self/maps for VMA look-ups. They are close-on-exec, and their numbers out of the
 * way, but below 1,024: fork copies a table up to its highest number. What was opened is
 * remembered by device, inode and birth time, or handle.
 *
 * The program may close them, as everything that it finds in /proc/self/fd, or take their
 * numbers. From then on they are not welcome: they are opened for each use, and closed
 * after it. No locks: async-signal-safe.
 */
#ifndef MMFENCE_KERNEL_GUARDED_H
#define MMFENCE_KERNEL_GUARDED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum guarded_slot { GUARDED_LOG, GUARDED_MAPS, GUARDED_COUNT };

#define GUARDED_TEXT_BYTES 112
/* For the program that replaces this one: a copy of the slot's descriptor that stays open over
 * exec, and text that says which it is and what it is open on. Its number, or -1. */
int guarded_hand_on(enum guarded_slot slot, char text[GUARDED_TEXT_BYTES]);
/* When that program was started, or was not: unless another thread has taken its number. */
void guarded_close_copy(const char *text);
/* There: keeps it in the slot, if it is what the text says. */
bool guarded_adopt(enum guarded_slot slot, const char *text);

/* Around each use: in between it is not closed through libc, and its number not taken. */
void guarded_enter(enum guarded_slot slot);
/* Closes it, where it is not welcome and nobody else uses it. */
void guarded_leave(enum guarded_slot slot);

/* The slot's descriptor, or -1 when it has none or the number is somebody else's by now. */
int guarded_get(enum guarded_slot slot);
/* The same, and how large the file is now. */
int guarded_get_size(enum guarded_slot slot, uint64_t *size);
/* The same without asking whether it is still ours: only for calls that fail harmlessly if not. */
int guarded_get_unchecked(enum guarded_slot slot);
/* Around opening one, up to guarded_keep: in between nobody closes or takes through libc a number
 * that is not known yet to be ours. */
void guarded_move_begin(void);
void guarded_move_end(void);
/* Moves *fd out of the way and keeps it in the slot. False, and only moved, where the slot has one
 * already, or is that of another process, whose memory this is: then guarded_close follows after
 * use. -EBUSY where the program is taking the number: it is to be opened again. */
bool guarded_keep(enum guarded_slot slot, int *fd);
void guarded_close(int fd);
/* Instead, of one that was not to be kept; or a negative number. */
void guarded_close_new(int fd);
/* Closes the slot's descriptor, if it is still ours. */
void guarded_drop(enum guarded_slot slot);

/* Around a call of the program's that puts something at fd. True when that is ours, or about to be
 * closed by us: then guarded_give_up comes before the call. In between none of ours comes there. */
bool guarded_take_begin(int fd);
void guarded_take_end(int fd, bool done);
/* Whether it failed because one of ours was just being put there, and is to be called again. */
bool guarded_take_again(int error, int turn);

/* Whether this number may be ours (cheap: for every close). */
bool guarded_may_be(int fd);
/* The same, or was a moment ago, for sure: once threads that are about to open or to close one have
 * done so. */
bool guarded_is(int fd);
void guarded_settle(void);
/* The slot's number in the program's table, or -1. */
int guarded_number(enum guarded_slot slot);
/* For the program, of a number that is ours or was a moment ago: closes it, and it is not welcome
 * any more. 0; -ENOENT where another thread of ours closed it, and what is there now is the
 * program's; or what close returned in a process that only shares our memory. */
int guarded_give_up(int fd);
bool guarded_is_welcome(enum guarded_slot slot);
void guarded_welcome(enum guarded_slot slot);

/* In a forked child: its memory is another, and nobody else is in here. */
void guarded_after_fork(void);

/* The calling thread, on this stack, has a descriptor table of its own, empty as yet; 0, 0: there
 * is no such thread. */
void guarded_other_table(uintptr_t start, uintptr_t end);
/* What the slot has in that table, and whose it is; or -1. */
int guarded_in_other_table(enum guarded_slot slot, pid_t *thread);

#endif
