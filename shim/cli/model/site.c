/* SPDX-License-Identifier: MIT */
/*
 * Call sites: a backtrace as modules and offsets in them, which are the same in every
 * process, where the addresses are not. See model.h.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/model/entry.h"

/* What a site is found by: what it is about, the program, and its frames. */
struct site_key {
	char head[96];
	struct frame frames[FRAMES];
};

/* A module as one record has it. */
struct module_place {
	uint64_t start, bias;
	struct log_module *module;
};

static uint64_t address_of(const struct scan_value *value)
{
	return strtoull(scan_text_of(value), NULL, 16);
}

/* The path's own bytes, where it is no UTF-8, are not needed: the build-id tells files apart. */
static struct log_module *module_of(struct model *model, const char *path, const char *build_id)
{
	char key[1200];

	snprintf(key, sizeof(key), "%.64s %s", build_id, path);
	struct log_module *module = ROW(model->modules, key, strlen(key), ROWS_MOST);

	if (module && !module->path) {
		module->path = keep(path);
		module->build_id = keep(build_id);
	}
	return module;
}

static size_t find_places(struct model *model, const struct scan *scan, struct module_place *places)
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
static struct frame frame_of(const struct module_place *places, size_t count, uint64_t address)
{
	const struct module_place *found = NULL;

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
	struct module_place places[FRAMES];
	uint32_t count = 0;
	size_t known;

	if (!stack || stack->type != SCAN_ARRAY)
		return 0;
	known = find_places(model, scan, places);
	for (it = scan_first(scan, stack); it && count < FRAMES; it = scan_next(scan, stack, it))
		frames[count++] = frame_of(places, known, address_of(it));
	return count;
}

/* Where there is no backtrace, the library's hash of it may be. An address in no module is another
 * one in every process: it says no more than that. */
static size_t make_key(struct site_key *key, const char *action, const char *program,
		       const char *hash, const struct frame *frames, uint32_t count)
{
	memset(key->head, 0, sizeof(key->head));
	snprintf(key->head, sizeof(key->head), "%.24s %.48s %.20s", action, program,
		 count ? "" : hash);
	for (uint32_t i = 0; i < count; i++)
		key->frames[i] = frames[i].module ? frames[i] : (struct frame){ NULL, 0 };
	return offsetof(struct site_key, frames[count]);
}

struct site_row *site_of(struct model *model, const struct scan *scan, const char *action,
			 const char *program)
{
	struct frame frames[FRAMES];
	uint32_t count = frames_find(model, scan, frames);
	struct site_key key;
	size_t length =
		make_key(&key, action, program, scan_text(scan, "mmfence.site"), frames, count);
	struct site_row *site = ROW(model->sites, &key, length, ROWS_MOST);

	if (!site) {
		program = OTHERS;
		count = 0;
		length = make_key(&key, action, program, "", frames, 0);
		site = ROW(model->sites, &key, length, ANY_NUMBER);
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
