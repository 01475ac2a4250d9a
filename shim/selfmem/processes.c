/* SPDX-License-Identifier: MIT */
/*
 * Calls that reach the memory or the descriptors of a process by its number, with no file that
 * could be told by what it is. A debugger makes thousands of these, and crash handlers make them in
 * signal handlers, so that there is a table of a fixed size, and no lock. What comes when it is
 * full shares the last place.
 */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "audit/event.h"
#include "audit/trace.h"
#include "kernel/thread.h"
#include "selfmem/selfmem.h"
#include "support/sys.h"
#include "support/text.h"

#define MOST 4096

struct reaching {
	struct call_site head;
	_Atomic(uint64_t) calls, said, bytes, failed;
	const char *name;
	atomic_int owner, error; /* of the last */
};

CALL_SITES(sites, .size = sizeof(struct reaching), .most = MOST);

static void report(struct reaching *site)
{
	uint64_t calls = atomic_load(&site->calls);
	uint64_t news = calls - atomic_exchange(&site->said, calls);
	uint64_t failed = atomic_exchange(&site->failed, 0);
	uint64_t bytes = atomic_exchange(&site->bytes, 0);
	int owner = atomic_load(&site->owner), error = atomic_load(&site->error);

	if (!news)
		return;
	struct record *record =
		record_begin(EVENT_SELFMEM_ACCESS,
			     failed < news ? OUTCOME_SUCCESS : OUTCOME_FAILURE, &site->head.trace);
	if (failed)
		record_error(record, error, NULL);
	record_str(record, "mmfence.call", site->name);
	record_site(record, site->head.trace.hash);
	if (owner >= 0)
		record_int(record, "mmfence.selfmem.owner", owner);
	record_uint(record, "mmfence.selfmem.calls", news);
	record_uint(record, "mmfence.selfmem.failed", failed);
	if (bytes)
		record_uint(record, "mmfence.selfmem.bytes", bytes);
	record_emit(record);
}

void processes_reached(const struct call *call, const char *name, pid_t owner, long result)
{
	struct trace trace;
	bool is_new;

	trace_capture(&trace, call->ip, call->cfa);
	struct reaching *site =
		call_site_get(&sites, trace.hash ^ (uintptr_t)name, &trace, &is_new);
	if (!site)
		return;
	site->name = name;
	atomic_store(&site->owner, owner);
	if (sys_failed(result)) {
		atomic_store(&site->error, (int)-result);
		atomic_fetch_add(&site->failed, 1);
	} else if (!strncmp(name, "process_vm", 10)) {
		atomic_fetch_add(&site->bytes, (uint64_t)result);
	}
	uint64_t calls = atomic_fetch_add(&site->calls, 1) + 1;
	if (!(calls & (calls - 1)))
		report(site);
}

pid_t processes_owner(int pidfd)
{
	char text[512];
	uint64_t number;

	if (sys_read_text(thread_open_info(-1, pidfd), text, sizeof(text)) < 0)
		return -1;
	return text_find_number(text, "\nPid:", &number) && number ? (pid_t)number : -1;
}

void processes_totals(void)
{
	EACH_CALL_SITE(site, &sites)
	report((struct reaching *)site);
}

void processes_forget(void)
{
	call_sites_forget(&sites);
}
