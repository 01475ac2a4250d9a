/* SPDX-License-Identifier: MIT */
/*
 * The areas of a process, in batches: PROCMAP_QUERY where the kernel has it (6.11), and the text of
 * /proc/PID/maps where not. A process that has 65,000 needs no more memory than one that has ten.
 * The vsyscall page is in no process's page table and left out. A query takes the kernel less time
 * without the name: that is asked for afterwards, by the query that tells whether the area is still
 * the same.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "support/sys.h"
#include "pages/census.h"

void areas_start(struct areas *areas, int maps, bool text)
{
	areas->maps = maps;
	areas->text = text;
	areas->next = 0;
	areas->hash = 0;
	proc_text_begin(&areas->lines, maps, areas->buffer, sizeof(areas->buffer));
	sys_lseek(maps, 0, SEEK_SET);
}

static struct pages_area *add(struct areas *areas, const struct vma *vma)
{
	struct pages_area *area = &areas->area[areas->count++];

	memset(area, 0, sizeof(*area));
	area->vma = *vma;
	area->name = "";
	return area;
}

/* ---- queries ---- */

static int next_queried(struct areas *areas)
{
	struct vma vma;
	int r = 0;

	while (areas->count < AREAS_BATCH) {
		r = vma_query(areas->maps, (uintptr_t)areas->next, &vma, NULL, 0);
		if (r)
			break;
		add(areas, &vma);
		areas->next = vma.end;
	}
	return areas->count && r == -ENOENT ? 0 : r;
}

static bool same(const struct vma *a, const struct vma *b)
{
	return a->start == b->start && a->end == b->end && a->offset == b->offset &&
	       a->inode == b->inode && a->device == b->device && a->shared == b->shared;
}

int areas_check(struct areas *areas, struct pages_area *area)
{
	struct vma now;

	if (areas->text)
		return 0;
	area->name = areas->names;
	int r = vma_query(areas->maps, area->vma.start, &now, areas->names, PATH_MAX);
	if (r == -ENAMETOOLONG) {
		areas->names[0] = 0;
		r = vma_query(areas->maps, area->vma.start, &now, NULL, 0);
	}
	if (r && r != -ENOENT)
		return r;
	area->changed = r || !same(&area->vma, &now);
	return 0;
}

/* ---- text ---- */

static void hash_add(struct areas *areas, const struct vma *vma)
{
	const uint64_t words[] = { vma->start,	vma->end,   vma->offset,
				   vma->device, vma->inode, vma->shared };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		areas->hash = (areas->hash ^ words[i]) * 0x9e3779b97f4a7c15ULL;
}

static int next_listed(struct areas *areas)
{
	areas->names_used = 0;
	while (areas->count < AREAS_BATCH && areas->names_used + PATH_MAX < AREAS_NAME_BYTES) {
		char *name = areas->names + areas->names_used,
		     *line = proc_text_next(&areas->lines);
		struct vma vma;

		if (!line)
			break;
		vma_parse(line, &vma, name, PATH_MAX);
		if (!strcmp(name, "[vsyscall]"))
			continue;
		hash_add(areas, &vma);
		add(areas, &vma)->name = name;
		areas->names_used += strlen(name) + 1;
	}
	return areas->lines.error < 0 ? areas->lines.error : areas->count ? 0 : -ENOENT;
}

int areas_check_text(struct areas *areas, bool *changed)
{
	uint64_t before = areas->hash;
	int r = 0;

	areas_start(areas, areas->maps, true);
	while (!r) {
		areas->count = 0;
		r = next_listed(areas);
	}
	*changed = areas->hash != before;
	/* Nothing is listed of a process that ended. */
	return r != -ENOENT ? r : areas->hash || !before ? 0 : -ESRCH;
}

int areas_next(struct areas *areas)
{
	bool first = !areas->next;

	areas->count = 0;
	if (!areas->text) {
		int r = next_queried(areas);

		if (!first || r != -ENOTTY)
			return r;
		areas->text = true;
	}
	return next_listed(areas);
}
