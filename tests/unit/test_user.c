/* SPDX-License-Identifier: MIT */
/* Pointers of the program's: what is there is copied, and what is not is said. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "support/user.h"

#define PAGE 4096

/* Two pages, and nothing behind them. */
static char *two_pages(void)
{
	char *at = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert(at != MAP_FAILED && munmap(at + 2 * PAGE, PAGE) == 0);
	memset(at, 'x', 2 * PAGE);
	return at;
}

/* As containers do. */
static void refuse_process_vm_readv(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(*code), code };

	cr_assert(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	cr_assert(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

static void copies_what_is_there(void)
{
	char *pages = two_pages(), copy[32] = "";

	cr_assert(user_copy_in(copy, pages + 2 * PAGE - sizeof(copy), sizeof(copy)) == 0);
	cr_assert(memcmp(copy, pages, sizeof(copy)) == 0);
	cr_assert(user_copy_in(copy, pages + PAGE - 16, sizeof(copy)) == 0);
	cr_assert(user_copy_in(copy, pages + 2 * PAGE - 16, sizeof(copy)) == -EFAULT);
	cr_assert(user_copy_in(copy, pages + 2 * PAGE, sizeof(copy)) == -EFAULT);
	cr_assert(user_copy_in(copy, NULL, sizeof(copy)) == -EFAULT);
}

Test(user, what_is_there_is_copied)
{
	copies_what_is_there();
}

Test(user, what_is_there_is_copied_where_process_vm_readv_is_refused)
{
	refuse_process_vm_readv();
	copies_what_is_there();
}

Test(user, memory_is_readable_to_its_last_byte)
{
	char *pages = two_pages();

	cr_assert(user_readable(pages, 2 * PAGE));
	cr_assert(user_readable(pages + 2 * PAGE - 1, 1));
	cr_assert(!user_readable(pages + 2 * PAGE - 1, 2));
	cr_assert(!user_readable(pages + 2 * PAGE, 1));
	cr_assert(!user_readable(pages, SIZE_MAX), "it would end before it begins");
	cr_assert(mprotect(pages, PAGE, PROT_NONE) == 0);
	cr_assert(!user_readable(pages, 2 * PAGE));
	cr_assert(!user_readable(pages, 1));
	cr_assert(user_readable(pages + PAGE, PAGE));
}

Test(user, a_string_is_readable_to_its_end)
{
	char *pages = two_pages();
	uintptr_t page = 1;

	pages[PAGE - 1] = 0;
	cr_assert(user_readable_string(pages, &page));
	cr_assert(page == (uintptr_t)pages);
	cr_assert(!user_readable_string(pages + PAGE, &page), "it has no end");
	pages[2 * PAGE - 1] = 0;
	page = 1;
	pages[PAGE - 1] = 'x';
	cr_assert(user_readable_string(pages + PAGE - 1, &page));
	cr_assert(page == (uintptr_t)pages + PAGE);
	page = 1;
	cr_assert(!user_readable_string(pages + 2 * PAGE, &page));
}

Test(user, under_valgrind_all_but_null_is_believed)
{
	char *pages = two_pages();

	user_believe();
	cr_assert(user_readable(pages + 2 * PAGE, 1));
	cr_assert(!user_readable(NULL, 1));
}
