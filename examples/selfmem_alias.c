/* SPDX-License-Identifier: MIT */
/*
 * A second view of one's own memory through /proc/self/mem.
 *
 * The DOS emulators of 1998 did this. On an 8086 the addresses wrap around: what
 * lies at 1 MiB is what lies at 0, until the A20 line is switched on. The cheap way
 * to have the same 64 KiB at two addresses was a shared, writable mapping of
 * /proc/self/mem at the offset that is the buffer's address. Linux has long refused
 * it with ENODEV; an emulator that was written well then copies by hand.
 *
 * Exit status: 0 when the guest saw the wrap-around either way, 1 when it did not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB  (1024 * 1024)
#define WRAP (64 * 1024)

static void say_refused(const char *what)
{
	const char *name = strerrorname_np(errno);

	printf("%s was refused: %s (%s).\n", what, strerror(errno), name ? name : "?");
}

/* Puts the WRAP bytes at low once more at high. 0, or -1 when that was refused. */
static int alias(unsigned char *low, unsigned char *high)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	void *view;

	if (fd < 0) {
		say_refused("Opening /proc/self/mem for writing");
		return -1;
	}
	view = mmap(high, WRAP, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		    (off_t)(uintptr_t)low);
	if (view == MAP_FAILED)
		say_refused("Mapping /proc/self/mem");
	close(fd);
	return view == MAP_FAILED ? -1 : 0;
}

/* With one piece of memory at two addresses there is nothing to do here. Without, the
 * emulator has to notice that the guest wrote at from, and copy. */
static void wrap_around(int aliased, unsigned char *to, const unsigned char *from)
{
	if (!aliased)
		memcpy(to, from, WRAP);
}

static int guest_sees(const unsigned char *where, const char *text)
{
	return memcmp(where, text, strlen(text)) == 0;
}

int main(void)
{
	unsigned char *low =
		mmap(NULL, MIB + WRAP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *high;
	int aliased, down, up;

	if (low == MAP_FAILED) {
		perror("selfmem_alias: mmap");
		return 1;
	}
	high = low + MIB;
	printf("Guest: 1 MiB at %p; the first 64 KiB also at %p.\n", (void *)low, (void *)high);
	aliased = alias(low, high) == 0;
	if (aliased)
		printf("The kernel gave a second view of the same memory.\n");
	else
		printf("Going on with a plain copy, made whenever the guest has written.\n");

	strcpy((char *)low, "interrupt table");
	wrap_around(aliased, high, low);
	up = guest_sees(high, "interrupt table");

	strcpy((char *)high, "written past 1 MiB");
	wrap_around(aliased, low, high);
	down = guest_sees(low, "written past 1 MiB");

	printf("What it wrote at 0 it %s at 1 MiB; what it wrote there it %s at 0.\n",
	       up ? "saw" : "did not see", down ? "saw" : "did not see");
	return up && down ? 0 : 1;
}
