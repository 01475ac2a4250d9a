/* SPDX-License-Identifier: MIT */
/*
 * M1 to M3: the memory of processes and devices is recognised by whatever road it is
 * opened, every open is recorded and can be refused, and no shared writable mapping of it
 * comes to be.
 */
#include <string.h>

#include "runner.h"

#define OPENED "open=0 read=ok map=ENODEV room=untouched\n"

#define OPEN_IS_RECORDED(mode)                                                            \
	"selfmem.open 1",                                                                 \
		"selfmem.open mmfence.selfmem.kind=process & mmfence.selfmem.mode=" mode, \
		"selfmem.open file.path & mmfence.stack>1"

#define MAP_IS_RECORDED                                                                   \
	"selfmem.map 1", "selfmem.map event.outcome=failure & error.code=ENODEV",         \
		"selfmem.map mmfence.selfmem.kind=process & mmfence.mapping.shared=true", \
		"selfmem.map mmfence.mapping.length=4096 & mmfence.stack>1"

/* By this road, for reading and writing or as is said. */
#define BY(road, ...) .helper = "selfmem", .args = { road, __VA_ARGS__ }

static void offset_is_of_a_page(struct run *run)
{
	cr_assert(field_number(find_event(run, "selfmem.map"), "mmfence.mapping.offset") % 4096 ==
		  0);
}

#define ROAD(name, road)                                                         \
	RUNS(EACH_VARIANT, M1, opened_by_##name, BY(road, "rw"), .says = OPENED, \
	     .finds = { OPEN_IS_RECORDED("rw"), MAP_IS_RECORDED }, .look = offset_is_of_a_page)

ROAD(self, "self")
ROAD(thread_self, "thread_self")
ROAD(open64, "open64")
ROAD(pid, "pid")
ROAD(task, "task")
ROAD(dots, "dots")
ROAD(symbolic_links, "symlink")
ROAD(openat, "openat")
ROAD(openat_from_a_path_descriptor, "openat_path")
ROAD(dev_fd, "dev_fd")
ROAD(proc_fd, "proc_fd")
ROAD(openat2, "openat2")
ROAD(syscall_open, "syscall_open")
ROAD(syscall_openat, "syscall_openat")
ROAD(open_that_would_create, "create")
ROAD(open_that_is_exclusive, "exclusive")
ROAD(fopen, "fopen")
ROAD(fopen64, "fopen64")
ROAD(freopen, "freopen")
ROAD(bind_mount, "bind")
ROAD(second_procfs, "second_procfs")
ROAD(duplicate, "dup")
ROAD(dup2, "dup2")
ROAD(fcntl, "fcntl")

/* M1: the owner is the process whose memory it is. */
RUNS_AND(EACH_VARIANT, M1, owner_of_ones_own, BY("task", "rw"))
{
	json_t *event = find_event(run, "selfmem.open");

	cr_assert(field_number(event, "mmfence.selfmem.owner") ==
		  field_number(event, "process.pid"));
}

RUNS_AND(EACH_VARIANT, M1, memory_of_the_parent, BY("parent", "rw"),
	 .finds = { OPEN_IS_RECORDED("rw"), MAP_IS_RECORDED })
{
	json_t *event = find_event(run, "selfmem.open");

	cr_assert(field_number(event, "mmfence.selfmem.owner") == (json_int_t)run->pid);
	cr_assert(field_number(event, "process.pid") != (json_int_t)run->pid);
}

/* M1: where no open was seen, the mapping is judged by the descriptor. */
#define IS_JUDGED(name, road)                                                                   \
	RUNS_AND(EACH_VARIANT, M1, name, BY(road, "rw"),                                        \
		 .finds = { "selfmem.open 0", MAP_IS_RECORDED })                                \
	{                                                                                       \
		offset_is_of_a_page(run);                                                       \
		cr_assert(strstr(run->output, "map=ENODEV room=untouched"), "%s", run->output); \
	}

IS_JUDGED(inherited_descriptor, "inherited")
IS_JUDGED(descriptor_from_a_socket, "socket")
IS_JUDGED(descriptor_opened_by_hand, "unseen")

#define DEVICE_IS_SEEN(name, road)                                               \
	RUNS_AND(EACH_VARIANT, M1, name, BY(road, "rw"),                         \
		 .finds = { "selfmem.open mmfence.selfmem.kind=device" })        \
	{                                                                        \
		cr_assert(strstr(run->output, "map=EACCES"), "%s", run->output); \
	}

DEVICE_IS_SEEN(dev_mem_by_number, "dev_mem")
DEVICE_IS_SEEN(dev_port_by_number, "dev_port")

EACH_VARIANT(M2, mode_is_recorded)
{
	TRY(BY("self", "r"), .finds = { OPEN_IS_RECORDED("r") });
	TRY(BY("self", "w"), .finds = { OPEN_IS_RECORDED("w") });
}

RUNS(EACH_VARIANT, M2, creat_is_an_open_for_writing, BY("creat", "w"),
     .finds = { OPEN_IS_RECORDED("w") })

#define REFUSED(policy, road, mode)                                                         \
	TRY(BY(road, mode), .options = { "selfmem.open=" policy }, .says = "open=EACCES\n", \
	    .finds = { "selfmem.open event.outcome=failure & error.code=EACCES",            \
		       "selfmem.open mmfence.policy=" policy })

RUNS_AND(EACH_VARIANT, M2, readonly_lets_readers_through, BY("self", "r"),
	 .options = { "selfmem.open=readonly" })
{
	cr_assert(!strncmp(run->output, "open=0 read=ok", 14), "%s", run->output);
	cr_assert_str_eq(field_string(find_event(run, "selfmem.open"), "event.outcome"), "success");
}

