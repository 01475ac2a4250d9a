/* SPDX-License-Identifier: MIT */
/*
 * A trace as JSON: mmfence.stack and mmfence.modules. The text of a trace that was
 * written lately is kept, since programs call from the same places again and again.
 */
#ifndef MMFENCE_AUDIT_STACK_H
#define MMFENCE_AUDIT_STACK_H

#include <stdbool.h>

#include "audit/trace.h"
#include "support/text.h"

/* Appends "stack":[…],"modules":[…] as far as limit bytes go; false when some did not fit. */
bool stack_add(struct text *out, const struct trace *trace, size_t limit);

#endif
