/* SPDX-License-Identifier: MIT */
/*
 * Bytes that come from anywhere as text that may stand in a report.
 */
#ifndef MMFENCE_CLI_TEXT_PRINTABLE_H
#define MMFENCE_CLI_TEXT_PRINTABLE_H

/* The text without control characters and what is no UTF-8. To be freed. */
char *printable(const char *text);

#endif
