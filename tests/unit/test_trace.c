/* SPDX-License-Identifier: MIT */
/*
 * Backtraces agree with libunwind's, remembered or not, and never crash: not on
 * generated code, not on stacks that end in rubbish, not on a stack that is full.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#include "audit/trace.h"

#define NOINLINE     __attribute__((noinline, noclone))
#define KEEP_FRAME() __asm__ volatile("" ::: "memory")

/* libunwind is loaded, not linked: linked, it would take the place of libgcc's unwinder, which is
 * what is tested here. Hence -static-libgcc, as the library has it. */
static int (*unw_backtrace)(void **buffer, int size);

static bool unwinder_is_linked_in(void)
{
	Dl_info unwinder, test;

	return dladdr((void *)_Unwind_Backtrace, &unwinder) &&
	       dladdr((void *)unwinder_is_linked_in, &test) && unwinder.dli_fbase == test.dli_fbase;
}

static void load(void)
{
	void *handle = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);

	cr_assert_not_null(handle, "%s", dlerror());
	unw_backtrace = (int (*)(void **, int))dlsym(handle, "unw_backtrace");
	cr_assert_not_null(unw_backtrace);
	cr_assert(unwinder_is_linked_in(), "link with -static-libgcc and without -lunwind");
}

TestSuite(trace, .init = load);

/* Both traces of the same place: from the caller's caller on. */
struct pair {
	struct trace ours;
	void *theirs[200];
	int count;
};

static NOINLINE void capture(struct pair *pair)
{
	pair->count = unw_backtrace(pair->theirs, 200);
	TRACE_HERE(&pair->ours);
	KEEP_FRAME();
}

/* libunwind starts with the function that called it; ours with that one's caller. */
static void agree(const struct pair *pair)
{
	int frames = pair->count - 1 < TRACE_FRAMES ? pair->count - 1 : TRACE_FRAMES;

	/* It may add the null address that ends the stack. */
	if (frames && !pair->theirs[frames])
		frames--;
	cr_assert_eq((int)pair->ours.count, frames, "%d frames, libunwind has %d",
		     (int)pair->ours.count, frames);
	for (int i = 0; i < frames; i++)
		cr_assert_eq((void *)pair->ours.frame[i], pair->theirs[i + 1], "frame %d: %p, %p",
			     i, (void *)pair->ours.frame[i], pair->theirs[i + 1]);
}

static NOINLINE void descend(int depth, struct pair *pair)
{
	if (depth)
		descend(depth - 1, pair);
	else
		capture(pair);
	KEEP_FRAME();
}

static NOINLINE void descend_otherwise(int depth, struct pair *pair)
{
	descend(depth, pair);
	KEEP_FRAME();
}

Test(trace, agrees_with_libunwind_at_every_depth)
{
	for (int depth = 0; depth < 60; depth++) {
		struct pair pair;

		for (int round = 0; round < 3; round++) {
			descend(depth, &pair);
			agree(&pair);
		}
	}
}

Test(trace, deep_stacks_are_cut)
{
	struct pair pair;

	descend(150, &pair);
	cr_assert_eq(pair.ours.count, TRACE_FRAMES);
	agree(&pair);
}

Test(trace, same_place_gives_the_same_trace)
{
	struct pair first, second;
	struct pair *pairs[2] = { &first, &second };

	for (volatile int i = 0; i < 2; i++)
		descend(5, pairs[i]);
	cr_assert_eq(first.ours.hash, second.ours.hash);
	cr_assert_eq(first.ours.count, second.ours.count);
	cr_assert_arr_eq(first.ours.frame, second.ours.frame,
			 first.ours.count * sizeof(*first.ours.frame));
	agree(&first);
	agree(&second);
}

/* The same innermost frames on the same stack addresses, called from different places. */
static NOINLINE void two_callers(bool which, struct pair *pair)
{
	if (which) {
		descend(3, pair);
		__asm__ volatile("nop");
	} else {
		descend(3, pair);
		KEEP_FRAME();
	}
}

Test(trace, other_callers_of_the_same_place_are_told_apart)
{
	struct pair pairs[4];

	for (volatile int i = 0; i < 4; i++)
		two_callers(i & 1, &pairs[i]);
	for (int i = 0; i < 4; i++)
		agree(&pairs[i]);
	cr_assert_eq(pairs[0].ours.hash, pairs[2].ours.hash);
	cr_assert_eq(pairs[1].ours.hash, pairs[3].ours.hash);
	cr_assert_neq(pairs[0].ours.hash, pairs[1].ours.hash);
}

static double nanoseconds_each(uintptr_t step)
{
	struct timespec before, after;
	struct trace trace;

	clock_gettime(CLOCK_MONOTONIC, &before);
	for (uintptr_t i = 0; i < 200; i++)
		trace_capture(&trace, __builtin_return_address(0),
			      (char *)__builtin_dwarf_cfa() + i * step);
	clock_gettime(CLOCK_MONOTONIC, &after);
	return ((double)(after.tv_sec - before.tv_sec) * 1e9 +
		(double)(after.tv_nsec - before.tv_nsec)) /
	       200;
}

