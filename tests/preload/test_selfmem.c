/* SPDX-License-Identifier: MIT */
/*
 * M1 to M3: the memory of processes and devices is recognised by whatever road it is
 * opened, every open is recorded and can be refused, and no shared writable mapping of it
 * comes to be.
 */
#include <string.h>

#include "runner.h"

#define OPENED "open=0 read=ok map=ENODEV room=untouched\n"

static void open_is_recorded(const struct run *run, const char *mode)
{
	json_t *event = find_event(run, "selfmem.open");

	cr_assert(event, "no selfmem.open");
	cr_assert(count_events(run, "selfmem.open") == 1, "%zu opens",
		  count_events(run, "selfmem.open"));
	cr_assert_str_eq(field_string(event, "mmfence.selfmem.kind"), "process");
	cr_assert_str_eq(field_string(event, "mmfence.selfmem.mode"), mode);
	cr_assert(field(event, "file.path"));
	cr_assert(json_array_size(field(event, "mmfence.stack")) >= 2, "no backtrace");
}

static void map_is_recorded(const struct run *run)
{
	json_t *event = find_event(run, "selfmem.map");

	cr_assert(event, "no selfmem.map");
	cr_assert(count_events(run, "selfmem.map") == 1);
	cr_assert_str_eq(field_string(event, "event.outcome"), "failure");
	cr_assert_str_eq(field_string(event, "error.code"), "ENODEV");
	cr_assert_str_eq(field_string(event, "mmfence.selfmem.kind"), "process");
	cr_assert(json_is_true(field(event, "mmfence.mapping.shared")));
	cr_assert(field_number(event, "mmfence.mapping.length") == 4096);
	cr_assert(field_number(event, "mmfence.mapping.offset") % 4096 == 0);
	cr_assert(json_array_size(field(event, "mmfence.stack")) >= 2, "no backtrace");
}

/* M1: the owner is the process whose memory it is. */
static void owner_is_itself(const struct run *run)
{
	json_t *event = find_event(run, "selfmem.open");

	cr_assert(field_number(event, "mmfence.selfmem.owner") ==
		  field_number(event, "process.pid"));
}

static void go(struct run *run, const char *road, const char *mode)
{
	run->helper = "selfmem";
	run->args[0] = road;
	run->args[1] = mode;
	run_helper(run);
	run_must_hold(run);
}

static void road_is_seen(const char *variant, const char *road)
{
	struct run run = { .variant = variant };

	go(&run, road, "rw");
	cr_assert_str_eq(run.output, OPENED, "%s", run.output);
	open_is_recorded(&run, "rw");
	map_is_recorded(&run);
	run_end(&run);
}

