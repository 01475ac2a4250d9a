/* SPDX-License-Identifier: MIT */
/*
 * mmfence for programs that know of it. A program needs none of this to be fenced.
 */
#ifndef MMFENCE_H
#define MMFENCE_H

#define MMFENCE_VERSION_MAJOR 0
#define MMFENCE_VERSION_MINOR 1
#define MMFENCE_VERSION_PATCH 0

#endif