/* A canonical frame address that is not the frame's is never remembered. */
Test(trace, remembered_traces_cost_a_fraction)
{
	double remembered = 1e9, unwound = 1e9;

	for (int i = 0; i < 50; i++) {
		double a = nanoseconds_each(0), b = nanoseconds_each(1);

		remembered = a < remembered ? a : remembered;
		unwound = b < unwound ? b : unwound;
	}
	cr_assert_lt(remembered, unwound / 3, "%.0f and %.0f ns", remembered, unwound);
}

static NOINLINE void with_alloca(size_t size, struct pair *pair)
{
	volatile char *room = __builtin_alloca(size);

	room[0] = 1;
	descend(1, pair);
	KEEP_FRAME();
}

Test(trace, frames_of_changing_size)
{
	for (int round = 0; round < 3; round++)
		for (size_t size = 16; size < 2048; size += 48) {
			struct pair pair;

			with_alloca(size, &pair);
			agree(&pair);
		}
}

static void *thread_main(void *unused)
{
	for (int i = 0; i < 20000; i++) {
		struct pair pair;

		descend(i % 7, &pair);
		agree(&pair);
		descend_otherwise(i % 5, &pair);
		agree(&pair);
	}
	return unused;
}

Test(trace, threads_do_not_disturb_each_other)
{
	pthread_t threads[6];

	for (int i = 0; i < 6; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, thread_main, NULL), 0);
	for (int i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
}

static struct pair in_handler;

static void on_signal(int signal)
{
	capture(&in_handler);
}

/* Unwind tables hold at calls, not everywhere: the last frame is the one that was interrupted. */
Test(trace, ends_where_the_signal_came)
{
	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 3; i++) {
		raise(SIGUSR1);
		/* The handler, the kernel's way back, and what was interrupted. */
		cr_assert_eq(in_handler.ours.count, 3);
		for (int frame = 0; frame < 3; frame++)
			cr_assert_eq((void *)in_handler.ours.frame[frame],
				     in_handler.theirs[frame + 1]);
	}
}

static sigjmp_buf back;

static void on_overflow(int signal)
{
	TRACE_HERE(&in_handler.ours);
	siglongjmp(back, 1);
}

static NOINLINE long overflow(long depth)
{
	volatile char room[512];

	room[0] = 0;
	return depth ? overflow(depth - 1) + room[0] : 0;
}

enum { SIGNAL_STACK = 65536, GUARD = 4096, THREAD_STACK = 262144 };

static void *overflow_main(void *low)
{
	stack_t stack = { .ss_sp = low, .ss_size = SIGNAL_STACK };

	sigaltstack(&stack, NULL);
	for (volatile int i = 0; i < 3; i++)
		if (!sigsetjmp(back, 1))
			overflow(LONG_MAX);
	return NULL;
}

/* What lies right below the interrupted frame is not there. */
Test(trace, on_the_signal_stack_of_a_full_stack)
{
	struct sigaction action = { .sa_handler = on_overflow, .sa_flags = SA_ONSTACK };
	char *low = mmap(NULL, SIGNAL_STACK + GUARD + THREAD_STACK, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attributes;
	pthread_t thread;

	cr_assert_eq(mprotect(low + SIGNAL_STACK, GUARD, PROT_NONE), 0);
	sigaction(SIGSEGV, &action, NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, low + SIGNAL_STACK + GUARD, THREAD_STACK);
	cr_assert_eq(pthread_create(&thread, &attributes, overflow_main, low), 0);
	pthread_join(thread, NULL);
	cr_assert_eq(in_handler.ours.count, 2);
}

/* Machine code without any table: sub $8,%rsp; call *%rdi's argument; add $8,%rsp; ret. */
static const unsigned char thunk[] = { 0x48, 0x83, 0xec, 0x08, 0x48, 0x89, 0xf0,
				       0xff, 0xd0, 0x48, 0x83, 0xc4, 0x08, 0xc3 };

static NOINLINE void only_ours(struct trace *trace)
{
	TRACE_HERE(trace);
	KEEP_FRAME();
}

Test(trace, generated_code_ends_the_trace)
{
	unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*call)(struct trace *, void (*)(struct trace *)) = (void *)code;
	struct trace trace;

	cr_assert_neq(code, MAP_FAILED);
	memcpy(code, thunk, sizeof(thunk));
	for (int i = 0; i < 3; i++) {
		memset(&trace, 0, sizeof(trace));
		call(&trace, only_ours);
		cr_assert_eq(trace.count, 1);
		cr_assert_eq(trace.frame[0], (uintptr_t)code + 9);
	}
}

/* The same beside functions that have tables, as hand-written assembly is. What a neighbour's table
 * would take for the return address is an address, so that a mistake shows. */
