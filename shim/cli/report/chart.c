/* SPDX-License-Identifier: MIT */
/*
 * The pictures of the page. Lines are stretched to the width that there is, text is not: it is as
 * large on a narrow page. Signs say what colours say.
 */
#include <math.h>
#include <string.h>

#include "cli/report/report.h"

#define ROW   34 /* of a snapshot: its name, and its bars */
#define TICKS 5
#define FEW   16 /* calls that make a picture, however many there were */

static const struct {
	const char *title, *y_name, *legend, *others;
} kinds[PICTURES] = {
	{ "The life of each snapshot", NULL,
	  "<li><b class=\"k1\"></b>guarded by a lease</li><li><b class=\"k0\"></b>copied at once</li>"
	  "<li><b class=\"k2\"></b>◆ preserved</li><li><b class=\"k3\"></b>✕ lost</li>"
	  "<li>▸ its end is not on record</li>",
	  "snapshots" },
	{ "Areas over time", "areas (VMAs)", "", "records of other processes" },
	{ "Nonlinear windows", "page of the file", "<li><b class=\"k3\"></b>one that failed</li>",
	  "calls of other processes or files" },
};

/* To the right, and upwards. */
struct plot {
	FILE *out;
	enum picture picture;
	const struct series *series;
	size_t count;
	double height, from[2], to[2];
};

/* In hundredths of the width, and from the top. */
static double place(const struct plot *plot, int axis, double value)
{
	double from = plot->from[axis], to = plot->to[axis];
	double part = to > from ? fmin(fmax((value - from) / (to - from), 0), 1) : 0.5;

	return axis ? plot->height * (1 - part) : 100 * part;
}

static void widen(struct plot *plot, int axis, double low, double high)
{
	plot->from[axis] = fmin(plot->from[axis], low);
	plot->to[axis] = fmax(plot->to[axis], high);
}

static void measure(struct plot *plot)
{
	for (const struct series *it = plot->series; it < plot->series + plot->count; it++) {
		if (plot->picture == PICTURE_AREAS)
			widen(plot, 1, 0, 1.1 * (double)it->limit);
		for (const struct mark *mark = it->marks; mark < it->marks + it->count; mark++) {
			widen(plot, 0, mark->x0, mark->x1);
			widen(plot, 1, mark->y, mark->y + mark->x1 - mark->x0);
		}
	}
}

static void put_label(const struct plot *plot, double x, double y, const char *anchor,
		      const char *text)
{
	fprintf(plot->out, "<text x=\"%.2f%%\" y=\"%.0f\" text-anchor=\"%s\">%s</text>\n", x, y,
		anchor, text);
}

/* At 1, 2 or 5 times a power of ten units from the origin on; never at a part of a page. */
static void put_ticks(const struct plot *plot, int axis, double origin, double unit, bool whole)
{
	static const double up[] = { 2, 2.5, 2 };
	double from = (plot->from[axis] - origin) / unit, to = (plot->to[axis] - origin) / unit;
	double step = whole ? 1 : 1e-6;
	char label[32];

	for (int i = 0; (to - from) / step > TICKS; i++)
		step *= up[i % 3];
	for (int i = 0; i <= TICKS && (ceil(from / step) + i) * step <= to; i++) {
		double value = (ceil(from / step) + i) * step;
		double at = place(plot, axis, origin + value * unit);

		snprintf(label, sizeof(label), "%.12g", value);
		fprintf(plot->out,
			axis ? "<line x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"/>"
			     : "<line x1=\"%.2f%%\" x2=\"%.2f%%\" y2=\"100%%\"/>",
			at, at);
		if (axis)
			put_label(plot, -0.8, at + 4, "end", label);
		else
			put_label(plot, at, plot->height + 18, "middle", label);
	}
}

static void put_axes(const struct plot *plot)
{
	struct timespec first = { .tv_sec = (time_t)plot->from[0] };
	bool window = plot->picture == PICTURE_WINDOW;
	bool hours = !window && plot->to[0] - plot->from[0] > 7200;
	char moment[TIME_BYTES], title[96];

	put_ticks(plot, 0, window ? plot->from[0] : (double)first.tv_sec, hours ? 3600 : 1, window);
	if (window)
		snprintf(title, sizeof(title), "page of memory, from 0x%llx000 on",
			 (unsigned long long)plot->from[0]);
	else
		snprintf(title, sizeof(title), "%s since %.19s UTC", hours ? "hours" : "seconds",
			 time_text(&first, moment));
	put_label(plot, 100, plot->height + 36, "end", title);
	if (!kinds[plot->picture].y_name)
		return;
	put_ticks(plot, 1, 0, 1, true);
	put_label(plot, 0, -8, "start", kinds[plot->picture].y_name);
}

/* Marks of a kind, each a bar or a dot; of areas one line. */
static void put_marks(const struct plot *plot, size_t row, int kind)
{
	const struct series *series = &plot->series[row];
	bool lives = plot->picture == PICTURE_LIVES, areas = plot->picture == PICTURE_AREAS;
	double y = ROW * (double)row + 24;

	fprintf(plot->out, "<path class=\"k%d\" d=\"", kind);
	for (const struct mark *it = series->marks; it < series->marks + series->count; it++)
		if ((int)it->kind == kind)
			fprintf(plot->out, "%c%.2f %.1fL%.2f %.1f",
				areas && it > series->marks ? 'L' : 'M', place(plot, 0, it->x0),
				lives ? y : place(plot, 1, it->y), place(plot, 0, it->x1),
				lives ? y : place(plot, 1, it->y + it->x1 - it->x0));
	fputs("\"/>\n", plot->out);
}

