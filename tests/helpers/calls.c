/* SPDX-License-Identifier: MIT */
/*
 * P1: makes some thousand calls with legal and illegal arguments and prints what each
 * returned and how errno was, for a comparison with the same program without mmfence.
 * Descriptor numbers are printed too: ours must not take the low ones.
 */
#include <linux/openat2.h>
#include <spawn.h>
#include <sys/socket.h>

#include "helper.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4U
#endif

/* A null pointer that the compiler does not see. */
static const char *volatile nowhere;

static const char *const paths[] = {
	"calls.file",
	"calls.dir",
	"calls.missing",
	"calls.missing/x",
	"calls.file/x",
	"calls.link",
	"calls.loop",
	"",
	"/dev/null",
	"/dev/zero",
	"/proc/self/maps",
	"/proc/self/mem",
	"/proc/self/nothing",
	"..",
	NULL,
};

static const int open_flags[] = {
	O_RDONLY,
	O_WRONLY,
	O_RDWR,
	O_ACCMODE,
	O_RDONLY | O_CLOEXEC,
	O_RDONLY | O_NONBLOCK,
	O_WRONLY | O_APPEND,
	O_RDONLY | O_DIRECTORY,
	O_RDWR | O_DIRECTORY,
	O_RDONLY | O_NOFOLLOW,
	O_PATH,
	O_PATH | O_NOFOLLOW | O_CLOEXEC,
	O_RDONLY | O_CREAT,
	O_RDWR | O_CREAT | O_EXCL,
	O_RDWR | O_TMPFILE,
	O_RDONLY | O_TMPFILE,
	O_RDONLY | O_NOATIME,
	O_RDWR | O_SYNC,
};

static void say_errno(long result)
{
	if (result < 0)
		printf(" = %ld %s\n", result, strerrorname_np(errno));
	else
		printf(" = %ld\n", result);
}

static const char *say_path(const char *path)
{
	return path ? path : "NULL";
}

/* A new descriptor: its number, its flags, and away with it. */
static void say_fd(int fd)
{
	if (fd < 0) {
		say_errno(fd);
		return;
	}
	printf(" = %d, F_GETFD %d, F_GETFL %#o, at %ld\n", fd, fcntl(fd, F_GETFD),
	       fcntl(fd, F_GETFL) & ~O_LARGEFILE, (long)lseek(fd, 0, SEEK_CUR));
	close(fd);
}

static void set_up(void)
{
	file_make("calls.file", 1, 4);
	unlink("calls.missing");
	must(mkdir("calls.dir", 0755) == 0 || errno == EEXIST);
	must(symlink("calls.file", "calls.link") == 0 || errno == EEXIST);
	must(symlink("calls.loop", "calls.loop") == 0 || errno == EEXIST);
}

static int by_openat2(const char *path, int flags, unsigned int resolve)
{
	struct open_how how = { .flags = (unsigned int)flags, .resolve = resolve };

	if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE)
		how.mode = 0600;
	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

/* Flags that are no constants: with FORTIFY these become __open_2 and the like. */
static void opens(const char *path, int flags)
{
	printf("%s %#o: open", say_path(path), flags);
	say_fd(open(path, flags, 0600));
	unlink("calls.missing");
	printf("%s %#o: open64", say_path(path), flags);
	say_fd(open64(path, flags, 0600));
	unlink("calls.missing");
	printf("%s %#o: openat", say_path(path), flags);
	say_fd(openat(AT_FDCWD, path, flags, 0600));
	unlink("calls.missing");
	printf("%s %#o: openat64 -1", say_path(path), flags);
	say_fd(openat64(-1, path, flags, 0600));
	unlink("calls.missing");
	printf("%s %#o: syscall", say_path(path), flags);
	say_fd((int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600));
	unlink("calls.missing");
	printf("%s %#o: openat2", say_path(path), flags);
	say_fd(by_openat2(path, flags, 0));
	unlink("calls.missing");
	if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE)
		return;
	printf("%s %#o: open without mode", say_path(path), flags);
	say_fd(open(path, flags));
	printf("%s %#o: openat without mode", say_path(path), flags);
	say_fd(openat(AT_FDCWD, path, flags));
}

