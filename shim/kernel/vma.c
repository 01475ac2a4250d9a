/* SPDX-License-Identifier: MIT */
/*
 * Which area (VMA) is at an address: PROCMAP_QUERY where the kernel has it, /proc/self/maps where
 * not. The kernel is asked, never a table of ours. The descriptor of maps is kept between queries;
 * it shows the memory of the process that opened it, so that a forked child drops it (support for
 * that: guarded_drop, in the fork handler).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kernel/guarded.h"
#include "support/sys.h"
#include "support/text.h"
#include "kernel/vma.h"
#include "support/arena.h"

/* linux/fs.h has these since 6.11; Debian 12's does not. */
struct procmap_query {
	uint64_t size, query_flags, query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	uint32_t dev_major, dev_minor;
	uint32_t vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};
#define PROCMAP_QUERY_IOCTL _IOWR('f', 17, struct procmap_query)
/* Little, so that what was read is not old when it is looked at. */
#define WALK_BYTES 8192

#define PROCMAP_READABLE	 0x01
#define PROCMAP_WRITABLE	 0x02
#define PROCMAP_EXECUTABLE	 0x04
#define PROCMAP_SHARED		 0x08
#define PROCMAP_COVERING_OR_NEXT 0x10

int vma_query(int fd, uintptr_t address, struct vma *out, char *name, size_t name_size)
{
	struct procmap_query q = {
		.size = sizeof(q),
		.query_flags = PROCMAP_COVERING_OR_NEXT,
		.query_addr = address,
		.vma_name_size = name ? (uint32_t)name_size : 0,
		.vma_name_addr = (uintptr_t)name,
	};
	long r = sys_ioctl(fd, PROCMAP_QUERY_IOCTL, &q);
	if (r)
		return (int)r;
	if (name && !q.vma_name_size)
		name[0] = 0;
	*out = (struct vma){
		.start = (uintptr_t)q.vma_start,
		.end = (uintptr_t)q.vma_end,
		.offset = q.vma_offset,
		.device = (uint64_t)q.dev_major << 32 | q.dev_minor,
		.inode = q.inode,
		.protection = (q.vma_flags & PROCMAP_READABLE ? PROT_READ : 0) |
			      (q.vma_flags & PROCMAP_WRITABLE ? PROT_WRITE : 0) |
			      (q.vma_flags & PROCMAP_EXECUTABLE ? PROT_EXEC : 0),
		.shared = q.vma_flags & PROCMAP_SHARED,
	};
	return 0;
}

/* A number, and what it ends with. */
static const char *parse_number(const char *at, uint64_t *out)
{
	at = text_read_number(at, 16, out);
	return *at ? at + 1 : at;
}

/* "start-end rwxp offset major:minor inode   name": where the name is. */
static const char *parse(const char *at, struct vma *out)
{
	uint64_t start, end, major, minor;

	at = parse_number(parse_number(at, &start), &end);
	out->start = (uintptr_t)start;
	out->end = (uintptr_t)end;
	bool whole = strnlen(at, 5) == 5;
	out->protection = !whole ? PROT_NONE
				 : (at[0] == 'r' ? PROT_READ : 0) |
					   (at[1] == 'w' ? PROT_WRITE : 0) |
					   (at[2] == 'x' ? PROT_EXEC : 0);
	out->shared = whole && at[3] == 's';
	at = parse_number(at + (whole ? 5 : 0), &out->offset);
	at = parse_number(parse_number(at, &major), &minor);
	out->device = major << 32 | minor;
	at = text_read_number(at, 10, &out->inode);
	while (*at == ' ')
		at++;
	return at;
}

static void copy_name(const char *from, char *name, size_t name_size)
{
	if (!name)
		return;
	size_t length = strlen(from);
	if (length >= name_size)
		length = name_size - 1;
	memcpy(name, from, length);
	name[length] = 0;
}

void vma_parse(const char *line, struct vma *out, char *name, size_t name_size)
{
	copy_name(parse(line, out), name, name_size);
}

/* ---- one area ---- */

static atomic_bool no_queries; /* this kernel has none */

#define ATTEMPTS 8 /* at opening, while other threads take its number */

/* What is left to the program keeps its number: the next one is another. */
static int open_kept(bool *kept)
{
	int maps = -EBUSY;

	*kept = false;
	guarded_move_begin();
	for (int i = 0; i < ATTEMPTS && maps == -EBUSY; i++) {
		maps = proc_open_own(-1, "maps", O_RDONLY);
		*kept = maps >= 0 && guarded_keep(GUARDED_MAPS, &maps);
	}
	guarded_move_end();
	return maps;
}

static int query_anew(uintptr_t address, struct vma *out, char *name, size_t name_size)
{
	int maps = guarded_get(GUARDED_MAPS);
	bool kept;

	if (maps >= 0) /* the query itself failed */
		return vma_query(maps, address, out, name, name_size);
	maps = open_kept(&kept);
	if (maps < 0)
		return maps;
	int r = vma_query(maps, address, out, name, name_size);
	if (!kept)
		guarded_close(maps);
	return r;
}

static int query_here(uintptr_t address, struct vma *out, char *name, size_t name_size)
{
	if (atomic_load_explicit(&no_queries, memory_order_relaxed))
		return -ENOTTY;
	guarded_enter(GUARDED_MAPS);
	/* On a descriptor that is not ours any more the query is an unknown ioctl. */
	int maps = guarded_get_unchecked(GUARDED_MAPS);
	int r = maps < 0 ? maps : vma_query(maps, address, out, name, name_size);
	if (r && r != -ENOENT)
		r = query_anew(address, out, name, name_size);
	guarded_leave(GUARDED_MAPS);
	if (r == -ENOTTY)
		atomic_store_explicit(&no_queries, true, memory_order_relaxed);
	return r;
}

