/* SPDX-License-Identifier: MIT */
/*
 * A4: limits under which nothing more can be written, or opened. "size" and "descriptors"; or
 * "child", of vfork, which starts another program under the first.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "helper.h"

static void lower(int resource)
{
	static const struct rlimit none = { 0, 0 };

	must(setrlimit(resource, &none) == 0);
}

/* As a sandbox does: what is open is closed first. */
static void rearrange_without_files(void)
{
	int fd = open("limited.data", O_RDWR);
	char *view = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	must(view != MAP_FAILED);
	for (int i = 3; i < 1024; i++)
		close(i);
	lower(RLIMIT_NOFILE);
	must(remap_file_pages(view, PAGE, 0, 1, 0) == 0);
}

static void start_under_limit(void)
{
	pid_t child = vfork();
	int status;

	if (!child) {
		lower(RLIMIT_FSIZE);
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	must(waitpid(child, &status, 0) == child && status == 0);
}

static void limit_other(void)
{
	static const struct rlimit none = { 0, 0 };
	pid_t child = fork();

	if (!child)
		pause();
	must(prlimit(child, RLIMIT_FSIZE, &none, NULL) == 0);
	must(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
}

int main(int argc, char **argv)
{
	must(argc == 2);
	file_make("limited.data", 1, 2);
	if (!strcmp(argv[1], "size"))
		lower(RLIMIT_FSIZE);
	else if (!strcmp(argv[1], "child"))
		start_under_limit();
	else if (!strcmp(argv[1], "other"))
		limit_other();
	else
		rearrange_without_files();
	return 0;
}
