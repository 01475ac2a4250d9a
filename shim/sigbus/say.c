/* SPDX-License-Identifier: MIT */
/*
 * What is said of a fault: where it was, why, and what would have prevented it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/statfs.h>

#include "audit/event.h"
#include "audit/trace.h"
#include "policy/policy.h"
#include "sigbus/sigbus.h"
#include "sigbus/writer.h"
#include "support/sys.h"
#include "support/text.h"

struct because {
	const char *reason, *cure;
};

static bool is_loaded(const struct sigbus *it)
{
	struct module_range range;

	return !module_range(it->address, &range);
}

static struct because because_private(void)
{
	if (the_policy.snapshot_mode == SNAPSHOT_OFF)
		return (struct because){ "beyond the file's end, in a private mapping, with "
					 "snapshot.mode=off",
					 "snapshot.mode=on" };
	return (struct because){
		"beyond the file's end, in a private mapping that has no snapshot",
		"a snapshot: --snapshot FILE, if the program maps it by libc's mmap; where no "
		"lease could be had, as the file's owner or with CAP_LEASE; or --rescue FILE"
	};
}

static struct because because_cut(const struct sigbus *it)
{
	if (it->lost)
		return (struct because){ "beyond the file's end, in a snapshot that was lost",
					 "a copy at once: --snapshot FILE with "
					 "snapshot.guard=none; or --rescue FILE" };
	if (it->snapshot)
		return (struct because){ "beyond the end that the file had when it was mapped",
					 "--rescue FILE" };
	if (is_loaded(it))
		return (struct because){ "beyond the file's end, in what the dynamic loader mapped",
					 "a new file put in its place (install, mv), instead of "
					 "the old one overwritten (cp)" };
	if (!it->area.shared)
		return because_private();
	if (it->area.protection & PROT_WRITE)
		return (struct because){ "beyond the file's end, in a writable shared mapping",
					 "--rescue FILE" };
	return (struct because){
		"beyond the file's end, in a shared mapping, not protected unless asked",
		"--snapshot-shared FILE, if the program opens it read-only; or --rescue FILE"
	};
}

static struct because because_inside(const struct sigbus *it, const struct statfs64 *fs)
{
	if ((uint32_t)fs->f_type == HUGETLBFS_MAGIC)
		return (struct because){ "inside the file: no huge page could be had",
					 "vm.nr_hugepages" };
	if (it->access != ACCESS_WRITES)
		return (struct because){ "inside the file: the page could not be read", "" };
	if (fs->f_bsize && fs->f_bavail * (uint64_t)fs->f_bsize < PAGE_BYTES)
		return (struct because){
			"inside the file: no space left for a page that is stored to",
			"space for the whole file beforehand (fallocate)"
		};
	return (struct because){ "inside the file: no room for a page that is stored to, by a "
				 "quota or an error",
				 "" };
}

/* A look at its file system, which breaks no lease. */
static void look_at_filesystem(const struct sigbus *it, struct statfs64 *out)
{
	int fd = sys_open(it->path, O_PATH, 0);

	*out = (struct statfs64){ 0 };
	if (fd < 0)
		return;
	sys_fstatfs(fd, out);
	sys_close(fd);
}

static struct record *begin(const struct sigbus *it, enum event_action action,
			    enum event_outcome outcome, const struct trace *trace)
{
	struct record *record = record_begin(action, outcome, trace);

	record_str(record, "file.path", it->path);
	if (!it->snapshot)
		record_number_string(record, "file.inode", it->area.inode);
	if (it->size >= 0)
		record_int(record, "file.size", it->size);
	return record;
}

static void add_touch(struct record *record, const struct sigbus *it)
{
	static const char *const names[] = { "read", "write", "execute" };

	record_address(record, "mmfence.sigbus.address", it->address);
	record_str(record, "mmfence.sigbus.access", names[it->access]);
}

static void add_fault(struct record *record, const struct sigbus *it)
{
	add_touch(record, it);
	record_int(record, "mmfence.sigbus.offset", it->offset);
	record_str(record, "mmfence.sigbus.snapshot", it->snapshot ? it->snapshot : "none");
	if (it->size_then >= 0)
		record_int(record, "mmfence.sigbus.size_then", it->size_then);
}

static void add_mapping(struct record *record, const struct sigbus *it)
{
	char protection[5];

	vma_protection_text(it->area.protection, it->area.shared, protection);
	record_address(record, "mmfence.mapping.address", it->area.start);
	record_uint(record, "mmfence.mapping.length", it->area.end - it->area.start);
	record_uint(record, "mmfence.mapping.offset", it->area.offset);
	record_str(record, "mmfence.mapping.protection", protection);
}

static void add_filesystem(struct record *record, const struct sigbus *it,
			   const struct statfs64 *fs)
{
	char device[24];
	struct text text;

	text_init(&text, device, sizeof(device));
	text_add_uint(&text, it->area.device >> 32);
	text_add_char(&text, ':');
	text_add_uint(&text, (uint32_t)it->area.device);
	if (fs->f_bsize)
		record_uint(record, "mmfence.sigbus.free", fs->f_bavail * (uint64_t)fs->f_bsize);
	record_str(record, "mmfence.sigbus.device", device);
}

static void add_writer(struct record *record, const struct sigbus_writer *writer)
{
	if (!writer->pid)
		return;
	record_int(record, "mmfence.sigbus.writer", writer->pid);
	record_str(record, "mmfence.sigbus.writer_name", writer->name);
}

/* Nothing is asked between a record's begin and its end: it holds a buffer that others wait for. */
void sigbus_report(const struct sigbus *it, const struct trace *trace, int error)
{
	struct sigbus_writer writer = { 0 };
	struct statfs64 fs;
	bool cut = sigbus_is_cut(it);

	if (!audit_enabled())
		return;
	if (!cut)
		look_at_filesystem(it, &fs);
	struct because because = cut ? because_cut(it) : because_inside(it, &fs);
	if (cut)
		sigbus_find_writer(it, &writer);
	struct record *record = begin(it, EVENT_MAPPING_SIGBUS, OUTCOME_FAILURE, trace);
	record_error(record, error, because.reason);
	add_fault(record, it);
	if (because.cure[0])
		record_str(record, "mmfence.sigbus.cure", because.cure);
	if (!cut)
		add_filesystem(record, it, &fs);
	add_writer(record, &writer);
	add_mapping(record, it);
	record_emit(record);
}

void sigbus_report_unknown(const struct sigbus *it, const struct trace *trace, int error)
{
	if (!audit_enabled())
		return;
	struct record *record = record_begin(EVENT_MAPPING_SIGBUS, OUTCOME_FAILURE, trace);
	record_error(record, error, "what is mapped there could not be looked up in /proc");
	add_touch(record, it);
	record_emit(record);
}

void sigbus_report_rescue(const struct sigbus *it, const struct rescue *rescue,
			  const struct trace *trace)
{
	bool stores = it->area.shared && it->area.protection & PROT_WRITE;

	if (!audit_enabled())
		return;
	struct record *record = begin(it, EVENT_MAPPING_RESCUED, OUTCOME_SUCCESS, trace);
	record_error(record, 0,
		     stores ? "zeros beyond the file's end; what is stored there reaches no file"
			    : "zeros beyond the file's end");
	add_fault(record, it);
	record_address(record, "mmfence.rescue.address", rescue->start);
	record_uint(record, "mmfence.rescue.length", rescue->end - rescue->start);
	add_mapping(record, it);
	record_emit(record);
}
