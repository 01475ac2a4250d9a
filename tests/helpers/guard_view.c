/* SPDX-License-Identifier: MIT */
/*
 * S1, S3 to S5, S11 for read-only mappings, which are guarded: they show the file itself until
 * somebody comes to write, and the old pages afterwards.
 */
#include <sys/auxv.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/time.h>

#include "guard_helper.h"

#define FILE_NAME "guard.data"
#define PAGES	  16
#define BYTES	  (PAGES * PAGE)

/* --- ways to change the file --- */

static int open_for_writing(int flags)
{
	return sure(open(FILE_NAME, O_RDWR | O_CLOEXEC | flags));
}

ACTS(way, void, void)
#define WAY(name)	  ACT(way, #name, way_##name) static void way_##name(void)
#define WAY_IS(name, ...) WAY(name) DOES(__VA_ARGS__)

WAY_IS(write, file_overwrite(FILE_NAME, 2, 0, PAGES))
WAY_IS(o_trunc, must(close(open_for_writing(O_TRUNC)) == 0))

WAY_IS(truncate, must(truncate(FILE_NAME, 10) == 0))

WAY(shared)
{
	int fd = open_for_writing(0);
	char *shared = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	must(shared != MAP_FAILED && close(fd) == 0);
	for (size_t i = 0; i < PAGES; i++)
		pattern_fill(shared + i * PAGE, 2, i);
	must(munmap(shared, BYTES) == 0);
}

WAY(punch)
{
	int fd = open_for_writing(0);

	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BYTES))
		skip("no holes on this file system");
	must(close(fd) == 0);
}

WAY(cut_twice)
{
	int fd = open_for_writing(0);

	must(ftruncate(fd, 0) == 0 && ftruncate(fd, BYTES) == 0);
	file_fill(fd, 3, 0, PAGES / 2);
	must(close(fd) == 0);
}

static const char *const doers[] = { "other", "thread", "self" };

struct trial {
	const struct way *way;
	unsigned int who;
	bool touched;
};

static void act_in_other(const void *way)
{
	((const struct way *)way)->act();
}

static void *act_in_thread(void *way)
{
	((const struct way *)way)->act();
	return NULL;
}

static void survives(const void *argument)
{
	const struct trial *trial = argument;
	struct other other = { 0 };

	if (trial->who == 0)
		other = other_start(act_in_other, trial->way);
	unlink(FILE_NAME);
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);
	if (trial->touched)
		view_check(view, 1, 0, PAGES, "before the change");
	if (trial->who == 0)
		other_go(&other);
	else if (trial->who == 1)
		in_thread(act_in_thread, (void *)(uintptr_t)trial->way);
	else
		trial->way->act();
	preserved_check(view, "after the change");
	view_check(view, 1, 0, PAGES, "after the change");
	must(madvise(view, BYTES, MADV_DONTNEED) == 0);
	view_check(view, 1, 0, PAGES, "after MADV_DONTNEED");
	if (trial->who == 0)
		other_end(&other);
}

/* --- several mappings of one file --- */

CASE(several_at_different_times)
{
	char *first = guarded_make(FILE_NAME, PROT_READ, PAGES);
	char *window = view_make(FILE_NAME, PROT_READ, 4, 4), *second, *third;

	guarded_check(window, "a second mapping under the same lease");
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	second = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	guarded_check(second, "a mapping after the break");
	must(munmap(window + PAGE, PAGE) == 0);
	file_overwrite(FILE_NAME, 3, 0, PAGES);
	third = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	must(truncate(FILE_NAME, 0) == 0);
	view_check(first, 1, 0, PAGES, "mapped before the first break");
	view_check(window, 1, 4, 1, "the first piece of the window");
	view_check(window + 2 * PAGE, 1, 6, 2, "the second piece of the window");
	view_check(second, 2, 0, PAGES, "mapped between the breaks");
	view_check(third, 3, 0, PAGES, "mapped after the second break");
}