static void put_name(FILE *out, const struct series *series)
{
	const char *slash = strrchr(series->path, '/');

	page_text(out, series->program);
	fprintf(out, "[%lld] ", (long long)series->pid);
	page_text(out, slash && slash[1] ? slash + 1 : series->path);
}

/* A snapshot's name above it, and signs in it. */
static void put_life(const struct plot *plot, const struct series *series, double y)
{
	const struct mark *last = &series->marks[series->count - 1];

	fprintf(plot->out, "<foreignObject y=\"%.0f\" width=\"100%%\" height=\"20\"><div title=\"",
		y);
	page_text(plot->out, series->path);
	fputs("\">", plot->out);
	put_name(plot->out, series);
	fputs("</div></foreignObject>\n", plot->out);
	if (series->count > 1)
		put_label(plot, place(plot, 0, last->x0), y + 28, "middle",
			  last->kind == MARK_BAD ? "✕" : "◆");
	if (series->open)
		put_label(plot, 100, y + 28, "start", "▸");
}

static void put_limit(const struct plot *plot, int64_t limit)
{
	double y = place(plot, 1, (double)limit);
	char text[64];

	snprintf(text, sizeof(text), "vm.max_map_count %lld", (long long)limit);
	fprintf(plot->out, "<line class=\"k3\" x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"/>\n", y, y);
	put_label(plot, 100, y - 6, "end", text);
}

static void put_picture(struct plot *plot)
{
	bool lives = plot->picture == PICTURE_LIVES;

	measure(plot);
	plot->height = lives ? ROW * (double)plot->count : 240;
	fprintf(plot->out, "<svg height=\"%.0f\" role=\"img\" aria-label=\"%s\">\n", plot->height,
		kinds[plot->picture].title);
	put_axes(plot);
	fprintf(plot->out,
		"<svg viewBox=\"0 0 100 %.0f\" height=\"%.0f\" preserveAspectRatio=\"none\">\n",
		plot->height, plot->height);
	for (size_t row = 0; row < plot->count; row++)
		for (int kind = 0; kind < MARK_KINDS; kind++)
			put_marks(plot, row, kind);
	fputs("</svg>\n", plot->out);
	for (size_t row = 0; row < plot->count; row++)
		if (lives)
			put_life(plot, &plot->series[row], ROW * (double)row);
		else if (plot->series[row].limit)
			put_limit(plot, plot->series[row].limit);
	fputs("</svg>", plot->out);
}

/* One call of ten thousand is no picture: what is missing is said instead. */
static void put_figure(struct plot plot)
{
	const struct series *window = plot.picture == PICTURE_WINDOW ? plot.series : NULL;
	int64_t seen = (int64_t)plot.series->seen;
	int64_t calls = plot.series->uncounted ? 0 : plot.series->calls;
	bool few = window && seen < FEW && (!calls || seen < calls / 100);
	char all[32] = "an unknown number of";

	if (calls)
		snprintf(all, sizeof(all), "%lld", (long long)calls);
	fprintf(plot.out, "<figure class=\"p%d\">", plot.picture);
	if (plot.picture != PICTURE_LIVES) {
		fputs("<h3>", plot.out);
		put_name(plot.out, plot.series);
		fputs("</h3>", plot.out);
	}
	if (!few)
		put_picture(&plot);
	fprintf(plot.out, "<ul class=\"legend\">%s</ul>", few ? "" : kinds[plot.picture].legend);
	if (window)
		fprintf(plot.out,
			few ? "<figcaption>Not drawn: only %lld of %s calls are on record "
			      "(audit.nonlinear=every records each).</figcaption>"
			    : "<figcaption>On record: %lld of %s calls; %zu are drawn."
			      "</figcaption>",
			(long long)seen, all, window->count);
	else if (plot.picture == PICTURE_AREAS && plot.series->seen > plot.series->count)
		fprintf(plot.out, "<figcaption>Drawn: %zu of %lld records.</figcaption>",
			plot.series->count, (long long)seen);
	fputs("</figure>\n", plot.out);
}

void report_picture(const struct model *model, enum picture picture, FILE *out)
{
	const struct series *all = model->series + picture * SERIES;
	int64_t left = model->marks_seen[picture];
	size_t count = 0;

	for (; count < SERIES && all[count].path; count++)
		left -= picture == PICTURE_LIVES ? 1 : (int64_t)all[count].seen;
	if (count)
		fprintf(out, "<h2>%s</h2>\n", kinds[picture].title);
	/* All snapshots are in one figure. */
	for (size_t i = 0, step = picture == PICTURE_LIVES ? count : 1; i < count; i += step)
		put_figure((struct plot){ .out = out,
					  .picture = picture,
					  .series = &all[i],
					  .count = step,
					  .from = { INFINITY, INFINITY },
					  .to = { -INFINITY, -INFINITY } });
	if (left > 0)
		fprintf(out, "<p class=\"soft\">Not drawn: %lld %s.</p>\n", (long long)left,
			kinds[picture].others);
}
