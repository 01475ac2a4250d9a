/* SPDX-License-Identifier: MIT */
/*
 * The pictures of the page: see page.h. Each is a figure with a caption that says what
 * is on its axes; a title under the pointer names each thing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/document.h"
#include "cli/report/page.h"
#include "cli/report/report.h"
#include "cli/text/show.h"

#define WIDTH  1000
#define HEIGHT 280
#define LEFT   80
#define RIGHT  24
#define TOP    16
#define BOTTOM 44
#define LANES  40
#define LANE   22

/* What a picture shows from where to where, and the box that it fills. */
struct plot {
	double x0, x1, y0, y1;
	double left, right, top, bottom;
};

static double x_of(const struct plot *plot, double x)
{
	double span = plot->x1 - plot->x0;

	return plot->left + (span > 0 ? (x - plot->x0) / span : 0.5) * (plot->right - plot->left);
}

static double y_of(const struct plot *plot, double y)
{
	double span = plot->y1 - plot->y0;

	return plot->bottom - (span > 0 ? (y - plot->y0) / span : 0.5) * (plot->bottom - plot->top);
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

static void svg_begin(FILE *out, double height, const char *what)
{
	fprintf(out, "<svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"%s\">\n", WIDTH,
		height, what);
}

static void put_title(FILE *out, const char *text)
{
	fputs("<title>", out);
	page_text(out, text);
	fputs("</title>", out);
}

static void number_label(FILE *out, double x, double y, const char *anchor, double value)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%.12g</text>\n", x, y, anchor,
		value);
}

static void horizontal_lines(FILE *out, const struct plot *plot, bool whole)
{
	double step = step_of(plot->y1 - plot->y0, 5);

	if (whole && step < 1)
		step = 1;
	/* Counted: a number that is large enough stays as it is when a step is added. */
	for (int i = 0; i <= 6; i++) {
		double y = (ceil(plot->y0 / step) + i) * step;

		if (y > plot->y1 + step / 1e6)
			break;
		fprintf(out, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>", plot->left,
			y_of(plot, y), plot->right);
		number_label(out, plot->left - 8, y_of(plot, y) + 4, "end", y);
	}
}

static void vertical_marks(FILE *out, const struct plot *plot, bool whole)
{
	double step = step_of(plot->x1 - plot->x0, 8);

	if (whole && step < 1)
		step = 1;
	for (int i = 0; i <= 9; i++) {
		double x = (ceil(plot->x0 / step) + i) * step;

		if (x > plot->x1 + step / 1e6)
			break;
		fprintf(out, "<path class=\"axis\" d=\"M%.1f %.1fv5\"/>", x_of(plot, x),
			plot->bottom);
		number_label(out, x_of(plot, x), plot->bottom + 19, "middle", x);
	}
}

/* Seconds, minutes or hours since the first record, whichever gives small numbers. */
static double time_unit(double seconds, const char **name)
{
	static const struct {
		double seconds;
		const char *name;
	} units[] = { { 86400, "days" }, { 3600, "hours" }, { 60, "minutes" },
		      { 1, "seconds" },	 { 1e-3, "ms" },    { 1e-6, "µs" } };
	size_t i = 0;

	while (i < 5 && seconds < 3 * units[i].seconds)
		i++;
	*name = units[i].name;
	return units[i].seconds;
}

static void time_axis(FILE *out, const struct plot *plot)
{
	struct plot scaled = *plot;
	const char *name;
	double unit = time_unit(plot->x1 - plot->x0, &name);

	scaled.x0 = 0;
	scaled.x1 = (plot->x1 - plot->x0) / unit;
	vertical_marks(out, &scaled, false);
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", plot->right,
		plot->bottom + 36, name);
}

static char letter_of(size_t i)
{
	return (char)('a' + i % 6);
}

static void legend_item(FILE *out, char letter, const json_t *series)
{
	fprintf(out, "<li><i class=\"f%c\"></i>", letter);
	page_text(out, get_text(series, "program"));
	fprintf(out, " [%lld]", (long long)get_number(series, "pid"));
	if (*get_text(series, "path")) {
		fputc(' ', out);
		page_text(out, get_text(series, "path"));
	}
	fputs("</li>", out);
}

/* Areas against the limit over time. */

