/* SPDX-License-Identifier: MIT */
/*
 * The torture program: readers under the shim that hold snapshots and know every byte
 * of them, and writers that do to the files all that can be done to a file. What the
 * parts share is here; the state that all processes share has one layout in 32 and 64
 * bits.
 */
#ifndef MMFENCE_TORTURE_H
#define MMFENCE_TORTURE_H

#include <setjmp.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE	    4096
#define ACTIVE	    12	/* files that are changed much */
#define FILES	    272 /* with those that seldom are */
#define WORKERS	    512
#define VIEWS	    300
#define STATE_FD    200 /* where a started process finds the shared state */
#define COUNT(a)    (sizeof(a) / sizeof(*(a)))
#define PAGES_OF(n) (((n) + PAGE - 1) / PAGE)

/* ---- shared by all processes ---- */

/* One file. A change begins and ends in these counters; whoever sees them equal before and after
 * something knows that the file had this generation and size all the time. */
struct slot {
	atomic_uint owner; /* the thread that changes it, or 0 */
	atomic_uint begun, ended;
	atomic_uint generation;
	/* for reports */
	atomic_uint last_change, last_process;
};

/* One thread, for the watchdog. */
struct worker {
	atomic_int thread; /* 0: free */
	int process;
	atomic_uint beat;
	atomic_int doing; /* enum doing */
	atomic_int file;
	int role;
	int padding[2];
};

enum counter {
	COUNT_CAPTURES,
	COUNT_EXACT, /* captures of which the whole content was known beforehand */
	COUNT_REFUSED,
	COUNT_BYTES,
	COUNT_FAULTS, /* SIGBUS past the end, where it is due */
	COUNT_STORES,
	COUNT_FORKS,
	COUNT_CHANGES,
	COUNT_PROCESSES,
	COUNT_KILLED, /* by themselves or by us */
	COUNT_SEEN_KILLED,
	COUNT_GROWN,
	COUNT_WAIT_US, /* the longest wait of a writer for its open */
	COUNTERS
};

struct state {
	atomic_int stop;
	atomic_int failed;
	atomic_int living; /* processes not yet reaped */
	atomic_int hot;	   /* a file that writers are after, or -1 */
	unsigned int seed;
	alignas(8) int64_t end_ms;
	alignas(8) atomic_ullong counters[COUNTERS];
	char message[4096];
	struct slot slots[FILES];
	struct worker workers[WORKERS];
};

extern struct state *state;
extern const char *directory;
/* Under the shim. */
extern bool preloaded;
/* What the supervisor does before it ends in fail(). */
extern void (*last_words)(void);

/* ---- this thread ---- */

enum doing {
	DOING_NOTHING,
	DOING_MAP,
	DOING_CHECK,
	DOING_UNMAP,
	DOING_REMAP,
	DOING_PROTECT,
	DOING_STORE,
	DOING_ADVISE,
	DOING_FORK,
	DOING_FIXED,
	DOING_WAIT,
	DOING_OPEN_TO_WRITE,
	DOING_CHANGE,
};

struct me {
	struct worker *worker;
	uint64_t random;
	/* A fault is expected, and jumps here. */
	volatile sig_atomic_t expected;
	sigjmp_buf fault;
	/* What a fault that is not expected hit. */
	struct reader *reader;
	/* No other thread of the program's: it may fork without libc. */
	bool alone;
};
extern __thread struct me me;

void worker_begin(int role, uint64_t seed);
void worker_end(void);
void doing(enum doing what, int file);
uint32_t chance(uint32_t below);
/* A random file, and often the one that all are after just now. */
int file_choose(void);
uint64_t counted(enum counter counter, uint64_t add);
int64_t now_us(void);
void sleep_us(unsigned int us);
bool over(void);
/* Notes the failure, if it is the first, stops all, and ends the process. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Looks at a child's exit status. */
void child_ended(pid_t pid, int status);

/* ---- pattern.c: what is in the files ---- */