static void opening(void)
{
	char long_path[5000];

	for (size_t path = 0; path < COUNT(paths); path++)
		for (size_t flags = 0; flags < COUNT(open_flags); flags++)
			opens(paths[path], open_flags[flags]);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = 0;
	say_fd(open(long_path, O_RDONLY));
	long_path[300] = 0;
	say_fd(open(long_path, O_RDONLY));
	say_fd(open("/dev/fd/0", O_RDONLY | O_PATH));
	say_fd(open("/proc/self/fd/77", O_RDONLY));
	say_fd(creat("calls.dir", 0600));
	say_fd(creat64("calls.missing/x", 0600));
	say_fd(creat("calls.missing", 0640));
	say_fd(creat(nowhere, 0600));
}

static void openat_and_openat2(void)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int file = open("calls.file", O_RDONLY | O_CLOEXEC);

	say_fd(openat(dir, "calls.file", O_RDONLY));
	say_fd(openat(file, "calls.file", O_RDONLY));
	say_fd(openat(99, "calls.file", O_RDONLY));
	say_fd(openat(99, "/dev/null", O_RDONLY));
	say_fd(by_openat2("..", O_RDONLY, RESOLVE_BENEATH));
	say_fd(by_openat2("calls.link", O_RDONLY, RESOLVE_NO_SYMLINKS));
	say_fd(by_openat2("calls.file", O_RDONLY, 1u << 30));
	say_fd((int)syscall(SYS_openat2, AT_FDCWD, "calls.file", NULL, 24));
	say_fd((int)syscall(SYS_openat2, AT_FDCWD, "calls.file", &(struct open_how){ 0 }, 3));
	say_fd((int)syscall(SYS_openat2, AT_FDCWD, "calls.file", &(struct open_how){ .mode = 1 },
			    sizeof(struct open_how)));
	close(dir);
	close(file);
}

static void streams(void)
{
	static const char *const modes[] = {
		"r",   "w",  "a",  "r+", "w+", "a+", "rb", "r+b",  "re",	  "wx",
		"w+x", "rm", "rc", "",	 "z",  "+",  "rw", "rcem", "r,ccs=UTF-8", "r,ccs=nonsense"
	};
	static const char *const files[] = { "calls.file", "calls.dir", "calls.missing/x",
					     "calls.loop" };

	for (size_t i = 0; i < COUNT(files); i++)
		for (size_t mode = 0; mode < COUNT(modes); mode++) {
			printf("fopen %s %s", files[i], modes[mode]);
			errno = 0;
			FILE *file = i % 2 ? fopen64(files[i], modes[mode])
					   : fopen(files[i], modes[mode]);
			if (file)
				printf(" fd %d, %ld, errno %d\n", fileno(file), ftell(file), errno);
			else
				printf(" %s\n", strerrorname_np(errno));
			if (file)
				fclose(file);
			file_make("calls.file", 1, 4);
		}
}

static void reopening(void)
{
	static const char *const modes[] = { "r", "w", "a", "re", "z", "" };

	for (size_t mode = 0; mode < COUNT(modes); mode++)
		for (int named = 0; named < 3; named++) {
			FILE *file = fopen("calls.file", "r"), *again;
			const char *name = named == 0	? "calls.link"
					   : named == 1 ? NULL
							: "calls.dir";

			must(file);
			errno = 0;
			again = mode % 2 ? freopen64(name, modes[mode], file)
					 : freopen(name, modes[mode], file);
			printf("freopen %s %s", say_path(name), modes[mode]);
			if (again)
				printf(" fd %d, errno %d\n", fileno(again), errno);
			else
				printf(" %s\n", strerrorname_np(errno));
			if (again)
				fclose(again);
		}
}