static double point_at(const json_t *points, size_t i, size_t which)
{
	return json_number_value(json_array_get(json_array_get(points, i), which));
}

static struct plot areas_plot(const json_t *all, double *limit)
{
	struct plot plot = { .left = LEFT,
			     .right = WIDTH - RIGHT,
			     .top = TOP,
			     .bottom = HEIGHT - BOTTOM,
			     .x0 = INFINITY,
			     .x1 = -INFINITY };
	const json_t *series;
	size_t i;

	*limit = 0;
	json_array_foreach(all, i, series)
	{
		const json_t *points = get(series, "points");
		size_t count = json_array_size(points);

		for (size_t j = 0; j < count; j++) {
			plot.x0 = fmin(plot.x0, point_at(points, j, 0));
			plot.x1 = fmax(plot.x1, point_at(points, j, 0));
		}
		plot.y1 = fmax(plot.y1, (double)get_number(series, "most"));
		*limit = fmax(*limit, (double)get_number(series, "limit"));
	}
	plot.y1 = fmax(plot.y1, *limit) * 1.06;
	return plot;
}

static void areas_line(FILE *out, const struct plot *plot, const json_t *series, char letter)
{
	const json_t *points = get(series, "points");
	size_t count = json_array_size(points);

	fprintf(out, "<path class=\"line s%c\" d=\"", letter);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%c%.1f %.1f", i ? 'L' : 'M', x_of(plot, point_at(points, i, 0)),
			y_of(plot, point_at(points, i, 1)));
	fputs("\"/>", out);
	for (size_t i = 0; i < count && count <= 60; i++) {
		fprintf(out, "<circle class=\"f%c\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\">", letter,
			x_of(plot, point_at(points, i, 0)), y_of(plot, point_at(points, i, 1)));
		fprintf(out, "<title>%.0f areas</title></circle>", point_at(points, i, 1));
	}
	fputc('\n', out);
}

void chart_areas(FILE *out, const json_t *document)
{
	const json_t *all = get(document, "nonlinear.areas"), *series;
	double limit;
	struct plot plot = areas_plot(all, &limit);
	size_t i;

	if (!json_array_size(all))
		return;
	fputs("<h2>Areas against the limit</h2>\n<figure>", out);
	svg_begin(out, HEIGHT, "Areas of each process over time");
	horizontal_lines(out, &plot, true);
	time_axis(out, &plot);
	if (limit > 0)
		fprintf(out,
			"<path class=\"limit\" d=\"M%.1f %.1fH%.1f\"/><text class=\"limit-name\" "
			"x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">vm.max_map_count %.0f</text>\n",
			plot.left, y_of(&plot, limit), plot.right, plot.right,
			y_of(&plot, limit) - 5, limit);
	json_array_foreach(all, i, series) areas_line(out, &plot, series, letter_of(i));
	fputs("</svg><ul class=\"legend\">", out);
	json_array_foreach(all, i, series) legend_item(out, letter_of(i), series);
	fputs("</ul><figcaption>How many areas (VMAs) a process had, whenever a record says it; time "
	      "since the first of them.</figcaption></figure>\n",
	      out);
}

/* The nonlinear window: which page of the file stands where. */

static struct plot window_plot(const json_t *points)
{
	struct plot plot = { .left = LEFT,
			     .right = WIDTH - RIGHT,
			     .top = TOP,
			     .bottom = HEIGHT - BOTTOM,
			     .x0 = INFINITY,
			     .y0 = INFINITY,
			     .x1 = -INFINITY,
			     .y1 = -INFINITY };
	double base;

	for (size_t i = 0; i < json_array_size(points); i++) {
		double x = point_at(points, i, 0), y = point_at(points, i, 1);
		double pages = point_at(points, i, 2);

		plot.x0 = fmin(plot.x0, x);
		plot.x1 = fmax(plot.x1, x + pages);
		plot.y0 = fmin(plot.y0, y);
		plot.y1 = fmax(plot.y1, y + pages);
	}
	/* Numbers that people can compare: pages from the beginning of the window. */
	base = plot.x0;
	plot.x1 -= base;
	plot.x0 = 0;
	return plot;
}

