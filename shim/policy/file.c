/* SPDX-License-Identifier: MIT */
/*
 * The configuration file, parsed by inih. That library is loaded only when there
 * is a file, privately, and dropped again: a program that never has one pays
 * nothing, and none sees its symbols. inih counts no lines and opens files with
 * wrapped calls, so it gets its lines from a reader here.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "support/sys.h"
#include "kernel/symbol.h"
#include "policy/value.h"

#define FILE_BYTES 32768

/* Not from <ini.h>: nobody needs its development package to build this. */
typedef int ini_handler(void *user, const char *section, const char *name, const char *value);
typedef char *ini_reader(char *line, int size, void *stream);
typedef int ini_parse_stream(ini_reader *reader, void *stream, ini_handler *handler, void *user);

struct reading {
	struct policy *policy;
	policy_complaint *complain;
	const char *path;
	const char *at; /* what is left of the text */
	int line;
	bool seen[64]; /* options that an earlier line set */
};

static char contents[FILE_BYTES] LARGE;

/* "PATH:LINE: " + sentence; line 0 is the whole file. */
static void complain_of(const struct reading *reading, int line, const char *sentence)
{
	char buffer[1024];

	if (line)
		text_make(buffer, sizeof(buffer), "%s:%u: %s", reading->path, (unsigned int)line,
			  sentence);
	else
		text_make(buffer, sizeof(buffer), "%s: %s", reading->path, sentence);
	reading->complain(buffer);
}

/* One line for inih. Leading blanks go, because inih takes an indented line for more of the last
 * value; a line that does not fit is complained of and left out, because inih would cut it in two.
 */
static char *next_line(char *out, int size, void *stream)
{
	struct reading *reading = stream;
	const char *start = reading->at;

	if (!*start)
		return NULL;
	size_t length = strcspn(start, "\n");

	reading->at = start + length + (start[length] == '\n');
	reading->line++;
	while (*start == ' ' || *start == '\t') {
		start++;
		length--;
	}
	if (length + 2 > (size_t)size) {
		complain_of(
			reading, reading->line,
			"the line is too long; patterns may be given on several lines, each with its key");
		length = 0;
	}
	memcpy(out, start, length);
	memcpy(out + length, "\n", 2);
	return out;
}

static int take_setting(void *user, const char *section, const char *key, const char *value)
{
	struct reading *reading = user;
	char name[128], error[768];

	text_make(name, sizeof(name), "%s%s%s", section, *section ? "." : "", key);

	int index = policy_find(name);
	bool again = index >= 0 && index < 64 && reading->seen[index];
	int result = (again ? policy_add : policy_set)(reading->policy, name, value, error,
						       sizeof(error));
	if (result)
		complain_of(reading, reading->line, error);
	else if (index < 64)
		reading->seen[index] = true;
	return 1; /* go on, and leave a line number as result only for what inih cannot read */
}

static int parse(struct reading *reading)
{
	const struct link_map *library = symbol_load("libinih.so.1");

	if (!library) /* its name where distributions build it themselves */
		library = symbol_load("libinih.so.0");
	ini_parse_stream *run = library ? symbol_in(library, "ini_parse_stream") : NULL;
	if (!run) {
		complain_of(reading, 0,
			    "not read, because libinih for this architecture is not installed");
		return -ENOPKG;
	}
	int bad_line = run(next_line, reading, take_setting, reading);

	if (bad_line > 0)
		complain_of(reading, bad_line, "neither [section] nor key = value nor a comment");
	symbol_unload(library);
	return 0;
}

/* Only a regular file: reading a pipe could wait for ever. */
static long read_regular(const char *path)
{
	struct statx st;
	long result = sys_statx(AT_FDCWD, path, 0, STATX_TYPE | STATX_SIZE, &st);

	if (result)
		return result;
	if (S_ISDIR(st.stx_mode))
		return -EISDIR;
	if (!S_ISREG(st.stx_mode))
		return -EINVAL;
	if (st.stx_size >= sizeof(contents))
		return -EFBIG;
	return sys_read_file(path, contents, sizeof(contents));
}

static const char *read_error(int error)
{
	switch (error) {
	case EISDIR:
		return "is a directory";
	case EINVAL:
		return "is not a regular file";
	case EFBIG:
		return "is too large";
	default:
		return error_name(error);
	}
}

int policy_from_file(struct policy *policy, const char *path, policy_complaint *complain)
{
	struct reading reading = { policy, complain, path, contents, 0, { false } };
	long size = read_regular(path);

	if (size < 0) {
		if (size != -ENOENT)
			complain_of(&reading, 0, read_error((int)-size));
		return (int)size;
	}
	if (strlen(contents) != (size_t)size) {
		complain_of(&reading, 0, "not a text file");
		return -EINVAL;
	}
	return parse(&reading);
}
