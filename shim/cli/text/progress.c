/* SPDX-License-Identifier: MIT */
/*
 * The bar: see progress.h. Drawn at most ten times a second.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/text/progress.h"
#include "cli/text/show.h"

#define WIDTH 30

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void progress_begin(struct progress *progress, int64_t total)
{
	memset(progress, 0, sizeof(*progress));
	progress->on = isatty(STDERR_FILENO);
	progress->total = total;
	progress->begun = now_ms();
}

static void draw(const struct progress *progress, const char *what, int64_t done)
{
	int filled = progress->total ? (int)((double)done / (double)progress->total * WIDTH) : 0;

	fputs("\r\033[K", stderr);
	if (progress->total) {
		filled = filled > WIDTH ? WIDTH : filled;
		fputc('[', stderr);
		for (int i = 0; i < WIDTH; i++)
			fputc(i < filled ? '#' : '.', stderr);
		fprintf(stderr, "] %3d %% ", filled * 100 / WIDTH);
	}
	put_size(stderr, done);
	fputs(" of ", stderr);
	put_visible(stderr, what, 30);
	fflush(stderr);
}

void progress_at(struct progress *progress, const char *what, int64_t done)
{
	int64_t now;

	if (!progress->on)
		return;
	now = now_ms();
	if (now - progress->begun < 1000 || now - progress->last < 100)
		return;
	progress->last = now;
	progress->shown = true;
	draw(progress, what, done);
}

void progress_end(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
