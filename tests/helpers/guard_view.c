/* SPDX-License-Identifier: MIT */
/*
 * S1, S3 to S5, S11 for read-only mappings, which are guarded: they show the file itself until
 * somebody comes to write, and the old pages afterwards.
 */
#include <sys/sendfile.h>
#include <sys/statfs.h>

#include "guard_helper.h"

#define FILE_NAME "guard.data"
#define PAGES	  16
#define BYTES	  (PAGES * PAGE)

/* --- ways to change the file --- */

static int open_for_writing(int flags)
{
	int fd = open(FILE_NAME, O_RDWR | O_CLOEXEC | flags);

	must(fd >= 0);
	return fd;
}

static void way_write(void)
{
	file_overwrite(FILE_NAME, 2, 0, PAGES);
}

static void way_o_trunc(void)
{
	must(close(open_for_writing(O_TRUNC)) == 0);
}

static void way_truncate(void)
{
	must(truncate(FILE_NAME, 10) == 0);
}

static void way_shared(void)
{
	int fd = open_for_writing(0);
	char *shared = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	must(shared != MAP_FAILED && close(fd) == 0);
	for (size_t i = 0; i < PAGES; i++)
		pattern_fill(shared + i * PAGE, 2, i);
	must(munmap(shared, BYTES) == 0);
}

static void way_punch(void)
{
	int fd = open_for_writing(0);

	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BYTES))
		skip("no holes on this file system");
	must(close(fd) == 0);
}

static void way_cut_twice(void)
{
	int fd = open_for_writing(0);

	must(ftruncate(fd, 0) == 0 && ftruncate(fd, BYTES) == 0);
	file_fill(fd, 3, 0, PAGES / 2);
	must(close(fd) == 0);
}

static const struct way {
	const char *name;
	void (*act)(void);
} ways[] = {
	{ "write", way_write },	  { "o_trunc", way_o_trunc }, { "truncate", way_truncate },
	{ "shared", way_shared }, { "punch", way_punch },     { "cut_twice", way_cut_twice },
};

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

