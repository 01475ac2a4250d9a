/* SPDX-License-Identifier: MIT */
/*
 * What must be in the log before a record: who the process is, and how many records are missing.
 * Both are tried again until they are on file. Called before the record's own buffer is taken: a
 * thread never holds two, or all could wait for each other.
 */
#include <string.h>
#include <sys/utsname.h>

#include "audit/record.h"
#include "audit/sink.h"
#include "kernel/thread.h"
#include "support/sys.h"
#include "support/fault.h"

static int write_now(struct record *record)
{
	struct line line = record_close(record);
	int r = sink_put(&line);

	identity_finished();
	scratch_put(record);
	return r;
}

static void add_command_line(struct record *record)
{
	char *line = record_work(record);
	long length = sys_read_file("/proc/self/cmdline", line, RECORD_WORK_BYTES);

	if (length <= 0)
		return;
	for (long i = 0; i < length - 1; i++)
		if (!line[i])
			line[i] = ' ';
	record_str(record, "process.command_line", line);
}

static void add_working_directory(struct record *record)
{
	char *path = record_work(record);

	if (sys_getcwd(path, RECORD_WORK_BYTES) > 0)
		record_str(record, "process.working_directory", path);
}

static void add_host(struct record *record)
{
	struct utsname *host = (struct utsname *)record_work(record);

	if (!sys_uname(host))
		record_str(record, "host.hostname", host->nodename);
}

static int write_start(const struct identity *who)
{
	struct record *record = record_open(EVENT_PROCESS_START, OUTCOME_SUCCESS, NULL, who);

	add_command_line(record);
	record_int(record, "process.parent.pid", sys_getppid());
	add_working_directory(record);
	record_str(record, "mmfence.version", MMFENCE_VERSION);
	add_host(record);
	record_int(record, "mmfence.bits", 8 * (int)sizeof(long));
	record_int(record, "mmfence.memory_of", home_process());
	return write_now(record);
}

static void write_dropped(const struct identity *who)
{
	int error;
	unsigned long count = sink_dropped_take(&error);
	struct record *record;

	if (!count)
		return;
	record = record_open(EVENT_LOG_DROPPED, OUTCOME_FAILURE, NULL, who);
	record_uint(record, "mmfence.dropped", count);
	record_error(record, error, NULL);
	if (write_now(record))
		sink_dropped_return(count);
}

void preface_write(const struct identity *who)
{
	bool written;

	if (identity_announce(who)) {
		TEST_POINT("announce");
		written = sink_ready() && !write_start(who);
		identity_announced(who, written);
		if (!written)
			return;
	}
	write_dropped(who);
}

void sink_flush_dropped(void)
{
	struct identity who;

	if (!sink_enabled() || !sink_dropped_pending())
		return;
	who = identity_get();
	preface_write(&who);
}