EACH_VARIANT(M2, readonly_refuses_writers)
{
	static const char *const roads[] = { "self",	       "openat",  "task",
					     "syscall_open",   "symlink", "fopen",
					     "freopen",	       "dev_fd",  "open64",
					     "syscall_openat", "openat2", "openat2_function" };

	REFUSED("readonly", "self", "w");
	REFUSED("readonly", "creat", "w");
	for (size_t i = 0; i < sizeof(roads) / sizeof(roads[0]); i++)
		REFUSED("readonly", roads[i], "rw");
}

EACH_VARIANT(M2, refuse_refuses_all)
{
	static const char *const roads[] = { "self",  "openat",	 "pid",	    "syscall_open",
					     "fopen", "freopen", "openat2", "openat2_function" };

	REFUSED("refuse", "self", "rw");
	for (size_t i = 0; i < sizeof(roads) / sizeof(roads[0]); i++)
		REFUSED("refuse", roads[i], "r");
}

/* Nothing is recorded, and so nothing is looked at where all is allowed. */
EACH_VARIANT(M2, refused_without_a_log)
{
	TRY(BY("self", "w"), .log = "", .options = { "selfmem.open=readonly" },
	    .says = "open=EACCES\n");
	TRY(BY("self", "r"), .log = "", .options = { "selfmem.open=refuse" },
	    .says = "open=EACCES\n");
}

/* M3: a shared read-only mapping of a descriptor that can write could be made writable. */
/* M6: what the kernel denies is an event too, and no policy's. */
#define DENIED(road)                                                                          \
	TRY(BY(road, "rw"), .says = "open=EACCES\n",                                          \
	    .finds = { "selfmem.open event.outcome=failure & error.code=EACCES",              \
		       "selfmem.open mmfence.selfmem.kind=process & mmfence.selfmem.mode=rw", \
		       "selfmem.open !mmfence.policy" })

EACH_VARIANT(M6, denied_opens_are_events)
{
	skip_unless_root();
	DENIED("denied");
	DENIED("denied_syscall");
	DENIED("denied_fopen");
	DENIED("denied_openat2");
}

/* An open that posix_spawn's child would make, where nobody sees it. */
WIDTHS_HOLD(M6, spawned_opens_are_events, "selfmem", "spawn", .says = "addopen=0 other=0\n",
	    .finds = { "selfmem.open 1",
		       "selfmem.open mmfence.call=posix_spawn_file_actions_addopen" })
WIDTHS_HOLD(M6, refused_spawned_opens_are_events, "selfmem", "spawn",
	    .options = { "selfmem.open=refuse" }, .says = "addopen=EACCES other=0\n",
	    .finds = { "selfmem.open" })

/* What the records of one call come to; each begins a site, or doubles its calls, or is the rest.
 */
static void reached(const struct run *run, const char *call, int64_t calls, int64_t failed,
		    int64_t bytes, size_t records)
{
	int64_t sum[3] = { 0 };
	size_t count = 0;

	for (size_t i = 0; find_event_number(run, "selfmem.access", i); i++) {
		const json_t *event = find_event_number(run, "selfmem.access", i);

		if (strcmp(field_string(event, "mmfence.call"), call) != 0)
			continue;
		count++;
		sum[0] += field_number(event, "mmfence.selfmem.calls");
		sum[1] += field_number(event, "mmfence.selfmem.failed");
		if (field(event, "mmfence.selfmem.bytes"))
			sum[2] += field_number(event, "mmfence.selfmem.bytes");
		cr_expect(field_number(event, "mmfence.selfmem.owner") > 0);
		bool works = field_number(event, "mmfence.selfmem.failed") <
			     field_number(event, "mmfence.selfmem.calls");
		cr_expect_str_eq(field_string(event, "event.outcome"),
				 works ? "success" : "failure");
	}
	cr_expect(sum[0] == calls && sum[1] == failed && sum[2] == bytes && count == records,
		  "%s: %lld calls, %lld failed, %lld bytes, %zu records", call, (long long)sum[0],
		  (long long)sum[1], (long long)sum[2], count);
}

/* Roads that need no file; a forked child counts anew. */
RUNS_AND(EACH_WIDTH, M6, processes_that_are_reached_are_events, .helper = "processes",
	 .args = { "fork" }, .as_bare = true)
{
	reached(run, "process_vm_readv", 42, 2, 2 * 20 * 64, 14);
	reached(run, "process_vm_writev", 2, 0, 128, 2);
	reached(run, "PTRACE_ATTACH", 2, 0, 0, 2);
	if (strstr(run->output, "taken 1"))
		reached(run, "pidfd_getfd", 2, 0, 0, 2);
}

RUNS(EACH_VARIANT, M3, nothing_is_mapped, BY("self", "rw"), .says = OPENED,
     .finds = { MAP_IS_RECORDED, "selfmem.map mmfence.mapping.protection=rw-s" })

/* M5, M3: what a kernel with these devices would give. */
HELPER_HOLDS(M5, memory_is_never_writable, "device", "memory_*")
HELPER_HOLDS(M5, pci_is_never_writable, "device", "pci_*")

/* M3: with an event. */
HELPER_HOLDS(
	M5, pci_is_recorded, "device", "pci_nothing_writable",
	.finds = {
		"selfmem.map mmfence.selfmem.kind=device & error.code=EACCES & file.path~/resource" })
