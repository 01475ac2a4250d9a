/* SPDX-License-Identifier: MIT */
/*
 * Threads that touch memory whose pages are away wait until they are back: userfaultfd, as much of
 * it as this process may have. On bare threads: raw calls only. The full kind, whose faults in
 * system calls wait too, is for the privileged, or for whoever may open /dev/userfaultfd.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include "support/sys.h"
#include "selfmem/view.h"

static int from_device(void)
{
	int device = sys_open("/dev/userfaultfd", O_RDWR, 0);

	if (device < 0)
		return device;
	int fd = sys_ioctl_int(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
	sys_close(device);
	return fd;
}

static int open_any(bool *user_only)
{
	int fd = sys_userfaultfd(O_CLOEXEC);

	if (fd < 0)
		fd = from_device();
	*user_only = fd < 0;
	return fd < 0 ? sys_userfaultfd(O_CLOEXEC | UFFD_USER_MODE_ONLY) : fd;
}

void hold_close(struct hold *hold)
{
	sys_close_if_open(hold->fd);
	hold->fd = -1;
}

static int open_with(struct hold *hold, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };

	hold->fd = open_any(&hold->user_only);
	int r = hold->fd < 0 ? hold->fd : sys_ioctl(hold->fd, UFFDIO_API, &api);
	if (r)
		hold_close(hold);
	return r;
}

int hold_open(struct hold *hold)
{
	return open_with(hold, 0);
}

int hold_range(const struct hold *hold, uintptr_t start, uintptr_t end)
{
	struct uffdio_register area = {
		.range = { start, end - start },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	return sys_ioctl(hold->fd, UFFDIO_REGISTER, &area);
}

void hold_release(const struct hold *hold, uintptr_t start, uintptr_t end)
{
	struct uffdio_range range = { start, end - start };

	sys_ioctl(hold->fd, UFFDIO_WAKE, &range);
}

int hold_refuse_missing(struct hold *hold, uintptr_t start, uintptr_t end)
{
	int r = open_with(hold, UFFD_FEATURE_SIGBUS);

	if (!r)
		r = hold_range(hold, start, end);
	if (r)
		hold_close(hold);
	return r;
}
