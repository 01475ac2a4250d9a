/* SPDX-License-Identifier: MIT */
/*
 * The pictures of the page, over time: see report.h. A title under the pointer names each thing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/report/report.h"

#define WIDTH  1000
#define HEIGHT 280
#define TOP    24
#define LEFT   80
#define RIGHT  (WIDTH - 24)
#define BOTTOM (HEIGHT - 32)

/* "2026-11-21T12:03:17.720367Z" */
static double seconds_of(const char *time)
{
	struct tm tm = { 0 };
	const char *fraction = strptime(time, "%Y-%m-%dT%H:%M:%S", &tm);

	return fraction ? (double)timegm(&tm) + strtod(fraction, NULL) : 0;
}

/* Where a value stands between two others, as a part of the way. */
static double part_of(double value, double from, double to)
{
	return to > from ? fmin(fmax((value - from) / (to - from), 0), 1) : 0;
}

/* When the snapshots of a file were there, on the log's time; where one has no end on record, to
 * its end. */

const char bar_legend[] =
	"<ul class=\"legend\"><li>A bar is the time of the logs:</li><li><i class=\"fc\"></i>guarded by "
	"a lease</li><li><i class=\"fa\"></i>copied at once</li><li><i class=\"fb\"></i>preserved</li>"
	"<li><i class=\"fbad\"></i>lost</li></ul>\n";

static void put_bar(FILE *out, double from, double to, double after, const char *class,
		    const char *title)
{
	fprintf(out, "<i class=\"%s\" style=\"margin-left:%.1f%%;width:%.1f%%\" title=\"%s\"></i>",
		class, 100 * after, 100 * (to - from), title);
}

static double moment_of(const json_t *document, const json_t *row, const char *name)
{
	return part_of(seconds_of(text(row, name)), seconds_of(text(document, "first")),
		       seconds_of(text(document, "last")));
}

void chart_bar(FILE *out, const json_t *document, const json_t *row)
{
	bool open = number(row, "open") || number(row, "ended_with_process");
	bool lost = number(row, "lost"), changed = *text(row, "changed");
	double from = moment_of(document, row, "first");
	double to = open ? 1 : moment_of(document, row, "last");
	double between = changed ? moment_of(document, row, "changed") : to;

	if (!*text(row, "first"))
		return;
	fputs("<div class=\"bar\">", out);
	if (number(row, "engines.guard"))
		put_bar(out, from, between, from, "fc", "guarded");
	else
		put_bar(out, from, between, from, "fa", "copied at once");
	if (changed)
		put_bar(out, between, to, 0, lost ? "fbad" : "fb", lost ? "lost" : "preserved");
	fputs("</div>", out);
}

/* Areas against the limit. */

struct plot {
	const char *first, *last;
	double most, limit;
};

static void widen(struct plot *plot, const json_t *series)
{
	const json_t *point;
	size_t i;

	json_array_foreach (field(series, "points"), i, point) {
		const char *time = json_string_value(json_array_get(point, 0));

		plot->first = !plot->first || strcmp(time, plot->first) < 0 ? time : plot->first;
		plot->last = !plot->last || strcmp(time, plot->last) > 0 ? time : plot->last;
	}
	plot->limit = fmax(plot->limit, (double)number(series, "limit"));
	plot->most = fmax(plot->most, fmax((double)number(series, "most"), plot->limit));
}

static double y_of(const struct plot *plot, double areas)
{
	return BOTTOM + part_of(areas, 0, plot->most) * (TOP - BOTTOM);
}

static void put_label(FILE *out, double x, double y, const char *anchor, const char *text)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
	page_text(out, text);
	fputs("</text>\n", out);
}

static void put_level(FILE *out, const struct plot *plot, double areas, const char *class)
{
	char label[32];

	snprintf(label, sizeof(label), "%.0f", areas);
	fprintf(out, "<path class=\"%s\" d=\"M%d %.1fH%d\"/>", class, LEFT, y_of(plot, areas),
		RIGHT);
	put_label(out, LEFT - 8, y_of(plot, areas) + 4, "end", label);
}

static void put_line(FILE *out, const struct plot *plot, const json_t *points, char letter)
{
	double first = seconds_of(plot->first), last = seconds_of(plot->last);
	const json_t *point;
	size_t i;

	json_array_foreach (points, i, point) {
		double time = seconds_of(json_string_value(json_array_get(point, 0)));

		fprintf(out, "%s%.1f %.1f", i ? "L" : "<path class=\"line\" d=\"M",
			LEFT + part_of(time, first, last) * (RIGHT - LEFT),
			y_of(plot, json_number_value(json_array_get(point, 1))));
	}
	if (i)
		fprintf(out, "\" style=\"stroke:var(--%c)\"/>\n", letter);
}

void chart_areas(FILE *out, const json_t *document)
{
	const json_t *all = field(document, "nonlinear.areas"), *series;
	struct plot plot = { NULL };
	size_t i;

	json_array_foreach (all, i, series)
		widen(&plot, series);
	if (!plot.first)
		return;
	fprintf(out,
		"<h2>Areas against the limit</h2>\n<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" "
		"aria-label=\"Areas of each process over time\">\n",
		WIDTH, HEIGHT);
	put_level(out, &plot, 0, "axis");
	if (plot.limit < plot.most)
		put_level(out, &plot, plot.most, "axis");
	if (plot.limit > 0)
		put_level(out, &plot, plot.limit, "limit");
	put_label(out, LEFT, HEIGHT - 12, "start", plot.first);
	put_label(out, RIGHT, HEIGHT - 12, "end", plot.last);
	json_array_foreach (all, i, series)
		put_line(out, &plot, field(series, "points"), (char)('a' + i));
	fputs("</svg><ul class=\"legend\">", out);
	json_array_foreach (all, i, series) {
		fprintf(out, "<li><i class=\"f%c\"></i>", (char)('a' + i));
		page_text(out, text(series, "program"));
		fprintf(out, " [%lld]</li>", (long long)number(series, "pid"));
	}
	fputs("</ul><figcaption>How many areas (VMAs) a process had, whenever a record says it, and "
	      "vm.max_map_count (dashed).</figcaption></figure>\n",
	      out);
}
