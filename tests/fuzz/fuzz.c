/* SPDX-License-Identifier: MIT */
/*
 * What reads text that others write, one after the other under libFuzzer: MMFENCE_FUZZ names the
 * reader. Built with the sanitizers from the command's own objects; symbols are looked up nowhere,
 * since a log may name any file of the machine.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/log/log.h"
#include "cli/model/model.h"
#include "cli/report/report.h"
#include "cli/run/run.h"
#include "cli/text/text.h"
#include "kernel/program.h"
#include "kernel/vma.h"
#include "policy/inject.h"
#include "policy/policy.h"
#include "policy/target.h"
#include "support/text.h"

/* ---- symbols, looked up nowhere ---- */

void symbols_open(const char *directories)
{
	(void)directories;
}

void symbols_put(json_t *frames, const struct frame *frame)
{
	frame_put(frames, frame, &(struct symbol){ NULL });
}

/* ---- the readers ---- */

static FILE *nowhere;
static struct policy policy;

static void drop(const char *sentence)
{
	fputs(sentence, nowhere);
}

/* A file with this in it: its path, and a descriptor at its beginning. It was written long ago, so
 * that nobody waits for the rest of a line. */
static const char *file_of(const char *text, size_t size, int *fd)
{
	static const struct timespec times[2];
	static char path[64];

	*fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (*fd < 0 || write(*fd, text, size) != (ssize_t)size || lseek(*fd, 0, SEEK_SET) ||
	    futimens(*fd, times))
		abort();
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), *fd);
	return path;
}

static void read_option(char *text, size_t size)
{
	char error[1024], value[64];
	char *equals = strchr(text, '=');

	(void)size;
	if (!equals)
		return;
	*equals = 0;
	policy_defaults(&policy);
	policy_set(&policy, text, equals + 1, error, sizeof(error));
	policy_add(&policy, text, equals + 1, error, sizeof(error));
	for (size_t i = 0; i < policy_option_count; i++)
		option_value(&policy, i, value, sizeof(value));
}

static void read_globs(char *text, size_t size)
{
	char *path = strchr(text, '\n');
	size_t length;

	(void)size;
	if (path)
		*path++ = 0;
	glob_list_futile(text, &length);
	glob_list_match(text, path ? path : "/usr/lib/x86_64-linux-gnu/libc.so.6");
}

static void read_ini(char *text, size_t size)
{
	int fd;

	policy_defaults(&policy);
	policy_from_file(&policy, file_of(text, size, &fd), drop);
	close(fd);
}

static void read_inject(char *text, size_t size)
{
	struct inject_rule rules[INJECT_RULES];
	char error[1024];
	struct text out;

	(void)size;
	text_init(&out, error, sizeof(error));
	int count = inject_parse(text, rules, &out);
	for (int i = 0; i < count; i++)
		for (uint64_t number = 1; number < 64; number++)
			inject_due(&rules[i].when, number);
}

static void read_target(char *text, size_t size)
{
	struct target target;

	(void)size;
	target_parse(text, &target);
}

static void tell(struct model *model)
{
	json_t *document = report_document(model);

	report_text(document, nowhere);
	report_folded(document, nowhere);
	report_html(document, model, nowhere);
	report_prometheus(model, nowhere);
	json_decref(document);
}

static void read_log(char *text, size_t size)
{
	struct model *model = model_new();
	int fd;

	model->pictures = true;
	model_log(model, file_of(text, size, &fd));
	if (model_read(model, fd, NULL, NULL))
		abort();
	model_finish(model);
	tell(model);
}

static void read_lines(char *text, size_t size)
{
	struct scan scan = { 0 };
	char *end = text + size;

	for (char *line = text, *next; line < end; line = next) {
		size_t length = strcspn(line, "\n");

		next = line + length + 1;
		char *copy = memcpy(malloc(length), line, length);

		if (!scan_line(&scan, copy, length))
			log_line(nowhere, &scan, true);
		free(copy);
	}
	scan_free(&scan);
}

static void read_maps(char *text, size_t size)
{
	char name[128];
	struct vma vma;

	(void)size;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		vma_parse(line, &vma, name, sizeof(name));
}

static void read_program(char *text, size_t size)
{
	struct program program;
	int fd;
	const char *path = file_of(text, size, &fd);

	program_inspect(AT_FDCWD, path, &program);
	program_gap(&program, false);
	program_own_calls(path);
	close(fd);
}

static void read_names(char *text, size_t size)
{
	(void)size;
	free(printable(text));
	free(demangle(text));
}

static const struct reader {
	const char *name;
	void (*read)(char *text, size_t size);
} readers[] = {
	{ "option", read_option }, { "globs", read_globs },   { "ini", read_ini },
	{ "inject", read_inject }, { "target", read_target }, { "log", read_log },
	{ "lines", read_lines },   { "maps", read_maps },     { "program", read_program },
	{ "names", read_names },
};

static const struct reader *reader;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = getenv("MMFENCE_FUZZ") ?: "";

	(void)argc, (void)argv;
	nowhere = fopen("/dev/null", "we");
	for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++)
		if (!strcmp(readers[i].name, name))
			reader = &readers[i];
	if (reader && nowhere)
		return 0;
	fprintf(stderr, "MMFENCE_FUZZ is one of:");
	for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++)
		fprintf(stderr, " %s", readers[i].name);
	fputc('\n', stderr);
	exit(2);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = 0;
	reader->read(text, size);
	free(text);
	return 0;
}
