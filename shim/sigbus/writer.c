/* SPDX-License-Identifier: MIT */
/*
 * The search for a writer: the links of /proc/PID/fd, which tell by their own mode how a file was
 * opened, and no link is followed: what others have open may be on a server that does not answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "sigbus/sigbus.h"
#include "sigbus/writer.h"
#include "support/arena.h"
#include "support/sys.h"
#include "support/text.h"

#define LINKS_MOST 20000 /* on a machine with more the search ends, and nobody is named */

struct writer_search {
	const struct sigbus *it;
	struct sigbus_writer *out;
	struct statx *own;
	int left;
	int depth;
	char entries[2][1024] __attribute__((aligned(8))); /* of /proc, and of a process's links */
	char link[SIGBUS_PATH_BYTES];
};

/* Called for each number in the directory, until it says that it is enough. */
typedef bool visitor(struct writer_search *search, int directory, const char *name);

static bool each_number(struct writer_search *search, int directory, visitor *visit)
{
	char *entries = search->entries[search->depth++];
	bool enough = false;
	long got;

	while (!enough &&
	       (got = sys_getdents64(directory, entries, sizeof(search->entries[0]))) > 0)
		for (long at = 0; at < got && !enough;) {
			const struct directory_entry *entry = (const void *)(entries + at);

			at += entry->length;
			if (entry->name[0] >= '0' && entry->name[0] <= '9')
				enough = visit(search, directory, entry->name);
		}
	search->depth--;
	return enough;
}

static bool begins_with_path(struct writer_search *search, int directory, const char *name)
{
	size_t length = strlen(search->it->path);
	long got = sys_readlinkat(directory, name, search->link, sizeof(search->link) - 1);

	if (got < (long)length)
		return false;
	search->link[got] = 0;
	return !memcmp(search->link, search->it->path, length);
}

static bool leads_there(struct writer_search *search, int directory, const char *name)
{
	struct statx st;

	if (!search->left)
		return true;
	search->left--;
	if (sys_statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_MODE, &st) ||
	    !(st.stx_mode & S_IWUSR))
		return false;
	return begins_with_path(search, directory, name) && !search->link[strlen(search->it->path)];
}

static void note(struct writer_search *search, int directory, const char *name)
{
	int fd = sys_open_in(directory, "comm", O_RDONLY);
	uint64_t pid;
	long got = sys_read_text(fd, search->out->name, sizeof(search->out->name));

	search->out->name[got > 0 ? got - 1 : 0] = 0; /* the newline */
	text_read_number(name, 10, &pid);
	search->out->pid = (pid_t)pid;
}

static bool look_at_process(struct writer_search *search, int proc, const char *name)
{
	int process = sys_open_in(proc, name, O_RDONLY | O_DIRECTORY);
	int links = process < 0 ? -1 : sys_open_in(process, "fd", O_RDONLY | O_DIRECTORY);
	bool found = links >= 0 && each_number(search, links, leads_there);

	if (found && search->left)
		note(search, process, name);
	sys_close_if_open(links);
	sys_close_if_open(process);
	return found;
}

void sigbus_find_writer(const struct sigbus *it, struct sigbus_writer *out)
{
	struct writer_search *search = it->unnamed ? NULL : arena_alloc(sizeof(*search));
	int proc = search ? sys_open_in(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY) : -1;

	if (proc >= 0) {
		search->it = it;
		search->out = out;
		search->left = LINKS_MOST;
		each_number(search, proc, look_at_process);
		sys_close(proc);
	}
	arena_free(search, sizeof(*search));
}

static bool is_own(struct writer_search *search, int directory, const char *name)
{
	return begins_with_path(search, directory, name) &&
	       !sys_statx(directory, name, 0, STATX_BASIC_STATS, search->own) &&
	       search->own->stx_ino == search->it->area.inode;
}

int sigbus_find_own(const struct sigbus *it, struct statx *out)
{
	struct writer_search *search = arena_alloc(sizeof(*search));
	int links = search ? sys_open_in(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY) : -1;
	bool found = false;

	if (links >= 0) {
		search->it = it;
		search->own = out;
		search->depth = 0;
		found = each_number(search, links, is_own);
		sys_close(links);
	}
	arena_free(search, sizeof(*search));
	return found ? 0 : -ENOENT;
}
