/* SPDX-License-Identifier: MIT */
/*
 * Text for lines, XML and YAML: see printable.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/cli.h"
#include "cli/text/printable.h"

/* How long the character is, 0 if these bytes are none: RFC 3629, and without the two
 * that XML does not have. */
static size_t character(const unsigned char *at)
{
	static const struct {
		unsigned char mask, is;
		uint32_t least;
	} kinds[] = { { 0x80, 0x00, 0 },
		      { 0xe0, 0xc0, 0x80 },
		      { 0xf0, 0xe0, 0x800 },
		      { 0xf8, 0xf0, 0x10000 } };

	for (size_t kind = 0; kind < 4; kind++) {
		uint32_t code = *at & (unsigned char)~kinds[kind].mask;

		if ((*at & kinds[kind].mask) != kinds[kind].is)
			continue;
		for (size_t i = 1; i <= kind; i++) {
			if ((at[i] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (at[i] & 0x3f);
		}
		bool bad = code < kinds[kind].least || code > 0x10ffff ||
			   (code >= 0xd800 && code < 0xe000) || code == 0xfffe || code == 0xffff ||
			   (code >= 0x7f && code < 0xa0);
		return bad ? 0 : kind + 1;
	}
	return 0;
}

char *printable(const char *string)
{
	char *out = format_text("%s", string), *to = out;
	const unsigned char *at = (const unsigned char *)string;

	while (*at) {
		size_t length = *at < ' ' ? 0 : character(at);

		if (!length)
			*to++ = '?';
		for (size_t i = 0; i < length; i++)
			*to++ = (char)at[i];
		at += length ? length : 1;
	}
	*to = 0;
	return out;
}
