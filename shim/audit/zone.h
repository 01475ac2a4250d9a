/* SPDX-License-Identifier: MIT */
/*
 * The machine's time zone (/etc/localtime), for the one medium whose times are local.
 * Libc's localtime locks, allocates and remembers; this does none of it.
 */
#ifndef MMFENCE_AUDIT_ZONE_H
#define MMFENCE_AUDIT_ZONE_H

#include <stddef.h>
#include <stdint.h>

/* Seconds that local time is ahead of UTC at this moment (seconds since 1970); 0 when the zone is
 * not known. room is memory for the file, of which 4 KiB are enough. */
int zone_offset(int64_t now, char *room, size_t size);

/* The same of a zone file's contents, RFC 8536. */
int zone_parse(const char *data, size_t size, int64_t now);

#endif
