/* SPDX-License-Identifier: MIT */
/*
 * Writing HTML: everything that comes from a log goes through page_text. The pictures
 * are inline SVG, drawn by chart.c in the page's own colours.
 */
#ifndef MMFENCE_CLI_REPORT_PAGE_H
#define MMFENCE_CLI_REPORT_PAGE_H

#include <jansson.h>
#include <stdio.h>

/* Escaped for text and for attributes; control characters become U+FFFD. */
void page_text(FILE *out, const char *text);

/* The style sheet, for light, dark and paper. */
extern const char page_style[];

/* Each draws nothing when there is nothing to draw. */
void chart_areas(FILE *out, const json_t *document);
void chart_windows(FILE *out, const json_t *document);
void chart_lives(FILE *out, const json_t *document);
void chart_census(FILE *out, const json_t *document);

#endif
