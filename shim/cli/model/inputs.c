/* SPDX-License-Identifier: MIT */
/*
 * Logs that are there, by their names: each file once, and in the order of time.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/model/entry.h"

/* The first moment in a file: a rotated log sorts by name behind its younger part, and must be read
 * before it. */
static void peek(struct input *input, int fd)
{
	struct scan scan = { 0 };
	struct lines lines;
	size_t length;
	char *line;
	bool found = false;

	lines_open(&lines, fd);
	while (!found && lines_next(&lines, &line, &length) > 0)
		found = !scan_line(&scan, line, length);
	if (found)
		copy_time(input->first, scan_text(&scan, "@timestamp"));
	lines_close(&lines);
	scan_free(&scan);
}

/* Those that cannot be peeked at come last; of equals the first that was named. */
static int compare(const void *a, const void *b)
{
	const struct input *one = a, *other = b;
	int order = *one->first && *other->first ? strcmp(one->first, other->first)
						 : !*one->first - !*other->first;

	return order ? order : one->place < other->place ? -1 : 1;
}

/* The same file under two names counts once. */
static bool seen(const struct inputs *inputs, const struct stat *st)
{
	for (size_t i = 0; i < inputs->count; i++)
		if (S_ISREG(st->st_mode) && same_file(&inputs->list[i].st, st))
			return true;
	return false;
}

void inputs_add(struct inputs *inputs, const char *path)
{
	struct input input = { .path = path, .place = inputs->count };

	input.fd = lines_open_file(path);
	if (fstat(input.fd, &input.st) || seen(inputs, &input.st)) {
		close(input.fd);
		return;
	}
	if (S_ISREG(input.st.st_mode)) {
		off_t start = lseek(input.fd, 0, SEEK_CUR);

		peek(&input, input.fd);
		input.fd = -1;
		if (!strcmp(path, "-"))
			lseek(STDIN_FILENO, start, SEEK_SET);
	}
	inputs->list = resize(inputs->list, (inputs->count + 1) * sizeof(input));
	inputs->list[inputs->count++] = input;
}

/* On a terminal, of what takes longer than a second. */
struct position {
	const char *path;
	int64_t before, total, begun;
	bool shown;
};

static void show_progress(void *context, off_t offset)
{
	struct position *position = context;
	double part = (double)(position->before + offset) / (double)position->total;

	if (!isatty(STDERR_FILENO) || time(NULL) - position->begun < 2)
		return;
	position->shown = true;
	fputs("\r\033[K", stderr);
	if (position->total)
		fprintf(stderr, "%3.0f %% ", fmin(part, 1) * 100);
	put_size(stderr, position->before + offset);
	fputs(" of ", stderr);
	put_visible(stderr, position->path, 40);
	fflush(stderr);
}

void inputs_read(struct inputs *inputs, struct model *model)
{
	struct input *end = inputs->list + inputs->count;
	struct position position = { .begun = time(NULL) };

	qsort(inputs->list, inputs->count, sizeof(*end), compare);
	for (struct input *input = inputs->list; input < end; input++)
		sum_add(&position.total, input->st.st_size);
	for (struct input *input = inputs->list; input < end; input++) {
		int fd = input->fd < 0 ? lines_open_file(input->path) : input->fd;

		position.path = input->path;
		model_log(model, input->path);
		int r = model_read(model, fd, show_progress, &position);
		if (r)
			refuse("%s cannot be read: %s", input->path, strerror(-r));
		position.before += model->log->bytes;
	}
	if (position.shown)
		fputs("\r\033[K", stderr);
}
