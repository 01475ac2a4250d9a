/* SPDX-License-Identifier: MIT */
/*
 * mmfence for programs that know of it. No program needs this to be fenced, and one
 * that uses it needs nothing to be linked: the functions are weak, and do nothing but
 * fail with ENOSYS where the library is not preloaded.
 */
#ifndef MMFENCE_H
#define MMFENCE_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MMFENCE_VERSION_MAJOR 0
#define MMFENCE_VERSION_MINOR 2
#define MMFENCE_VERSION_PATCH 0
#define MMFENCE_VERSION_NUMBER \
	(MMFENCE_VERSION_MAJOR * 10000 + MMFENCE_VERSION_MINOR * 100 + MMFENCE_VERSION_PATCH)

/*
 * A flag of mmap(2) for private file mappings: this one shall be a snapshot, whatever
 * the size and whatever snapshot.paths and snapshot.exclude say. mmap fails with
 * ENOMEM if it cannot be given. The flag never reaches the kernel; without mmfence the
 * kernel ignores it (as all flags that it does not know with MAP_PRIVATE), and the
 * mapping is a plain one: ask mmfence_active() first if that matters.
 */
#define MAP_SNAPSHOT 0x2000000

/* Where the bytes are. */
enum mmfence_engine {
	MMFENCE_GUARD,	/* in the file itself, which a read lease keeps as it is */
	MMFENCE_CLONE,	/* in a reflink clone of the file */
	MMFENCE_MEMORY, /* in a memfd */
	MMFENCE_SPILL	/* in an unnamed file in snapshot.spill-dir */
};

/* What is known of the capture. */
enum mmfence_consistency {
	MMFENCE_TORN_POSSIBLE, /* the file kept changing while it was copied */
	MMFENCE_VERIFIED,      /* size, mtime and ctime were the same before and after */
	MMFENCE_PROVEN	       /* the kernel let no writer in, or it is an atomic clone */
};

enum mmfence_fate {
	MMFENCE_UNTOUCHED, /* guarded, and nobody wrote */
	MMFENCE_PRESERVED, /* guarded, and the pages were put aside when somebody came */
	MMFENCE_PRIVATE,   /* copied or cloned when it was mapped */
	MMFENCE_LOST	   /* the promise could not be kept; the log says why */
};

struct mmfence_snapshot {
	uint64_t id;	   /* unique in the process */
	void *address;	   /* of the contiguous piece of it that holds the address asked for */
	size_t length;	   /* bytes */
	int64_t offset;	   /* of address in the file, bytes */
	int64_t file_size; /* bytes, at capture */
	enum mmfence_engine engine;
	enum mmfence_consistency consistency;
	enum mmfence_fate fate;
};

#define MMFENCE_WEAK_ __attribute__((weak))

/* The library's MMFENCE_VERSION_NUMBER. Absent (a null address) without the library. */
int mmfence_version_(void) MMFENCE_WEAK_;
int mmfence_snapshot_info_(const void *address, struct mmfence_snapshot *out,
			   size_t size) MMFENCE_WEAK_;
int mmfence_snapshot_preserve_(void *address) MMFENCE_WEAK_;
int mmfence_snapshot_refresh_(void *address) MMFENCE_WEAK_;

/* The version of the library that is preloaded, as MMFENCE_VERSION_NUMBER, or 0. */
static inline int mmfence_active(void)
{
	return mmfence_version_ ? mmfence_version_() : 0;
}

/*
 * What is known of the snapshot at address. 0; or -1 with errno ENOENT (no snapshot
 * there) or ENOSYS (no library).
 */
static inline int mmfence_snapshot_info(const void *address, struct mmfence_snapshot *out)
{
	if (mmfence_snapshot_info_)
		return mmfence_snapshot_info_(address, out, sizeof(*out));
	errno = ENOSYS;
	return -1;
}

/*
 * Puts the pages of a guarded snapshot aside now, as if somebody were about to write:
 * afterwards writers of the file need not wait. 0, also where nothing was to be done;
 * or -1 with errno ENOENT, ENOSYS, or ENOMEM (no room; the snapshot is lost).
 */
static inline int mmfence_snapshot_preserve(void *address)
{
	if (mmfence_snapshot_preserve_)
		return mmfence_snapshot_preserve_(address);
	errno = ENOSYS;
	return -1;
}

/*
 * Captures anew, at the same address: the piece at address shows the file of this
 * moment, and the program's own stores there are gone. 0; or -1 with errno ENOENT,
 * ENOSYS, ESTALE (the file is no longer under its name), or what open(2) and mmap(2)
 * say; then the mapping is as it was.
 */
static inline int mmfence_snapshot_refresh(void *address)
{
	if (mmfence_snapshot_refresh_)
		return mmfence_snapshot_refresh_(address);
	errno = ENOSYS;
	return -1;
}

#ifdef __cplusplus
}
#endif

#endif
