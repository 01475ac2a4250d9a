/* SPDX-License-Identifier: MIT */
/*
 * Looking up areas: see vma.h. The descriptor of maps is kept between queries; it shows the
 * memory of the process that opened it, so that a forked child drops it (support for that:
 * guarded_drop, in the fork handler).
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
#include "support/scratch.h"

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

/* "start-end rwxp offset major:minor inode   name": where the name is. */
static const char *parse(const char *at, struct vma *out)
{
	uint64_t start, end, major, minor;

	at = text_read_number(at, 16, &start) + 1;
	at = text_read_number(at, 16, &end) + 1;
	out->start = (uintptr_t)start;
	out->end = (uintptr_t)end;
	out->protection = (at[0] == 'r' ? PROT_READ : 0) | (at[1] == 'w' ? PROT_WRITE : 0) |
			  (at[2] == 'x' ? PROT_EXEC : 0);
	out->shared = at[3] == 's';
	at = text_read_number(at + 5, 16, &out->offset) + 1;
	at = text_read_number(at, 16, &major) + 1;
	at = text_read_number(at, 16, &minor) + 1;
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

static int query_anew(uintptr_t address, struct vma *out, char *name, size_t name_size)
{
	int maps = guarded_get(GUARDED_MAPS);

	if (maps >= 0) /* the query itself failed */
		return vma_query(maps, address, out, name, name_size);
	guarded_open_begin();
	maps = proc_open_own(-1, "maps", O_RDONLY);
	bool kept = maps >= 0 && guarded_keep(GUARDED_MAPS, &maps);
	guarded_open_end();
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

static int read_from(int fd, uintptr_t address, struct vma *out, char *name, size_t name_size)
{
	struct proc_text text;
	const char *found = "";
	char *buffer = scratch_take();

	proc_text_begin(&text, fd, buffer, SCRATCH_BYTES);
	int r = scan(&text, address, out, &found);
	if (!r)
		copy_name(found, name, name_size);
	scratch_put(buffer);
	return r;
}

static int read_maps(uintptr_t address, struct vma *out, char *name, size_t name_size)
{
	int own = proc_open_own(-1, "maps", O_RDONLY);

	if (own >= 0) {
		int r = read_from(own, address, out, name, name_size);
		sys_close(own);
		return r;
	}
	if (own != -EACCES)
		return own;
	/* A process that changed its identity may not, but read from the one that is kept. */
	guarded_enter(GUARDED_MAPS);
	int kept = guarded_get(GUARDED_MAPS);
	int r = kept < 0 ? own : read_from(kept, address, out, name, name_size);
	guarded_leave(GUARDED_MAPS);
	return r;
}

int vma_find(uintptr_t address, struct vma *out, char *name, size_t name_size)
{
	int r = query_here(address, out, name, name_size);

	return !r || r == -ENOENT ? r : read_maps(address, out, name, name_size);
}

/* ---- areas upwards ---- */

void vma_walk_begin(struct vma_walk *walk, int maps)
{
	*walk = (struct vma_walk){ .maps = maps, .name = "" };
}

static int walk_text(struct vma_walk *walk)
{
	char *buffer = arena_alloc(WALK_BYTES);

	if (!buffer)
		return -ENOMEM;
	int fd = walk->maps < 0 ? proc_open_own(-1, "maps", O_RDONLY) : walk->maps;
	proc_text_begin(&walk->text, fd, buffer, WALK_BYTES);
	return 0;
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

	if (!walk->text.buffer) {
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
	if (walk->maps < 0 && walk->text.buffer && walk->text.fd >= 0)
		sys_close(walk->text.fd);
	arena_free(walk->text.buffer, WALK_BYTES);
}

void vma_link(const struct vma *area, char out[VMA_LINK_BYTES])
{
	struct text text;

	text_init(&text, out, VMA_LINK_BYTES);
	text_add(&text, "/proc/self/map_files/");
	text_add_hex(&text, area->start, 1);
	text_add_char(&text, '-');
	text_add_hex(&text, area->end, 1);
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

	bool is = names && !vma_find(a, &vma, names, NAME_BYTES) && vma.start <= a &&
		  !vma_find(b, &vma, names + NAME_BYTES, NAME_BYTES) && vma.start <= b &&
		  !strcmp(names, names + NAME_BYTES);
	arena_free(names, 2 * NAME_BYTES);
	return is;
}

bool vma_shares_file_by_name(const struct vma *a, const struct vma *b)
{
	return vma_shares_file(a, b) && (a->device >> 32 || have_one_name(a->start, b->start));
}