static void several_at_different_times(const void *unused)
{
	char *first = guarded_make(FILE_NAME, PROT_READ, PAGES);
	char *window = view_make(FILE_NAME, PROT_READ, 4, 4), *second, *third;

	(void)unused;
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
static void many_windows(const void *unused)
{
	char *views[PAGES];

	(void)unused;
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
static void copied_while_a_writer_is_there(const void *unused)
{
	char *before = guarded_make(FILE_NAME, PROT_READ, PAGES), *during, *after;

	(void)unused;
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
static void moved_and_grown(const void *unused)
{
	(void)unused;
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
static void grows_only_over_what_was_put_aside(const void *unused)
{
	(void)unused;
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
	char permissions[8];
	long locked, key;
};

/* The VMA at this address, as smaps has it. */
static void area_get(const void *address, struct area *area)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	unsigned long long start, end;
	char line[4608], permissions[8];
	bool here = false;

	must(smaps);
	memset(area, 0, sizeof(*area));
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%llx-%llx %7s", &start, &end, permissions) == 3) {
			here = (uintptr_t)address >= start && (uintptr_t)address < end;
			if (here)
				strcpy(area->permissions, permissions);
		} else if (here && sscanf(line, "ProtectionKey: %ld", &area->key) == 1) {
			continue;
		} else if (here && !strncmp(line, "Locked:", 7)) {
			area->locked = atol(line + 7) > 0;
		} else if (here && !strncmp(line, "VmFlags:", 8)) {
			snprintf(area->flags, sizeof(area->flags), "%.190s", line + 8);
			/* Soft-dirty says that it is new, not what it is. */
			for (char *at; (at = strstr(area->flags, " sd"));)
				memmove(at, at + 3, strlen(at + 3) + 1);
			area->flags[strcspn(area->flags, "\n")] = 0;
		}
	}
	fclose(smaps);
}

static void same_areas(const struct area *before, const char *view, size_t pages)
{
	struct area now;

	for (size_t i = 0; i < pages; i++) {
		area_get(view + i * PAGE, &now);
		promise(!strcmp(before[i].permissions, now.permissions), "page %zu: %s, was %s", i,
			now.permissions, before[i].permissions);
		promise(!strcmp(before[i].flags, now.flags), "page %zu: VmFlags%s, were%s", i,
			now.flags, before[i].flags);
		promise(before[i].key == now.key, "page %zu: protection key %ld, was %ld", i,
			now.key, before[i].key);
		promise(before[i].locked == now.locked, "page %zu: the lock is gone", i);
	}
}

/* Each does something to one page or more. */
static void piece_protection(char *view)
{
	must(mprotect(view + PAGE, PAGE, PROT_NONE) == 0);
	must(mprotect(view + 3 * PAGE, 2 * PAGE, PROT_READ | PROT_EXEC) == 0);
	must(mprotect(view + 15 * PAGE, PAGE, PROT_EXEC) == 0);
}

static void piece_mlock(char *view)
{
	must(mlock(view + 2 * PAGE, 2 * PAGE) == 0);
}

static void piece_mlock_by_number(char *view)
{
	must(syscall(SYS_mlock, view + 2 * PAGE, 2 * PAGE) == 0);
}

static void piece_mlock2(char *view)
{
	if (mlock2(view + 2 * PAGE, 2 * PAGE, MLOCK_ONFAULT))
		skip("no mlock2 before Linux 4.4");
}

static void piece_mlockall(char *view)
{
	(void)view;
	must(mlockall(MCL_CURRENT) == 0);
}

static void piece_unlocked(char *view)
{
	piece_mlock(view);
	must(munlock(view + 2 * PAGE, PAGE) == 0);
}

static void piece_advice(char *view)
{
	static const int advice[] = { MADV_RANDOM, MADV_SEQUENTIAL, MADV_DONTFORK, MADV_DONTDUMP };

	for (size_t i = 0; i < COUNT(advice); i++)
		must(madvise(view + (4 + 2 * i) * PAGE, PAGE, advice[i]) == 0);
}

static void piece_posix_advice(char *view)
{
	must(posix_madvise(view + 4 * PAGE, PAGE, POSIX_MADV_RANDOM) == 0);
}

static void piece_advice_by_number(char *view)
{
	must(syscall(SYS_madvise, view + 4 * PAGE, PAGE, MADV_DONTDUMP) == 0);
}

static void piece_huge(char *view)
{
	if (madvise(view + 4 * PAGE, PAGE, MADV_HUGEPAGE) ||
	    madvise(view + 8 * PAGE, PAGE, MADV_NOHUGEPAGE))
		skip("no huge pages in this kernel");
}

static void piece_all(char *view)
{
	piece_protection(view);
	piece_advice(view);
	must(mlock(view + 2 * PAGE, 2 * PAGE) == 0);
	must(mlock(view + 10 * PAGE, 3 * PAGE) == 0);
	must(madvise(view + 10 * PAGE, 4 * PAGE, MADV_DONTDUMP) == 0);
}

static void piece_key(char *view)
{
	int key = pkey_alloc(0, 0);

	if (key < 0)
		skip("no protection keys on this processor");
	must(pkey_mprotect(view + 4 * PAGE, 4 * PAGE, PROT_READ, key) == 0);
}

typedef void piece_act(char *view);
static const struct piece {
	const char *name;
	piece_act *act;
} pieces[] = {
	{ "protection", piece_protection },
	{ "mlock", piece_mlock },
	{ "mlock_by_number", piece_mlock_by_number },
	{ "mlock2", piece_mlock2 },
	{ "mlockall", piece_mlockall },
	{ "unlocked", piece_unlocked },
	{ "advice", piece_advice },
	{ "posix_advice", piece_posix_advice },
	{ "advice_by_number", piece_advice_by_number },
	{ "huge", piece_huge },
	{ "all", piece_all },
	{ "key", piece_key },
};

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

static void writable_is_preserved_first(const void *unused)
{
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	(void)unused;
	must(mprotect(view, BYTES, PROT_READ | PROT_WRITE) == 0);
	preserved_check(view, "made writable");
	view_check(view, 1, 0, PAGES, "made writable");
	stores_stay(view);
}

static void writable_by_number(const void *unused)
{
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	(void)unused;
	must(syscall(SYS_mprotect, view, BYTES, PROT_READ | PROT_WRITE) == 0);
	preserved_check(view, "made writable");
	stores_stay(view);
}

/* A part of one, another's part, and an ordinary mapping in between. */
static void writable_across(const void *unused)
{
	char *room = mmap(NULL, 3 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	must(room != MAP_FAILED);
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
static void writable_over_a_gap(const void *unused)
{
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	(void)unused;
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

static void stores_of_many_threads_stay(const void *unused)
{
	(void)unused;
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
static void unmapped_gives_the_lease_back(const void *unused)
{
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);
	struct file_id id = id_of(FILE_NAME);

	(void)unused;
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
static void unmapped_lets_the_writer_in(const void *unused)
{
	(void)unused;
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
static void unmapped_leaves_room_for_a_write_lease(const void *unused)
{
	struct other other = other_start(try_write_lease, NULL);
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	(void)unused;
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

static void unmapped_frees_the_file(const void *unused)
{
	struct {
		struct file_handle handle;
		char bytes[MAX_HANDLE_SZ];
	} it = { .handle = { .handle_bytes = MAX_HANDLE_SZ } };
	int directory = open(".", O_RDONLY | O_DIRECTORY), mount;
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	(void)unused;
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
static void one_lease_for_many_mappings(const void *unused)
{
	char *views[8];

	(void)unused;
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

static void nonblocking_writer_gets_in(const void *unused)
{
	struct other other = other_start(nonblocking_writer, NULL);
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	(void)unused;
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

static void nonblocking_fenced_gets_in(const void *unused)
{
	struct other other = other_start(nonblocking_fenced_writer, NULL);
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	(void)unused;
	other_go(&other);
	view_check(view, 1, 0, PAGES, "after a writer that does not wait");
	other_end(&other);
}

#define OWN_FLAGS (O_WRONLY | O_NONBLOCK | O_CLOEXEC)

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
	promise(!strcmp(before.permissions, after.permissions) &&
			!strcmp(before.flags, after.flags),
		"%s%s, was %s%s", after.permissions, after.flags, before.permissions, before.flags);
	if (trial->who == 0)
		other_end(&other);
}

/* What the kernel refuses costs nothing. */
static void shared_refuses_stores_while_guarded(const void *unused)
{
	(void)unused;
	file_make(FILE_NAME, 1, PAGES);
	char *view = shared_make(FILE_NAME, PAGES);
	cannot_be_written(view, "guarded");
	guarded_check(view, "after mprotect was refused");
	way_cut_twice();
	view_check(view, 1, 0, PAGES, "after the change");
	cannot_be_written(view, "preserved");
}

/* The writer has had its mapping all the time: nothing to guard, so it is copied. */
static void shared_beside_a_writable_mapping(const void *unused)
{
	(void)unused;
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
static void shared_and_private(const void *unused)
{
	(void)unused;
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

#define WAY_TRIALS (COUNT(ways) * COUNT(doers) * 2)

static struct test_case cases[2 * WAY_TRIALS + COUNT(pieces) + 40];
static struct trial trials[WAY_TRIALS];
static char names[2 * WAY_TRIALS + COUNT(pieces)][64];

static size_t add_ways(size_t count, const char *kind, void (*run)(const void *))
{
	for (size_t i = 0; i < WAY_TRIALS; i++, count++) {
		unsigned int who = i / 2 % COUNT(doers);
		trials[i] = (struct trial){ &ways[i / 2 / COUNT(doers)], who, i % 2 };
		snprintf(names[count], sizeof(names[count]), "%s/%s/%s/%s", kind,
			 trials[i].way->name, doers[who], i % 2 ? "touched" : "untouched");
		cases[count] = (struct test_case){ names[count], run, &trials[i], false };
	}
	return count;
}

static size_t add_pieces(size_t count)
{
	for (size_t i = 0; i < COUNT(pieces); i++, count++) {
		snprintf(names[count], sizeof(names[count]), "piece/%s", pieces[i].name);
		cases[count] = (struct test_case){ names[count], pieces_keep_their_attributes,
						   &pieces[i], false };
	}
	return count;
}

int main(int argc, char **argv)
{
	static const int locked = MAP_LOCKED, no_reserve = MAP_NORESERVE, populated = MAP_POPULATE;
	static int (*const by_open)(void) = open_own, (*const by_openat)(void) = openat_own,
			   (*const by_number)(void) = open_own_by_number,
			   (*const by_link)(void) = open_own_by_link;
	static const struct test_case others[] = {
		{ "several_at_different_times", several_at_different_times, NULL, false },
		{ "many_windows", many_windows, NULL, false },
		{ "copied_while_a_writer_is_there", copied_while_a_writer_is_there, NULL, false },
		{ "moved_and_grown", moved_and_grown, NULL, false },
		{ "grows_only_over_what_was_put_aside", grows_only_over_what_was_put_aside, NULL,
		  false },
		{ "map/locked", map_flags_stay, &locked, false },
		{ "map/no_reserve", map_flags_stay, &no_reserve, false },
		{ "map/populated", map_flags_stay, &populated, false },
		{ "writable_is_preserved_first", writable_is_preserved_first, NULL, false },
		{ "writable_by_number", writable_by_number, NULL, false },
		{ "writable_across", writable_across, NULL, false },
		{ "writable_over_a_gap", writable_over_a_gap, NULL, false },
		{ "stores_of_many_threads_stay", stores_of_many_threads_stay, NULL, false },
		{ "unmapped_gives_the_lease_back", unmapped_gives_the_lease_back, NULL, false },
		{ "unmapped_lets_the_writer_in", unmapped_lets_the_writer_in, NULL, HOLDS_BARE },
		{ "unmapped_leaves_room_for_a_write_lease", unmapped_leaves_room_for_a_write_lease,
		  NULL, HOLDS_BARE },
		{ "unmapped_frees_the_file", unmapped_frees_the_file, NULL, HOLDS_BARE },
		{ "one_lease_for_many_mappings", one_lease_for_many_mappings, NULL, false },
		{ "nonblocking_writer", nonblocking_writer_gets_in, NULL, false },
		{ "nonblocking_fenced", nonblocking_fenced_gets_in, NULL, false },
		{ "own_nonblocking/open", own_nonblocking, &by_open, false },
		{ "own_nonblocking/openat", own_nonblocking, &by_openat, false },
		{ "own_nonblocking/number", own_nonblocking, &by_number, false },
		{ "own_nonblocking/link", own_nonblocking, &by_link, false },
		{ "shared_refuses_stores_while_guarded", shared_refuses_stores_while_guarded, NULL,
		  false },
		{ "shared_beside_a_writable_mapping", shared_beside_a_writable_mapping, NULL,
		  false },
		{ "shared_and_private", shared_and_private, NULL, false },
	};
	size_t count = add_ways(0, "survives", survives);

	count = add_ways(count, "shared", shared_stays);
	count = add_pieces(count);
	memcpy(cases + count, others, sizeof(others));
	return cases_main(cases, count + COUNT(others), argc, argv);
}
