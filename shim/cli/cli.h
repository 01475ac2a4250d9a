/* SPDX-License-Identifier: MIT */
/*
 * The mmfence command. It reads logs, /proc and the option table, and never
 * reaches into the library's state: what it knows of a run stands in the log.
 */
#ifndef MMFENCE_CLI_CLI_H
#define MMFENCE_CLI_CLI_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

/* Exit statuses; the last two as a shell has them. */
#define STATUS_BAD	    1
#define STATUS_USAGE	    2
#define STATUS_FOUND	    86 /* check: something that must not happen did */
#define STATUS_NOT_RUNNABLE 126
#define STATUS_NOT_FOUND    127

int run_main(int argc, char **argv);
int check_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int pages_main(int argc, char **argv);
int log_main(int argc, char **argv);
int report_main(int argc, char **argv);

/* One sentence on standard error, "mmfence: " in front of it. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

static inline bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* launch.c: no output of this command raises a signal, and its children can be waited for; what it
 * starts finds these signals as they were. Before what else is done at the exit is registered. */
void signals_settle(void);
void signals_restore(void);

/* At the exit: output of which something was lost ends the command with STATUS_USAGE and a
 * sentence. A reader that has seen enough (head) is no failure. */
void finish_output(void);
/* That no line is a record, of one log or (NULL) of several: STATUS_USAGE. */
int complain_of_logs(const char *path, int64_t damaged);

/* A string of its own; ends the command when there is no memory. */
__attribute__((format(printf, 1, 2))) char *format_text(const char *format, ...);
__attribute__((format(printf, 1, 0))) char *format_list(const char *format, va_list list);

/* A block of zeros, a copy, and a block of another size. Each ends the command when there is no
 * memory. */
void *take(size_t size);
char *keep(const char *text);
void *resize(void *block, size_t size);

/* code.c. How many instructions in a program's code make system calls past
 * libc, and so past the library; 0 too for what is no program of x86, and for the dynamic linker,
 * which every program has. Those that it makes by way of a library of its own are not found. */
size_t program_own_calls(const char *path);

/* Whether libc, which lies beside the dynamic linker that it came with, is older than glibc 2.5: it
 * names the versions that it has. One that is not there is no reason to refuse: it may be
 * elsewhere. */
bool program_libc_is_old(const char *loader);

/* A stream that is a string once it is closed; ends the command when there is no memory. */
FILE *open_text(char **text);

#endif
