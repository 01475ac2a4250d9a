/* SPDX-License-Identifier: MIT */
/*
 * Which of the known words a wrong one was probably meant to be.
 */
#ifndef MMFENCE_POLICY_SUGGEST_H
#define MMFENCE_POLICY_SUGGEST_H

#include <stddef.h>

/* The index-th word that is known; NULL after the last, "" for one that there is not. */
typedef const char *suggest_word(size_t index);

/* The word that looks most like this one, if one does; or NULL. */
const char *suggest_nearest(const char *wrong, suggest_word *word);

#endif