/* All windows of one break are put aside, and only they. */
CASE(many_windows)
{
	char *views[PAGES];

	file_make(FILE_NAME, 1, PAGES);
	for (size_t i = 0; i < PAGES; i++) {
		views[i] = view_make(FILE_NAME, PROT_READ, i, 1);
		guarded_check(views[i], "a window");
	}
	for (size_t i = 0; i < PAGES; i += 3)
		must(munmap(views[i], PAGE) == 0);
	way_cut_twice();
	for (size_t i = 0; i < PAGES; i++)
		if (i % 3)
			view_check(views[i], 1, i, 1, "a window");
}

/* Somebody writes while a mapping is made: it is copied, and what was guarded before stays. */
PROMISE_WIDTHS(S1, a_file_that_is_being_written_is_not_guarded)
{
	char *before = guarded_make(FILE_NAME, PROT_READ, PAGES), *during, *after;

	int fd = open_for_writing(0);
	file_fill(fd, 2, 0, PAGES);
	during = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	promise(!mmfence_active() || strcmp(engine_at(during), "guard"),
		"guarded although a writer is there");
	file_fill(fd, 3, 0, PAGES);
	must(close(fd) == 0);
	after = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	guarded_check(after, "after the writer");
	way_o_trunc();
	view_check(before, 1, 0, PAGES, "before the writer");
	view_check(during, 2, 0, PAGES, "during the writer");
	view_check(after, 3, 0, PAGES, "after the writer");
}

/* A moved or grown mapping is guarded where it is, and shows the file of its capture there. */
CASE(moved_and_grown)
{
	file_make(FILE_NAME, 1, PAGES);
	char *room = mmap(NULL, 4 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES / 2);

	must(room != MAP_FAILED);
	guarded_check(view, "before the move");
	promise(mremap(view, BYTES / 2, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, room + BYTES) ==
			room + BYTES,
		"a guarded mapping did not grow: %s", strerror(errno));
	view_check(room + BYTES, 1, 0, PAGES, "grown");
	way_cut_twice();
	view_check(room + BYTES, 1, 0, PAGES, "grown, and then the file was cut");
}

/* Grown after the break, as far as the file was held: S5. */
CASE(grows_only_over_what_was_put_aside)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES / 2);

	way_write();
	char *grown = mremap(view, BYTES / 2, BYTES, MREMAP_MAYMOVE);
	if (grown != MAP_FAILED) {
		view_check(grown, 1, 0, PAGES, "grown after the break");
		return;
	}
	promise(errno == ENOMEM, "mremap: %s", strerror(errno));
	view_check(view, 1, 0, PAGES / 2, "what was mapped");
}

/* --- pieces with attributes of their own --- */

struct area {
	char flags[200];
	long locked, key;
};

/* The VMA at this address, as smaps has it; its permissions are among the flags. */
static void area_get(const void *address, struct area *area)
{
	char line[4608];

	snprintf(area->flags, sizeof(area->flags), "%.190s",
		 smaps_line(address, "VmFlags:", line, sizeof(line)));
	/* Soft-dirty says that it is new, not what it is. */
	for (char *at; (at = strstr(area->flags, " sd"));)
		memmove(at, at + 3, strlen(at + 3) + 1);
	area->key = atol(smaps_line(address, "ProtectionKey:", line, sizeof(line)));
	area->locked = atol(smaps_line(address, "Locked:", line, sizeof(line))) > 0;
}

static void same_areas(const struct area *before, const char *view, size_t pages)
{
	struct area now;

	for (size_t i = 0; i < pages; i++) {
		area_get(view + i * PAGE, &now);
		promise(!strcmp(before[i].flags, now.flags), "page %zu: VmFlags%s, were%s", i,
			now.flags, before[i].flags);
		promise(before[i].key == now.key, "page %zu: protection key %ld, was %ld", i,
			now.key, before[i].key);
		promise(before[i].locked == now.locked, "page %zu: the lock is gone", i);
	}
}

