/* SPDX-License-Identifier: MIT */
/*
 * The pictures of the page, over time: see report.h. Each is a figure with a caption that says
 * what is on its axes; a title under the pointer names each thing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/report/report.h"
#include "cli/text/text.h"

#define WIDTH  1000
#define HEIGHT 280
#define TOP    16
#define RIGHT  (WIDTH - 24)
#define LANES  40
#define LANE   22

/* From when to when, up to what number, and the box that this fills. x is counted from base. */
struct plot {
	double base, x1, y1;
	double left, bottom;
};

/* "2026-11-21T12:03:17.720367Z" */
static double seconds_of(const char *time)
{
	struct tm tm = { 0 };
	const char *fraction = strptime(time, "%Y-%m-%dT%H:%M:%S", &tm);

	return fraction ? (double)timegm(&tm) + strtod(fraction, NULL) : 0;
}

static void widen(struct plot *plot, double x)
{
	plot->base = plot->base > 0 ? fmin(plot->base, x) : x;
	plot->x1 = fmax(plot->x1, x);
}

/* Where a value stands between two ends of a line; in its middle where they are one. */
static double between(double value, double from, double to, double begin, double end)
{
	return begin + (to > from ? (value - from) / (to - from) : 0.5) * (end - begin);
}

static double x_of(const struct plot *plot, double x)
{
	return between(x, plot->base, plot->x1, plot->left, RIGHT);
}

static double y_of(const struct plot *plot, double y)
{
	return between(y, 0, plot->y1, plot->bottom, TOP);
}

/* 1, 2 or 5 times a power of ten: at most `most` of them in the span. */
static double step_of(double span, int most)
{
	double step;

	if (!(span > 0))
		return 1;
	step = pow(10, floor(log10(span / most)));
	if (span / step > most)
		step *= span / (2 * step) <= most ? 2 : span / (5 * step) <= most ? 5 : 10;
	return step;
}

static void put_label(FILE *out, double x, double y, const char *anchor, const char *text)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
	page_text(out, text);
	fputs("</text>\n", out);
}

static void put_numbers(FILE *out, const struct plot *plot)
{
	double step = fmax(step_of(plot->y1, 5), 1);
	char label[32];

	for (int i = 0; i <= 9 && i * step <= plot->y1; i++) {
		double y = y_of(plot, i * step);

		fprintf(out, "<path class=\"axis\" d=\"M%.1f %.1fH%d\"/>", plot->left, y, RIGHT);
		snprintf(label, sizeof(label), "%.12g", i * step);
		put_label(out, plot->left - 8, y + 4, "end", label);
	}
}

/* Since the first record that is shown, in the unit that gives small numbers. */
static void put_times(FILE *out, const struct plot *plot)
{
	static const struct {
		double seconds;
		const char *name;
	} units[] = { { 86400, "days" }, { 3600, "hours" }, { 60, "minutes" },
		      { 1, "seconds" },	 { 1e-3, "ms" },    { 1e-6, "µs" } };
	double span = plot->x1 - plot->base, step;
	char label[32];
	size_t unit = 0;

	while (unit < 5 && span < 3 * units[unit].seconds)
		unit++;
	step = step_of(span / units[unit].seconds, 8);
	for (int i = 0; i <= 9 && i * step * units[unit].seconds <= span; i++) {
		double x = x_of(plot, plot->base + i * step * units[unit].seconds);

		fprintf(out, "<path class=\"axis\" d=\"M%.1f %.1fv5\"/>", x, plot->bottom);
		snprintf(label, sizeof(label), "%.12g", i * step);
		put_label(out, x, plot->bottom + 19, "middle", label);
	}
	put_label(out, RIGHT, plot->bottom + 36, "end", units[unit].name);
}

static void svg_begin(FILE *out, const struct plot *plot, const char *what)
{
	fprintf(out, "<svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"%s\">\n", WIDTH,
		plot->bottom + 44, what);
	put_times(out, plot);
}

/* Areas against the limit. */

static double x_at(const struct plot *plot, const json_t *point)
{
	return x_of(plot, seconds_of(json_string_value(json_array_get(point, 0))));
}

static double y_at(const struct plot *plot, const json_t *point)
{
	return y_of(plot, json_number_value(json_array_get(point, 1)));
}

static void areas_line(FILE *out, const struct plot *plot, const json_t *points, char letter)
{
	const json_t *point;
	size_t i;

	fprintf(out, "<path class=\"line s%c\" d=\"", letter);
	json_array_foreach (points, i, point)
		fprintf(out, "%c%.1f %.1f", i ? 'L' : 'M', x_at(plot, point), y_at(plot, point));
	fputs("\"/>\n", out);
	json_array_foreach (points, i, point)
		fprintf(out,
			"<circle class=\"f%c\" cx=\"%.1f\" cy=\"%.1f\" r=\"2\"><title>%lld "
			"areas</title></circle>\n",
			letter, x_at(plot, point), y_at(plot, point),
			(long long)json_integer_value(json_array_get(point, 1)));
}

