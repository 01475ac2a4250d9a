/* SPDX-License-Identifier: MIT */
/*
 * The pictures of the page: see report.h. Each is a figure with a caption that says what
 * is on its axes; a title under the pointer names each thing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/report/report.h"
#include "cli/text/text.h"

#define WIDTH  1000
#define HEIGHT 280
#define TOP    16
#define LANES  40
#define LANE   22

/* What a picture shows from where to where, and the box that it fills. x is counted from base, in
 * units of what its axis says. */
struct plot {
	double base, unit, x1, y0, y1;
	double left, bottom;
	const char *x_name, *y_name; /* y_name NULL: lanes */
};

#define RIGHT (WIDTH - 24)
#define EMPTY                                                                                  \
	{                                                                                      \
		.base = INFINITY, .unit = 1, .x1 = -INFINITY, .y0 = INFINITY, .y1 = -INFINITY, \
		.left = 80, .bottom = HEIGHT - 44                                              \
	}

static void widen(struct plot *plot, double x, double y)
{
	plot->base = fmin(plot->base, x);
	plot->x1 = fmax(plot->x1, x);
	plot->y0 = fmin(plot->y0, y);
	plot->y1 = fmax(plot->y1, y);
}

/* Where a value stands between two ends of a line; in its middle where they are one. */
static double between(double value, double from, double to, double begin, double end)
{
	return begin + (to > from ? (value - from) / (to - from) : 0.5) * (end - begin);
}

static double x_of(const struct plot *plot, double x)
{
	return between((x - plot->base) / plot->unit, 0, plot->x1, plot->left, RIGHT);
}

static double y_of(const struct plot *plot, double y)
{
	return between(y, plot->y0, plot->y1, plot->bottom, TOP);
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

/* Numbers of pages and areas are whole; times are not. */
static void put_axis(FILE *out, const struct plot *plot, bool upright, bool whole)
{
	double from = upright ? plot->y0 : 0, to = upright ? plot->y1 : plot->x1;
	double step = step_of(to - from, upright ? 5 : 8);
	char label[32];

	if (whole && step < 1)
		step = 1;
	/* Counted: a number that is large enough stays as it is when a step is added. */
	for (int i = 0; i <= 9; i++) {
		double value = (ceil(from / step) + i) * step;
		double x = between(value, 0, plot->x1, plot->left, RIGHT), y = y_of(plot, value);

		if (value > to + step / 1e6)
			break;
		snprintf(label, sizeof(label), "%.12g", value);
		if (upright)
			fprintf(out, "<path class=\"axis\" d=\"M%.1f %.1fH%d\"/>", plot->left, y,
				RIGHT);
		else
			fprintf(out, "<path class=\"axis\" d=\"M%.1f %.1fv5\"/>", x, plot->bottom);
		put_label(out, upright ? plot->left - 8 : x, upright ? y + 4 : plot->bottom + 19,
			  upright ? "end" : "middle", label);
	}
}

/* Seconds, minutes or hours since the first record, whichever gives small numbers. */
static void use_time(struct plot *plot)
{
	static const struct {
		double seconds;
		const char *name;
	} units[] = { { 86400, "days" }, { 3600, "hours" }, { 60, "minutes" },
		      { 1, "seconds" },	 { 1e-3, "ms" },    { 1e-6, "µs" } };
	size_t i = 0;

	while (i < 5 && plot->x1 - plot->base < 3 * units[i].seconds)
		i++;
	plot->x_name = units[i].name;
	plot->unit = units[i].seconds;
}

static void svg_begin(FILE *out, struct plot *plot, bool whole, const char *what)
{
	plot->x1 = (plot->x1 - plot->base) / plot->unit;
	fprintf(out, "<svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"%s\">\n", WIDTH,
		plot->bottom + 44, what);
	if (plot->y_name) {
		put_label(out, plot->left, TOP - 4, "start", plot->y_name);
		put_axis(out, plot, true, true);
	}
	put_axis(out, plot, false, whole);
	put_label(out, RIGHT, plot->bottom + 36, "end", plot->x_name);
}

static void put_name(FILE *out, const json_t *series)
{
	page_text(out, text(series, "program"));
	fprintf(out, " [%lld] ", (long long)number(series, "pid"));
	page_text(out, text(series, "path"));
}

static double point_at(const json_t *points, size_t i, size_t which)
{
	return json_number_value(json_array_get(json_array_get(points, i), which));
}

/* Areas against the limit over time. */

static void areas_line(FILE *out, const struct plot *plot, const json_t *points, char letter)
{
	size_t count = json_array_size(points);

	fprintf(out, "<path class=\"line s%c\" d=\"", letter);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%c%.1f %.1f", i ? 'L' : 'M', x_of(plot, point_at(points, i, 0)),
			y_of(plot, point_at(points, i, 1)));
	fputs("\"/>\n", out);
	for (size_t i = 0; i < count && count <= 60; i++)
		fprintf(out,
			"<circle class=\"f%c\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"><title>%.0f "
			"areas</title></circle>\n",
			letter, x_of(plot, point_at(points, i, 0)),
			y_of(plot, point_at(points, i, 1)), point_at(points, i, 1));
}