ACTS(piece, void, char *view)
#define PIECE(name)	    ACT(piece, #name, piece_##name) static void piece_##name(char *view)
#define PIECE_IS(name, ...) PIECE(name) DOES(__VA_ARGS__)

/* Each does something to one page or more. */
PIECE(protection)
{
	must(mprotect(view + PAGE, PAGE, PROT_NONE) == 0);
	must(mprotect(view + 3 * PAGE, 2 * PAGE, PROT_READ | PROT_EXEC) == 0);
	must(mprotect(view + 15 * PAGE, PAGE, PROT_EXEC) == 0);
}

PIECE_IS(mlock, must(mlock(view + 2 * PAGE, 2 * PAGE) == 0))
PIECE_IS(mlock_by_number, must(syscall(SYS_mlock, view + 2 * PAGE, 2 * PAGE) == 0))

PIECE(mlock2)
{
	if (mlock2(view + 2 * PAGE, 2 * PAGE, MLOCK_ONFAULT))
		skip("no mlock2 before Linux 4.4");
}

PIECE_IS(mlockall, must(view &&mlockall(MCL_CURRENT) == 0))

PIECE(unlocked)
{
	piece_mlock(view);
	must(munlock(view + 2 * PAGE, PAGE) == 0);
}

PIECE(advice)
{
	static const int advice[] = { MADV_RANDOM, MADV_SEQUENTIAL, MADV_DONTFORK, MADV_DONTDUMP };

	for (size_t i = 0; i < COUNT(advice); i++)
		must(madvise(view + (4 + 2 * i) * PAGE, PAGE, advice[i]) == 0);
}

PIECE_IS(posix_advice, must(posix_madvise(view + 4 * PAGE, PAGE, POSIX_MADV_RANDOM) == 0))
PIECE_IS(advice_by_number, must(syscall(SYS_madvise, view + 4 * PAGE, PAGE, MADV_DONTDUMP) == 0))

PIECE(huge)
{
	if (madvise(view + 4 * PAGE, PAGE, MADV_HUGEPAGE) ||
	    madvise(view + 8 * PAGE, PAGE, MADV_NOHUGEPAGE))
		skip("no huge pages in this kernel");
}

PIECE(all)
{
	piece_protection(view);
	piece_advice(view);
	must(mlock(view + 2 * PAGE, 2 * PAGE) == 0);
	must(mlock(view + 10 * PAGE, 3 * PAGE) == 0);
	must(madvise(view + 10 * PAGE, 4 * PAGE, MADV_DONTDUMP) == 0);
}

PIECE(key)
{
	int key = pkey_alloc(0, 0);

	if (key < 0)
		skip("no protection keys on this processor");
	must(pkey_mprotect(view + 4 * PAGE, 4 * PAGE, PROT_READ, key) == 0);
}

static void pieces_keep_their_attributes(const void *piece)
{
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);
	struct area before[PAGES];

	((const struct piece *)piece)->act(view);
	for (size_t i = 0; i < PAGES; i++)
		area_get(view + i * PAGE, &before[i]);
	guarded_check(view, "with attributes");
	way_cut_twice();
	preserved_check(view, "after the change");
	same_areas(before, view, PAGES);
	must(mprotect(view, BYTES, PROT_READ) == 0);
	view_check(view, 1, 0, PAGES, "after the change");
}

/* The flags of mmap itself. */
static void map_flags_stay(const void *flags)
{
	struct area before, after;

	file_make(FILE_NAME, 1, PAGES);
	int fd = file_open(FILE_NAME);
	char *view = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE | *(const int *)flags, fd, 0);
	must(view != MAP_FAILED && close(fd) == 0);
	guarded_check(view, "with a flag");
	area_get(view, &before);
	way_write();
	area_get(view, &after);
	promise(!strcmp(before.flags, after.flags), "VmFlags%s, were%s", after.flags, before.flags);
	view_check(view, 1, 0, PAGES, "after the change");
}

