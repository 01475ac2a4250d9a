/* SPDX-License-Identifier: MIT */
/*
 * The pictures of `mmfence report --html': what is left where a log has more than can be drawn,
 * that the page says so, and that names in a picture are text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "golden.h"
#include "runner.h"

struct log {
	char *text;
	size_t size;
	FILE *out;
};

static void begin(struct log *log)
{
	*log = (struct log){ NULL };
	log->out = open_memstream(&log->text, &log->size);
	cr_assert(log->out);
}

static void __attribute__((format(printf, 5, 6)))
put(struct log *log, int second, const char *action, int pid, const char *more, ...)
{
	va_list list;

	fprintf(log->out,
		"{\"@timestamp\":\"2026-05-04T10:%02d:%02d.5Z\",\"event\":{\"action\":\"%s\"},"
		"\"process\":{\"pid\":%d,\"name\":\"p\"}",
		second / 60, second % 60, action, pid);
	va_start(list, more);
	vfprintf(log->out, more, list);
	va_end(list);
	fputs("}\n", log->out);
}

static void put_call(struct log *log, int pid, unsigned int place, unsigned int page)
{
	put(log, 0, "nonlinear.remap", pid,
	    ",\"file\":{\"path\":\"/a\"},\"mmfence\":{\"mapping\":{\"address\":\"0x%x000\","
	    "\"length\":4096,\"page_offset\":%u}}",
	    place + 16, page);
}

static void put_total(struct log *log, int pid, int calls)
{
	put(log, 1, "nonlinear.total", pid, ",\"mmfence\":{\"total\":{\"calls\":%d}}", calls);
}

static void put_snapshot(struct log *log, int second, const char *action, const char *path, int id)
{
	put(log, second, action, 1,
	    ",\"file\":{\"path\":\"%s\"},\"mmfence\":{\"snapshot\":{\"id\":%d,\"engine\":\"guard\"}}",
	    path, id);
}

/* Of a log that is made, or of one that is there. */
static void show(struct run *run, struct log *log, const char *path)
{
	char *made = NULL;

	if (log) {
		fclose(log->out);
		cr_assert(asprintf(&made, "%s/picture.%d.log", getenv("MMFENCE_TMP"), getpid()) >
			  0);
		FILE *file = fopen(made, "we");
		cr_assert(file && fwrite(log->text, 1, log->size, file) == log->size &&
			  !fclose(file));
		free(log->text);
	}
	*run = (struct run){ .helper = build_path("bin/mmfence"),
			     .preload = RUN_BARE,
			     .args = { "report", "--html", "-", made ?: path } };
	run_helper(run);
	cr_assert_eq(run_exit(run), 0, "%s", run->errors);
	if (made)
		unlink(made);
	free(made);
}

static void expect(const struct run *run, const char *text)
{
	cr_expect(strstr(run->output, text), "no \"%s\" in %s", text,
		  strstr(run->output, "<main>"));
}

static size_t count_of(const char *text, const char *part)
{
	size_t count = 0;

	for (; (text = strstr(text, part)); text++)
		count++;
	return count;
}

/* Calls that go round 256 places: each is where at least one of those stands that are drawn. */
Test(picture, thinned_window_shows_all_its_places)
{
	struct log log;
	struct run run;
	bool seen[256] = { false };
	size_t count = 0, drawn = 0;

	begin(&log);
	for (unsigned int i = 0; i < 100000; i++)
		put_call(&log, 1, i % 256, i * 7 % 4096);
	put_total(&log, 1, 100000);
	show(&run, &log, NULL);
	expect(&run, "On record: 100000 of 100000 calls; ");
	for (const char *at = strstr(run.output, "<figure class=\"p2\""); (at = strchr(at, 'M'));
	     at++) {
		int place = (int)(strtod(at + 1, NULL) / 100 * 256 + 0.5);

		if (at[1] < '0' || at[1] > '9')
			continue;
		drawn++;
		count += !seen[place & 255];
		seen[place & 255] = true;
	}
	cr_expect_eq(count, 256, "%zu of 256 places", count);
	cr_expect(drawn >= 2048 && drawn <= 4096, "%zu are drawn", drawn);
	run_end(&run);
}

