/* SPDX-License-Identifier: MIT */
/*
 * Programs that want to see others' changes through a private mapping: told by the file's first
 * bytes, or by what they map of it.
 */
#include <string.h>

#include "snapshot/snapshot.h"
#include "support/sys.h"

/* Of two formats whose writers tell readers through the file itself, in either byte order. */
static const struct {
	int offset, length;
	const char *bytes, *reason;
} formats[] = {
#define DCONF "a GVDB file (dconf), whose readers look for what its writer marks in it"
	{ 0, 8, "GVariant", DCONF },
	{ 0, 8, "raVGtnai", DCONF },
#define BERKELEY "a Berkeley DB file, whose readers see what its writer changes"
	{ 12, 4, "\x62\x31\x05\x00", BERKELEY }, /* a B-tree */
	{ 12, 4, "\x00\x05\x31\x62", BERKELEY },
	{ 12, 4, "\x61\x15\x06\x00", BERKELEY }, /* a hash */
	{ 12, 4, "\x00\x06\x15\x61", BERKELEY },
	{ 12, 4, "\x53\x22\x04\x00", BERKELEY }, /* a queue */
	{ 12, 4, "\x00\x04\x22\x53", BERKELEY },
};
#define HEAD_BYTES 16

static const char *format_reason(int fd)
{
	char head[HEAD_BYTES];

	if (sys_pread(fd, head, sizeof(head), 0) != sizeof(head))
		return NULL;
	for (unsigned int i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (!memcmp(head + formats[i].offset, formats[i].bytes, (size_t)formats[i].length))
			return formats[i].reason;
	return NULL;
}

const char *live_reason(const struct map_request *request, const struct file *file)
{
	uint64_t end = (uint64_t)request->offset + PAGE_UP((uint64_t)request->length);

	if (file->kind != FILE_ORDINARY)
		return NULL;
	if (end > PAGE_UP((uint64_t)file->size))
		return "mapped beyond the file's end, and so counting on its growth";
	return format_reason(request->fd);
}
