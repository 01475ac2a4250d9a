/* SPDX-License-Identifier: MIT */
/*
 * A record's own fields as the journal has them: file.path is FILE_PATH, and
 * mmfence.snapshot.id MMFENCE_SNAPSHOT_ID.
 */
#ifndef MMFENCE_AUDIT_JOURNAL_FIELDS_H
#define MMFENCE_AUDIT_JOURNAL_FIELDS_H

#include <stddef.h>

#include "support/text.h"

/* Appends the fields of a record of ours (not of any JSON). Arrays, mmfence.raw and what does not
 * fit are left out: the record itself has them. */
void journal_fields(struct text *out, const char *record, size_t length);

#endif