/* On to the first that ends above address. */
static int scan(struct proc_text *text, uintptr_t address, struct vma *out, const char **name)
{
	char *line;

	while ((line = proc_text_next(text))) {
		*name = parse(line, out);
		if (out->end > address)
			return 0;
	}
	return text->error ? text->error : -ENOENT;
}

static int walk_text(struct vma_walk *walk)
{
	int fd = walk->maps < 0 ? proc_open_own(-1, "maps", O_RDONLY) : walk->maps;
	char *buffer = arena_alloc(WALK_BYTES);

	/* A process that changed its identity may not, but read from the one that is kept. */
	walk->opened = true;
	walk->kept = fd == -EACCES;
	if (walk->kept) {
		guarded_enter(GUARDED_MAPS);
		int kept = guarded_get(GUARDED_MAPS);
		fd = kept < 0 ? fd : kept;
	}
	proc_text_begin(&walk->text, fd, buffer, WALK_BYTES);
	return fd < 0 ? fd : buffer ? 0 : -ENOMEM;
}

int vma_find(uintptr_t address, struct vma *out, char *name, size_t name_size)
{
	struct vma_walk walk;
	int r = query_here(address, out, name, name_size);

	if (!r || r == -ENOENT)
		return r;
	vma_walk_begin(&walk, -1);
	r = walk_text(&walk);
	if (!r)
		r = vma_walk_to(&walk, address, out, name, name_size);
	vma_walk_end(&walk);
	return r;
}

bool vma_at(uintptr_t address, struct vma *out, char *name, size_t name_size)
{
	return !vma_find(address, out, name, name_size) && out->start <= address;
}

static uint64_t count_lines(int fd)
{
	static const char gate[] = "[vsyscall]\n"; /* up there, listed last, and no area */
	size_t tail = sizeof(gate) - 1;
	char *buffer = scratch_take();
	uint64_t lines = 0;
	bool gated = false;
	long got;

	while ((got = sys_read(fd, buffer, SCRATCH_BYTES)) > 0) {
		for (long i = 0; i < got; i++)
			lines += buffer[i] == '\n';
		gated = got >= (long)tail && !memcmp(buffer + got - tail, gate, tail);
	}
	scratch_put(buffer);
	return got ? 0 : lines - gated;
}

uint64_t vma_count(void)
{
	int fd = proc_open_own(-1, "maps", O_RDONLY);
	uint64_t count = fd < 0 ? 0 : count_lines(fd);

	sys_close_if_open(fd);
	return count;
}

/* ---- areas upwards ---- */

void vma_walk_begin(struct vma_walk *walk, int maps)
{
	*walk = (struct vma_walk){ .maps = maps, .name = "" };
}

static int walk_query(const struct vma_walk *walk, uintptr_t address, struct vma *out, char *name,
		      size_t name_size)
{
	return walk->maps < 0 ? query_here(address, out, name, name_size)
			      : vma_query(walk->maps, address, out, name, name_size);
}

int vma_walk_to(struct vma_walk *walk, uintptr_t address, struct vma *out, char *name,
		size_t name_size)
{
	int r = 0;

	if (!walk->opened) {
		r = walk_query(walk, address, out, name, name_size);
		if (!r || r == -ENOENT)
			return r;
		r = walk_text(walk);
	}
	if (!r && walk->area.end <= address)
		r = scan(&walk->text, address, &walk->area, &walk->name);
	if (r)
		return r;
	*out = walk->area;
	copy_name(walk->name, name, name_size);
	return 0;
}

void vma_walk_end(struct vma_walk *walk)
{
	if (walk->kept)
		guarded_leave(GUARDED_MAPS);
	else if (walk->maps < 0 && walk->opened)
		proc_text_end(&walk->text);
	arena_free(walk->text.buffer, WALK_BYTES);
}

void vma_link(const struct vma *area, char out[VMA_LINK_BYTES])
{
	text_make(out, VMA_LINK_BYTES, "/proc/self/map_files/%lx-%lx", (unsigned long)area->start,
		  (unsigned long)area->end);
}

void vma_protection_text(int protection, bool shared, char out[5])
{
	out[0] = protection & PROT_READ ? 'r' : '-';
	out[1] = protection & PROT_WRITE ? 'w' : '-';
	out[2] = protection & PROT_EXEC ? 'x' : '-';
	out[3] = shared ? 's' : 'p';
	out[4] = 0;
}

bool vma_shows(const struct vma *vma, const struct vma_file *file, uintptr_t address,
	       int64_t offset)
{
	return vma->inode == file->inode && (!file->device || vma->device == file->device) &&
	       (int64_t)vma->offset + (int64_t)(address - vma->start) == offset;
}

bool vma_has_file(const struct vma *area)
{
	return area->inode || area->device;
}

bool vma_shares_file(const struct vma *a, const struct vma *b)
{
	return b->shared && b->inode == a->inode && b->device == a->device;
}

#define NAME_BYTES 4096

static bool have_one_name(uintptr_t a, uintptr_t b)
{
	char *names = arena_alloc(2 * NAME_BYTES);
	struct vma vma;

	bool is = names && vma_at(a, &vma, names, NAME_BYTES) &&
		  vma_at(b, &vma, names + NAME_BYTES, NAME_BYTES) &&
		  !strcmp(names, names + NAME_BYTES);
	arena_free(names, 2 * NAME_BYTES);
	return is;
}

bool vma_shares_file_by_name(const struct vma *a, const struct vma *b)
{
	return vma_shares_file(a, b) && (a->device >> 32 || have_one_name(a->start, b->start));
}
