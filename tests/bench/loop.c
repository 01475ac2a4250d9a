/* SPDX-License-Identifier: MIT */
/* loop FILE: every line through jansson, and nothing else. For report.sh. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "re") : NULL;
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
