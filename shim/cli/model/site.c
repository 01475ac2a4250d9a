/* SPDX-License-Identifier: MIT */
/*
 * Call sites: a backtrace as modules and offsets in them, which are the same in every
 * process, where the addresses are not. See model.h.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model/entry.h"

/* What a site is found by: what it is about, the program, and its frames. */
struct site_key {
	uint32_t length;
	char bytes[FRAMES * (sizeof(uint32_t) + sizeof(uint64_t)) + 160];
};

#define NOWHERE UINT32_MAX

/* A module as one record has it. */
struct place {
	uint64_t start, bias;
	struct module *module;
};

static uint64_t address_of(const struct scan_value *value)
{
	return strtoull(scan_text_of(value), NULL, 16);
}

/* The path's own bytes, where it is no UTF-8, are not needed: the build-id tells files apart. */
static struct module *module_of(struct model *model, const char *path, const char *build_id)
{
	char key[1200];

	snprintf(key, sizeof(key), "%.64s %s", build_id, path);
	struct module *module = ROW(model->modules, key, strlen(key), ROWS_MOST);

	if (module && !module->path) {
		module->path = keep(path);
		module->build_id = keep(build_id);
		module->number = HASH_COUNT(model->modules);
	}
	return module;
}

static size_t find_places(struct model *model, const struct scan *scan, struct place *places)
{
	const struct scan_value *modules = scan_get(scan, "mmfence.modules"), *it;
	size_t count = 0;

	if (!modules || modules->type != SCAN_ARRAY)
		return 0;
	for (it = scan_first(scan, modules); it && count < FRAMES;
	     it = scan_next(scan, modules, it)) {
		places[count].start = address_of(scan_below(scan, it, "start"));
		places[count].bias = address_of(scan_below(scan, it, "bias"));
		places[count++].module =
			module_of(model, scan_text_of(scan_below(scan, it, "path")),
				  scan_text_of(scan_below(scan, it, "build_id")));
	}
	return count;
}

/* The module that starts last before the address; where none does, the address stays one. */
static struct frame frame_of(const struct place *places, size_t count, uint64_t address)
{
	const struct place *found = NULL;

	for (size_t i = 0; i < count; i++)
		if (places[i].start <= address && (!found || places[i].start > found->start))
			found = &places[i];
	if (!found || !found->module)
		return (struct frame){ NULL, address };
	return (struct frame){ found->module, address - found->bias };
}

uint32_t frames_find(struct model *model, const struct scan *scan, struct frame *frames)
{
	const struct scan_value *stack = scan_get(scan, "mmfence.stack"), *it;
	struct place places[FRAMES];
	uint32_t count = 0;
	size_t known;

	if (!stack || stack->type != SCAN_ARRAY)
		return 0;
	known = find_places(model, scan, places);
	for (it = scan_first(scan, stack); it && count < FRAMES; it = scan_next(scan, stack, it))
		frames[count++] = frame_of(places, known, address_of(it));
	return count;
}

static void add_bytes(struct site_key *key, const void *bytes, size_t length)
{
	if (key->length + length <= sizeof(key->bytes)) {
		memcpy(key->bytes + key->length, bytes, length);
		key->length += (uint32_t)length;
	}
}

/* An address in no module is another one in every process: it says no more than that. Where there
 * is no backtrace, the library's hash of it may be. */
static void make_key(struct site_key *key, const char *action, const char *program,
		     const char *hash, const struct frame *frames, uint32_t count)
{
	char head[160];
	int length = snprintf(head, sizeof(head), "%.40s %.90s %.20s", action, program,
			      count ? "" : hash);

	key->length = 0;
	add_bytes(key, head, (size_t)length + 1);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t number = frames[i].module ? frames[i].module->number : NOWHERE;
		uint64_t offset = frames[i].module ? frames[i].offset : 0;

		add_bytes(key, &number, sizeof(number));
		add_bytes(key, &offset, sizeof(offset));
	}
}

struct site_row *site_of(struct model *model, const struct scan *scan, const char *action,
			 const char *program)
{
	struct frame frames[FRAMES];
	uint32_t count = frames_find(model, scan, frames);
	struct site_key key;
	struct site_row *site;

	make_key(&key, action, program, scan_text(scan, "mmfence.site"), frames, count);
	site = ROW(model->sites, key.bytes, key.length, ROWS_MOST);
	if (!site) {
		program = OTHERS;
		count = 0;
		make_key(&key, action, program, "", frames, 0);
		site = ROW(model->sites, key.bytes, key.length, ANY_NUMBER);
	}
	if (site->action)
		return site;
	site->action = keep(action);
	site->program = keep(program);
	site->path = site->error = site->detail = keep("");
	site->frame_count = count;
	site->frames = take((count + 1) * sizeof(*frames));
	memcpy(site->frames, frames, count * sizeof(*frames));
	return site;
}
