/* SPDX-License-Identifier: MIT */
/*
 * Text built in a fixed buffer without libc's printf, which may lock or allocate.
 * Output past the end is dropped and remembered; the buffer always ends in NUL.
 */
#ifndef MMFENCE_SUPPORT_TEXT_H
#define MMFENCE_SUPPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *start;
	size_t length;
	size_t size;
	bool overflow;
};

void text_init(struct text *text, char *buffer, size_t size);
void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const void *bytes, size_t length);
void text_add_char(struct text *text, char c);
void text_add_uint(struct text *text, uint64_t value);
void text_add_int(struct text *text, int64_t value);
/* Lower-case hexadecimal, no prefix, at least min_digits. */
void text_add_hex(struct text *text, uint64_t value, int min_digits);

/* One text, of a format with %s, %u, %lx and %.*s alone; false when it was cut. */
bool text_make(char *buffer, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* How long the UTF-8 here is, and which character; NO_CHARACTER, and how much of one was begun
 * (Unicode 15, section 3.9, "maximal subparts"). left: not 0; behind a NUL nothing is read. */
#define NO_CHARACTER 0x110000u
size_t text_character(const char *text, size_t left, uint32_t *code);

/* The number that stands behind key, and behind blanks; false when there is none. */
bool text_find_number(const char *text, const char *key, uint64_t *value);
/* Reads a number without a sign, in base 10 or 16; returns what follows it. */
const char *text_read_number(const char *at, unsigned int base, uint64_t *value);

#endif
