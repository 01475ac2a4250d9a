/* SPDX-License-Identifier: MIT */
/*
 * The model as one JSON document, and the forms that people and machines get, each made
 * of that document.
 */
#ifndef MMFENCE_CLI_REPORT_REPORT_H
#define MMFENCE_CLI_REPORT_REPORT_H

#include "cli/model/model.h"

struct symbols;
json_t *report_document(struct model *model, struct symbols *symbols);
/* What it all comes to, as sentences and as numbers. */
json_t *report_verdict(const struct model *model);

void report_text(const json_t *document, FILE *out);
void report_folded(const json_t *document, FILE *out);
void report_html(const json_t *document, FILE *out);

#endif
