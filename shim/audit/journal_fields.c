/* SPDX-License-Identifier: MIT */
/*
 * Walks a line of JSON that record_close made, and so is well-formed and has no
 * blanks: see journal_fields.h. Strings are given back their bytes; one with a newline
 * is written with its length in front, as the journal's protocol has it.
 */
#include <string.h>

#include "audit/journal_fields.h"

#define NAME_BYTES 65 /* the journal's limit, and one */
#define DEPTH	   8

struct walk {
	struct text *out;
	const char *at;
	const char *end;
	char name[NAME_BYTES]; /* the open objects' names, each with its '_' */
	size_t used;
	size_t before[DEPTH]; /* how long it was before each of them */
	size_t depth;
	bool too_long;
};

static void add_to_name(struct walk *walk, char c)
{
	if (walk->used + 1 >= NAME_BYTES) {
		walk->too_long = true;
		return;
	}
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	else if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
		c = '_';
	/* A field may not begin with an underscore: those are the journal's own. */
	if (walk->used || c != '_')
		walk->name[walk->used++] = c;
}

/* "name": with at behind the first quote; names hold no escapes. */
static void take_name(struct walk *walk)
{
	for (; walk->at < walk->end && *walk->at != '"'; walk->at++)
		add_to_name(walk, *walk->at);
	walk->at += 2;
}

static unsigned int take_hex(const char *at)
{
	unsigned int value = 0;

	for (int i = 0; i < 4; i++)
		value = value << 4 | (unsigned int)(at[i] <= '9' ? at[i] - '0' : at[i] - 'a' + 10);
	return value;
}

/* The character behind a backslash. Of \u there are those of Latin-1 only: see json.c. */
static void add_escaped(struct walk *walk)
{
	static const char names[] = "b\bf\fn\nr\rt\t";
	const char *name = strchr(names, *walk->at);
	unsigned int code;

	if (*walk->at != 'u') {
		text_add_char(walk->out, name ? name[1] : *walk->at);
		walk->at++;
		return;
	}
	code = take_hex(walk->at + 1);
	if (code >= 0x80) {
		text_add_char(walk->out, (char)(0xc0 | code >> 6));
		code = 0x80 | (code & 0x3f);
	}
	text_add_char(walk->out, (char)code);
	walk->at += 5;
}

static void take_string(struct walk *walk)
{
	while (walk->at < walk->end && *walk->at != '"') {
		if (*walk->at != '\\') {
			text_add_char(walk->out, *walk->at++);
			continue;
		}
		walk->at++;
		add_escaped(walk);
	}
	walk->at++;
}

static void take_plain(struct walk *walk)
{
	while (walk->at < walk->end && !strchr(",}]", *walk->at))
		text_add_char(walk->out, *walk->at++);
}

static void cut(struct text *text, size_t length)
{
	text->length = length;
	text->start[length] = 0;
	text->overflow = false;
}

/* NAME=value it is; with a newline in the value NAME, a newline, eight bytes of length, the value.
 */
static void finish(struct text *out, size_t value)
{
	size_t length = out->length - value;
	char bytes[8] = { 0 };

	if (!memchr(out->start + value, '\n', length)) {
		text_add_char(out, '\n');
		return;
	}
	text_add_bytes(out, "12345678\n", 9);
	if (out->overflow)
		return;
	for (int i = 0; i < 4; i++)
		bytes[i] = (char)(length >> 8 * i);
	memmove(out->start + value + 8, out->start + value, length);
	memcpy(out->start + value, bytes, 8);
	out->start[value - 1] = '\n';
	out->start[out->length - 1] = '\n';
}

static void take_scalar(struct walk *walk)
{
	struct text *out = walk->out;
	size_t start = out->length;

	text_add_bytes(out, walk->name, walk->used);
	text_add_char(out, '=');
	size_t value = out->length;
	if (*walk->at == '"') {
		walk->at++;
		take_string(walk);
	} else {
		take_plain(walk);
	}
	finish(out, value);
	if (walk->too_long || out->overflow)
		cut(out, start);
}

/* An array of strings and objects: to its end. */
static void skip_array(struct walk *walk)
{
	bool text = false;
	int depth = 0;

	for (; walk->at < walk->end; walk->at++) {
		char c = *walk->at;

		if (text && c == '\\')
			walk->at++;
		else if (c == '"')
			text = !text;
		else if (!text && c == '[')
			depth++;
		else if (!text && c == ']' && !--depth)
			break;
	}
	walk->at++;
}

static void take_member(struct walk *walk)
{
	size_t before = walk->used;

	walk->too_long = false;
	take_name(walk);
	if (*walk->at == '{' && walk->depth < DEPTH) {
		add_to_name(walk, '_');
		walk->before[walk->depth++] = before;
		walk->at++;
		return;
	}
	if (*walk->at == '[')
		skip_array(walk);
	else
		take_scalar(walk);
	walk->used = before;
}

void journal_fields(struct text *out, const char *record, size_t length)
{
	struct walk walk = { .out = out, .at = record + 1, .end = record + length };

	while (walk.at < walk.end) {
		char c = *walk.at++;

		if (c == '"')
			take_member(&walk);
		else if (c == '}' && walk.depth)
			walk.used = walk.before[--walk.depth];
	}
}