#define SAY(call)                        \
	do {                             \
		printf("%s", #call);     \
		say_errno((long)(call)); \
	} while (0)

static void descriptors(void)
{
	int file = open("calls.file", O_RDONLY);

	SAY(close(-1));
	SAY(close(12345));
	SAY(close(INT32_MAX));
	SAY(dup(file));
	SAY(close(file + 1));
	SAY(close(file + 1));
	SAY(dup2(file, file));
	SAY(dup2(file, 40));
	SAY(dup2(40, 40));
	SAY(dup2(file, -1));
	SAY(dup2(file, 1 << 30));
	SAY(dup2(-1, 41));
	SAY(dup2(77, 40));
	SAY(dup3(file, file, 0));
	SAY(dup3(file, 42, O_CLOEXEC));
	SAY(fcntl(42, F_GETFD));
	SAY(dup3(file, 43, 1));
	SAY(dup3(77, 43, 0));
	SAY(dup3(file, -1, 0));
	SAY(fcntl(file, F_DUPFD, 44));
	SAY(close_range(50, 45, 0));
	SAY(close_range(40, 50, 64));
	SAY(close_range(40, 42, (int)CLOSE_RANGE_CLOEXEC));
	SAY(fcntl(40, F_GETFD));
	SAY(close_range(40, 50, 0));
	SAY(fcntl(40, F_GETFD));
	SAY(fcntl(44, F_GETFD));
	SAY(syscall(SYS_close_range, 60, 50, 0));
	SAY(syscall(SYS_close, 77));
	SAY(syscall(SYS_dup3, file, 40, 1));
	SAY(syscall(SYS_dup2, file, 46));
	SAY(syscall(SYS_close, 46));
	closefrom(30);
	SAY(fcntl(file, F_GETFD));
	SAY(open("calls.file", O_RDONLY));
	closefrom(file);
	SAY(open("calls.file", O_RDONLY));
	SAY(close(file));
}

static void map_one(const char *what, int fd, int prot, int flags, size_t length, off_t offset)
{
	void *at = mmap(NULL, length, prot, flags, fd, offset);

	printf("mmap %s prot %d flags %#x length %zx offset %llx: %s\n", what, prot,
	       (unsigned int)flags, length, (unsigned long long)offset,
	       at == MAP_FAILED ? strerrorname_np(errno) : "mapped");
	if (at != MAP_FAILED)
		munmap(at, length);
}

static void map_all(const char *what, int fd)
{
	static const int flags[] = { 0,
				     MAP_PRIVATE,
				     MAP_SHARED,
				     MAP_SHARED_VALIDATE,
				     MAP_SHARED_VALIDATE | 1 << 30,
				     MAP_PRIVATE | MAP_ANONYMOUS,
				     MAP_PRIVATE | MAP_SYNC,
				     MAP_PRIVATE | MAP_GROWSDOWN,
				     MAP_PRIVATE | MAP_NORESERVE | MAP_POPULATE,
				     MAP_SHARED | MAP_LOCKED };

	for (size_t i = 0; i < COUNT(flags); i++)
		for (int prot = 0; prot < 9; prot += prot == 4 ? 4 : 1)
			map_one(what, fd, prot, flags[i], PAGE, 0);
	map_one(what, fd, PROT_READ, MAP_PRIVATE, 0, 0);
	map_one(what, fd, PROT_READ, MAP_PRIVATE, 1, 0);
	map_one(what, fd, PROT_READ, MAP_PRIVATE, PAGE, 1);
	map_one(what, fd, PROT_READ, MAP_PRIVATE, PAGE, 100 * (off_t)PAGE);
	map_one(what, fd, PROT_READ, MAP_PRIVATE, PAGE, -(off_t)PAGE);
	map_one(what, fd, PROT_READ, MAP_PRIVATE, SIZE_MAX - 8 * PAGE, 0);
	map_one(what, fd, PROT_READ, MAP_PRIVATE, SIZE_MAX, 0);
	map_one(what, fd, PROT_READ, MAP_PRIVATE | MAP_HUGETLB, PAGE, 0);
}

static void mapping(void)
{
	int pair[2], ends[2];

	must(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	map_all("nothing", -1);
	map_all("closed", 99);
	map_all("file ro", open("calls.file", O_RDONLY));
	map_all("file wo", open("calls.file", O_WRONLY));
	map_all("file rw", open("calls.file", O_RDWR));
	map_all("file append", open("calls.file", O_RDWR | O_APPEND));
	map_all("file path", open("calls.file", O_PATH));
	map_all("directory", open("calls.dir", O_RDONLY));
	map_all("empty", open("calls.missing", O_RDWR | O_CREAT, 0600));
	map_all("null", open("/dev/null", O_RDWR));
	map_all("zero", open("/dev/zero", O_RDWR));
	map_all("maps", open("/proc/self/maps", O_RDONLY));
	map_all("own memory", open("/proc/self/mem", O_RDWR));
	map_all("own memory ro", open("/proc/self/mem", O_RDONLY));
	map_all("pipe", ends[0]);
	map_all("socket", pair[0]);
	map_all("memfd", memfd_create("calls", 0));
}

static void starting(void)
{
	char *argv[] = { (char *)"x", NULL };
	char *none[] = { NULL };
	pid_t pid;
	int file = open("calls.file", O_RDONLY | O_CLOEXEC);

	SAY(execve("calls.missing", argv, environ));
	SAY(execve("calls.file", argv, environ));
	SAY(execve("calls.dir", argv, environ));
	SAY(execve("calls.file/x", argv, none));
	SAY(execve("", argv, NULL));
	SAY(execve(nowhere, argv, environ));
	SAY(execv("calls.missing", argv));
	SAY(execvp("calls-no-such-program", argv));
	SAY(execvp("", argv));
	SAY(execvp("./calls.dir", argv));
	SAY(execvpe("calls-no-such-program", argv, none));
	SAY(execl("calls.missing", "x", "y", (char *)NULL));
	SAY(execlp("calls-no-such-program", "x", (char *)NULL));
	SAY(execle("calls.missing", "x", (char *)NULL, none));
	SAY(fexecve(-1, argv, environ));
	SAY(fexecve(file, argv, environ));
	SAY(fexecve(file, argv, NULL));
	SAY(execveat(AT_FDCWD, "calls.missing", argv, environ, 0));
	SAY(execveat(-1, "x", argv, environ, 0));
	SAY(execveat(file, "", argv, environ, AT_EMPTY_PATH));
	SAY(syscall(SYS_execve, "calls.missing", argv, none));
	SAY(posix_spawn(&pid, "calls.missing", NULL, NULL, argv, environ));
	SAY(posix_spawn(&pid, "calls.file", NULL, NULL, argv, none));
	SAY(posix_spawnp(&pid, "calls-no-such-program", NULL, NULL, argv, environ));
	must(chmod("calls.file", 0755) == 0);
	SAY(execve("calls.file", argv, environ));
	SAY(posix_spawn(&pid, "calls.file", NULL, NULL, argv, environ));
	must(chmod("calls.file", 0644) == 0);
}

/* A call that works leaves errno alone. */
static void errno_of_success(void)
{
	errno = 4242;
	int fd = open("calls.file", O_RDONLY);
	void *at = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	printf("open and mmap: %d\n", errno);
	mprotect(at, PAGE, RW);
	madvise(at, PAGE, MADV_DONTNEED);
	printf("mprotect and madvise: %d\n", errno);
	at = mremap(at, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
	munmap(at, 8 * PAGE);
	dup2(fd, 40);
	close(40);
	close(fd);
	printf("mremap, munmap, dup2, close: %d\n", errno);
	close(open("/proc/self/mem", O_RDWR));
	printf("own memory: %d\n", errno);
}

static const struct part {
	const char *name;
	void (*run)(void);
} parts[] = {
	{ "opening", opening },	    { "openat", openat_and_openat2 }, { "streams", streams },
	{ "reopening", reopening }, { "descriptors", descriptors },   { "mapping", mapping },
	{ "starting", starting },   { "errno", errno_of_success },
};

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	signal(SIGPIPE, SIG_DFL);
	for (size_t i = 0; i < COUNT(parts); i++)
		if (argc < 2 || !strcmp(argv[1], parts[i].name)) {
			set_up();
			printf("--- %s\n", parts[i].name);
			parts[i].run();
			fflush(stdout);
		}
	return 0;
}
