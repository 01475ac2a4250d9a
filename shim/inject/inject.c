/* SPDX-License-Identifier: MIT */
/*
 * Which calls fail: see inject.h. Counts are of this process and of one rule: a call that
 * several rules name counts for each, and the first that is due says the error.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "audit/event.h"
#include "audit/trace.h"
#include "inject/inject.h"
#include "kernel/file.h"
#include "support/sys.h"

#define PATH_BYTES 256
#define RULE_BYTES 128
#define MOST_SITES 512

struct injected {
	struct inject_rule rule;
	atomic_ullong calls, failed;
};

static struct injected faults[INJECT_RULES] LARGE;
static int fault_count;
uint32_t inject_calls;

/* Call sites that have their record. Full, no more get one: the totals have them all. */
CALL_SITES(sites, .size = sizeof(struct call_site), .most = MOST_SITES);

void inject_prepare(const char *list)
{
	struct inject_rule rules[INJECT_RULES];
	char sentence[256];
	struct text error;

	text_init(&error, sentence, sizeof(sentence));
	int count = inject_parse(list, rules, &error);

	for (int i = 0; i < count; i++) {
		faults[i].rule = rules[i];
		inject_calls |= rules[i].calls;
	}
	fault_count = count > 0 ? count : 0;
}

static bool is_memory_file(int fd)
{
	struct file file;

	return !file_identify(fd, &file) &&
	       (file.kind == FILE_PROCESS_MEMORY || file.kind == FILE_DEVICE_MEMORY);
}

static bool matches(const struct inject_rule *rule, const struct inject_request *request)
{
	int flags = request->flags, type = flags & MAP_TYPE;

	if (!(rule->calls & INJECT_BIT(request->call)))
		return false;
	switch (rule->filter) {
	case INJECT_IF_ANONYMOUS:
		return flags & MAP_ANONYMOUS;
	case INJECT_IF_FILE:
		return !(flags & MAP_ANONYMOUS);
	case INJECT_IF_SHARED:
		return type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
	case INJECT_IF_PRIVATE:
		return type == MAP_PRIVATE;
	case INJECT_IF_FIXED:
		return flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
	case INJECT_IF_SELFMEM:
		return !(flags & MAP_ANONYMOUS) && is_memory_file(request->fd);
	default:
		return true;
	}
}

static void record_rule(struct record *record, const struct inject_rule *rule)
{
	char buffer[RULE_BYTES];

	text_make(buffer, sizeof(buffer), "%.*s", (int)rule->length, rule->text);
	record_str(record, "mmfence.inject.rule", buffer);
}

static void record_request(struct record *record, const struct inject_request *request)
{
	char path[PATH_BYTES];

	if (request->fd >= 0 && sys_fd_path(request->fd, path, sizeof(path)) > 0)
		record_str(record, "file.path", path);
}

static void report(const struct call *call, const struct inject_request *request,
		   const struct injected *fault, uint64_t number, const struct area_limit *areas)
{
	struct trace trace;
	bool is_new;

	if (!audit_enabled())
		return;
	trace_capture(&trace, call->ip, call->cfa);
	if (!call_site_get(&sites, trace.hash + (uint64_t)(fault - faults), &trace, &is_new) ||
	    !is_new)
		return;
	struct record *record = record_begin(EVENT_INJECT_FAULT, OUTCOME_FAILURE, &trace);
	record_request(record, request);
	record_error(record, fault->rule.error, NULL);
	record_str(record, "mmfence.call", call->name);
	record_site(record, trace.hash);
	record_rule(record, &fault->rule);
	record_uint(record, "mmfence.inject.number", number);
	if (request->length) {
		record_address(record, "mmfence.mapping.address", request->address);
		record_uint(record, "mmfence.mapping.length", request->length);
	}
	if (areas->limit) {
		record_uint(record, "mmfence.areas.count", areas->count);
		record_uint(record, "mmfence.areas.limit", areas->limit);
	}
	record_emit(record);
}

static bool is_due(const struct injected *fault, uint64_t number, struct area_limit *areas,
		   const struct inject_request *request)
{
	if (!fault->rule.areas)
		return inject_due(&fault->rule.when, number);
	areas->limit = fault->rule.areas;
	if (areas_exceeded(areas, request))
		return true;
	areas->limit = 0;
	return false;
}

long inject_decide(const struct call *call, const struct inject_request *request)
{
	struct injected *due = NULL;
	struct area_limit areas = { 0, 0 };
	uint64_t due_number = 0;

	for (int i = 0; i < fault_count; i++) {
		struct injected *fault = &faults[i];

		if (!matches(&fault->rule, request))
			continue;
		uint64_t number = atomic_fetch_add(&fault->calls, 1) + 1;
		if (due || !is_due(fault, number, &areas, request))
			continue;
		due = fault;
		due_number = number;
	}
	if (!due)
		return 0;
	atomic_fetch_add(&due->failed, 1);
	report(call, request, due, due_number, &areas);
	return -due->rule.error;
}

void inject_totals(void)
{
	for (int i = 0; i < fault_count; i++) {
		struct injected *fault = &faults[i];
		uint64_t failed = atomic_exchange(&fault->failed, 0);

		if (!failed)
			continue;
		struct record *record = record_begin(EVENT_INJECT_TOTAL, OUTCOME_SUCCESS, NULL);
		record_rule(record, &fault->rule);
		record_uint(record, "mmfence.inject.calls", atomic_load(&fault->calls));
		record_uint(record, "mmfence.inject.failed", failed);
		record_emit(record);
	}
}

void inject_after_fork(void)
{
	for (int i = 0; i < fault_count; i++) {
		atomic_store(&faults[i].calls, 0);
		atomic_store(&faults[i].failed, 0);
	}
	call_sites_forget(&sites);
}
