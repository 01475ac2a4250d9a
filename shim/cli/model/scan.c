/* SPDX-License-Identifier: MIT */
/*
 * One line of JSON, read by yajl into a flat list: see scan.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "cli/model/scan.h"
#include "cli/text/text.h"
#include "support/text.h"

#define DEEPEST 64
#define NOWHERE UINT32_MAX

/* The next value of the list. Nothing moves it before it is filled. */
static struct scan_value *value_add(struct scan *scan, enum scan_type type)
{
	if (scan->count == scan->room) {
		scan->room = scan->room ? 2 * scan->room : 256;
		scan->values = resize(scan->values, scan->room * sizeof(*scan->values));
	}
	scan->values[scan->count] = (struct scan_value){ .type = type, .next = scan->count + 1 };
	return &scan->values[scan->count++];
}

/* yajl takes UTF-8 that is none. A NUL would end the string for all who read it. Most strings are
 * ASCII without one, which is seen eight bytes at a time. */
static bool is_text(const char *text, size_t length)
{
	const uint64_t ones = 0x0101010101010101, high = 0x8080808080808080;
	const char *end = text + length;
	uint64_t word;
	uint32_t code;

	while (text < end) {
		if (end - text >= 8 && !(memcpy(&word, text, 8), ((word - ones) | word) & high)) {
			text += 8;
			continue;
		}
		text += text_character(text, (size_t)(end - text), &code);
		if (!code || code == NO_CHARACTER)
			return false;
	}
	return true;
}

static int take_string(void *context, const unsigned char *text, size_t length)
{
	struct scan *scan = context;
	char *copy = scan->texts + scan->used;

	memcpy(copy, text, length);
	copy[length] = 0;
	struct scan_value *value = value_add(scan, SCAN_STRING);

	value->text = copy;
	value->length = (uint32_t)length;
	scan->used += length + 1;
	return is_text(copy, length);
}

static int take_integer(void *context, long long integer)
{
	value_add(context, SCAN_INTEGER)->integer = integer;
	return 1;
}

static int take_real(void *context, double real)
{
	(void)real;
	value_add(context, SCAN_REAL);
	return 1;
}

static int take_truth(void *context, int truth)
{
	value_add(context, truth ? SCAN_TRUE : SCAN_FALSE);
	return 1;
}

static int take_null(void *context)
{
	value_add(context, SCAN_NULL);
	return 1;
}

/* What is open has in `next` the one around it. */
static int open_holder(struct scan *scan, enum scan_type type)
{
	uint32_t around = scan->open;

	scan->open = scan->count;
	value_add(scan, type)->next = around;
	return scan->depth++ < DEEPEST;
}

static int open_object(void *context)
{
	return open_holder(context, SCAN_OBJECT);
}

static int open_array(void *context)
{
	return open_holder(context, SCAN_ARRAY);
}

static int close_holder(void *context)
{
	struct scan *scan = context;
	struct scan_value *holder = &scan->values[scan->open];

	scan->depth--;
	scan->open = holder->next;
	holder->next = scan->count;
	return 1;
}

int scan_line(struct scan *scan, const char *line, size_t length)
{
	static const yajl_callbacks takers = {
		.yajl_null = take_null,
		.yajl_boolean = take_truth,
		.yajl_integer = take_integer,
		.yajl_double = take_real,
		.yajl_string = take_string,
		.yajl_map_key = take_string,
		.yajl_start_map = open_object,
		.yajl_end_map = close_holder,
		.yajl_start_array = open_array,
		.yajl_end_array = close_holder,
	};
	yajl_handle reader = yajl_alloc(&takers, NULL, scan);

	/* No string is longer than what it stood in, quotes and all. */
	if (length >= scan->texts_room) {
		scan->texts_room = 2 * length + 1024;
		scan->texts = resize(scan->texts, scan->texts_room);
	}
	scan->count = scan->depth = 0;
	scan->used = 0;
	scan->open = NOWHERE;
	bool whole = reader &&
		     yajl_parse(reader, (const unsigned char *)line, length) == yajl_status_ok &&
		     yajl_complete_parse(reader) == yajl_status_ok && scan->count;

	yajl_free(reader);
	return whole ? 0 : -EBADMSG;
}

void scan_free(struct scan *scan)
{
	free(scan->values);
	free(scan->texts);
	memset(scan, 0, sizeof(*scan));
}

const struct scan_value *scan_first(const struct scan *scan, const struct scan_value *holder)
{
	const struct scan_value *first = holder + 1;

	return holder->type >= SCAN_ARRAY && first < scan->values + holder->next ? first : NULL;
}

const struct scan_value *scan_next(const struct scan *scan, const struct scan_value *holder,
				   const struct scan_value *value)
{
	return value->next < holder->next ? scan->values + value->next : NULL;
}

static const struct scan_value *member(const struct scan *scan, const struct scan_value *object,
				       const char *name, size_t length)
{
	const struct scan_value *key;

	if (!object || object->type != SCAN_OBJECT)
		return NULL;
	for (key = scan_first(scan, object); key; key = scan_next(scan, object, key + 1))
		if (key->length == length && !memcmp(key->text, name, length))
			return key + 1;
	return NULL;
}

const struct scan_value *scan_below(const struct scan *scan, const struct scan_value *object,
				    const char *name)
{
	while (object && *name) {
		size_t length = strcspn(name, ".");

		object = member(scan, object, name, length);
		name += length + (name[length] == '.');
	}
	return object;
}

const struct scan_value *scan_get(const struct scan *scan, const char *name)
{
	return scan->count ? scan_below(scan, scan->values, name) : NULL;
}

const char *scan_text_of(const struct scan_value *value)
{
	return value && value->type == SCAN_STRING ? value->text : "";
}

int64_t scan_number_of(const struct scan_value *value)
{
	return value && value->type == SCAN_INTEGER ? value->integer : 0;
}

const char *scan_text(const struct scan *scan, const char *name)
{
	return scan_text_of(scan_get(scan, name));
}

int64_t scan_number(const struct scan *scan, const char *name)
{
	return scan_number_of(scan_get(scan, name));
}
