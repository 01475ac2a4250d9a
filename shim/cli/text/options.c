/* SPDX-License-Identifier: MIT */
/*
 * Options.
 */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text/text.h"

#define KEY_FIRST 0x100

const struct setting *options_current;

struct options_input {
	struct command_line *line;
	void *input;
};

void refuse(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	complain("%s", format_list(format, list));
	exit(STATUS_USAGE);
}

/* Which word of "auto|always|never" it is. */
static unsigned int word_of(const struct setting *setting, const char *argument)
{
	char *words = keep(setting->argument), *rest = words, *word, *list = keep("");
	unsigned int number = 0;

	while ((word = strsep(&rest, "|")) && strcmp(word, argument)) {
		list = format_text("%s%s%s", list, number ? ", " : "", word);
		number++;
	}
	if (!word)
		refuse("--%s: \"%s\" is none of %s", setting->name, argument, list);
	free(words);
	return number;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options_input *reading = state->input;
	struct command_line *line = reading->line;

	for (const struct setting *it = line->settings; it->name || it->letter; it++) {
		if (key != (it->letter ? it->letter : KEY_FIRST + (int)(it - line->settings)))
			continue;
		options_current = it;
		if (it->take)
			it->take(reading->input, argument);
		else if (it->argument && strchr(it->argument, '|'))
			*(unsigned int *)((char *)reading->input + it->at) = word_of(it, argument);
		else if (it->argument)
			*(const char **)((char *)reading->input + it->at) = argument;
		else
			*(bool *)((char *)reading->input + it->at) = true;
		return 0;
	}
	if (key == ARGP_KEY_ARGS) {
		line->operands = state->argv + state->next;
		line->count = (size_t)(state->argc - state->next);
	}
	if (key == ARGP_KEY_END && (line->count < line->least || line->count > line->most))
		argp_error(state, "%s", line->failing);
	return key == ARGP_KEY_ARGS || key == ARGP_KEY_END ? 0 : ARGP_ERR_UNKNOWN;
}

void options_read(struct command_line *line, int argc, char **argv, void *input)
{
	struct argp argp = { .parser = parse,
			     .args_doc = line->arguments,
			     .doc = line->doc,
			     .help_filter = line->help };
	struct options_input reading = { line, input };
	size_t count = 0;

	while (line->settings[count].name || line->settings[count].letter)
		count++;
	struct argp_option *options = take((count + 1) * sizeof(*options));

	for (size_t i = 0; i < count; i++) {
		const struct setting *it = &line->settings[i];

		options[i] = (struct argp_option){
			.name = it->name,
			.key = it->letter ? it->letter : KEY_FIRST + (int)i,
			.arg = it->argument,
			.flags = (it->help ? 0 : OPTION_HIDDEN),
			.doc = it->help,
		};
	}
	argp.options = options;
	if (argp_parse(&argp, argc, argv, line->in_order ? ARGP_IN_ORDER : 0, NULL, &reading))
		exit(STATUS_USAGE);
	free(options);
}
