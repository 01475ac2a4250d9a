/* SPDX-License-Identifier: MIT */
/*
 * Zero pages in place of what was cut off, with the protection and the attributes that the mapping
 * had. In one go up to its end, so that it is done and said once for each cut.
 */
#include <sys/mman.h>

#include "kernel/attributes.h"
#include "sigbus/sigbus.h"
#include "support/sys.h"

void sigbus_rescue_range(const struct sigbus *it, struct rescue *out)
{
	int64_t page = (int64_t)PAGE_BYTES;
	int64_t beyond = (it->size + page - 1) / page * page - (int64_t)it->area.offset;

	*out = (struct rescue){ PAGE_DOWN(it->address), it->area.end, it->area.protection };
	if (it->size >= 0)
		out->start = it->area.start + (beyond > 0 ? (uintptr_t)beyond : 0);
}

long sigbus_rescue(void *rescue)
{
	const struct rescue *it = rescue;
	struct attributes_walk walk;

	attributes_walk_begin(&walk, -1);
	const struct attributes *attributes = attributes_at(&walk, it->start);
	long r = sys_mmap(it->start, it->end - it->start, it->protection,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	if (!sys_failed(r))
		attributes_apply(attributes, it->start, it->end, it->protection);
	attributes_walk_end(&walk);
	return r;
}
