/* SPDX-License-Identifier: MIT */
/*
 * Any bytes to a JSON string: see json.h. Control characters are escaped, those
 * of Latin-1 and DEL too, so that a log shown on a terminal does nothing to it.
 */
#include <string.h>

#include "audit/json.h"

#define ELLIPSIS    "\xe2\x80\xa6"
#define REPLACEMENT "\xef\xbf\xbd"

static size_t escape_control(unsigned char c, char *out)
{
	static const char names[] = "\bb\ff\nn\rr\tt\"\"\\\\";
	const char *name = names;

	while (*name && *name != (char)c)
		name += 2;
	out[0] = '\\';
	if (*name) {
		out[1] = name[1];
		return 2;
	}
	strcpy(out + 1, "u00");
	out[4] = "0123456789abcdef"[c >> 4];
	out[5] = "0123456789abcdef"[c & 15];
	return 6;
}

/* One character at text as it stands in the string: its length, and in *used that of the source. */
static size_t encode(const unsigned char *text, size_t left, char *out, size_t *used, bool *valid)
{
	uint32_t code;

	*used = text_character((const char *)text, left, &code);
	*valid = code != NO_CHARACTER;
	if (!*valid) {
		memcpy(out, REPLACEMENT, 3);
		return 3;
	}
	if (*used == 1 && (text[0] < 0x20 || text[0] == '"' || text[0] == '\\' || text[0] == 0x7f))
		return escape_control(text[0], out);
	if (*used == 2 && text[0] == 0xc2 && text[1] < 0xa0)
		return escape_control(text[1], out);
	memcpy(out, text, *used);
	return *used;
}

/* How many bytes from text on stand for themselves: most strings do from end to end. */
static size_t plain_run(const unsigned char *text, size_t left)
{
	size_t i = 0;

	while (i < left && text[i] >= 0x20 && text[i] < 0x7f && text[i] != '"' && text[i] != '\\')
		i++;
	return i;
}

struct string {
	struct text *out;
	size_t end;  /* where the closing quote goes at the latest */
	size_t mark; /* the last place where it can be cut and marked */
	unsigned int result;
};

static size_t string_room(const struct string *string)
{
	return string->end - string->out->length;
}

/* False when it did not fit. */
static bool add_plain(struct string *string, const unsigned char *text, size_t length)
{
	size_t start = string->out->length;
	size_t room = string_room(string);
	size_t last = string->end - strlen(ELLIPSIS);

	text_add_bytes(string->out, text, length < room ? length : room);
	if (string->out->length <= last)
		string->mark = string->out->length;
	else if (start <= last)
		string->mark = last;
	return length <= room;
}

static bool add_encoded(struct string *string, const unsigned char *text, size_t left, size_t *used)
{
	char piece[8];
	bool valid;
	size_t size = encode(text, left, piece, used, &valid);

	if (!valid)
		string->result |= JSON_REPLACED;
	if (size > string_room(string))
		return false;
	text_add_bytes(string->out, piece, size);
	if (string_room(string) >= strlen(ELLIPSIS))
		string->mark = string->out->length;
	return true;
}

unsigned int json_add_string(struct text *out, const char *bytes, size_t length, size_t limit)
{
	const unsigned char *text = (const unsigned char *)bytes;
	struct string string = { out, out->length + limit - 1, out->length + 1, JSON_WHOLE };
	bool fits = true;

	text_add_char(out, '"');
	while (length && fits) {
		size_t used = plain_run(text, length);

		if (used)
			fits = add_plain(&string, text, used);
		else
			fits = add_encoded(&string, text, length, &used);
		text += used;
		length -= used;
	}
	if (!fits) {
		string.result |= JSON_CUT;
		out->length = string.mark;
		text_add(out, ELLIPSIS);
	}
	text_add_char(out, '"');
	return string.result;
}

bool json_add_hex(struct text *out, const void *bytes, size_t length, size_t limit)
{
	const unsigned char *byte = bytes;
	size_t fits = (limit - 2) / 2;

	text_add_char(out, '"');
	for (size_t i = 0; i < length && i < fits; i++)
		text_add_hex(out, byte[i], 2);
	text_add_char(out, '"');
	return length <= fits;
}
