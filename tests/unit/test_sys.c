/* SPDX-License-Identifier: MIT */
/*
 * What is read into a buffer that has been used before ends with a 0, whether it fits or is cut.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/sys.h"

#define FILLED "????????????????????????????????????????????????????????????????"

/* size: of the buffer, as the call is told. */
static void file_is(const char *path, size_t size, const char *text)
{
	char out[] = FILLED;

	cr_assert_eq(sys_read_file(path, out, size), (long)strlen(text));
	cr_assert_str_eq(out, text);
	cr_assert_eq(out[size], '?');
}

static void path_is(int fd, size_t size, const char *text)
{
	char out[] = FILLED;

	cr_assert_eq(sys_fd_path(fd, out, size), (int)strlen(text));
	cr_assert_str_eq(out, text);
	cr_assert_eq(out[size], '?');
}

Test(sys, texts_end)
{
	char name[] = "/tmp/texts.XXXXXX", gone[48], path[32], out[] = FILLED;
	int fd = mkstemp(name);

	cr_assert(write(fd, "contents", 8) == 8);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	file_is(path, 32, "contents");
	file_is(path, 9, "contents");
	file_is(path, 8, "content");
	file_is(path, 1, "");
	cr_assert(!unlink(name));
	snprintf(gone, sizeof(gone), "%s (deleted)", name);
	path_is(fd, 32, gone);
	path_is(fd, 8, "/tmp/te");
	cr_assert(!close(fd));
	cr_assert_eq(sys_read_file(path, out, 32), -ENOENT);
	cr_assert_eq(sys_fd_path(fd, out, 32), -ENOENT);
	cr_assert_eq(sys_fd_path(-1, out, 32), -EBADF);
	cr_assert_str_eq(out, FILLED);
}