/* --- S3: made writable --- */

static void stores_stay(char *view)
{
	for (size_t i = 0; i < PAGES; i += 2)
		pattern_fill(view + i * PAGE, 9, i);
	way_write();
	must(truncate(FILE_NAME, 0) == 0);
	for (size_t i = 0; i < PAGES; i++)
		view_check(view + i * PAGE, i % 2 ? 1 : 9, i, 1, "own stores and captured pages");
}

CASE(writable_is_preserved_first)
{
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	must(mprotect(view, BYTES, PROT_READ | PROT_WRITE) == 0);
	preserved_check(view, "made writable");
	view_check(view, 1, 0, PAGES, "made writable");
	stores_stay(view);
}

CASE(writable_by_number)
{
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	must(syscall(SYS_mprotect, view, BYTES, PROT_READ | PROT_WRITE) == 0);
	preserved_check(view, "made writable");
	stores_stay(view);
}

/* A part of one, another's part, and an ordinary mapping in between. */
CASE(writable_across)
{
	char *room = sure(mmap(NULL, 3 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	file_make(FILE_NAME, 1, PAGES);
	file_make("guard.second", 4, PAGES);
	for (int i = 0; i < 2; i++) {
		int fd = file_open(i ? "guard.second" : FILE_NAME);
		must(mmap(room + (size_t)i * 2 * BYTES, BYTES, PROT_READ, MAP_PRIVATE | MAP_FIXED,
			  fd, 0) != MAP_FAILED);
		must(close(fd) == 0);
		guarded_check(room + (size_t)i * 2 * BYTES, "one of two");
	}
	must(mprotect(room + BYTES / 2, 2 * BYTES, PROT_READ | PROT_WRITE) == 0);
	pattern_fill(room + BYTES - PAGE, 9, PAGES - 1);
	pattern_fill(room + 2 * BYTES, 9, 0);
	way_cut_twice();
	must(truncate("guard.second", 0) == 0);
	view_check(room, 1, 0, PAGES - 1, "the first file");
	view_check(room + BYTES - PAGE, 9, PAGES - 1, 1, "a store in the first");
	view_check(room + 2 * BYTES, 9, 0, 1, "a store in the second");
	view_check(room + 2 * BYTES + PAGE, 4, 1, PAGES - 1, "the second file");
	promise(page_is_zero(room + BYTES), "the mapping in between was touched");
}

/* Nothing was made writable: the kernel said no, and the promise is there still. */
CASE(writable_over_a_gap)
{
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	must(munmap(view + 2 * PAGE, PAGE) == 0);
	promise(mprotect(view, BYTES, PROT_READ | PROT_WRITE) == -1 && errno == ENOMEM,
		"mprotect over a gap: %s", strerror(errno));
	way_cut_twice();
	view_check(view, 1, 0, 2, "before the gap");
	view_check(view + 3 * PAGE, 1, 3, PAGES - 3, "behind the gap");
}

/* Made writable by many threads at once, and stored to at once: no store is lost. */
struct share {
	char *view;
	size_t page;
};

static void *store_to_page(void *argument)
{
	struct share *share = argument;
	char *at = share->view + share->page * PAGE;

	must(mprotect(at, PAGE, PROT_READ | PROT_WRITE) == 0);
	pattern_fill(at, 9, share->page);
	return NULL;
}

static void *overwrite_now(void *unused)
{
	(void)unused;
	way_cut_twice();
	return NULL;
}

PROMISE_WIDTHS(S3, stores_of_many_threads_stay_over_the_preserve)
{
	for (int round = 0; round < 20; round++) {
		char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);
		struct share shares[PAGES];
		pthread_t threads[PAGES], writer;
		must(pthread_create(&writer, NULL, overwrite_now, NULL) == 0);
		for (size_t i = 0; i < PAGES; i += 2) {
			shares[i] = (struct share){ view, i };
			must(pthread_create(&threads[i], NULL, store_to_page, &shares[i]) == 0);
		}
		for (size_t i = 0; i < PAGES; i += 2)
			must(pthread_join(threads[i], NULL) == 0);
		must(pthread_join(writer, NULL) == 0);
		for (size_t i = 0; i < PAGES; i++)
			view_check(view + i * PAGE, i % 2 ? 1 : 9, i, 1,
				   "a store, or what was there");
		must(munmap(view, BYTES) == 0);
	}
}

/* --- S5: unmapped --- */

/* The last piece is gone: so is the lease, and whoever comes need not wait. */
CASE(unmapped_gives_the_lease_back)
{
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);
	struct file_id id = id_of(FILE_NAME);

	promise(leases_of(id, NULL) == 1, "%d leases for one file", leases_of(id, NULL));
	must(munmap(view, BYTES / 2) == 0);
	must(mmap(view + BYTES / 2, BYTES / 4, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		  -1, 0) != MAP_FAILED);
	promise(leases_of(id, "ACTIVE") == 1, "no lease, and a quarter is still mapped");
	must(munmap(view + BYTES / 4 * 3, BYTES / 4) == 0);
	wait_until(!leases_of(id, NULL));
	wait_until(!process_has_open(FILE_NAME));
	promise(try_to_write(FILE_NAME) == 0, "a writer would still wait");
}

