/* SPDX-License-Identifier: MIT */
/*
 * What is said of a fault: where it was, why, and what would have prevented it.
 */
#include <sys/mman.h>

#include "audit/event.h"
#include "kernel/symbol.h"
#include "policy/policy.h"
#include "sigbus/sigbus.h"
#include "sigbus/writer.h"
#include "support/text.h"

struct because {
	const char *reason, *cure;
};

#define RESCUE(it)	    (sigbus_may_rescue(it) ? "--rescue FILE" : "")
#define OR_RESCUE(it, cure) (sigbus_may_rescue(it) ? cure "; or --rescue FILE" : (cure))

static bool is_loaded(const struct sigbus *it)
{
	struct loaded module;

	return !loaded_find(it->address, &module);
}

static struct because because_private(const struct sigbus *it)
{
	if (the_policy.snapshot_mode == SNAPSHOT_OFF)
		return (struct because){ "beyond the file's end, in a private mapping, with "
					 "snapshot.mode=off",
					 "snapshot.mode=on" };
	return (struct because){
		"beyond the file's end, in a private mapping that has no snapshot",
		OR_RESCUE(it, "a snapshot: --snapshot FILE, if the program maps it by libc's mmap; "
			      "where no lease could be had, as the file's owner or with CAP_LEASE")
	};
}

static struct because because_cut(const struct sigbus *it)
{
	if (it->lost)
		return (struct because){ "beyond the file's end, in a snapshot that was lost",
					 OR_RESCUE(it, "a copy at once: --snapshot FILE "
						       "with snapshot.guard=none") };
	if (it->snapshot)
		return (struct because){ "beyond the end that the file had when it was mapped",
					 RESCUE(it) };
	if (is_loaded(it))
		return (struct because){ "beyond the file's end, in what the dynamic loader mapped",
					 "a new file put in its place (install, mv), instead of "
					 "the old one overwritten (cp)" };
	if (!it->area.shared)
		return because_private(it);
	if (it->area.protection & PROT_WRITE)
		return (struct because){ "beyond the file's end, in a writable shared mapping",
					 RESCUE(it) };
	return (struct because){
		"beyond the file's end, in a shared mapping, not protected unless asked",
		OR_RESCUE(it, "--snapshot-shared FILE, if the program opens it read-only")
	};
}

static struct because because(const struct sigbus *it)
{
	switch (it->trouble) {
	case BEYOND_END:
		return because_cut(it);
	case GROWN_AGAIN:
		return (struct because){ "beyond the file's end, which has grown again since",
					 because_cut(it).cure };
	case NO_HUGE_PAGE:
		return (struct because){ "inside the file: no huge page could be had",
					 "vm.nr_hugepages" };
	case NO_SPACE:
		return (struct because){ "inside the file: no space left for the page",
					 "space for the whole file beforehand (fallocate)" };
	case NOT_STORED:
		return (struct because){
			"inside the file: no room for a page that is stored to, "
			"by a quota or an error; or it was cut and has grown again",
			""
		};
	case NOT_READ:
		break;
	}
	return (struct because){ "inside the file: the page could not be read", "" };
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

static void add_filesystem(struct record *record, const struct sigbus *it)
{
	char device[24];

	text_make(device, sizeof(device), "%u:%u", (uint32_t)(it->area.device >> 32),
		  (uint32_t)it->area.device);
	if (it->free >= 0)
		record_int(record, "mmfence.sigbus.free", it->free);
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
	struct because why = because(it);
	bool cut = it->trouble == BEYOND_END || it->trouble == GROWN_AGAIN;

	if (!audit_enabled())
		return;
	if (cut)
		sigbus_find_writer(it, &writer);
	struct record *record = begin(it, EVENT_MAPPING_SIGBUS, OUTCOME_FAILURE, trace);
	record_error(record, error, why.reason);
	add_fault(record, it);
	if (why.cure[0])
		record_str(record, "mmfence.sigbus.cure", why.cure);
	if (!cut)
		add_filesystem(record, it);
	add_writer(record, &writer);
	record_mapping(record, it->area.start, it->area.end - it->area.start,
		       (int64_t)it->area.offset, it->area.protection, it->area.shared);
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
	record_mapping(record, it->area.start, it->area.end - it->area.start,
		       (int64_t)it->area.offset, it->area.protection, it->area.shared);
	record_emit(record);
}