void bare_thunk(struct trace *trace, void (*what)(struct trace *));
__asm__(".pushsection .text, 1\n\t.globl bare_thunk\n\t.type bare_thunk,@function\nbare_thunk:\n\t"
	"lea bare_thunk(%rip), %rax\n\tpush %rax\n\tcall *%rsi\n\tpop %rax\n\tret\n\t"
	".size bare_thunk,.-bare_thunk\n\t.popsection");

Test(trace, code_without_a_table_ends_the_trace)
{
	struct trace trace;

	bare_thunk(&trace, only_ours);
	cr_assert_eq(trace.count, 1);
}

/* Runs what on a stack whose outermost return address is nonsense. */
static void __attribute__((naked, noinline))
run_on(void *stack __attribute__((unused)), void (*what)(void) __attribute__((unused)))
{
	__asm__("mov %rdi, %rsp\n\tpushq $0x1234\n\tjmp *%rsi");
}

static struct trace on_rubbish;
static jmp_buf rubbish_back;

static NOINLINE void trace_on_rubbish(void)
{
	only_ours(&on_rubbish);
	longjmp(rubbish_back, 1);
}

Test(trace, a_stack_that_ends_in_rubbish)
{
	static _Alignas(16) char stack[65536];

	for (volatile int i = 0; i < 3; i++)
		if (!setjmp(rubbish_back))
			run_on(stack + sizeof(stack), trace_on_rubbish);
	cr_assert_eq(on_rubbish.count, 2);
	cr_assert_eq(on_rubbish.frame[1], 0x1234);
}

Test(trace, a_place_that_is_not_on_the_stack)
{
	struct trace trace;

	trace_capture(&trace, (void *)0x4242, __builtin_dwarf_cfa());
	cr_assert_eq(trace.count, 1);
	cr_assert_eq(trace.frame[0], 0x4242);
}

Test(trace, uses_little_stack)
{
	static _Alignas(16) unsigned char stack[16384];
	volatile size_t free_bytes = 0;

	/* Twice: the first time symbols are resolved, which takes stack too. Not from the same
	 * address: that would be remembered. */
	for (volatile int i = 0; i < 2; i++) {
		memset(stack, 0xa5, sizeof(stack));
		if (!setjmp(rubbish_back))
			run_on(stack + sizeof(stack) - 64 * i, trace_on_rubbish);
	}
	while (stack[free_bytes] == 0xa5)
		free_bytes++;
	cr_assert_lt(sizeof(stack) - free_bytes, 2048, "%zu bytes", sizeof(stack) - free_bytes);
}

struct expected {
	uintptr_t address;
	struct module module;
	int found;
};

static int compare_module(struct dl_phdr_info *info, size_t size, void *data)
{
	struct expected *expected = data;
	uintptr_t low = UINTPTR_MAX, high = 0;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type != PT_LOAD)
			continue;
		low = start < low ? start : low;
		high = start + segment->p_memsz > high ? start + segment->p_memsz : high;
	}
	if (expected->address < low || expected->address >= high)
		return 0;
	cr_assert_eq(expected->module.bias, info->dlpi_addr);
	cr_assert_eq(expected->module.start, low & -4096UL);
	cr_assert_geq(expected->module.end, high);
	if (info->dlpi_name[0] == '/')
		cr_assert_str_eq(expected->module.path, info->dlpi_name);
	expected->found++;
	return 1;
}

static void check_module(uintptr_t address)
{
	struct expected expected = { .address = address };

	cr_assert_eq(module_find(address, &expected.module), 0);
	dl_iterate_phdr(compare_module, &expected);
	cr_assert_eq(expected.found, 1);
	/* Debian's build has one for every object. */
	cr_assert_eq(expected.module.build_id_length, 20, "%s", expected.module.path);
}

Test(module, found_as_the_loader_has_it)
{
	struct module module;

	check_module((uintptr_t)check_module);
	check_module((uintptr_t)dlsym(RTLD_DEFAULT, "qsort"));
	check_module(getauxval(AT_SYSINFO_EHDR));
	cr_assert_eq(module_find(getauxval(AT_SYSINFO_EHDR), &module), 0);
	cr_assert_str_eq(module.path, "[vdso]");
}

Test(module, addresses_outside_have_none)
{
	struct module module;
	int on_stack;

	cr_assert_eq(module_find(0, &module), -ENOENT);
	cr_assert_eq(module_find(UINTPTR_MAX, &module), -ENOENT);
	cr_assert_eq(module_find((uintptr_t)&on_stack, &module), -ENOENT);
}

Test(module, the_main_program_is_named)
{
	char path[4096];
	struct module module;

	cr_assert_eq(module_find((uintptr_t)check_module, &module), 0);
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	cr_assert_gt(length, 0);
	path[length] = 0;
	cr_assert_str_eq(module.path, path);
}
