/* SPDX-License-Identifier: MIT */
/*
 * The name of the log: a template, made a path when the log is first opened. What comes from
 * outside (the program's name, the host's) is one component of the path and can never be more.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "audit/identity.h"
#include "audit/medium.h"
#include "support/sys.h"
#include "support/text.h"

/* A working directory's own percent signs are no part of the template. */
static void add_literal(struct text *text, const char *path)
{
	for (; *path; path++) {
		if (*path == '%')
			text_add_char(text, '%');
		text_add_char(text, *path);
	}
}

int template_absolute(const char *path, char *out, size_t size)
{
	char directory[PATH_MAX];
	struct text text;

	text_init(&text, out, size);
	/* A directory out of reach is given as "(unreachable)/…": then the name stays relative. */
	if (path[0] != '/' && sys_getcwd(directory, sizeof(directory)) > 0 && directory[0] == '/') {
		add_literal(&text, directory);
		text_add_char(&text, '/');
	}
	text_add(&text, path);
	return text.overflow ? -ENAMETOOLONG : 0;
}

static void add_component(struct text *text, const char *name)
{
	if (name[0] == '.') {
		text_add_char(text, '_');
		name++;
	}
	for (; *name; name++)
		text_add_char(text, *name == '/' ? '_' : *name);
}

static void add_program(struct text *text)
{
	const struct image *program = identity_image();
	const char *slash;

	if (!program)
		return;
	slash = strrchr(program->executable, '/');
	add_component(text, slash ? slash + 1 : program->name);
}

static void add_host(struct text *text)
{
	struct utsname host;

	if (!sys_uname(&host))
		add_component(text, host.nodename);
}

static void add_time(struct text *text)
{
	struct moment now;

	clock_read(CLOCK_REALTIME, &now);
	text_add_int(text, now.seconds);
}

static void add_process(struct text *text, bool anew)
{
	struct moment now;

	text_add_int(text, sys_getpid());
	if (!anew)
		return;
	clock_read(CLOCK_REALTIME, &now);
	text_add_char(text, '-');
	text_add_int(text, now.nanoseconds);
}

static void add_directive(struct text *text, char directive, bool anew)
{
	switch (directive) {
	case 'p':
		add_process(text, anew);
		break;
	case 'e':
		add_program(text);
		break;
	case 'h':
		add_host(text);
		break;
	case 't':
		add_time(text);
		break;
	default:
		text_add_char(text, '%');
		if (directive != '%')
			text_add_char(text, directive);
	}
}

int template_expand(const char *template, bool anew, char *out, size_t size)
{
	struct text text;

	text_init(&text, out, size);
	for (const char *c = template; *c; c++) {
		if (*c == '%' && c[1])
			add_directive(&text, *++c, anew);
		else
			text_add_char(&text, *c);
	}
	return text.overflow ? -ENAMETOOLONG : 0;
}

bool template_has_pid(const char *template)
{
	for (const char *c = template; *c; c++)
		if (*c == '%' && *++c == 'p')
			return true;
		else if (!*c)
			break;
	return false;
}
