// SPDX-License-Identifier: MIT
//
// Calls remap_file_pages from a C++ function in a namespace, and prints the line of that call. Built
// with debug information; the tests strip copies of it.

#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

namespace legacy
{

class Window
{
    public:
	__attribute__((noinline)) int bring_in(char *at, int page);
	int line = 0;
};

int Window::bring_in(char *at, int page)
{
	line = __LINE__ + 1;
	int result = remap_file_pages(at, 4096, 0, page, 0);
	return result ? 1 : 0;
}

} // namespace legacy

int main()
{
	char name[] = "window.XXXXXX";
	int fd = mkstemp(name), failed = 0;
	legacy::Window window;

	unlink(name);
	if (fd < 0 || ftruncate(fd, 64 * 4096))
		return 1;
	void *at = mmap(nullptr, 16 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return 1;
	for (int i = 0; i < 5; i++)
		failed += window.bring_in(static_cast<char *>(at), 7 * i);
	printf("%d %d\n", window.line, failed);
	return 0;
}