/* The writer comes before the lease is back: nothing is copied for it. */
CASE(unmapped_lets_the_writer_in, HOLDS_BARE)
{
	for (int i = 0; i < 200; i++) {
		char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);
		must(munmap(view, BYTES) == 0);
		way_o_trunc();
	}
}

static void try_write_lease(const void *unused)
{
	int fd = file_open(FILE_NAME);

	(void)unused;
	wait_until(fcntl(fd, F_SETLEASE, F_WRLCK) == 0 || (errno != EAGAIN && errno != EBUSY));
	promise(fcntl(fd, F_GETLEASE) == F_WRLCK, "no write lease: %s", strerror(errno));
	must(close(fd) == 0);
}

/* Only who has the file for himself can have a write lease. */
PROMISE_WIDTHS(S5, munmap_of_all_leaves_room_for_a_write_lease, HOLDS_BARE)
{
	struct other other = other_start(try_write_lease, NULL);
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	must(munmap(view, BYTES) == 0);
	other_go(&other);
	other_end(&other);
}

/* Whether the file is still there, name or not: by its handle. Free blocks would tell as well, but
 * not on a file system that others use. */
static bool is_there(int directory, struct file_handle *handle)
{
	int fd = open_by_handle_at(directory, handle, O_PATH);

	return fd >= 0 && close(fd) == 0;
}

CASE(unmapped_frees_the_file, HOLDS_BARE)
{
	struct {
		struct file_handle handle;
		char bytes[MAX_HANDLE_SZ];
	} it = { .handle = { .handle_bytes = MAX_HANDLE_SZ } };
	int directory = open(".", O_RDONLY | O_DIRECTORY), mount;
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	must(directory >= 0);
	if (name_to_handle_at(AT_FDCWD, FILE_NAME, &it.handle, &mount, 0))
		skip("no file handles on this file system");
	must(unlink(FILE_NAME) == 0);
	if (!is_there(directory, &it.handle))
		skip("no file is found by its handle here");
	view_check(view, 1, 0, PAGES, "without a name");
	must(munmap(view, BYTES) == 0);
	wait_until(!is_there(directory, &it.handle));
	must(close(directory) == 0);
}

