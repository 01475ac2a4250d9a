/* SPDX-License-Identifier: MIT */
/*
 * Races on purpose: a thread of the library's or of the program's is held between its look and
 * its act (../page.h), another one does what must not come in between, and then both go on:
 * at snapshots, views and windows.
 */
#include <linux/openat2.h>

#include "held.h"

/* It has looked at the areas, and is about to replace one. */
static void hold_before_replacement(void)
{
	hold_call(SYS_mmap);
	hold->argument = 3;
	hold->mask = hold->value = MAP_FIXED;
	hold_arm(hold);
}

/* ---- what an area has does not change between look and replacement ---- */

static void protect(void *view)
{
	must(!mprotect(view, PAGE, PROT_NONE));
}

static void lock_memory(void *view)
{
	must(!mlock(view, PAGE));
}

static void advise(void *view)
{
	must(!madvise(view, PAGE, MADV_DONTFORK));
}

static void give_up(void *view)
{
	must(!madvise(view, PAGE, MADV_DONTNEED));
}

struct change {
	void (*act)(void *);
	bool views;  /* it matters where there are views of the program's memory */
	int touched; /* what the first page does afterwards */
};

static void change_waits(const void *argument)
{
	const struct change *change = argument;
	struct other other = writer(&few);
	struct actor actor;

	if (change->views)
		view_of(anonymous(PAGE), PAGE);
	char *view = guarded(PAGES);
	hold_before_replacement();
	other_begin(&other);
	hold_wait(hold);
	actor_start(&actor, change->act, view);
	promise(!actor_goes_on(&actor), "the area changed while the lease thread replaces it");
	hold_end(hold);
	actor_join(&actor);
	other_wait(&other);
	int signal = change->act == unmap ? 0 : touch(view);
	promise(signal == change->touched, "a touch raises %d, not %d", signal, change->touched);
	if (change->act != unmap)
		view_check(view + PAGE, 1, 1, PAGES - 1, "after the replacement");
}

/* ---- an address that is given away again ---- */

static void unmap_and_be_held(struct actor *actor, char *view)
{
	hold->number = SYS_munmap;
	hold->after = true;
	hold->but = self();
	hold_arm(hold);
	actor_start(actor, unmap, view);
	hold_wait(hold);
}

static void make_executable(void *at)
{
	/* What is there now is the program's own memory. */
	promise(!mprotect(at, PAGE, PROT_READ | PROT_EXEC), "mprotect: %s", strerrorname_np(errno));
}

/* The file is on a mount without execution (see the test); its mapping is gone, and something else
 * has its address. */
CASE(forgets_noexec)
{
	struct actor first, second;

	file_make(NAME, 1, PAGES);
	char *view = guarded(PAGES), *memory = anonymous(PAGES * PAGE);
	promise(mprotect(view, PAGE, PROT_READ | PROT_EXEC) && errno == EACCES,
		"the file could be made executable");
	unmap_and_be_held(&first, view);
	must(by_hand(SYS_mremap, (long)memory, PAGES * PAGE, PAGES * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, (long)view) == (long)view);
	actor_start(&second, make_executable, view);
	promise(!actor_goes_on(&second), "mprotect does not wait for the index");
	hold_end(hold);
	actor_join(&first);
	actor_join(&second);
}

static void map_again(void *at)
{
	int fd = file_open(NAME);

	must(mmap(at, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0) == at && !close(fd));
}

CASE(given_away_again)
{
	struct other other = writer(&few);
	struct actor first, second;

	char *view = guarded(PAGES);
	unmap_and_be_held(&first, view);
	actor_start(&second, map_again, view);
	actor_goes_on(&second);
	hold_end(hold);
	actor_join(&first);
	actor_join(&second);
	guarded_check(view, "mapped where a snapshot was a moment ago");
	other_last(&other);
	view_check(view, 1, 0, PAGES, "mapped where a snapshot was a moment ago");
}

/* ---- while the pages are copied ---- */

static void own_memory_stays(char *at)
{
	for (size_t i = 0; i < PAGES; i++)
		promise(page_is(at + i * PAGE, 9, i), "the program's own memory was overwritten");
}