void chart_areas(FILE *out, const json_t *document)
{
	const json_t *all = field(document, "nonlinear.areas"), *series;
	struct plot plot = EMPTY;
	double limit = 0;
	size_t i;

	if (!json_array_size(all))
		return;
	plot.y_name = "areas";
	json_array_foreach(all, i, series)
	{
		const json_t *points = field(series, "points");

		for (size_t j = 0; j < json_array_size(points); j++)
			widen(&plot, point_at(points, j, 0), 0);
		limit = fmax(limit, (double)number(series, "limit"));
		plot.y1 = fmax(plot.y1, fmax((double)number(series, "most"), limit) * 1.06);
	}
	use_time(&plot);
	fputs("<h2>Areas against the limit</h2>\n<figure>", out);
	svg_begin(out, &plot, false, "Areas of each process over time");
	if (limit > 0)
		fprintf(out,
			"<path class=\"limit\" d=\"M%.1f %.1fH%d\"/><text class=\"limit-name\" "
			"x=\"%d\" y=\"%.1f\" text-anchor=\"end\">vm.max_map_count %.0f</text>\n",
			plot.left, y_of(&plot, limit), RIGHT, RIGHT, y_of(&plot, limit) - 5, limit);
	json_array_foreach(all, i, series)
		areas_line(out, &plot, field(series, "points"), (char)('a' + i % 6));
	fputs("</svg><ul class=\"legend\">", out);
	json_array_foreach(all, i, series)
	{
		fprintf(out, "<li><i class=\"f%c\"></i>", (char)('a' + i % 6));
		put_name(out, series);
		fputs("</li>", out);
	}
	fputs("</ul><figcaption>How many areas (VMAs) a process had, whenever a record says it; time "
	      "since the first of them.</figcaption></figure>\n",
	      out);
}

/* The nonlinear window: which page of the file stands where. */

/* Every call as the piece of a diagonal that it put there; one page is a dot. */
static void window_points(FILE *out, const struct plot *plot, const json_t *points, bool failed)
{
	fprintf(out, "<path class=\"line %s\" stroke-opacity=\"%s\" d=\"", failed ? "sbad" : "sa",
		failed ? "1" : "0.55");
	for (size_t i = 0; i < json_array_size(points); i++) {
		double x = point_at(points, i, 0), y = point_at(points, i, 1);
		double pages = point_at(points, i, 2);

		if (json_is_true(json_array_get(json_array_get(points, i), 3)) == failed)
			fprintf(out, "M%.1f %.1fL%.1f %.1f", x_of(plot, x), y_of(plot, y),
				x_of(plot, x + pages), y_of(plot, y + pages));
	}
	fputs("\"/>\n", out);
}

static void window_figure(FILE *out, const json_t *series)
{
	const json_t *points = field(series, "points");
	struct plot plot = EMPTY;
	json_int_t seen = number(series, "seen"), calls = number(series, "calls");

	fputs("<figure><h3>", out);
	put_name(out, series);
	fputs("</h3>", out);
	if (seen < 16 && seen * 100 < calls) {
		fprintf(out,
			"<figcaption>On record: %lld of %lld calls, too few for a picture; "
			"audit.nonlinear=every records each.</figcaption></figure>\n",
			(long long)seen, (long long)calls);
		return;
	}
	plot.y_name = "page of the file";
	plot.x_name = "page of the window";
	for (size_t i = 0; i < json_array_size(points); i++) {
		double x = point_at(points, i, 0), y = point_at(points, i, 1);

		widen(&plot, x, y);
		widen(&plot, x + point_at(points, i, 2), y + point_at(points, i, 2));
	}
	svg_begin(out, &plot, true, "File page over virtual page");
	window_points(out, &plot, points, false);
	window_points(out, &plot, points, true);
	fprintf(out,
		"</svg><figcaption>Page of the file (upwards) over the virtual page it was put at, "
		"counted from 0x%llx000; each call is a dot, or a line as long as it is. ",
		(unsigned long long)plot.base);
	if (calls)
		fprintf(out, "%lld recorded of %lld calls from the same call sites; ",
			(long long)seen, (long long)calls);
	else
		fprintf(out, "%lld recorded, and how many there were is not; ", (long long)seen);
	fprintf(out,
		"%zu of the recorded are drawn, those that failed red.</figcaption></figure>\n",
		json_array_size(points));
}