void chart_areas(FILE *out, const json_t *document)
{
	const json_t *all = field(document, "nonlinear.areas"), *series, *point;
	struct plot plot = { .left = 80, .bottom = HEIGHT - 44 };
	double limit = 0;
	size_t i, j;

	json_array_foreach (all, i, series) {
		json_array_foreach (field(series, "points"), j, point)
			widen(&plot, seconds_of(json_string_value(json_array_get(point, 0))));
		limit = fmax(limit, (double)number(series, "limit"));
		plot.y1 = fmax(plot.y1, fmax((double)number(series, "most"), limit) * 1.06);
	}
	if (!(plot.base > 0))
		return;
	fputs("<h2>Areas against the limit</h2>\n<figure>", out);
	svg_begin(out, &plot, "Areas of each process over time");
	put_label(out, plot.left, TOP - 4, "start", "areas");
	put_numbers(out, &plot);
	if (limit > 0)
		fprintf(out,
			"<path class=\"limit\" d=\"M%.1f %.1fH%d\"/><text class=\"limit-name\" "
			"x=\"%d\" y=\"%.1f\" text-anchor=\"end\">vm.max_map_count %.0f</text>\n",
			plot.left, y_of(&plot, limit), RIGHT, RIGHT, y_of(&plot, limit) - 5, limit);
	json_array_foreach (all, i, series)
		areas_line(out, &plot, field(series, "points"), (char)('a' + i));
	fputs("</svg><ul class=\"legend\">", out);
	json_array_foreach (all, i, series) {
		fprintf(out, "<li><i class=\"f%c\"></i>", (char)('a' + i));
		page_text(out, text(series, "program"));
		fprintf(out, " [%lld]</li>", (long long)number(series, "pid"));
	}
	fputs("</ul><figcaption>How many areas (VMAs) a process had, whenever a record says it; time "
	      "since the first of them.</figcaption></figure>\n",
	      out);
}

/* When the snapshots of each file were there. */

static void put_bar(FILE *out, const struct plot *plot, double y, double from, double to,
		    const char *class, const char *title)
{
	double x = x_of(plot, from);

	fprintf(out,
		"<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"12\" rx=\"2\">"
		"<title>%s</title></rect>",
		class, x, y, fmax(x_of(plot, to) - x, 2), title);
}

/* To the end of the log, where one has no end on record. */
static double end_of(const json_t *document, const json_t *row)
{
	bool open = number(row, "open") || number(row, "ended_with_process");

	return seconds_of(text(open ? document : row, "last"));
}

static void put_lane(FILE *out, const struct plot *plot, double y, const json_t *row, double end)
{
	const char *path = text(row, "path"), *slash = strrchr(path, '/');
	double changed = seconds_of(text(row, "changed"));
	bool lost = number(row, "lost"), guard = number(row, "engines.guard");
	char *name;
	size_t size;
	FILE *label = open_text(&name, &size);

	put_visible(label, slash && slash[1] ? slash + 1 : path, 32);
	fclose(label);
	fputs("<g class=\"name\"><title>", out);
	page_text(out, path);
	fputs("</title>", out);
	put_label(out, plot->left - 8, y + 10, "end", name);
	fputs("</g>", out);
	free(name);
	put_bar(out, plot, y, seconds_of(text(row, "first")), changed > 0 ? changed : end,
		guard ? "fc" : "fa", guard ? "guarded" : "copied at once");
	if (changed > 0) {
		put_bar(out, plot, y, changed, end, lost ? "fbad" : "fb",
			lost ? "lost" : "preserved");
		fprintf(out, "<path class=\"wait\" d=\"M%.1f %.1fv18\"/>", x_of(plot, changed),
			y - 3);
	}
	fputc('\n', out);
}

void chart_lives(FILE *out, const json_t *document)
{
	const json_t *all = field(document, "snapshots"), *row, *rows[LANES];
	struct plot plot = { .left = 230 };
	size_t count = 0, files = 0, i;

	json_array_foreach (all, i, row) {
		if (!*text(row, "first"))
			continue;
		if (files++ < LANES)
			rows[count++] = row;
	}
	for (i = 0; i < count; i++) {
		widen(&plot, seconds_of(text(rows[i], "first")));
		widen(&plot, end_of(document, rows[i]));
	}
	if (!count)
		return;
	plot.bottom = TOP + (double)count * LANE + 4;
	fputs("<h2>When the snapshots were there</h2>\n<figure>", out);
	svg_begin(out, &plot, "The snapshots of each file on a time line");
	fprintf(out, "<path class=\"axis\" d=\"M%.1f %dV%.1fH%d\"/>", plot.left, TOP, plot.bottom,
		RIGHT);
	for (i = 0; i < count; i++)
		put_lane(out, &plot, TOP + (double)i * LANE + 5, rows[i],
			 end_of(document, rows[i]));
	fprintf(out,
		"</svg><ul class=\"legend\"><li><i class=\"fc\"></i>guarded by a lease</li><li><i "
		"class=\"fa\"></i>copied at once</li><li><i class=\"fb\"></i>preserved, from the "
		"bar on</li><li><i class=\"fbad\"></i>lost</li></ul><figcaption>A file's snapshots, "
		"from the first to the last; files shown: %zu of %zu.</figcaption></figure>\n",
		count, files);
}
