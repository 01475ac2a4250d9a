/* SPDX-License-Identifier: MIT */
/*
 * A6: frames with a personality and a table of what to clean up, as those of C++ have, are walked
 * by the unwinder that is linked in. Built with -fexceptions.
 */
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdint.h>
#include <unwind.h>

struct walk {
	uintptr_t wanted;
	bool found;
};

static _Unwind_Reason_Code look(struct _Unwind_Context *context, void *argument)
{
	struct walk *walk = argument;

	walk->found |= _Unwind_GetIP(context) == walk->wanted;
	return _URC_NO_REASON;
}

static __attribute__((noinline)) void cleaned(int *number)
{
	__asm__ volatile("" : : "r"(number) : "memory");
}

/* Looks for where its caller's caller goes on. */
static __attribute__((noinline)) void inner(struct walk *walk)
{
	_Unwind_Backtrace(look, walk);
	__asm__ volatile("");
}

static __attribute__((noinline)) void with_cleanup(void (*act)(struct walk *), struct walk *walk)
{
	__attribute__((cleanup(cleaned))) int number = 1;

	walk->wanted = (uintptr_t)__builtin_return_address(0);
	act(walk);
	__asm__ volatile("" : "+r"(number));
}

Test(A6, frames_with_a_personality_are_walked)
{
	struct walk walk = { 0, false };

	with_cleanup(inner, &walk);
	cr_assert(walk.found);
}
