/* SPDX-License-Identifier: MIT */
/*
 * The presets before argp's list of flags, and the option table behind it. Lines are broken
 * here: argp loses count of its columns where it breaks many.
 */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run/run.h"
#include "policy/policy.h"

#define COLUMN 29
#define WIDTH  78

/* A name, and from COLUMN on what it means. */
static void put_entry(FILE *out, char *name, char *meaning)
{
	const char *text = meaning;
	int at = fprintf(out, "  %s", name);

	if (at >= COLUMN) {
		fputc('\n', out);
		at = 0;
	}
	at += fprintf(out, "%*s", COLUMN - at, "");
	while (*text) {
		int length = (int)strcspn(text, " ");

		if (at > COLUMN && at + 1 + length > WIDTH)
			at = fprintf(out, "\n%*s", COLUMN, "") - 1;
		at += fprintf(out, "%s%.*s", at > COLUMN ? " " : "", length, text);
		text += length + (text[length] == ' ');
	}
	fputc('\n', out);
	free(name);
	free(meaning);
}

/* Values as ": on, off [off]", which the shells' completions read. */
static void put_option(FILE *out, const struct policy_option *option)
{
	char *text;
	FILE *meaning = open_text(&text);

	fputs(option->help, meaning);
	if (option->type == POLICY_TYPE_CHOICE) {
		fputs(": ", meaning);
		for (const char *at = option->values; *at; at++)
			fprintf(meaning, *at == '|' ? ", " : "%c", *at);
	}
	if (*option->initial)
		fprintf(meaning, " [%s]", option->initial);
	fclose(meaning);
	put_entry(out, format_text("%s=%s", option->name, option->argument), text);
}

char *run_help(int key, const char *text, void *input)
{
	char *help;

	(void)input;
	if (key != ARGP_KEY_HELP_PRE_DOC && key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	FILE *out = open_text(&help);
	if (key == ARGP_KEY_HELP_PRE_DOC) {
		fprintf(out, "%s\n\nPresets; whatever is given besides wins:\n", text);
		for (size_t i = 0; i < policy_preset_count; i++)
			put_entry(out, format_text("--preset=%s", policy_presets[i].name),
				  keep(policy_presets[i].help));
	} else {
		fprintf(out, "What -o can set, and [what holds otherwise]:\n");
		for (size_t i = 0; i < policy_option_count; i++)
			put_option(out, &policy_options[i]);
		fprintf(out, "\n%s", text);
	}
	fclose(out);
	return help;
}
