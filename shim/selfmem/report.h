/* SPDX-License-Identifier: MIT */
/*
 * What the records of this room have in common.
 */
#ifndef MMFENCE_SELFMEM_REPORT_H
#define MMFENCE_SELFMEM_REPORT_H

#include "audit/event.h"
#include "kernel/file.h"
#include "mapping/request.h"
#include "support/call.h"

void record_memory_path(struct record *record, int fd);
void record_memory_kind(struct record *record, const struct file *file);
/* Begins a selfmem.map record: path, error (or 0) and why, call, kind. */
struct record *record_map(const struct call *call, int fd, const struct file *file, int error,
			  const char *reason);
void record_request(struct record *record, const struct map_request *request);

#endif