/* unmapped, and something else is there now: by libc, or so that nobody hears of it */
static void replaced(const void *by_libc)
{
	struct other other;
	char *view = while_copied(&other, &few, PAGES);
	char *memory = sure(mmap(NULL, PAGES * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	fill_pages(memory, 9, PAGES);
	if (by_libc)
		must(mremap(memory, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			    view) == view);
	else
		must(by_hand(SYS_mremap, (long)memory, PAGES * PAGE, PAGES * PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, (long)view) == (long)view);
	go_on(&other);
	own_memory_stays(view);
}

CASE(moved)
{
	struct other other;
	char *view = while_copied(&other, &few, PAGES), *target = anonymous(PAGES * PAGE);

	must(mremap(view, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target) ==
	     target);
	char *memory = sure(mmap(view, PAGES * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	fill_pages(memory, 9, PAGES);
	go_on(&other);
	view_check(target, 1, 0, PAGES, "moved while it was copied");
	own_memory_stays(memory);
}

CASE(grown)
{
	struct other other;
	char *view = while_copied(&other, &few, PAGES / 2);

	view = sure(mremap(view, PAGES / 2 * PAGE, PAGES * PAGE, MREMAP_MAYMOVE));
	go_on(&other);
	view_check(view, 1, 0, PAGES, "grown while it was copied");
}

/* Mapped while the lease breaks: what it shows when mmap returns, before the write or after it, is
 * what it shows from then on. */
static char seen[PAGES * PAGE];

static void map_and_look(void *done)
{
	char *view = view_make(NAME, PROT_READ, 0, PAGES);

	memcpy(seen, view, sizeof(seen));
	*(char **)done = view;
}

CASE(mapped_again)
{
	struct other other;
	struct actor actor;
	char *view = while_copied(&other, &few, PAGES), *second;

	actor_start(&actor, map_and_look, &second);
	actor_goes_on(&actor);
	hold_end(hold);
	actor_join(&actor);
	other_wait(&other);
	view_check(view, 1, 0, PAGES, "copied");
	promise(!strcmp(engine_at(second), "none") || !memcmp(second, seen, sizeof(seen)),
		"mapped while another was copied: it changed");
}

/* Mapped while the lease, which nobody uses any more, is given back. */
CASE(mapped_while_let_go)
{
	struct other other = writer(&few);
	struct actor actor;
	char *view = guarded(PAGES), *second;

	strcpy(hold->point, "unused");
	hold_arm(hold);
	must(!munmap(view, PAGES * PAGE));
	hold_wait(hold);
	actor_start(&actor, map_and_look, &second);
	actor_goes_on(&actor);
	hold_end(hold);
	actor_join(&actor);
	other_last(&other);
	view_check(second, 1, 0, PAGES, "mapped while the lease was given back");
}

/* ---- the program's own open or truncate waits for a lease of ours, and a signal comes ---- */

static atomic_int signals;

static void count_signal(int unused)
{
	atomic_fetch_add(&signals, 1);
}

static void open_to_write(void *result)
{
	*(int *)result = open(NAME, O_WRONLY | O_CLOEXEC);
}

static void open_stream(void *result)
{
	*(int *)result = fopen(NAME, "w") ? 0 : -1;
}

static void open_by_number(void *result)
{
	*(int *)result = (int)syscall(SYS_openat, AT_FDCWD, NAME, O_WRONLY | O_CLOEXEC);
}

static void cut(void *result)
{
	*(int *)result = truncate(NAME, 0);
}

static const struct waiting_call {
	void (*act)(void *);
} by_open = { open_to_write }, by_stream = { open_stream }, by_number = { open_by_number },
  by_cut = { cut };

static void interrupted(const void *call)
{
	struct sigaction counted = { .sa_handler = count_signal };
	struct actor actor;
	int result = -2;

	must(!sigaction(SIGUSR1, &counted, NULL));
	file_make(NAME, 1, PAGES);
	char *view = guarded(PAGES);
	hold_call(SYS_sendfile);
	hold_arm(hold);
	actor_start(&actor, ((const struct waiting_call *)call)->act, &result);
	hold_wait(hold);
	must(!pthread_kill(actor.thread, SIGUSR1));
	wait_until(atomic_load(&signals) == 1 && actor_call(&actor) == SYS_futex);
	hold_end(hold);
	actor_join(&actor);
	promise(result >= 0, "a call of the program's own was interrupted by a wait for us");
	view_check(view, 1, 0, PAGES, "after it");
}

/* ---- a writer that does not wait is let in on the way that it allowed, and on no other ---- */

#define OUTSIDE "outside"

static void map_both(const void *unused)
{
	view_make(NAME, PROT_READ, 0, PAGES);
	view_make(OUTSIDE, PROT_READ, 0, PAGES);
}

/* Who will map both files, which are there now. */
static struct other mapper_of_both(void)
{
	struct other other = other_start(map_both, NULL);

	file_make(NAME, 1, PAGES);
	file_make(OUTSIDE, 1, PAGES);
	return other;
}

static void open_without_links(void *result)
{
	struct open_how how = { .flags = O_WRONLY | O_NONBLOCK | O_CLOEXEC,
				.resolve = RESOLVE_NO_SYMLINKS };

	*(int *)result = (int)skip_without(syscall(SYS_openat2, AT_FDCWD, "way", &how, sizeof(how)),
					   "openat2 before Linux 5.6");
}

CASE(way_is_exchanged)
{
	struct other other = mapper_of_both();
	struct actor actor;
	int result;

	must(!link(NAME, "way") && !symlink(OUTSIDE, "detour"));
	other_go(&other);
	hold_call(SYS_openat2);
	hold->after = true;
	hold_arm(hold);
	actor_start(&actor, open_without_links, &result);
	hold_wait(hold);
	must(!renameat2(AT_FDCWD, "way", AT_FDCWD, "detour", RENAME_EXCHANGE));
	hold_end(hold);
	actor_join(&actor);
	promise(result == -1, "opened beyond a link");
	other_end(&other);
}

/* ---- while it is let in by another fenced program it waits, and is told of nothing ---- */

static void open_at_once(void *result)
{
	*(int *)result = open(NAME, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

CASE(nonblocking_waits)
{
	struct other other = mapper_of_both();
	struct actor actor;
	int result;

	other_go(&other);
	hold_before_copy();
	actor_start(&actor, open_at_once, &result);
	hold_wait(hold);
	wait_until(actor_call(&actor) == SYS_openat);
	hold_end(hold);
	actor_join(&actor);
	promise(result >= 0, "a writer that does not wait is refused");
	other_end(&other);
}

/* ---- a long copy is on its way, another waits, and a short one goes past both ---- */

static void overwrite_all(const void *name)
{
	struct stat file;

	must(!stat(name, &file));
	file_overwrite(name, 2, 0, (size_t)file.st_size / PAGE);
}

CASE(short_goes_first)
{
	static const char *const names[] = { "long", "long too", "short" };
	const size_t pages[] = { many, many, few };
	struct other writers[3];
	char *views[3];

	for (size_t i = 0; i < 3; i++) {
		file_make(names[i], 1, pages[i]);
		writers[i] = other_start(overwrite_all, names[i]);
	}
	for (size_t i = 0; i < 3; i++)
		views[i] = view_make(names[i], PROT_READ, 0, pages[i]);
	hold_before_copy();
	other_begin(&writers[0]);
	hold_wait(hold);
	other_begin(&writers[1]);
	wait_until(leases_of(id_of(names[1]), "BREAKING") == 1);
	other_begin(&writers[2]);
	other_wait(&writers[2]);
	promise(leases_of(id_of(names[1]), "BREAKING") == 1, "a long copy was made first");
	hold_end(hold);
	other_wait(&writers[0]);
	other_wait(&writers[1]);
	for (size_t i = 0; i < 3; i++)
		view_check(views[i], 1, 0, pages[i], names[i]);
}

/* ---- one of a family makes the copy for all ---- */

static char *shared_view;

static void check_shared_view(const void *who)
{
	view_check(shared_view, 1, 0, few, who);
}

static bool is_of(int thread, const struct other *process)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d", process->pid, thread);
	return !access(path, F_OK);
}

/* Two children with a guarded file; one of them, [0], is held with its copy before it. */
static void held_for_all(struct other children[2], struct other *writing)
{
	*writing = writer(&few);
	shared_view = guarded(PAGES);
	children[0] = other_start(check_shared_view, "one child");
	children[1] = other_start(check_shared_view, "another child");
	unmap(shared_view);
	hold_before_copy();
	other_begin(writing);
	hold_wait(hold);
	if (!is_of(atomic_load(&hold->reached_by), &children[0])) {
		struct other first = children[0];
		children[0] = children[1];
		children[1] = first;
	}
}

CASE(copier_is_killed)
{
	struct other children[2], writing;

	held_for_all(children, &writing);
	must(!kill(children[0].pid, SIGKILL) && waitpid(children[0].pid, NULL, 0) > 0);
	other_wait(&writing);
	other_go(&children[1]);
}

CASE(copier_is_slow)
{
	struct other children[2], writing;

	held_for_all(children, &writing);
	wait_until(leases_of(id_of(NAME), "BREAKING") == 1); /* the other one is done */
	other_go(&children[1]);
	hold_end(hold);
	other_wait(&writing);
	other_go(&children[0]);
	other_go(&children[1]);
}

static unsigned long inode_at(const void *address)
{
	char key[24], line[512];
	unsigned long inode = 0;

	snprintf(key, sizeof(key), "%lx-", (unsigned long)address);
	must(sscanf(proc_line("/proc/self/maps", key, line, sizeof(line)), "%*s %*s %*s %*s %lu",
		    &inode) == 1);
	return inode;
}

/* Is there at first; then grows its part; then checks it, and says which file has it. */
static void grow_then_check(const void *inode)
{
	static char *view;
	static int stage;

	if (++stage == 2) {
		view = sure(mremap(shared_view, PAGES / 2 * PAGE, PAGES * PAGE, MREMAP_MAYMOVE));
	} else if (stage == 3) {
		view_check(view, 1, 0, PAGES, "grown while another copied");
		*(unsigned long *)inode = inode_at(view);
	}
}

static void both_go(const struct other children[2])
{
	other_go(&children[0]);
	other_go(&children[1]);
}

/* Both have half of the file, and grow while one copies it for both. What the other has more is not
 * put into that copy: by then it may be of what was written since. */
CASE(grown_while_waiting)
{
	unsigned long *inodes = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct other children[2], writing = writer(&few);
	struct hold *waiting = &page->holds[1];

	must(inodes != MAP_FAILED);
	shared_view = guarded(PAGES / 2);
	children[0] = other_start(grow_then_check, &inodes[0]);
	children[1] = other_start(grow_then_check, &inodes[1]);
	both_go(children);
	must(!munmap(shared_view, PAGES / 2 * PAGE));
	hold_before_copy();
	other_begin(&writing);
	hold_wait(hold);
	waiting->number = SYS_futex;
	waiting->argument = 1;
	waiting->mask = FUTEX_CMD_MASK;
	waiting->value = FUTEX_WAIT;
	waiting->but = atomic_load(&hold->reached_by);
	hold_arm(waiting);
	hold_wait(waiting);
	both_go(children);
	hold_end(hold);
	wait_until(leases_of(id_of(NAME), "BREAKING") == 1);
	hold_end(waiting);
	other_wait(&writing);
	both_go(children);
	promise(inodes[0] != inodes[1], "what was missing was put into the copy of another");
}

/* ---- the mapping that leads to the lowest page is replaced before it does: another one does ----
 */

static void show_first(void *window)
{
	promise(!remap_file_pages(window, PAGE, 0, 0, 0), "remap_file_pages: %s", strerror(errno));
}

CASE(lowest_is_replaced)
{
	struct actor actor;

	file_make(NAME, 1, 3 * PAGES);
	int fd = sure(open(NAME, O_RDWR | O_CLOEXEC));
	char *window = sure(mmap(NULL, PAGE, RW, MAP_SHARED, fd, (off_t)(PAGES * PAGE)));
	char *later = sure(mmap(NULL, PAGE, RW, MAP_SHARED, fd, (off_t)(2 * PAGES * PAGE)));
	char *lowest = anonymous(2 * PAGE);
	for (size_t i = 0; i < 2; i++)
		sure(mmap(lowest + i * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0));
	must(!close(fd) && !unlink(NAME) && !setuid(65534));
	hold_call(SYS_mremap);
	hold->mask = -1;
	hold->value = (long)lowest;
	hold_arm(hold);
	actor_start(&actor, show_first, window);
	hold_wait(hold);
	must(by_hand(SYS_mremap, (long)later, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     (long)lowest) == (long)lowest);
	hold_end(hold);
	actor_join(&actor);
	promise(page_is(window, 1, 0), "not page 0");
	must(!munmap(window, PAGE) && !munmap(lowest, 2 * PAGE));
	promise(!count_lines("/proc/self/maps", "/" NAME), "the file is still mapped");
}

/* ---- two threads map one file for the first time ---- */

static void map_here(void *view)
{
	*(char **)view = guarded(PAGES);
}

/* Until the kernel lets the writer in; the runner makes that soon. */
CASE(copy_takes_too_long)
{
	struct other other = writer(&few);
	char *view = guarded(PAGES);

	hold_before_copy();
	other_begin(&other);
	hold_wait(hold);
	other_wait(&other);
	hold_end(hold);
	wait_until(!strcmp(fate_at(view), "lost"));
	must(munmap(view, PAGES * PAGE) == 0);
}

CASE(granted_twice)
{
	struct actor actor;
	char *second;

	file_make(NAME, 1, PAGES);
	strcpy(hold->point, "grant");
	hold->but = self();
	hold_arm(hold);
	actor_start(&actor, map_here, &second);
	hold_wait(hold);
	guarded(PAGES);
	hold_end(hold);
	actor_join(&actor);
	promise(leases_of(id_of(NAME), NULL) == 1, "%d leases on one file",
		leases_of(id_of(NAME), NULL));
}

CASE_OF("protect", change_waits, AS(struct change, protect, false, SIGSEGV))
CASE_OF("lock", change_waits, AS(struct change, lock_memory, false, 0))
CASE_OF("advise", change_waits, AS(struct change, advise, false, 0))
CASE_OF("give_up", change_waits, AS(struct change, give_up, true, 0))
CASE_OF("unmap", change_waits, AS(struct change, unmap, false, 0))
CASE_OF("replaced_unheard", replaced, NULL)
CASE_OF("replaced", replaced, "libc")
CASE_OF("interrupted/open", interrupted, &by_open)
CASE_OF("interrupted/fopen", interrupted, &by_stream)
CASE_OF("interrupted/number", interrupted, &by_number)
CASE_OF("interrupted/truncate", interrupted, &by_cut)

HELD_MAIN
