/* SPDX-License-Identifier: MIT */
/*
 * What is known of file systems by their magic numbers. Tables only; the library and
 * the command share them.
 */
#ifndef MMFENCE_KERNEL_FILESYSTEM_H
#define MMFENCE_KERNEL_FILESYSTEM_H

#include <stdbool.h>
#include <stdint.h>

/* File systems whose every change goes through this kernel. Elsewhere (network, FUSE) a lease may
 * be granted and a server change the file all the same. */
bool filesystem_keeps_leases(uint32_t magic);

/* Its times are coarser than they look. */
bool filesystem_is_fat(uint32_t magic);

/* As people call it, or NULL. */
const char *filesystem_name(uint32_t magic);

#endif
