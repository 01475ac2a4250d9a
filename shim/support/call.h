/* SPDX-License-Identifier: MIT */
/*
 * Which wrapped call is being served: passed down so that an event can name it
 * and unwind from it, at no cost when there is none.
 */
#ifndef MMFENCE_SUPPORT_CALL_H
#define MMFENCE_SUPPORT_CALL_H

struct call {
	const char *name;
	void *ip;  /* where it returns to in the program */
	void *cfa; /* the wrapper's canonical frame address */
};

/* Only in the exported function itself: elsewhere the frame is another one. */
#define CALL_HERE(function) \
	(&(const struct call){ function, __builtin_return_address(0), __builtin_dwarf_cfa() })

#endif
