/* SPDX-License-Identifier: MIT */
/*
 * M1 to M3: opens the memory of a process by some road, reads through it, tries to map it
 * shared and writable, and says how each went.
 *
 *	selfmem ROAD [r|w|rw]
 */
#include <linux/openat2.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "../mounts.h"
#include "helper.h"

static int mode = O_RDWR;
static const char *program;
static const char marker[] = "a secret of my own";

ACTS(road, int, void)
#define ROAD(name)	   ACT(road, #name, road_##name) static int road_##name(void)
#define ROAD_IS(name, ...) ROAD(name) RETURNS(__VA_ARGS__)

ROAD_IS(self, open("/proc/self/mem", mode | O_CLOEXEC))
ROAD_IS(thread_self, open("/proc/thread-self/mem", mode))
ROAD_IS(open64, open64("/proc/self/mem", mode))

static const char *numbered(const char *format, pid_t number)
{
	static char path[64];

	snprintf(path, sizeof(path), format, number);
	return path;
}

ROAD_IS(pid, open(numbered("/proc/%d/mem", getpid()), mode))
ROAD_IS(task, open(numbered("/proc/self/task/%d/mem", gettid()), mode))

ROAD_IS(dots, open("/proc/../proc/self/../self/./task/../mem", mode))

ROAD(symlink)
{
	must(symlink("/proc/self", "link") == 0 && symlink("link/mem", "second") == 0);
	return open("second", mode);
}

ROAD(openat)
{
	int dir = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return openat(dir, "mem", mode);
}

ROAD(openat_path)
{
	int dir = open("/proc/thread-self/", O_PATH | O_CLOEXEC);

	return openat64(dir, "../../mem", mode);
}

ROAD(dev_fd)
{
	int fd = open("/proc/self/mem", O_PATH | O_CLOEXEC);

	return open(numbered("/dev/fd/%d", fd), mode);
}

ROAD(proc_fd)
{
	int fd = open("/proc/self/mem", O_PATH | O_CLOEXEC);

	return open(numbered("/proc/thread-self/fd/%d", fd), mode);
}

/* A function of later libcs, and of the fence. */
int openat2(int directory, const char *path, const struct open_how *how, size_t size)
	__attribute__((weak));

static int open_by_how(const char *path, bool by_function)
{
	struct open_how how = { .flags = (unsigned int)mode };

	return (int)skip_without(by_function && openat2
					 ? openat2(AT_FDCWD, path, &how, sizeof(how))
					 : syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how)),
				 "openat2 before Linux 5.6");
}

ROAD_IS(openat2, open_by_how("/proc/self/mem", false))
ROAD_IS(openat2_function, open_by_how("/proc/self/mem", true))

