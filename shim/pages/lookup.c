/* SPDX-License-Identifier: MIT */
/*
 * Shared memory that a page table does not have is looked up in its file: it may be in
 * memory all the same, swapped out (the page table forgets that), or a hole. The file is
 * found through /proc/PID/map_files, which takes CAP_CHECKPOINT_RESTORE, through a
 * descriptor of the process, or under its name. Files on disk and devices are never
 * opened: they are not swapped.
 * Any page that the page table has is in memory by the file's account too, so that the whole area
 * is asked about, once.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/sys.h"
#include "pages/census.h"

/* ---- which of them are in memory ---- */

/* Of a file that is neither one's own nor to be written, mincore says that all of it is there. */
static bool mincore_tells(int fd, bool owner)
{
	return owner || !sys_faccessat2(fd, "", W_OK, AT_EMPTY_PATH | AT_EACCESS);
}

static int64_t count_present(struct lookup *lookup, uintptr_t at, uint64_t length)
{
	int64_t present = 0;
	long r = sys_mincore(at, length, lookup->present);

	if (r)
		return r;
	for (uint64_t i = 0; i < PAGE_UP(length) / PAGE_BYTES; i++)
		present += lookup->present[i] & 1;
	return present;
}

/* Of [start, end) of the file. A mapping of one's own is asked about where it is. */
static int64_t resident(struct lookup *lookup, const struct vma *vma, uint64_t start, uint64_t end)
{
	int64_t total = 0;

	for (uint64_t length; start < end; start += length) {
		length = end - start;
		if (length > LOOKUP_PAGES * PAGE_BYTES)
			length = LOOKUP_PAGES * PAGE_BYTES;
		long at = lookup->source->self
				  ? (long)(vma->start + (uintptr_t)(start - vma->offset))
				  : sys_mmap(0, length, PROT_READ, MAP_SHARED, lookup->fd,
					     (int64_t)start);
		if (sys_failed(at))
			return at;
		int64_t present = count_present(lookup, (uintptr_t)at, length);
		if (!lookup->source->self)
			sys_munmap(at, length);
		if (present < 0)
			return present;
		total += present;
	}
	return total;
}

/* ---- which of them there are at all ---- */

struct contents {
	uint64_t resident, data;
};

static int look_into(struct lookup *lookup, const struct vma *vma, struct contents *out)
{
	uint64_t end = vma->offset + (vma->end - vma->start);

	for (uint64_t at = vma->offset; at < end;) {
		int64_t data = sys_lseek(lookup->fd, (int64_t)at, SEEK_DATA);
		if (data == -ENXIO || (data >= 0 && (uint64_t)data >= end))
			return 0;
		int64_t hole = data < 0 ? data : sys_lseek(lookup->fd, data, SEEK_HOLE);
		if (hole < 0)
			return (int)hole;
		if ((uint64_t)data < at || hole <= data) /* nowhere is it told where that ends */
			return -EIO;
		at = PAGE_UP((uint64_t)hole);
		at = at < end ? at : end;
		data = (int64_t)PAGE_DOWN((uint64_t)data);
		int64_t present = resident(lookup, vma, (uint64_t)data, at);
		if (present < 0)
			return (int)present;
		out->resident += (uint64_t)present;
		out->data += (at - (uint64_t)data) / PAGE_BYTES;
	}
	return 0;
}

/* ---- both together ---- */

static void unknown(struct pages_area *area, uint64_t absent)
{
	area->pages[PAGES_UNKNOWN] = absent;
}

/* Pages come and go meanwhile: no more than there are. */
static void settle(struct pages_area *area, uint64_t absent, const struct contents *contents)
{
	uint64_t here = area->pages[PAGES_SHARED];
	uint64_t more = contents->resident > here ? contents->resident - here : 0;
	uint64_t swapped =
		contents->data > contents->resident ? contents->data - contents->resident : 0;

	more = more < absent ? more : absent;
	swapped = swapped < absent - more ? swapped : absent - more;
	area->pages[PAGES_SHARED] += more;
	area->pages[PAGES_SWAPPED] = swapped;
	area->pages[PAGES_NEVER] = absent - more - swapped;
}

/* One's own memory of which no descriptor is to be had: what is present can be told. */
static int settle_own(struct lookup *lookup, struct pages_area *area, uint64_t absent, int error)
{
	const struct vma *vma = &area->vma;
	uint64_t here = area->pages[PAGES_SHARED];

	if (lookup->source->self && vma->protection & PROT_WRITE) {
		int64_t present =
			resident(lookup, vma, vma->offset, vma->offset + (vma->end - vma->start));
		uint64_t more = present > (int64_t)here ? (uint64_t)present - here : 0;

		more = more < absent ? more : absent;
		area->pages[PAGES_SHARED] += more;
		absent -= more;
	}
	unknown(area, absent);
	return absent ? error : 0;
}

int lookup_area(struct lookup *lookup, struct pages_area *area)
{
	uint64_t absent = (area->vma.end - area->vma.start) / PAGE_BYTES;
	struct contents contents = { 0 };
	bool owner;

	absent -= absent < area->pages[PAGES_SHARED] ? absent : area->pages[PAGES_SHARED];
	if (!absent)
		return 0;
	int r = find_file(lookup, area, &owner);
	if (r == -ENODATA) { /* not memory */
		area->pages[PAGES_NEVER] = absent;
		return 0;
	}
	if (r)
		return settle_own(lookup, area, absent, r);
	r = mincore_tells(lookup->fd, owner) ? look_into(lookup, &area->vma, &contents) : -EACCES;
	if (r)
		unknown(area, absent);
	else
		settle(area, absent, &contents);
	return r;
}

void lookup_start(struct lookup *lookup, const struct pages_source *source)
{
	lookup->source = source;
	lookup->fd = -1;
	lookup->known = false;
	lookup->no_map_files = source->process < 0;
	lookup->steps = 0;
}

void lookup_end(struct lookup *lookup)
{
	sys_close_if_open(lookup->fd);
	lookup->fd = -1;
}