#define ROAD(name, road)                     \
	EACH_VARIANT(M1, opened_by_##name)   \
	{                                    \
		road_is_seen(variant, road); \
	}

ROAD(self, "self")
ROAD(thread_self, "thread-self")
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

EACH_VARIANT(M1, owner_of_ones_own)
{
	struct run run = { .variant = variant };

	go(&run, "task", "rw");
	owner_is_itself(&run);
	run_end(&run);
}

EACH_VARIANT(M1, memory_of_the_parent)
{
	struct run run = { .variant = variant };

	go(&run, "parent", "rw");
	open_is_recorded(&run, "rw");
	map_is_recorded(&run);
	json_t *event = find_event(&run, "selfmem.open");
	cr_assert(field_number(event, "mmfence.selfmem.owner") == (json_int_t)run.pid);
	cr_assert(field_number(event, "process.pid") != (json_int_t)run.pid);
	run_end(&run);
}

/* M1: where no open was seen, the mapping is judged by the descriptor. */
static void map_is_judged(const char *variant, const char *road)
{
	struct run run = { .variant = variant };

	go(&run, road, "rw");
	cr_assert(strstr(run.output, "map=ENODEV room=untouched"), "%s", run.output);
	cr_assert(count_events(&run, "selfmem.open") == 0);
	map_is_recorded(&run);
	run_end(&run);
}

EACH_VARIANT(M1, inherited_descriptor)
{
	map_is_judged(variant, "inherited");
}

EACH_VARIANT(M1, descriptor_from_a_socket)
{
	map_is_judged(variant, "socket");
}

EACH_VARIANT(M1, descriptor_opened_by_hand)
{
	map_is_judged(variant, "unseen");
}

static void device_is_seen(const char *variant, const char *road)
{
	struct run run = { .variant = variant };

	go(&run, road, "rw");
	json_t *event = find_event(&run, "selfmem.open");
	cr_assert(event, "no selfmem.open");
	cr_assert_str_eq(field_string(event, "mmfence.selfmem.kind"), "device");
	cr_assert(strstr(run.output, "map=EACCES"), "%s", run.output);
	run_end(&run);
}

EACH_VARIANT(M1, dev_mem_by_number)
{
	device_is_seen(variant, "dev_mem");
}

EACH_VARIANT(M1, dev_port_by_number)
{
	device_is_seen(variant, "dev_port");
}

EACH_VARIANT(M2, mode_is_recorded)
{
	struct run reading = { .variant = variant }, writing = { .variant = variant };

	go(&reading, "self", "r");
	open_is_recorded(&reading, "r");
	run_end(&reading);
	go(&writing, "self", "w");
	open_is_recorded(&writing, "w");
	run_end(&writing);
}

EACH_VARIANT(M2, creat_is_an_open_for_writing)
{
	struct run run = { .variant = variant };

	go(&run, "creat", "w");
	open_is_recorded(&run, "w");
	run_end(&run);
}

static void refused(const char *variant, const char *option, const char *policy, const char *road,
		    const char *mode)
{
	struct run run = { .variant = variant, .options = { option } };

	go(&run, road, mode);
	cr_assert_str_eq(run.output, "open=EACCES\n", "%s %s: %s", road, mode, run.output);
	json_t *event = find_event(&run, "selfmem.open");
	cr_assert(event);
	cr_assert_str_eq(field_string(event, "mmfence.policy"), policy);
	cr_assert_str_eq(field_string(event, "event.outcome"), "failure");
	cr_assert_str_eq(field_string(event, "error.code"), "EACCES");
	run_end(&run);
}

EACH_VARIANT(M2, readonly_lets_readers_through)
{
	struct run run = { .variant = variant, .options = { "selfmem.open=readonly" } };

	go(&run, "self", "r");
	cr_assert(!strncmp(run.output, "open=0 read=ok", 14), "%s", run.output);
	cr_assert_str_eq(field_string(find_event(&run, "selfmem.open"), "event.outcome"),
			 "success");
	run_end(&run);
}

EACH_VARIANT(M2, readonly_refuses_writers)
{
	static const char *const roads[] = { "self",	"openat",	  "task",    "syscall_open",
					     "symlink", "fopen",	  "freopen", "dev_fd",
					     "open64",	"syscall_openat", "openat2" };

	refused(variant, "selfmem.open=readonly", "readonly", "self", "w");
	refused(variant, "selfmem.open=readonly", "readonly", "creat", "w");
	for (size_t i = 0; i < sizeof(roads) / sizeof(roads[0]); i++)
		refused(variant, "selfmem.open=readonly", "readonly", roads[i], "rw");
}

EACH_VARIANT(M2, refuse_refuses_all)
{
	static const char *const roads[] = { "self",  "openat",	 "pid",	   "syscall_open",
					     "fopen", "freopen", "openat2" };

	refused(variant, "selfmem.open=refuse", "refuse", "self", "rw");
	for (size_t i = 0; i < sizeof(roads) / sizeof(roads[0]); i++)
		refused(variant, "selfmem.open=refuse", "refuse", roads[i], "r");
}

/* M3: a shared read-only mapping of a descriptor that can write could be made writable. */
EACH_VARIANT(M3, nothing_is_mapped)
{
	struct run run = { .variant = variant };

	go(&run, "self", "rw");
	cr_assert_str_eq(run.output, OPENED, "%s", run.output);
	map_is_recorded(&run);
	cr_assert_str_eq(
		field_string(find_event(&run, "selfmem.map"), "mmfence.mapping.protection"),
		"rw-s");
	run_end(&run);
}

/* M5, M3: what a kernel with these devices would give. */
HELPER_HOLDS(M5, memory_is_never_writable, "device", "memory_*")
HELPER_HOLDS(M5, pci_is_never_writable, "device", "pci_*")
HELPER_HOLDS(M5, ports_are_refused, "device", "ports")
HELPER_HOLDS(M5, others_are_as_ever, "device", "others_as_ever")

/* M3: with an event. */
EACH_VARIANT(M5, pci_is_recorded)
{
	struct run run = { .variant = variant,
			   .helper = "device",
			   .args = { "pci_nothing_writable" } };

	run_helper(&run);
	run_must_hold(&run);
	json_t *event = find_event(&run, "selfmem.map");
	cr_assert(event, "no selfmem.map");
	cr_assert_str_eq(field_string(event, "mmfence.selfmem.kind"), "device");
	cr_assert_str_eq(field_string(event, "error.code"), "EACCES");
	cr_assert(strstr(field_string(event, "file.path"), "/resource"));
	run_end(&run);
}
