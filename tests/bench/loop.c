/* SPDX-License-Identifier: MIT */
/*
 * For report.sh.
 *
 *	loop parse FILE		every line through jansson, and nothing else
 *	loop time COMMAND…	its processor time in seconds, and its most resident memory in KiB
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int parse(const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0, good = 0;

	if (!file)
		return 1;
	for (ssize_t length; (length = getline(&line, &room, file)) > 0;) {
		json_t *json = json_loadb(line, (size_t)length, 0, NULL);

		good += json != NULL;
		json_decref(json);
	}
	free(line);
	fclose(file);
	printf("%zu\n", good);
	return 0;
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static int measure(char **command)
{
	struct rusage usage;
	int status;
	pid_t pid = fork();

	if (!pid) {
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
		execvp(command[0], command);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || status)
		return 1;
	printf("%.2f %ld\n", seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime),
	       usage.ru_maxrss);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "parse"))
		return parse(argv[2]);
	if (argc > 2 && !strcmp(argv[1], "time"))
		return measure(argv + 2);
	return 2;
}