/* Every call as the piece of a diagonal that it put there; one page is a dot. */
static void window_points(FILE *out, const struct plot *plot, const json_t *points, bool failed,
			  double base)
{
	fprintf(out, "<path class=\"line %s\" stroke-opacity=\"%s\" d=\"", failed ? "sbad" : "sa",
		failed ? "1" : "0.55");
	for (size_t i = 0; i < json_array_size(points); i++) {
		const json_t *point = json_array_get(points, i);
		double x = point_at(points, i, 0) - base, y = point_at(points, i, 1);
		double pages = point_at(points, i, 2);

		if (json_is_true(json_array_get(point, 3)) != failed)
			continue;
		fprintf(out, "M%.1f %.1fL%.1f %.1f", x_of(plot, x), y_of(plot, y),
			x_of(plot, x + pages), y_of(plot, y + pages));
	}
	fputs("\"/>\n", out);
}

static double window_base(const json_t *points)
{
	double base = INFINITY;

	for (size_t i = 0; i < json_array_size(points); i++)
		base = fmin(base, point_at(points, i, 0));
	return base;
}

static void window_figure(FILE *out, const json_t *series)
{
	const json_t *points = get(series, "points");
	struct plot plot = window_plot(points);
	double base = window_base(points);
	json_int_t seen = get_number(series, "seen"), calls = get_number(series, "calls");

	fputs("<figure><h3>", out);
	page_text(out, get_text(series, "program"));
	fprintf(out, " [%lld] ", (long long)get_number(series, "pid"));
	page_text(out, get_text(series, "path"));
	fputs("</h3>", out);
	svg_begin(out, HEIGHT, "File page over virtual page");
	horizontal_lines(out, &plot, true);
	vertical_marks(out, &plot, true);
	window_points(out, &plot, points, false, base);
	window_points(out, &plot, points, true, base);
	fprintf(out,
		"</svg><figcaption>Page of the file (upwards) over the virtual page it was put at, "
		"counted from 0x%llx000; each call is a dot, or a line as long as it is. ",
		(unsigned long long)base);
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
	const json_t *all = get(document, "nonlinear.windows"), *series;
	size_t i;

	if (!json_array_size(all))
		return;
	fputs("<h2>The nonlinear window</h2>\n", out);
	json_array_foreach(all, i, series) window_figure(out, series);
}

/* The life of each snapshot. */

/* Lost ones first, then those that were preserved; of equals the first that came. */
static int interest(const json_t *life)
{
	if (!strcmp(get_text(life, "fate"), "lost"))
		return 2;
	return get(life, "changed") != NULL;
}

static size_t choose_lives(const json_t *all, const json_t **chosen)
{
	size_t count = 0, i;
	const json_t *life;

	for (int wanted = 2; wanted >= 0; wanted--) {
		json_array_foreach(all, i, life)
		{
			if (count < LANES && interest(life) == wanted)
				chosen[count++] = life;
		}
	}
	return count;
}

static double real_of(const json_t *object, const char *name)
{
	return json_number_value(get(object, name));
}

static void life_bar(FILE *out, const struct plot *plot, double y, double from, double to,
		     const char *class, const char *title)
{
	double x = x_of(plot, from), width = x_of(plot, to) - x;

	fprintf(out,
		"<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"12\" rx=\"2\">",
		class, x, y, width < 2 ? 2 : width);
	put_title(out, title);
	fputs("</rect>", out);
}

