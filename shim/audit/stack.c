/* SPDX-License-Identifier: MIT */
/*
 * A trace as JSON: mmfence.stack and mmfence.modules. The text of a trace that was written lately
 * is kept, since programs call from the same places again and again. A kept text is used again only
 * if the trace is the same to the last address, and the modules at those addresses are still the
 * ones that were loaded then. Readers never wait for writers.
 */
#include <stdatomic.h>
#include <string.h>

#include "audit/json.h"
#include "audit/record.h"
#include "kernel/symbol.h"
#include "support/sys.h"

#define KEPT	     32
#define KEPT_BYTES   3072
#define KEPT_MODULES 8

#define FRAME_BYTES  24	  /* "0x0123456789abcdef", */
#define MODULE_BYTES 160  /* a module without its path */
#define PATH_BYTES   1024 /* its path, at most */

struct modules {
	uint32_t count;
	struct loaded range[KEPT_MODULES];
};

struct kept {
	atomic_uint sequence; /* odd while it is being written */
	struct trace trace;
	struct modules modules;
	uint32_t length;
	char text[KEPT_BYTES];
};

static struct kept kept[KEPT] LARGE;

static void add_address(struct text *out, uintptr_t address)
{
	text_add(out, "\"0x");
	text_add_hex(out, address, 1);
	text_add_char(out, '"');
}

static bool add_frames(struct text *out, const struct trace *trace, size_t end)
{
	text_add(out, "\"stack\":[");
	for (uint32_t i = 0; i < trace->count; i++) {
		if (out->length + FRAME_BYTES > end)
			return false;
		if (i)
			text_add_char(out, ',');
		add_address(out, trace->frame[i]);
	}
	return true;
}

static bool add_module(struct text *out, const struct module *module, size_t end)
{
	size_t length = strlen(module->path);
	unsigned int result;

	size_t room = end - out->length - MODULE_BYTES;
	text_add(out, "{\"path\":");
	result = json_add_string(out, module->path, length, room < PATH_BYTES ? room : PATH_BYTES);
	text_add(out, ",\"start\":");
	add_address(out, module->start);
	text_add(out, ",\"bias\":");
	add_address(out, module->bias);
	if (module->build_id_length) {
		text_add(out, ",\"build_id\":");
		json_add_hex(out, module->build_id, module->build_id_length, 64);
	}
	if ((result & JSON_REPLACED) && out->length + MODULE_BYTES + 2 * length < end) {
		text_add(out, ",\"raw\":");
		json_add_hex(out, module->path, length, 2 * length + 2);
	} else if (result & JSON_REPLACED) {
		result |= JSON_CUT;
	}
	text_add_char(out, '}');
	return !(result & JSON_CUT);
}

/* Whether an earlier frame lies in the same module. */
static bool seen(const struct trace *trace, uint32_t before, const struct loaded *range)
{
	for (uint32_t i = 0; i < before; i++)
		if (trace->frame[i] >= range->start && trace->frame[i] < range->end)
			return true;
	return false;
}

static bool add_modules(struct text *out, const struct trace *trace, size_t end,
			struct modules *modules)
{
	bool whole = true;

	modules->count = 0;
	text_add(out, ",\"modules\":[");
	for (uint32_t i = 0; i < trace->count; i++) {
		struct loaded range;
		struct module module;

		if (loaded_find(trace->frame[i], &range) || seen(trace, i, &range) ||
		    module_find(trace->frame[i], &module))
			continue;
		if (out->length + MODULE_BYTES + JSON_STRING_MIN + 1 > end)
			return false;
		if (modules->count)
			text_add_char(out, ',');
		whole &= add_module(out, &module, end);
		if (modules->count < KEPT_MODULES)
			modules->range[modules->count] = range;
		modules->count++;
	}
	return whole;
}

static struct kept *kept_of(const struct trace *trace)
{
	return &kept[(trace->hash >> 32) % KEPT];
}

static bool same_trace(const struct trace *a, const struct trace *b)
{
	return a->hash == b->hash && a->count == b->count &&
	       !memcmp(a->frame, b->frame, b->count * sizeof(*b->frame));
}

static bool still_loaded(const struct modules *modules)
{
	for (uint32_t i = 0; i < modules->count; i++) {
		const struct loaded *old = &modules->range[i];
		struct loaded now;

		if (loaded_find(old->start, &now) || now.start != old->start ||
		    now.end != old->end || now.library != old->library)
			return false;
	}
	return true;
}

static bool recall(struct text *out, const struct trace *trace, size_t limit)
{
	struct kept *it = kept_of(trace);
	unsigned int sequence = atomic_load_explicit(&it->sequence, memory_order_acquire);
	uint32_t length = it->length;
	struct modules modules;

	if ((sequence & 1) || length > KEPT_BYTES || length > limit || !length ||
	    !same_trace(&it->trace, trace))
		return false;
	modules = it->modules;
	size_t start = out->length;
	text_add_bytes(out, it->text, length);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&it->sequence, memory_order_relaxed) == sequence &&
	    modules.count <= KEPT_MODULES && still_loaded(&modules))
		return true;
	out->length = start;
	return false;
}

static void remember(const struct trace *trace, const char *text, size_t length,
		     const struct modules *modules)
{
	struct kept *it = kept_of(trace);
	unsigned int sequence = atomic_load_explicit(&it->sequence, memory_order_relaxed);

	if (length > KEPT_BYTES || modules->count > KEPT_MODULES || (sequence & 1) ||
	    !atomic_compare_exchange_strong(&it->sequence, &sequence, sequence + 1))
		return;
	atomic_thread_fence(memory_order_release);
	it->trace = *trace;
	it->modules = *modules;
	it->length = (uint32_t)length;
	memcpy(it->text, text, length);
	atomic_store_explicit(&it->sequence, sequence + 2, memory_order_release);
}

bool stack_add(struct text *out, const struct trace *trace, size_t limit)
{
	size_t start = out->length, end = start + limit - sizeof("],\"modules\":[]");
	struct modules modules;
	bool whole;

	if (recall(out, trace, limit))
		return true;
	whole = add_frames(out, trace, end);
	text_add_char(out, ']');
	if (whole) {
		whole = add_modules(out, trace, end, &modules);
		text_add_char(out, ']');
	}
	if (whole)
		remember(trace, out->start + start, out->length - start, &modules);
	return whole;
}
