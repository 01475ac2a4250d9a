/* SPDX-License-Identifier: MIT */
/*
 * The process counts its own pages when it ends (pages.census=exit), and the log says
 * what came of it. Only in the library.
 */
#ifndef MMFENCE_PAGES_EXIT_H
#define MMFENCE_PAGES_EXIT_H

/* Inside a scope, while the process still owns its memory. */
void pages_at_exit(void);

#endif