ROAD_IS(syscall_open, (int)syscall(SYS_open, "/proc/self/mem", mode))
ROAD_IS(syscall_openat, (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", mode))

ROAD(creat)
{
	mode = O_WRONLY;
	return creat("/proc/self/mem", 0600);
}

/* It is there already. */
ROAD_IS(create, open("/proc/self/mem", mode | O_CREAT, 0600))
ROAD_IS(exclusive, open("/proc/self/mem", mode | O_EXCL))

ROAD(fopen)
{
	FILE *file = fopen("/proc/self/mem", mode == O_RDONLY ? "r" : "r+");

	return file ? fileno(file) : -1;
}

ROAD(fopen64)
{
	FILE *file = fopen64("/proc/self/mem", mode == O_RDONLY ? "re" : "r+e");

	return file ? fileno(file) : -1;
}

ROAD(freopen)
{
	FILE *file = fopen("/dev/null", "r");

	file = freopen("/proc/self/mem", mode == O_RDONLY ? "r" : "r+", file);
	return file ? fileno(file) : -1;
}

/* The mounts go with the process. */
static void need_own_mounts(void)
{
	if (!own_mounts(0))
		skip("only root can mount: %s", strerror(errno));
}

ROAD(bind)
{
	int fd = open("innocent", O_CREAT | O_RDWR, 0600);

	must(fd >= 0 && close(fd) == 0);
	need_own_mounts();
	must(mount(numbered("/proc/%d/mem", getpid()), "innocent", NULL, MS_BIND, NULL) == 0);
	return open("innocent", mode);
}

ROAD(second_procfs)
{
	must(mkdir("elsewhere", 0700) == 0);
	need_own_mounts();
	must(mount("proc", "elsewhere", "proc", 0, NULL) == 0);
	return open("elsewhere/self/mem", mode);
}

ROAD(dup)
{
	int fd = road_self();

	return fd < 0 ? fd : dup(fd);
}

ROAD(dup2)
{
	int fd = road_self();

	return fd < 0 ? fd : dup2(fd, 42);
}

ROAD(fcntl)
{
	int fd = road_self();

	return fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 43);
}

/* Without libc: nobody sees the open, only what is done with the descriptor. */
static int open_unseen(void)
{
	long result = by_hand(SYS_open, (long)"/proc/self/mem", mode, 0, 0, 0);

	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return (int)result;
}

/* Another program's descriptor: only the mapping can be judged here. */
ROAD(inherited)
{
	int fd = open_unseen();
	char number[16];

	must(fd >= 0 && fcntl(fd, F_SETFD, 0) == 0);
	snprintf(number, sizeof(number), "%d", fd);
	execl(program, "selfmem", "given", number, (char *)NULL);
	die("exec");
}

static void send_descriptor(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	must(sendmsg(socket, &message, 0) == 1);
}

static int receive_descriptor(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	int fd;

	must(recvmsg(socket, &message, 0) == 1 && CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

ROAD(socket)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	IN_CHILD {
		send_descriptor(pair[1], open_unseen());
	}
	return receive_descriptor(pair[0]);
}

ROAD_IS(unseen, open_unseen())

ROAD(parent)
{
	pid_t child = sure(fork());

	if (child) {
		child_wait(child);
		_exit(0);
	}
	return open(numbered("/proc/%d/mem", getppid()), mode);
}

static int open_device(unsigned int minor_number)
{
	int fd;

	if (mknod("device", S_IFCHR | 0600, makedev(1, minor_number)))
		skip("only root can make a device");
	fd = open("device", mode);
	if (fd < 0 && (errno == ENXIO || errno == ENODEV))
		skip("this kernel was built without this device (CONFIG_DEVMEM, CONFIG_DEVPORT)");
	return fd;
}

ROAD_IS(dev_mem, open_device(1))
ROAD_IS(dev_port, open_device(4))

/* Of a process of root's, as nobody. */
static void become_nobody(void)
{
	must(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
}

ROAD(denied)
{
	become_nobody();
	return open("/proc/1/mem", mode);
}

ROAD(denied_syscall)
{
	become_nobody();
	return (int)syscall(SYS_openat, AT_FDCWD, "/proc/1/mem", mode);
}

ROAD(denied_openat2)
{
	become_nobody();
	return open_by_how("/proc/1/mem", true);
}

ROAD(denied_fopen)
{
	become_nobody();
	FILE *file = fopen("/proc/1/mem", mode == O_RDONLY ? "r" : "r+");
	return file ? fileno(file) : -1;
}

static void try_reading(int fd)
{
	char seen[sizeof(marker)] = "";

	if (mode == O_WRONLY)
		return;
	promise(lseek(fd, 0, SEEK_CUR) == 0, "the position is not 0");
	if (pread64(fd, seen, sizeof(seen), (off64_t)(uintptr_t)marker) < 0)
		printf(" read=%s", strerrorname_np(errno));
	else
		printf(" read=%s", strcmp(seen, marker) ? "other" : "ok");
}

/* The page that holds the marker, wherever that is. */
static void try_mapping(int fd)
{
	uintptr_t source = (uintptr_t)marker & ~(PAGE - 1);
	char *room = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *view = mmap64(room, PAGE, mode == O_RDONLY ? PROT_READ : RW, MAP_SHARED | MAP_FIXED,
			    fd, (off64_t)source);

	printf(" map=%s", view == MAP_FAILED ? strerrorname_np(errno) : "0");
	printf(" room=%s", touch(room) == SIGSEGV ? "untouched" : "changed");
}

static int try_all(int fd)
{
	if (fd < 0) {
		printf("open=%s\n", strerrorname_np(errno));
		return 0;
	}
	printf("open=0");
	try_reading(fd);
	try_mapping(fd);
	printf("\n");
	fflush(stdout);
	return 0;
}

static int add_open(void)
{
	posix_spawn_file_actions_t actions;

	must(!posix_spawn_file_actions_init(&actions));
	int r = posix_spawn_file_actions_addopen(&actions, 9, "/proc/self/mem", O_RDWR, 0);
	int other = posix_spawn_file_actions_addopen(&actions, 8, "/dev/null", O_RDWR, 0);
	printf("addopen=%s other=%d\n", r ? strerrorname_np(r) : "0", other);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "spawn"))
		return add_open();
	program = "/proc/self/exe";
	if (argc == 3 && !strcmp(argv[1], "given"))
		return try_all(atoi(argv[2]));
	if (argc > 2)
		mode = !strcmp(argv[2], "r") ? O_RDONLY : !strcmp(argv[2], "w") ? O_WRONLY : O_RDWR;
	for (size_t i = 0; i < road_count; i++)
		if (argc > 1 && !strcmp(argv[1], roads[i].name))
			return try_all(roads[i].act());
	return EXIT_TRIAL;
}
