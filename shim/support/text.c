/* SPDX-License-Identifier: MIT */
/*
 * Text in a fixed buffer: see text.h.
 */
#include <stdarg.h>
#include <string.h>

#include "support/text.h"

void text_init(struct text *text, char *buffer, size_t size)
{
	text->start = buffer;
	text->length = 0;
	text->size = size;
	text->overflow = false;
	buffer[0] = 0;
}

void text_add_bytes(struct text *text, const void *bytes, size_t length)
{
	size_t room = text->size - 1 - text->length;

	if (length > room) {
		length = room;
		text->overflow = true;
	}
	memcpy(text->start + text->length, bytes, length);
	text->length += length;
	text->start[text->length] = 0;
}

void text_add(struct text *text, const char *string)
{
	text_add_bytes(text, string, strlen(string));
}

void text_add_char(struct text *text, char c)
{
	text_add_bytes(text, &c, 1);
}

void text_add_uint(struct text *text, uint64_t value)
{
	char digits[20];
	int at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	text_add_bytes(text, digits + at, sizeof(digits) - (size_t)at);
}

void text_add_int(struct text *text, int64_t value)
{
	if (value < 0)
		text_add_char(text, '-');
	text_add_uint(text, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void text_add_hex(struct text *text, uint64_t value, int min_digits)
{
	char digits[16];
	int at = sizeof(digits);

	while (value || min_digits > 0) {
		digits[--at] = "0123456789abcdef"[value & 15];
		value >>= 4;
		min_digits--;
	}
	text_add_bytes(text, digits + at, sizeof(digits) - (size_t)at);
}

const char *text_read_number(const char *at, unsigned int base, uint64_t *value)
{
	for (*value = 0;; at++) {
		unsigned int digit;
		if (*at >= '0' && *at <= '9')
			digit = (unsigned int)(*at - '0');
		else if (*at >= 'a' && *at <= 'f')
			digit = (unsigned int)(*at - 'a' + 10);
		else
			return at;
		if (digit >= base)
			return at;
		*value = *value * base + digit;
	}
}

bool text_find_number(const char *text, const char *key, uint64_t *value)
{
	const char *at = strstr(text, key);

	at = at ? at + strlen(key) : "";
	at += strspn(at, " \t");
	return text_read_number(at, 10, value) > at;
}

/* The directive at *at, which is left on its last character. */
static void add_directive(struct text *text, const char **at, va_list *list)
{
	if (**at == 's') {
		text_add(text, va_arg(*list, const char *));
	} else if (**at == 'u') {
		text_add_uint(text, va_arg(*list, unsigned int));
	} else if (**at == 'l') { /* %lx */
		*at += 1;
		text_add_hex(text, va_arg(*list, unsigned long), 1);
	} else { /* %.*s */
		int length = va_arg(*list, int);
		*at += 2;
		text_add_bytes(text, va_arg(*list, const char *), (size_t)length);
	}
}

bool text_make(char *buffer, size_t size, const char *format, ...)
{
	struct text text;
	va_list list;

	text_init(&text, buffer, size);
	va_start(list, format);
	for (; *format; format++)
		if (*format != '%') {
			text_add_char(&text, *format);
		} else {
			format++;
			add_directive(&text, &format, &list);
		}
	va_end(list);
	return !text.overflow;
}

/* The bounds of the second byte keep out overlong forms, surrogates and what lies past U+10FFFF. */
size_t text_character(const char *text, size_t left, uint32_t *code)
{
	const unsigned char *at = (const unsigned char *)text;
	unsigned char low = *at == 0xe0 ? 0xa0 : *at == 0xf0 ? 0x90 : 0x80;
	unsigned char high = *at == 0xed ? 0x9f : *at == 0xf4 ? 0x8f : 0xbf;
	size_t whole = *at < 0xc2 || *at > 0xf4 ? *at < 0x80 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
	size_t got = 1;

	*code = whole > 1 ? *at & (0x7fu >> whole) : *at;
	for (; got < whole && got < left && at[got] >= low && at[got] <= high; got++) {
		*code = *code << 6 | (at[got] & 0x3f);
		low = 0x80;
		high = 0xbf;
	}
	if (got != whole)
		*code = NO_CHARACTER;
	return got;
}