/* One call of 10,000, and one of which the process says no more. */
Test(picture, window_of_too_few_calls_is_not_drawn)
{
	struct log log;
	struct run run;

	begin(&log);
	put_call(&log, 1, 0, 0);
	put_total(&log, 1, 10000);
	put_call(&log, 2, 0, 0);
	show(&run, &log, NULL);
	expect(&run, "Not drawn: only 1 of 10000 calls are on record");
	expect(&run, "Not drawn: only 1 of an unknown number of calls are on record");
	cr_expect(!strstr(run.output, "<svg"));
	run_end(&run);
}

Test(picture, window_says_how_many_calls_are_not_in_it)
{
	struct run run;

	show(&run, NULL, data_path("two_hosts.log"));
	expect(&run, "On record: 40 of 70000 calls; 40 are drawn.");
	run_end(&run);
}

/* The last are those that are there, but for the one that was lost; and of processes and files that
 * place pages and have areas there are six. */
Test(picture, says_what_it_leaves_out)
{
	struct log log;
	struct run run;
	char name[16];

	begin(&log);
	for (int i = 1; i <= 100; i++) {
		snprintf(name, sizeof(name), "/file%03d", i);
		put_snapshot(&log, i, "snapshot.create", name, i);
		if (i == 2)
			put_snapshot(&log, i, "snapshot.lost", name, i);
		put_snapshot(&log, i + 1, "snapshot.end", name, i);
	}
	for (int i = 1; i <= 10; i++) {
		for (int j = 0; j < 20; j++)
			put_call(&log, i, (unsigned int)j, (unsigned int)j);
		put(&log, i, "nonlinear.pressure", i, ",\"mmfence\":{\"areas\":{\"count\":%d}}", i);
	}
	for (int i = 1; i < 600; i++)
		put(&log, i, "nonlinear.pressure", 1, ",\"mmfence\":{\"areas\":{\"count\":%d}}", i);
	show(&run, &log, NULL);
	cr_expect_eq(count_of(run.output, " of 600 records.</figcaption>"), 1);
	expect(&run, "Not drawn: 68 snapshots.");
	expect(&run, "p[1] file002<");
	expect(&run, "p[1] file100<");
	cr_expect_eq(count_of(run.output, "<foreignObject"), 32);
	expect(&run, ">✕</text>");
	expect(&run, "Not drawn: 4 records of other processes.");
	expect(&run, "Not drawn: 80 calls of other processes or files.");
	cr_expect_eq(count_of(run.output, "<figure class=\"p2\""), 6);
	run_end(&run);
}

Test(picture, names_are_text)
{
	struct log log;
	struct run run;

	begin(&log);
	put_snapshot(&log, 1, "snapshot.create", "/x/\\\"'><script>&", 1);
	show(&run, &log, NULL);
	expect(&run,
	       "title=\"/x/&quot;&#39;&gt;&lt;script&gt;&amp;\">p[1] &quot;&#39;&gt;&lt;script");
	cr_expect(!strstr(run.output, "<script"));
	run_end(&run);
}

/* Times and numbers that no library wrote. */
Test(picture, absurd_records)
{
	struct log log;
	struct run run;

	begin(&log);
	put(&log, 0, "nonlinear.pressure", 1,
	    ",\"mmfence\":{\"areas\":{\"count\":9223372036854775807,\"limit\":-1}}");
	for (int i = 0; i < 20; i++)
		put(&log, 0, "nonlinear.remap", 1,
		    ",\"file\":{\"path\":\"/a\"},\"mmfence\":{\"mapping\":{\"length\":-1,\"address\":"
		    "\"0xffffffffffffffff\",\"page_offset\":%s9223372036854775807}}",
		    i % 2 ? "-" : "");
	fputs("{\"@timestamp\":\"2026-99-99T10:00:00Z\",\"event\":{\"action\":\"snapshot.create\"}}\n"
	      "{\"event\":{\"action\":\"snapshot.end\"}}\n",
	      log.out);
	show(&run, &log, NULL);
	cr_expect(!strstr(run.output, "nan") && !strstr(run.output, "inf"));
	cr_expect_eq(count_of(run.output, "<figure"), 2);
	run_end(&run);
}
