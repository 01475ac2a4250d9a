/* SPDX-License-Identifier: MIT */
/*
 * M1 to M3: opens the memory of a process by some road, reads through it, tries to map it
 * shared and writable, and says how each went.
 *
 *	selfmem ROAD [r|w|rw]
 */
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "../mounts.h"
#include "helper.h"

static int mode = O_RDWR;
static const char *program;
static const char marker[] = "a secret of my own";

static int road_self(void)
{
	return open("/proc/self/mem", mode | O_CLOEXEC);
}

static int road_thread_self(void)
{
	return open("/proc/thread-self/mem", mode);
}

static int road_open64(void)
{
	return open64("/proc/self/mem", mode);
}

static const char *numbered(const char *format, pid_t number)
{
	static char path[64];

	snprintf(path, sizeof(path), format, number);
	return path;
}

static int road_pid(void)
{
	return open(numbered("/proc/%d/mem", getpid()), mode);
}

static int road_task(void)
{
	return open(numbered("/proc/self/task/%d/mem", gettid()), mode);
}

static int road_dots(void)
{
	return open("/proc/../proc/self/../self/./task/../mem", mode);
}

static int road_symlink(void)
{
	must(symlink("/proc/self", "link") == 0 && symlink("link/mem", "second") == 0);
	return open("second", mode);
}

static int road_openat(void)
{
	int dir = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return openat(dir, "mem", mode);
}

static int road_openat_path(void)
{
	int dir = open("/proc/thread-self/", O_PATH | O_CLOEXEC);

	return openat64(dir, "../../mem", mode);
}

static int road_dev_fd(void)
{
	int fd = open("/proc/self/mem", O_PATH | O_CLOEXEC);

	return open(numbered("/dev/fd/%d", fd), mode);
}

static int road_proc_fd(void)
{
	int fd = open("/proc/self/mem", O_PATH | O_CLOEXEC);

	return open(numbered("/proc/thread-self/fd/%d", fd), mode);
}

static int road_openat2(void)
{
	struct open_how how = { .flags = (unsigned int)mode };

	return (int)skip_without(
		syscall(SYS_openat2, AT_FDCWD, "/proc/self/mem", &how, sizeof(how)),
		"openat2 before Linux 5.6");
}

static int road_syscall_open(void)
{
	return (int)syscall(SYS_open, "/proc/self/mem", mode);
}

static int road_syscall_openat(void)
{
	return (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", mode);
}

static int road_creat(void)
{
	mode = O_WRONLY;
	return creat("/proc/self/mem", 0600);
}

/* It is there already. */
static int road_create(void)
{
	return open("/proc/self/mem", mode | O_CREAT, 0600);
}

static int road_exclusive(void)
{
	return open("/proc/self/mem", mode | O_EXCL);
}

static int road_fopen(void)
{
	FILE *file = fopen("/proc/self/mem", mode == O_RDONLY ? "r" : "r+");

	return file ? fileno(file) : -1;
}

static int road_fopen64(void)
{
	FILE *file = fopen64("/proc/self/mem", mode == O_RDONLY ? "re" : "r+e");

	return file ? fileno(file) : -1;
}

static int road_freopen(void)
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

static int road_bind(void)
{
	int fd = open("innocent", O_CREAT | O_RDWR, 0600);

	must(fd >= 0 && close(fd) == 0);
	need_own_mounts();
	must(mount(numbered("/proc/%d/mem", getpid()), "innocent", NULL, MS_BIND, NULL) == 0);
	return open("innocent", mode);
}

static int road_second_procfs(void)
{
	must(mkdir("elsewhere", 0700) == 0);
	need_own_mounts();
	must(mount("proc", "elsewhere", "proc", 0, NULL) == 0);
	return open("elsewhere/self/mem", mode);
}

static int road_dup(void)
{
	int fd = road_self();

	return fd < 0 ? fd : dup(fd);
}

static int road_dup2(void)
{
	int fd = road_self();

	return fd < 0 ? fd : dup2(fd, 42);
}

static int road_fcntl(void)
{
	int fd = road_self();

	return fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 43);
}

/* Without libc: nobody sees the open, only what is done with the descriptor. */
static int open_unseen(void)
{
	const char *path = "/proc/self/mem";
	long result;

#ifdef __x86_64__
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_open), "D"(path), "S"(mode), "d"(0)
			 : "rcx", "r11", "memory");
#else
	__asm__ volatile("push %%ebx; mov %2, %%ebx; int $0x80; pop %%ebx"
			 : "=a"(result)
			 : "0"(SYS_open), "S"(path), "c"(mode), "d"(0)
			 : "memory");
#endif
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return (int)result;
}

/* Another program's descriptor: only the mapping can be judged here. */
static int road_inherited(void)
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

static int road_socket(void)
{
	int pair[2];
	pid_t child;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	child = fork();
	must(child >= 0);
	if (!child) {
		send_descriptor(pair[1], open_unseen());
		_exit(0);
	}
	child_wait(child);
	return receive_descriptor(pair[0]);
}

static int road_unseen(void)
{
	return open_unseen();
}

static int road_parent(void)
{
	pid_t child = fork();

	must(child >= 0);
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

static int road_dev_mem(void)
{
	return open_device(1);
}

static int road_dev_port(void)
{
	return open_device(4);
}

static const struct road {
	const char *name;
	int (*open)(void);
} roads[] = {
	{ "self", road_self },
	{ "thread-self", road_thread_self },
	{ "open64", road_open64 },
	{ "pid", road_pid },
	{ "task", road_task },
	{ "dots", road_dots },
	{ "symlink", road_symlink },
	{ "openat", road_openat },
	{ "openat_path", road_openat_path },
	{ "dev_fd", road_dev_fd },
	{ "proc_fd", road_proc_fd },
	{ "openat2", road_openat2 },
	{ "syscall_open", road_syscall_open },
	{ "syscall_openat", road_syscall_openat },
	{ "creat", road_creat },
	{ "create", road_create },
	{ "exclusive", road_exclusive },
	{ "fopen", road_fopen },
	{ "fopen64", road_fopen64 },
	{ "freopen", road_freopen },
	{ "bind", road_bind },
	{ "second_procfs", road_second_procfs },
	{ "dup", road_dup },
	{ "dup2", road_dup2 },
	{ "fcntl", road_fcntl },
	{ "inherited", road_inherited },
	{ "socket", road_socket },
	{ "unseen", road_unseen },
	{ "parent", road_parent },
	{ "dev_mem", road_dev_mem },
	{ "dev_port", road_dev_port },
};

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
	void *view = mmap64(room, PAGE, mode == O_RDONLY ? PROT_READ : PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED, fd, (off64_t)source);

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

int main(int argc, char **argv)
{
	program = "/proc/self/exe";
	if (argc == 3 && !strcmp(argv[1], "given"))
		return try_all(atoi(argv[2]));
	if (argc > 2)
		mode = !strcmp(argv[2], "r") ? O_RDONLY : !strcmp(argv[2], "w") ? O_WRONLY : O_RDWR;
	for (size_t i = 0; i < COUNT(roads); i++)
		if (argc > 1 && !strcmp(argv[1], roads[i].name))
			return try_all(roads[i].open());
	return EXIT_TRIAL;
}
