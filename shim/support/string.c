/* SPDX-License-Identifier: MIT */
/*
 * The functions of <string.h> that the library uses, of its own and hidden: libc's may be
 * interposed by what needs a TLS that the lease thread has not (TSan), and their newest
 * versions are not in an old libc. Also what compilers make of loops and assignments.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Not to be turned into calls of themselves. */
#ifndef __clang__
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

#define LOAD_TYPE(name, type, size) \
	typedef type name __attribute__((vector_size(size), aligned(1), may_alias))
LOAD_TYPE(load16, long long, 16);
typedef uint64_t load8 __attribute__((aligned(1), may_alias));
typedef uint32_t load4 __attribute__((aligned(1), may_alias));
typedef uint16_t load2 __attribute__((aligned(1), may_alias));

/* From here on the processor's own copying is the faster one. */
#define LONG_COPY 1024

/* What a block of size to 2 * size bytes is made of: two, which may overlap, and both are read
 * before one is written. */
#define COPY_ENDS(load, to, from, size)                                       \
	do {                                                                  \
		load head_ = *(const load *)(from);                           \
		load tail_ = *(const load *)((from) + (size) - sizeof(load)); \
		*(load *)(to) = head_;                                        \
		*(load *)((to) + (size) - sizeof(load)) = tail_;              \
	} while (0)

static void copy_small(char *to, const char *from, size_t size)
{
	if (size >= 8)
		COPY_ENDS(load8, to, from, size);
	else if (size >= 4)
		COPY_ENDS(load4, to, from, size);
	else if (size >= 2)
		COPY_ENDS(load2, to, from, size);
	else if (size)
		*to = *from;
}

/* Right too where `to` lies below `from` and they overlap. */
static void copy_up(char *to, const char *from, size_t size)
{
	if (size < sizeof(load16)) {
		copy_small(to, from, size);
	} else if (size >= LONG_COPY) {
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
	} else {
		load16 tail = *(const load16 *)(from + size - sizeof(tail));
		char *last = to + size - sizeof(tail);

		for (; to < last; to += sizeof(tail), from += sizeof(tail))
			*(load16 *)to = *(const load16 *)from;
		*(load16 *)last = tail;
	}
}

static void copy_down(char *to, const char *from, size_t size)
{
	if (size < sizeof(load16)) {
		copy_small(to, from, size);
		return;
	}
	load16 head = *(const load16 *)from;

	for (; size > sizeof(head); size -= sizeof(head))
		*(load16 *)(to + size - sizeof(head)) =
			*(const load16 *)(from + size - sizeof(head));
	*(load16 *)to = head;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	copy_up(to, from, size);
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	if ((uintptr_t)to - (uintptr_t)from >= size)
		copy_up(to, from, size);
	else
		copy_down(to, from, size);
	return to;
}

void *memset(void *start, int value, size_t size)
{
	char *at = start;
	void *to = start;

	if (size >= LONG_COPY) {
		__asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
		return start;
	}
	uint64_t word = (uint8_t)value * 0x0101010101010101u;

	for (; size >= sizeof(word); size -= sizeof(word), at += sizeof(word))
		*(load8 *)at = word;
	for (; size; size--)
		*at++ = (char)value;
	return start;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const unsigned char *p = a, *q = b;

	for (; size >= 16; size -= 16, p += 16, q += 16)
		if ((*(const load8 *)p ^ *(const load8 *)q) |
		    (*(const load8 *)(p + 8) ^ *(const load8 *)(q + 8)))
			break;
	for (; size; size--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

int bcmp(const void *a, const void *b, size_t size)
{
	return memcmp(a, b, size);
}

void *memchr(const void *start, int c, size_t size)
{
	const unsigned char *at = start;

	for (; size; size--, at++)
		if (*at == (unsigned char)c)
			return (void *)(uintptr_t)at;
	return NULL;
}

#define ONES	    ((uintptr_t)-1 / 255)
#define HAS_ZERO(w) (((w)-ONES) & ~(w) & (ONES << 7))

size_t strlen(const char *text)
{
	typedef uintptr_t __attribute__((may_alias)) word;
	const char *at = text;

	for (; (uintptr_t)at % sizeof(word); at++)
		if (!*at)
			return (size_t)(at - text);
	while (!HAS_ZERO(*(const word *)at)) /* a whole word never crosses a page */
		at += sizeof(word);
	while (*at)
		at++;
	return (size_t)(at - text);
}

size_t strnlen(const char *text, size_t most)
{
	size_t length = 0;

	while (length < most && text[length])
		length++;
	return length;
}

int strncmp(const char *a, const char *b, size_t size)
{
	for (; size; size--, a++, b++)
		if (*a != *b || !*a)
			return (unsigned char)*a - (unsigned char)*b;
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *text, int c)
{
	for (; *text != (char)c; text++)
		if (!*text)
			return NULL;
	return (char *)(uintptr_t)text;
}

char *strrchr(const char *text, int c)
{
	const char *found = NULL;

	do
		if (*text == (char)c)
			found = text;
	while (*text++);
	return (char *)(uintptr_t)found;
}

size_t strcspn(const char *text, const char *set)
{
	size_t length = 0;

	if (set[0] && !set[1]) { /* nearly always */
		while (text[length] && text[length] != set[0])
			length++;
		return length;
	}
	while (text[length] && !strchr(set, text[length]))
		length++;
	return length;
}

size_t strspn(const char *text, const char *set)
{
	size_t length = 0;

	while (text[length] && strchr(set, text[length]))
		length++;
	return length;
}

char *strstr(const char *text, const char *part)
{
	size_t length = strlen(part);

	for (; strncmp(text, part, length); text++)
		if (!*text)
			return NULL;
	return (char *)(uintptr_t)text;
}

char *stpcpy(char *restrict to, const char *restrict from)
{
	while ((*to = *from++))
		to++;
	return to;
}

char *strcpy(char *restrict to, const char *restrict from)
{
	stpcpy(to, from);
	return to;
}

char *strcat(char *restrict to, const char *restrict from)
{
	stpcpy(to + strlen(to), from);
	return to;
}

char *strncpy(char *restrict to, const char *restrict from, size_t size)
{
	size_t length = strnlen(from, size);

	memset(to + length, 0, size - length);
	memcpy(to, from, length);
	return to;
}