/* The size of a generation, and whether a page of it is a hole. */
uint64_t pattern_size(int file, uint32_t generation);
bool pattern_hole(int file, uint32_t generation, uint64_t page);
void pattern_page(int file, uint32_t generation, uint64_t size, uint64_t page, void *out);
/* What the bytes around offset within a page look like, for people. */
void pattern_describe(const unsigned char *page, size_t offset, char *out, size_t size);
void path_of(int file, char *out, size_t size);

/* ---- change.c: what is done to them ---- */

void change(int file);
/* The first generation of all. */
void files_make(void);
/* Ends the changes of processes that were killed. */
void changes_repair(void);
const char *change_name(unsigned int kind);

/* ---- view.c: what is seen of them ---- */

/* One capture, as it was read at first. */
struct capture {
	unsigned int users;
	int file;
	bool exact; /* generation and size are known */
	uint32_t generation;
	uint64_t size;
	uint64_t first; /* page of the file */
	size_t pages;
	unsigned char *bytes;
	bool *beyond; /* past the end: SIGBUS */
};

/* One contiguous part of a mapping, of one protection. */
struct view {
	unsigned char *at;
	size_t pages;
	struct capture *capture; /* NULL: anonymous memory */
	size_t from;		 /* page in the capture */
	int protection;
	bool shared, not_forked;
	uint32_t *stamps;	/* per page: what we stored there, or 0 */
	const char *history[6]; /* the last calls, for reports */
	unsigned int calls;
};

struct reader {
	struct view views[VIEWS];
	size_t count, limit;
	int depth;	   /* of forks */
	bool unprivileged; /* may not write */
};

void view_history(struct view *view, const char *call);
/* Reads pages [from, from + pages) of the capture at an address, for the first time. */
void capture_learn(struct capture *capture, size_t from, size_t pages, unsigned char *at,
		   const struct view *view);
struct capture *capture_new(int file, uint64_t first, size_t pages);
void capture_drop(struct capture *capture);
void view_check(const struct view *view, const char *when);
void view_store(struct view *view, size_t page);
/* Makes a view of exactly these pages of views[index], with what is left beside it in others; NULL
 * when there is no room. */
struct view *view_cut(struct reader *reader, size_t index, size_t page, size_t pages);
void view_forget(struct reader *reader, struct view *view);
void faults_catch(void);
/* fail() about a place in a view. */
_Noreturn void view_fail(const struct view *view, size_t page, const char *what);

/* ---- take.c ---- */

struct wish {
	int file;
	unsigned char *at; /* for MAP_FIXED, or NULL: with pages, at most */
	size_t pages;
	/* what came of it */
	int fd, protection, flags;
	size_t bytes;
	uint64_t first;
};

/* Adds a view of a random kind and window. False: there is none. */
bool snapshot_take(struct reader *reader, struct wish *wish);

/* ---- operations.c ---- */

void view_unmap(struct reader *reader, struct view *view);
/* Maps something else over it. */
void view_cover(struct reader *reader, struct view *view);
void view_shrink(struct view *view, size_t pages);
void view_grow(struct view *view, size_t pages);
void view_move(struct view *view);
void view_protect(struct view *view, int protection);
void view_store_some(struct view *view);
void view_drop(struct view *view);
void view_advise(struct view *view);

/* ---- reader.c ---- */

void reader_check(const struct reader *reader, const char *when);
/* operations until the time is over, or until so many are done. */
void reader_run(struct reader *reader, unsigned int operations, int64_t until_us);
void reader_finish(struct reader *reader);

/* ---- process.c ---- */

void take_low_priority(void);
void reader_main(uint64_t serial);
void writer_main(uint64_t serial);

/* ---- child.c ---- */

void reader_fork(struct reader *reader);
void children_reap(bool all);

/* ---- summary.c ---- */

/* Counts the log's records; false, having said so, when there are some that must not be. */
bool log_count(const char *path);
void summary_print(void);

/* ---- watch.c ---- */

/* The processes that come from this one: the number, at most so many. */
size_t descendants(pid_t *out, size_t most);
/* Prints each of them: status, and each thread's place in the kernel. */
void watch_report(void);
/* The worker that has made no progress for so long, or NULL. */
const struct worker *watch_stuck(int seconds);

#endif