static void life_lane(FILE *out, const struct plot *plot, size_t lane, const json_t *life)
{
	double y = plot->top + (double)lane * LANE + 5, end = real_of(life, "end");
	double start = real_of(life, "start"), changed = real_of(life, "changed");
	bool lost = !strcmp(get_text(life, "fate"), "lost");
	bool guard = !strcmp(get_text(life, "engine"), "guard");
	const char *path = get_text(life, "path"), *slash = strrchr(path, '/');

	fprintf(out, "<text class=\"name\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">",
		plot->left - 8, y + 10);
	put_title(out, path);
	path = slash && slash[1] ? slash + 1 : path;
	if (strlen(path) > 26) {
		fputs("…", out);
		path += strlen(path) - 25;
		while ((*path & 0xc0) == 0x80)
			path++;
	}
	page_text(out, path);
	fprintf(out, " [%lld]</text>", (long long)get_number(life, "pid"));
	life_bar(out, plot, y, start, changed > 0 ? changed : end, guard ? "fc" : "fa",
		 guard ? "guarded" : "copied at once");
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
	const json_t *all = get(document, "timeline"), *chosen[LANES];
	size_t count = choose_lives(all, chosen);
	struct plot plot = { .left = 230, .right = WIDTH - RIGHT, .top = TOP, .x0 = INFINITY };

	if (!count)
		return;
	for (size_t i = 0; i < count; i++) {
		plot.x0 = fmin(plot.x0, real_of(chosen[i], "start"));
		plot.x1 = fmax(plot.x1, real_of(chosen[i], "end"));
	}
	plot.bottom = plot.top + (double)count * LANE + 4;
	fputs("<h2>The life of each snapshot</h2>\n<figure>", out);
	svg_begin(out, plot.bottom + 42, "Snapshots on a time line");
	fprintf(out, "<path class=\"axis\" d=\"M%.1f %.1fV%.1fH%.1f\"/>", plot.left, plot.top,
		plot.bottom, plot.right);
	time_axis(out, &plot);
	for (size_t i = 0; i < count; i++)
		life_lane(out, &plot, i, chosen[i]);
	fputs("</svg><ul class=\"legend\"><li><i class=\"fc\"></i>guarded by a lease</li><li><i "
	      "class=\"fa\"></i>copied at once</li><li><i class=\"fb\"></i>preserved, from the "
	      "bar on</li><li><i class=\"fbad\"></i>lost</li></ul>",
	      out);
	fprintf(out,
		"<figcaption>%zu of %lld snapshots; the process in brackets.</figcaption></figure>\n",
		count,
		(long long)(get_number(document, "timeline_left_out") +
			    (json_int_t)json_array_size(all)));
}

/* The page census. */

static const struct {
	const char *field, *name, *class;
} kinds[] = {
	{ "resident_file", "still show what others write to the file", "fb" },
	{ "resident_private", "copies of the process's own", "fc" },
	{ "resident_shared", "shared", "fa" },
	{ "swapped", "swapped out", "fd" },
	{ "unknown", "unknown", "ff" },
	{ "never_allocated", "never allocated", "fnone" },
};

#define KINDS (sizeof(kinds) / sizeof(*kinds))

/* What is nowhere is no memory, and would leave no room for the rest: it stands in the legend. */
static void census_bar(FILE *out, const json_t *row, double y)
{
	const json_t *pages = get(row, "pages");
	double all = 0, x = 0;

	for (size_t i = 0; i < KINDS - 1; i++)
		all += (double)get_number(pages, kinds[i].field);
	for (size_t i = 0; i < KINDS - 1 && all > 0; i++) {
		double count = (double)get_number(pages, kinds[i].field);
		double width = count / all * WIDTH;

		if (count <= 0)
			continue;
		fprintf(out,
			"<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"26\">"
			"<title>%.0f pages: %s</title></rect>",
			kinds[i].class, x, y, width, count, kinds[i].name);
		x += width;
	}
}

static void census_figure(FILE *out, const json_t *row)
{
	const json_t *pages = get(row, "pages");

	fputs("<figure><h3>", out);
	page_text(out, get_text(row, "program"));
	fprintf(out, " [%lld]</h3>", (long long)get_number(row, "pid"));
	svg_begin(out, 36, "Pages by kind");
	census_bar(out, row, 4);
	fputs("</svg><ul class=\"legend\">", out);
	for (size_t i = 0; i < KINDS; i++)
		fprintf(out, "<li><i class=\"%s\"></i>%lld %s</li>", kinds[i].class,
			(long long)get_number(pages, kinds[i].field), kinds[i].name);
	fputs("</ul><figcaption>Pages in memory or in swap; those that were never allocated are "
	      "not drawn.</figcaption></figure>\n",
	      out);
}

void chart_census(FILE *out, const json_t *document)
{
	const json_t *row;
	size_t i, drawn = 0;

	json_array_foreach(get(document, "census"), i, row)
	{
		if (*get_text(row, "path") || drawn == SERIES)
			continue;
		if (!drawn++)
			fputs("<h2>Page census</h2>\n", out);
		census_figure(out, row);
	}
}
