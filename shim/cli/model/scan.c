/* SPDX-License-Identifier: MIT */
/*
 * One line of JSON: see scan.h. Strings are looked through sixteen bytes at a time
 * for what ends or changes them; most of a record is strings.
 */
#include <emmintrin.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/model/scan.h"

#define DEEPEST 64

struct reader {
	struct scan *scan;
	char *at;
	char *end;
	int depth;
	int error;
};

static bool bad(struct reader *reader)
{
	if (!reader->error)
		reader->error = -EBADMSG;
	return false;
}

static uint32_t value_add(struct reader *reader, enum scan_type type)
{
	struct scan *scan = reader->scan;

	if (scan->count == scan->room) {
		uint32_t room = scan->room ? 2 * scan->room : 256;
		struct scan_value *values = realloc(scan->values, room * sizeof(*values));

		if (!values) {
			reader->error = -ENOMEM;
			return UINT32_MAX;
		}
		scan->values = values;
		scan->room = room;
	}
	scan->values[scan->count] = (struct scan_value){ .type = type, .next = scan->count + 1 };
	return scan->count++;
}

static void skip_space(struct reader *reader)
{
	while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' ||
					    *reader->at == '\n' || *reader->at == '\r'))
		reader->at++;
}

/* The first byte from here on that is a quote, a backslash, a control character or not ASCII; it
 * may lie behind the end. */
static char *skip_plain(char *at, const char *end)
{
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
	const __m128i space = _mm_set1_epi8(' ');

	for (; at < end; at += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)at);
		/* Signed: what is not ASCII is below a space too. */
		__m128i odd = _mm_or_si128(
			_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash)),
			_mm_cmplt_epi8(bytes, space));
		unsigned int mask = (unsigned int)_mm_movemask_epi8(odd);

		if (mask)
			return at + __builtin_ctz(mask);
	}
	return at;
}

/* The length of the UTF-8 sequence here, or 0 when it is none. */
static size_t sequence_length(const unsigned char *at, size_t room)
{
	size_t length = *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;

	if (*at < 0xc2 || *at > 0xf4 || length > room)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than needed, surrogates, past U+10FFFF. */
	if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) ||
	    (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f))
		return 0;
	return length;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static long hex_four(const char *at, const char *end)
{
	long value = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(at[i]);

		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

static char *put_utf8(char *out, long code)
{
	if (code < 0x80) {
		*out++ = (char)code;
		return out;
	}
	if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
	} else if (code < 0x10000) {
		*out++ = (char)(0xe0 | code >> 12);
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
	} else {
		*out++ = (char)(0xf0 | code >> 18);
		*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (code & 0x3f));
	return out;
}

/* \uXXXX, from its digits on; a pair of surrogates is one character. NUL is refused: it would end
 * the string for all who read it. */
static char *unescape_code(struct reader *reader, char *out)
{
	long code = hex_four(reader->at, reader->end), low;

	if (code <= 0 || (code >= 0xdc00 && code < 0xe000))
		return NULL;
	reader->at += 4;
	if (code < 0xd800 || code > 0xdfff)
		return put_utf8(out, code);
	if (reader->end - reader->at < 6 || reader->at[0] != '\\' || reader->at[1] != 'u')
		return NULL;
	low = hex_four(reader->at + 2, reader->end);
	if (low < 0xdc00 || low > 0xdfff)
		return NULL;
	reader->at += 6;
	return put_utf8(out, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
}

/* What is behind a backslash becomes one character at out, which is never longer. */
static char *unescape(struct reader *reader, char *out)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (++reader->at >= reader->end || !*reader->at)
		return NULL;
	if (*reader->at == 'u') {
		reader->at++;
		return unescape_code(reader, out);
	}
	found = strchr(letters, *reader->at++);
	if (!found)
		return NULL;
	*out++ = meant[found - letters];
	return out;
}

/* One stretch: bytes that stay as they are, then what stopped them. The new end of the string's
 * text, or NULL. */
static char *take_stretch(struct reader *reader, char *out)
{
	char *stop = skip_plain(reader->at, reader->end);
	size_t plain = (size_t)(stop - reader->at), length;

	if (stop >= reader->end)
		return NULL;
	if (out != reader->at)
		memmove(out, reader->at, plain);
	out += plain;
	reader->at = stop;
	if (*stop == '\\')
		return unescape(reader, out);
	if (*stop == '"')
		return out;
	length = (unsigned char)*stop < 0x80
			 ? 0
			 : sequence_length((unsigned char *)stop, (size_t)(reader->end - stop));
	if (!length)
		return NULL;
	memmove(out, stop, length);
	reader->at += length;
	return out + length;
}

