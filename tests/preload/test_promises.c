/* SPDX-License-Identifier: MIT */
/*
 * Cases of helpers that are tests by themselves: each stands in its helper, with the promise that
 * it is about (PROMISE in helper.h), and nowhere else. What all of a helper's have is here.
 */
#include "test_guard_stage.h"

#define WITH_guard_fork	 .finds = { "snapshot.lost 0" }
#define WITH_guard_spawn WITH_guard_fork
#define INVISIBLE                                                      \
	.options = { "snapshot.shared=**/guard.data" }, .seconds = 90, \
	.finds = { "snapshot.create", "snapshot.lost 0" }
#define WITH_guard_end	     INVISIBLE
#define WITH_guard_identity  INVISIBLE
#define WITH_guard_invisible INVISIBLE
/* A lost signal is noticed in a part of the time that the kernel gives. */
#define WITH_guard_limits .before = lease_time_keep
#define EMULATE		  .options = { "selfmem.map=emulate" }, .seconds = 120
#define WITH_turned	  EMULATE
#define WITH_views	  EMULATE
#define WITH_view_places  EMULATE
#define WITH_view_refused EMULATE

#define PROMISED(each, suite, name, program) \
	RUNS(each, suite, name, .helper = #program, .args = { #name }, WITH_##program)

/* Made from tests/helpers: see tests.mk. */
#include "promises.h"
