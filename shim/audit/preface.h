/* SPDX-License-Identifier: MIT */
/*
 * What must be in the log before a record: who the process is, and how many
 * records are missing. Both are tried again until they are on file.
 */
#ifndef MMFENCE_AUDIT_PREFACE_H
#define MMFENCE_AUDIT_PREFACE_H

#include "audit/identity.h"

void preface_write(const struct identity *who);

#endif
