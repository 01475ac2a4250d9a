/* SPDX-License-Identifier: MIT */
/*
 * Running a command fenced, for `mmfence run' and for what looks at such a run: the library, the
 * program, the log, and starting it. The dynamic linker says nothing where it will not preload, so
 * the command must.
 */
#ifndef MMFENCE_CLI_RUN_RUN_H
#define MMFENCE_CLI_RUN_RUN_H

#include "cli/model/model.h"
#include "kernel/program.h"
#include "policy/policy.h"

/* find.c: where the library is, and how LD_PRELOAD names it for 64-bit and 32-bit programs
 * alike. Found from the command's own place: never from a path set at build time. */
struct library {
	char name[PATH_MAX];   /* PREFIX/$LIB/libmmfence.so: the dynamic linker expands $LIB */
	char file64[PATH_MAX]; /* where they are; empty: nowhere */
	char file32[PATH_MAX];
};

/* NULL; or, to be freed, why there is none for 64-bit programs or the loader could not preload it
 * from there. */
char *preload_find(struct library *out);

/* Puts it in front of what LD_PRELOAD has, in this process's environment. */
void preload_export(const struct library *preload);

/* The file that the kernel will run, and whether the dynamic linker will preload into
 * it, as the library itself judges (kernel/program.c). */
struct command {
	char path[PATH_MAX]; /* what execve gets */
	struct program program;
};

/* Finds name as execvp(3) does. 0, STATUS_NOT_FOUND or STATUS_NOT_RUNNABLE, then with a sentence.
 */
int command_find(const char *name, struct command *out, char **sentence);

/* The program at the end of a chain of #! lines. */
const char *command_binary(const struct command *command);

/* Why the library would not be in it, as a sentence; to be freed. NULL: it will be. */
char *command_gap(const struct command *command, const struct library *preload);

/* destination.c: names of logs. For a command, in this directory unless the option says another.
 * Ends the command where that has no name. */
char *template_of(const char *option, const char *command);
/* A pattern, where %p and %t become number, other placeholders a star, and everything else stands
 * for itself. number NULL: the name without doubled percent signs, or NULL when something in it is
 * not known yet. */
char *expand(const char *template, const char *number);

/* A log that is no file, but a descriptor, a socket, the system's log. */

/* Of a value of audit.log that was checked. */
bool destination_is_elsewhere(const char *value);

/* The value for the library: a descriptor's says which file it is, so that no process takes another
 * one with that number for it. Ends the command where that is not open for writing. */
char *destination_value(const char *value);

/* Ends the command where nobody is there. */
void destination_try(const char *value);

/* log.c: the log of a run: its name, that it can be written, and which records in it are new. Other
 * runs may append to the same files before and after. With placeholders many a file may have such a
 * name that is no log: one without records is left alone, unless it is as the library makes them.
 */
struct log_part {
	char *path;
	struct stat st;
	off_t start; /* what was there before */
	bool is_log;
};

struct log {
	bool by_default;	/* nobody said where */
	bool elsewhere;		/* no file: template is the value for the library */
	char *template;		/* absolute, with %p, %e, %h and %t */
	char *name;		/* where it has none of these, or NULL */
	char *mark;		/* a line at the start of our part; NULL: none */
	char *pattern, *fits;	/* for glob(3), and then for fnmatch(3), which knows numbers */
	int fd;			/* what has the name, so that nothing else gets its inode; or -1 */
	struct log_part *parts; /* found when the run began, by path */
	size_t count;
	/* Once it is read. */
	struct model *model;
	size_t files; /* that could be read */
	bool unread;  /* one of them, or not to its end */
	bool cut;     /* something that was there before is gone: what came behind it may be too */
	int full;     /* the error that keeps the next record out; 0: none that is known */
};

/* From audit.log; if that is empty, the default for this command and process. Ends the
 * command where there can be none. */
void log_name(struct log *log, const char *option, const char *command);

/* Creates it, as far as its name is known, and opens what there is. mark: with a record before
 * those of the command (check.start), which is gone if the log is emptied and filled again. Ends
 * the command where it cannot be written. */
void log_prepare(struct log *log, bool mark);

/* What was added since, by places too: fills in what stands below. */
void log_read(struct log *log);

/* The whole of what is in logs that are there already, by names with placeholders. Ends the
 * command when one is not there, or cannot be read. */
void log_read_there(struct log *log, char *const *names, size_t count);

/* Why the log cannot say what happened, beside what the model counts; NULL: it can. To be freed.
 * Every process has a log from its start, but a command that could not be started has none. */
char *log_doubt(const struct log *log, bool started);

/* Removes what has nothing in it: a log that nobody named, and those that processes made of a name
 * with %p. Whether all is gone. What a process still has open stays. */
bool log_drop_empty(const struct log *log);

/* The log for people: its path, or the template. */
const char *log_shown(const struct log *log);

/* launch.c: starts the command and waits for its end, like system(3) without a shell between: its
 * exit status, 128+n for signal n, or with a sentence said STATUS_NOT_FOUND or STATUS_NOT_RUNNABLE.
 * signal: n, or 0. */
int launch(const char *path, char *const *arguments, int *signal);

struct run {
	struct policy policy;
	struct library preload;
	struct command found;
	const char *preset, *config;
	char **settings; /* name, value, name, value, … in the order of the command line */
	size_t setting_count;
	bool quiet;
	char **command;
	bool drift; /* audit.drift=on unless something says otherwise */
	bool mark;  /* put a mark into a log of which the name is known */
	struct log log;
	int status; /* as of `mmfence run' */
	int signal; /* that ended it, or 0 */
};

/* The options, for a struct run; and more of them. */
const struct setting *run_settings(const struct setting *more, size_t count);

/* What they come to, with nothing started. Ends the command where something is wrong. */
void run_settle(struct run *run);

/* Starts the command and waits for its end. Ends this one where there can be no log. */
void run_command(struct run *run);

/* By run->status: whether a process came to be that has a log. */
bool run_was_started(const struct run *run);

/* help.c: presets and options that -o can set, for argp's help_filter. */
char *run_help(int key, const char *text, void *input);

/* summary.c: one screen about a run that has ended. Where the log cannot say all of it, it says so.
 * started: whether the command was; signal: which ended it, or 0. */
void summary_print(struct log *log, bool started, int signal, FILE *out);

#endif