static bool read_string(struct reader *reader)
{
	uint32_t index = value_add(reader, SCAN_STRING);
	char *start = ++reader->at, *out = start;
	struct scan_value *value;

	if (index == UINT32_MAX)
		return false;
	do {
		out = take_stretch(reader, out);
		if (!out)
			return bad(reader);
		/* An escaped quote stands at out[-1], the real one where the reader is. */
	} while (reader->at >= reader->end || *reader->at != '"');
	reader->at++;
	*out = 0;
	value = &reader->scan->values[index];
	value->text = start;
	value->length = (uint32_t)(out - start);
	return true;
}

static size_t skip_digits(struct reader *reader)
{
	const char *start = reader->at;

	while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
		reader->at++;
	return (size_t)(reader->at - start);
}

/* Behind the integer part: whether it is a real, or nothing that JSON has. */
static bool skip_fraction(struct reader *reader, bool *real)
{
	if (reader->at < reader->end && *reader->at == '.') {
		reader->at++;
		*real = true;
		if (!skip_digits(reader))
			return bad(reader);
	}
	if (reader->at < reader->end && (*reader->at | 0x20) == 'e') {
		reader->at++;
		*real = true;
		if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-'))
			reader->at++;
		if (!skip_digits(reader))
			return bad(reader);
	}
	return true;
}

static bool integer_of(const char *digits, const char *end, int64_t *value)
{
	bool negative = *digits == '-';

	*value = 0;
	for (digits += negative; digits < end; digits++) {
		int digit = *digits - '0';

		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, negative ? -digit : digit, value))
			return false;
	}
	return true;
}

static bool read_number(struct reader *reader)
{
	uint32_t index = value_add(reader, SCAN_INTEGER);
	const char *start = reader->at;
	bool real = false;
	struct scan_value *value;
	size_t digits;

	if (index == UINT32_MAX)
		return false;
	if (*reader->at == '-')
		reader->at++;
	const char *first = reader->at;
	digits = skip_digits(reader);
	if (!digits || (*first == '0' && digits > 1) || !skip_fraction(reader, &real))
		return bad(reader);
	value = &reader->scan->values[index];
	if (real) {
		value->type = SCAN_REAL;
		value->text = start;
		return true;
	}
	return integer_of(start, reader->at, &value->integer) || bad(reader);
}

static bool read_word(struct reader *reader, const char *word, enum scan_type type)
{
	size_t length = strlen(word);

	if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length))
		return bad(reader);
	reader->at += length;
	return value_add(reader, type) != UINT32_MAX;
}

static bool read_value(struct reader *reader);

static bool read_member(struct reader *reader)
{
	skip_space(reader);
	if (reader->at >= reader->end || *reader->at != '"' || !read_string(reader))
		return bad(reader);
	skip_space(reader);
	if (reader->at >= reader->end || *reader->at++ != ':')
		return bad(reader);
	return read_value(reader);
}

static bool read_all(struct reader *reader, char close, bool (*read_one)(struct reader *))
{
	skip_space(reader);
	if (reader->at < reader->end && *reader->at == close) {
		reader->at++;
		return true;
	}
	while (read_one(reader)) {
		skip_space(reader);
		if (reader->at >= reader->end)
			break;
		if (*reader->at == close) {
			reader->at++;
			return true;
		}
		if (*reader->at++ != ',')
			break;
	}
	return bad(reader);
}

static bool read_holder(struct reader *reader, enum scan_type type)
{
	uint32_t index = value_add(reader, type);

	if (index == UINT32_MAX || reader->depth++ == DEEPEST)
		return bad(reader);
	reader->at++;
	if (!read_all(reader, type == SCAN_OBJECT ? '}' : ']',
		      type == SCAN_OBJECT ? read_member : read_value))
		return false;
	reader->depth--;
	reader->scan->values[index].next = reader->scan->count;
	return true;
}

static bool read_value(struct reader *reader)
{
	skip_space(reader);
	if (reader->at >= reader->end)
		return bad(reader);
	switch (*reader->at) {
	case '{':
		return read_holder(reader, SCAN_OBJECT);
	case '[':
		return read_holder(reader, SCAN_ARRAY);
	case '"':
		return read_string(reader);
	case 't':
		return read_word(reader, "true", SCAN_TRUE);
	case 'f':
		return read_word(reader, "false", SCAN_FALSE);
	case 'n':
		return read_word(reader, "null", SCAN_NULL);
	default:
		return read_number(reader);
	}
}

int scan_line(struct scan *scan, char *line, size_t length)
{
	struct reader reader = { .scan = scan, .at = line, .end = line + length };

	scan->count = 0;
	if (length >= UINT32_MAX || !read_value(&reader))
		return reader.error ? reader.error : -EBADMSG;
	skip_space(&reader);
	return reader.at == reader.end ? 0 : -EBADMSG;
}

void scan_free(struct scan *scan)
{
	free(scan->values);
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