/* One lease for a file, however many mappings, and only the last gives it back. */
CASE(one_lease_for_many_mappings)
{
	char *views[8];

	file_make(FILE_NAME, 1, PAGES);
	for (size_t i = 0; i < COUNT(views); i++)
		views[i] = view_make(FILE_NAME, PROT_READ, i, PAGES - i);
	promise(leases_of(id_of(FILE_NAME), NULL) == 1, "%d leases",
		leases_of(id_of(FILE_NAME), NULL));
	for (size_t i = 0; i + 1 < COUNT(views); i++)
		must(munmap(views[i], (PAGES - i) * PAGE) == 0);
	guarded_check(views[7], "the last one");
	way_write();
	view_check(views[7], 1, 7, PAGES - 7, "the last one");
}

/* --- S11 --- */

static void nonblocking_writer(const void *argument)
{
	struct file_id id = id_of(FILE_NAME);
	int error = try_to_write(FILE_NAME);

	(void)argument;
	promise(error == EWOULDBLOCK, "the first attempt: %s", strerror(error));
	wait_until(!leases_of(id, NULL));
	error = try_to_write(FILE_NAME);
	promise(error == 0, "the second attempt: %s", strerror(error));
	way_cut_twice();
}

CASE_NAMED("nonblocking_writer", nonblocking_writer_gets_in)
{
	struct other other = other_start(nonblocking_writer, NULL);
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	other_go(&other);
	view_check(view, 1, 0, PAGES, "after a writer that does not wait");
	other_end(&other);
}

/* --- P1: the program's own lease is not to be noticed, nor another fenced program's --- */

static void nonblocking_fenced_writer(const void *argument)
{
	int fd = open(FILE_NAME, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	(void)argument;
	promise(fd >= 0, "refused: %s", strerror(errno));
	must(write(fd, "changed", 7) == 7 && close(fd) == 0);
}

CASE_NAMED("nonblocking_fenced", nonblocking_fenced_gets_in)
{
	struct other other = other_start(nonblocking_fenced_writer, NULL);
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	other_go(&other);
	view_check(view, 1, 0, PAGES, "after a writer that does not wait");
	other_end(&other);
}

#define OWN_FLAGS (O_WRONLY | O_NONBLOCK | O_CLOEXEC)

static _Noreturn void map_until(const volatile char *end)
{
	while (!*end)
		must(munmap(view_make(FILE_NAME, PROT_READ, 0, PAGES), PAGES * PAGE) == 0);
	exit(0);
}

/* Between its turns there is always one of them. */
PROMISE(S15, nonblocking_fenced_among_readers, HOLDS_BARE)
{
	volatile char *end =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t readers[8];

	must(end != MAP_FAILED);
	file_make(FILE_NAME, 1, PAGES);
	for (int i = 0; i < 8; i++)
		if (!(readers[i] = sure(fork())))
			map_until(end);
	for (int i = 0; i < 500; i++) {
		int fd = open(FILE_NAME, OWN_FLAGS);
		promise(fd >= 0, "refused, the %d. time: %s", i, strerror(errno));
		must(close(fd) == 0);
	}
	*end = 1;
	for (int i = 0; i < 8; i++)
		child_wait(readers[i]);
}

static int open_own(void)
{
	return open(FILE_NAME, OWN_FLAGS);
}

static int openat_own(void)
{
	int directory = open(".", O_PATH | O_DIRECTORY);
	int fd = openat(directory, FILE_NAME, OWN_FLAGS);

	must(close(directory) == 0);
	return fd;
}

static int open_own_by_number(void)
{
	return (int)syscall(SYS_openat, AT_FDCWD, FILE_NAME, OWN_FLAGS);
}

static int open_own_by_link(void)
{
	must(symlink(FILE_NAME, "link") == 0);
	int fd = open("link", OWN_FLAGS);
	must(unlink("link") == 0);
	return fd;
}

/* Without the right to (CAP_DAC_READ_SEARCH), by its name. */
static int open_own_by_handle(void)
{
	struct {
		struct file_handle handle;
		char room[MAX_HANDLE_SZ];
	} file = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount, directory = sure(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), fd = -1;

	errno = EPERM;
	if (!geteuid() && !name_to_handle_at(AT_FDCWD, FILE_NAME, &file.handle, &mount, 0)) {
		errno = 0;
		fd = open_by_handle_at(directory, &file.handle, OWN_FLAGS);
	}
	bool tried = fd >= 0 || (errno != EPERM && errno != EOPNOTSUPP);
	must(close(directory) == 0);
	errno = tried ? errno : 0;
	return tried ? fd : open_own();
}

static void own_nonblocking(const void *argument)
{
	int (*const *open_it)(void) = argument;
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	errno = 0;
	int fd = (*open_it)();
	promise(fd >= 0 && errno == 0, "refused: %s", strerror(errno));
	must(write(fd, "changed", 7) == 7 && close(fd) == 0);
	view_check(view, 1, 0, PAGES, "after an own store");
	/* What is refused for another reason stays so. */
	must(mkfifo("pipe", 0600) == 0);
	promise(open("pipe", OWN_FLAGS) == -1 && errno == ENXIO, "a pipe: %s", strerror(errno));
	must(unlink("pipe") == 0);
}

/* --- P1: somebody else's lease, which mmfence's runner holds on FOREIGN, is as it is --- */

#define FOREIGN "foreign"

static void interrupted(int signal)
{
	(void)signal;
}

CASE_NAMED("foreign/interrupted", foreign_lease_can_be_interrupted)
{
	struct sigaction action = { .sa_handler = interrupted };
	struct itimerval tick = { { 0, 10000 }, { 0, 10000 } };

	must(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &tick, NULL) == 0);
	promise(open(FOREIGN, O_WRONLY | O_CLOEXEC) == -1 && errno == EINTR, "open: %m");
	promise(truncate(FOREIGN, 0) == -1 && errno == EINTR, "truncate: %m");
	promise(open(FOREIGN, OWN_FLAGS) == -1 && errno == EAGAIN, "open without waiting: %m");
}

