/* SPDX-License-Identifier: MIT */
/*
 * The names of logs. And of one that is no file: whether somebody is there to take records. Nothing
 * is written there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/run/run.h"
#include "policy/target.h"

/* Of a command's name, so that with the rest it stays below NAME_MAX. */
#define NAME_LONGEST 200

/* Letters that mean nothing to a shell, to a template or to a pattern. */
static void add_plain(FILE *out, const char *name)
{
	for (int i = 0; i < NAME_LONGEST && *name; i++, name++) {
		bool plain = (*name >= '0' && *name <= '9') || (*name >= 'a' && *name <= 'z') ||
			     (*name >= 'A' && *name <= 'Z') || strchr("._+-", *name);
		fputc(plain ? *name : '_', out);
	}
}

/* The directory of a name, without dots and links, where it is there; or the current one. */
static char *directory_of(const char **option)
{
	const char *slash = strrchr(*option, '/');
	char *directory = NULL, *named;

	if (slash && slash[1] && !memchr(*option, '%', (size_t)(slash - *option))) {
		named = format_text("%.*s/", (int)(slash - *option), *option);
		directory = realpath(named, NULL);
		*option = directory ? slash + 1 : *option;
		free(named);
	}
	return directory || **option == '/' ? directory : getcwd(NULL, 0);
}

char *template_of(const char *option, const char *command)
{
	const char *slash = strrchr(command, '/');
	char *template, *directory = directory_of(&option);
	FILE *out = open_text(&template);

	if (!directory && *option != '/')
		refuse("the log cannot be created in the current directory: %m");
	for (const char *at = directory && strcmp(directory, "/") ? directory : ""; *at; at++)
		fputs(*at == '%' ? "%%" : (const char[]){ *at, 0 }, out);
	if (directory)
		fputc('/', out);
	if (*option) {
		fputs(option, out);
	} else {
		fputs("mmfence.", out);
		add_plain(out, slash ? slash + 1 : command);
		fprintf(out, ".%d.jsonl", (int)getpid());
	}
	fclose(out);
	free(directory);
	return template;
}

char *expand(const char *template, const char *number)
{
	char *text;
	FILE *out = open_text(&text);
	bool known = true;

	for (const char *t = template; *t; t++) {
		if (*t == '%' && t[1] && *++t != '%') {
			known = false;
			fputs(number && strchr("pt", *t) ? number : "*", out);
			continue;
		}
		if (number && strchr("*?[\\(", *t))
			fputc('\\', out);
		fputc(*t, out);
	}
	fclose(out);
	if (known || number)
		return text;
	free(text);
	return NULL;
}

bool destination_is_elsewhere(const char *value)
{
	struct target target;

	return *value && !target_parse(value, &target) && target.medium != TARGET_FILE;
}

/* What has close-on-exec set is ours, and not what the caller meant. */
static bool is_for_writing(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC) && (flags & O_ACCMODE) != O_RDONLY;
}

char *destination_value(const char *value)
{
	struct target target;
	struct stat st;

	if (target_parse(value, &target) || target.medium != TARGET_DESCRIPTOR || target.pinned)
		return format_text("%s", value);
	if (!is_for_writing(target.fd) || fstat(target.fd, &st))
		refuse("audit.log: descriptor %d is not open for writing", target.fd);
	return format_text("fd:%d@%u:%u:%llu", target.fd, major(st.st_dev), minor(st.st_dev),
			   (unsigned long long)st.st_ino);
}

/* A daemon that is down for a moment has left its socket: that will do. /dev/log may be a stream.
 */
static void try_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct stat st;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		errno = fd < 0 ? errno : 0;
	else if (errno == ECONNREFUSED && !stat(path, &st))
		errno = S_ISSOCK(st.st_mode) ? 0 : ENOTSOCK;
	else if (errno == EPROTOTYPE && !strcmp(path, "/dev/log"))
		errno = 0;
	int error = errno;

	if (error)
		refuse("the log cannot be sent to %s: %s", path,
		       error == EPROTOTYPE ? "it is no datagram socket" : strerror(error));
	if (fd >= 0)
		close(fd);
}

void destination_try(const char *value)
{
	struct target target;

	if (target_parse(value, &target))
		return;
	if (target.medium == TARGET_UNIX)
		try_socket(target.path);
	if (target.medium == TARGET_SYSLOG)
		try_socket("/dev/log");
	if (target.medium == TARGET_JOURNAL)
		try_socket("/run/systemd/journal/socket");
}
