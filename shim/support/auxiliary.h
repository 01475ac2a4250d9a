/* SPDX-License-Identifier: MIT */
/*
 * What the kernel told the process at its start (getauxval(3), which glibc has since 2.16).
 */
#ifndef MMFENCE_SUPPORT_AUXILIARY_H
#define MMFENCE_SUPPORT_AUXILIARY_H

#include <elf.h>

/* The value of AT_SECURE and the like; 0 when there is none. */
unsigned long auxiliary(unsigned long type);

#endif