static int handler_errno;

static void open_in_handler(int signal)
{
	(void)signal;
	handler_errno = open(FOREIGN, OWN_FLAGS) < 0 ? errno : 0;
}

/* P2: what a handler needs that opens, and a page for what it calls. */
CASE_NAMED("foreign/small_stack", small_signal_stack_is_enough_for_an_open)
{
	size_t size = (getauxval(AT_MINSIGSTKSZ) + 2 * PAGE) & ~(PAGE - 1);
	struct sigaction action = { .sa_handler = open_in_handler, .sa_flags = SA_ONSTACK };
	char *room = sure(mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	stack_t stack = { .ss_sp = room + 8 * PAGE, .ss_size = size };

	must(mprotect(stack.ss_sp, size, PROT_READ | PROT_WRITE) == 0);
	must(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
	must(raise(SIGUSR1) == 0);
	promise(handler_errno == EAGAIN, "%s", strerror(handler_errno));
}

/* --- S7: shared read-only snapshots --- */

static char *shared_make(const char *path, size_t pages)
{
	int fd = file_open(path);
	char *view = mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, fd, 0);

	must(view != MAP_FAILED && close(fd) == 0);
	return view;
}

static void cannot_be_written(char *view, const char *when)
{
	promise(mprotect(view, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES,
		"%s: mprotect(PROT_WRITE): %s", when, strerror(errno));
	promise(syscall(SYS_mprotect, view, PAGE, PROT_WRITE) == -1 && errno == EACCES,
		"%s: mprotect by number: %s", when, strerror(errno));
}

static void shared_stays(const void *argument)
{
	const struct trial *trial = argument;
	struct other other = { 0 };
	struct area before, after;

	if (trial->who == 0)
		other = other_start(act_in_other, trial->way);
	unlink(FILE_NAME);
	file_make(FILE_NAME, 1, PAGES);
	char *view = shared_make(FILE_NAME, PAGES);
	guarded_check(view, "shared");
	area_get(view, &before);
	if (trial->who == 0)
		other_go(&other);
	else if (trial->who == 1)
		in_thread(act_in_thread, (void *)(uintptr_t)trial->way);
	else
		trial->way->act();
	preserved_check(view, "after the change");
	view_check(view, 1, 0, PAGES, "after the change");
	cannot_be_written(view, "preserved");
	area_get(view, &after);
	promise(!strcmp(before.flags, after.flags), "VmFlags%s, were%s", after.flags, before.flags);
	if (trial->who == 0)
		other_end(&other);
}

/* What the kernel refuses costs nothing. */
CASE(shared_refuses_stores_while_guarded)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = shared_make(FILE_NAME, PAGES);
	cannot_be_written(view, "guarded");
	guarded_check(view, "after mprotect was refused");
	way_cut_twice();
	view_check(view, 1, 0, PAGES, "after the change");
	cannot_be_written(view, "preserved");
}

/* The writer has had its mapping all the time: nothing to guard, so it is copied. */
CASE(shared_beside_a_writable_mapping)
{
	file_make(FILE_NAME, 1, PAGES);
	int fd = open_for_writing(0);
	char *writable = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(writable != MAP_FAILED && close(fd) == 0);
	char *view = shared_make(FILE_NAME, PAGES);
	for (size_t i = 0; i < PAGES; i++)
		pattern_fill(writable + i * PAGE, 2, i);
	view_check(view, 1, 0, PAGES, "after stores through the writable mapping");
	cannot_be_written(view, "copied");
}

/* Private and shared mappings of one file under one lease. */
CASE(shared_and_private)
{
	file_make(FILE_NAME, 1, PAGES);
	char *shared = shared_make(FILE_NAME, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	must(mprotect(view + PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
	pattern_fill(view + PAGE, 9, 1);
	way_cut_twice();
	view_check(shared, 1, 0, PAGES, "the shared one");
	view_check(view + PAGE, 9, 1, 1, "a store through the private one");
	view_check(view + 2 * PAGE, 1, 2, PAGES - 2, "the private one");
	cannot_be_written(shared, "beside a private one");
}

/* --- cases --- */

static void add_ways(const char *kind, void (*run)(const void *))
{
	static struct trial trials[COUNT(ways) * COUNT(doers) * 2];

	for (unsigned int i = 0; i < way_count * COUNT(doers) * 2; i++) {
		unsigned int who = i / 2 % COUNT(doers);
		trials[i] = (struct trial){ &ways[i / 2 / COUNT(doers)], who, i % 2 };
		case_make(run, &trials[i], false, "%s/%s/%s/%s", kind, trials[i].way->name,
			  doers[who], i % 2 ? "touched" : "untouched");
	}
}

static const int locked = MAP_LOCKED, no_reserve = MAP_NORESERVE, populated = MAP_POPULATE;
static int (*const by_open)(void) = open_own, (*const by_openat)(void) = openat_own,
		   (*const by_number)(void) = open_own_by_number,
		   (*const by_link)(void) = open_own_by_link,
		   (*const by_handle)(void) = open_own_by_handle;
CASE_OF("map/locked", map_flags_stay, &locked)
CASE_OF("map/no_reserve", map_flags_stay, &no_reserve)
CASE_OF("map/populated", map_flags_stay, &populated)
CASE_OF("own_nonblocking/open", own_nonblocking, &by_open)
CASE_OF("own_nonblocking/openat", own_nonblocking, &by_openat)
CASE_OF("own_nonblocking/number", own_nonblocking, &by_number)
CASE_OF("own_nonblocking/link", own_nonblocking, &by_link)
CASE_OF("own_nonblocking/handle", own_nonblocking, &by_handle)

int main(int argc, char **argv)
{
	add_ways("survives", survives);
	add_ways("shared", shared_stays);
	for (size_t i = 0; i < piece_count; i++)
		case_make(pieces_keep_their_attributes, &pieces[i], false, "piece/%s",
			  pieces[i].name);
	return cases_main(argc, argv);
}