void chart_windows(FILE *out, const json_t *document)
{
	const json_t *all = field(document, "nonlinear.windows"), *series;
	size_t i;

	if (json_array_size(all))
		fputs("<h2>The nonlinear window</h2>\n", out);
	json_array_foreach(all, i, series) window_figure(out, series);
}

/* The life of each snapshot. */

/* Lost ones first, then those that were preserved; of equals the first that came. */
static size_t choose_lives(const json_t *all, const json_t **chosen)
{
	size_t count = 0, i;
	const json_t *life;

	for (int wanted = 2; wanted >= 0; wanted--) {
		json_array_foreach(all, i, life)
		{
			bool lost = !strcmp(text(life, "fate"), "lost");
			int interest = lost ? 2 : field(life, "changed") != NULL;

			if (count < LANES && interest == wanted)
				chosen[count++] = life;
		}
	}
	return count;
}

static double real_of(const json_t *object, const char *name)
{
	return json_number_value(field(object, name));
}

static void life_bar(FILE *out, const struct plot *plot, double y, double from, double to,
		     const char *class, const char *title)
{
	double x = x_of(plot, from);

	fprintf(out,
		"<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"12\" rx=\"2\">"
		"<title>%s</title></rect>",
		class, x, y, fmax(x_of(plot, to) - x, 2), title);
}

static void life_lane(FILE *out, const struct plot *plot, double y, const json_t *life)
{
	double end = real_of(life, "end"), changed = real_of(life, "changed");
	bool lost = !strcmp(text(life, "fate"), "lost");
	bool guard = !strcmp(text(life, "engine"), "guard");
	const char *path = text(life, "path"), *slash = strrchr(path, '/');
	char *name;
	size_t size;
	FILE *label = open_text(&name, &size);

	put_visible(label, slash && slash[1] ? slash + 1 : path, 26);
	fprintf(label, " [%lld]", (long long)number(life, "pid"));
	fclose(label);
	fputs("<g class=\"name\"><title>", out);
	page_text(out, path);
	fputs("</title>", out);
	put_label(out, plot->left - 8, y + 10, "end", name);
	fputs("</g>", out);
	free(name);
	life_bar(out, plot, y, real_of(life, "start"), changed > 0 ? changed : end,
		 guard ? "fc" : "fa", guard ? "guarded" : "copied at once");
	if (changed > 0) {
		life_bar(out, plot, y, changed, end, lost ? "fbad" : "fb",
			 lost ? "lost" : "preserved");
		fprintf(out, "<path class=\"wait\" d=\"M%.1f %.1fv18\"/>", x_of(plot, changed),
			y - 3);
	}
	fputc('\n', out);
}

void chart_lives(FILE *out, const json_t *document)
{
	const json_t *all = field(document, "timeline"), *chosen[LANES];
	size_t count = choose_lives(all, chosen);
	struct plot plot = EMPTY;

	if (!count)
		return;
	for (size_t i = 0; i < count; i++) {
		widen(&plot, real_of(chosen[i], "start"), 0);
		widen(&plot, real_of(chosen[i], "end"), 0);
	}
	use_time(&plot);
	plot.left = 230;
	plot.bottom = TOP + (double)count * LANE + 4;
	fputs("<h2>The life of each snapshot</h2>\n<figure>", out);
	svg_begin(out, &plot, false, "Snapshots on a time line");
	fprintf(out, "<path class=\"axis\" d=\"M%.1f %dV%.1fH%d\"/>", plot.left, TOP, plot.bottom,
		RIGHT);
	for (size_t i = 0; i < count; i++)
		life_lane(out, &plot, TOP + (double)i * LANE + 5, chosen[i]);
	fprintf(out,
		"</svg><ul class=\"legend\"><li><i class=\"fc\"></i>guarded by a lease</li><li><i "
		"class=\"fa\"></i>copied at once</li><li><i class=\"fb\"></i>preserved, from the "
		"bar on</li><li><i class=\"fbad\"></i>lost</li></ul><figcaption>Snapshots shown: %zu "
		"of %lld; the process in brackets.</figcaption></figure>\n",
		count,
		(long long)(number(document, "timeline_left_out") +
			    (json_int_t)json_array_size(all)));
}
