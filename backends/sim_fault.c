/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a faults file, as one table of kinds. */
#include "sim_fault.h"

#include "text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum args {
	ARGS_NONE,
	ARGS_NUMBER,			/* one is needed */
	ARGS_MAYBE_NUMBER,
	ARGS_ACT,
	ARGS_ACT_NUMBER,
	ARGS_TEXT,			/* the rest of the line, or nothing */
};

static const struct {
	const char *name;
	enum args args;
} kinds[FAULT_COUNT] = {
	[FAULT_DOWN] = {"down", ARGS_NONE},
	[FAULT_MUTE] = {"mute", ARGS_NONE},
	[FAULT_HANG] = {"hang", ARGS_MAYBE_NUMBER},
	[FAULT_REFUSE] = {"refuse", ARGS_NONE},
	[FAULT_UNCONFIGURED] = {"unconfigured", ARGS_NONE},
	[FAULT_SLOW] = {"slow", ARGS_NUMBER},
	[FAULT_FAIL] = {"fail", ARGS_ACT_NUMBER},
	[FAULT_FINAL] = {"final", ARGS_ACT},
	[FAULT_LIE] = {"lie", ARGS_ACT},
	[FAULT_CRASH_BEFORE] = {"crash-before", ARGS_ACT},
	[FAULT_CRASH_AFTER] = {"crash-after", ARGS_ACT},
	[FAULT_IN_USE] = {"in-use", ARGS_TEXT},
	[FAULT_IN_USE_UNKNOWN] = {"in-use-unknown", ARGS_NONE},
	[FAULT_IN_USE_IGNORED] = {"in-use-ignored", ARGS_NONE},
	[FAULT_NO_SECOND_FACT] = {"no-second-fact", ARGS_NONE},
	[FAULT_NO_FINAL_SYNC_END] = {"no-final-sync-end", ARGS_NONE},
	[FAULT_RATE] = {"rate", ARGS_NUMBER},
	[FAULT_NO_COPY] = {"no-copy", ARGS_NONE},
};

const char *fault_text(enum fault_kind kind)
{
	return kinds[kind].name;
}

/* The next word of *@rest, NULL at the end; *@rest is moved behind it. */
static char *next_word(char **rest)
{
	char *word;

	do
		word = strsep(rest, " \t\r");
	while (word && !*word);
	return word;
}

static bool parse_number(const char *word, int64_t *out)
{
	char *end;

	if (!word || *word < '0' || *word > '9')
		return false;
	errno = 0;
	*out = strtoll(word, &end, 10);
	return !errno && !*end;
}

static bool parse_act(const char *word, enum act *out)
{
	int act = word ? act_parse(word) : -1;

	if (act <= ACT_NONE || act_is_wait((enum act)act))
		return false;
	*out = (enum act)act;
	return true;
}

static bool parse_args(enum args args, char *rest, struct fault *f)
{
	char *word = NULL;

	switch (args) {
	case ARGS_TEXT:
		while (rest && (*rest == ' ' || *rest == '\t'))
			rest++;
		f->text = rest && *rest ? strdup(rest) : NULL;
		return true;
	case ARGS_NONE:
		break;
	case ARGS_NUMBER:
		if (!parse_number(next_word(&rest), &f->number))
			return false;
		break;
	case ARGS_MAYBE_NUMBER:
		word = next_word(&rest);
		if (word && !parse_number(word, &f->number))
			return false;
		break;
	case ARGS_ACT:
		if (!parse_act(next_word(&rest), &f->act))
			return false;
		break;
	case ARGS_ACT_NUMBER:
		if (!parse_act(next_word(&rest), &f->act) ||
		    !parse_number(next_word(&rest), &f->number))
			return false;
		break;
	}
	return !next_word(&rest);
}

/* Reads one line, not empty and no comment.  False: it can't be used. */
static bool parse_line(char *line, struct fault *f)
{
	char *rest = line, *word = next_word(&rest);
	int i;

	*f = (struct fault){.number = -1};
	if (word && strchr(word, '/')) {
		f->volume = strdup(word);
		word = next_word(&rest);
	}
	for (i = 0; word && i < FAULT_COUNT; i++)
		if (strcmp(word, kinds[i].name) == 0) {
			f->kind = (enum fault_kind)i;
			return parse_args(kinds[i].args, rest, f);
		}
	return false;
}

static bool is_blank(const char *line)
{
	line += strspn(line, " \t\r");
	return *line == '\0' || *line == '#';
}

static void finish_one(struct fault *f)
{
	free(f->volume);
	free(f->text);
}

/* Appends what @line says; a line that can't be used is only noted. */
static int add_line(struct sim_faults *f, char *line, unsigned number)
{
	char shown[64];
	struct fault one;
	struct fault *list;

	if (is_blank(line))
		return 0;
	snprintf(shown, sizeof shown, "%s", line);
	if (!parse_line(line, &one)) {
		finish_one(&one);
		if (!*f->wrong)
			snprintf(f->wrong, sizeof f->wrong,
				 "faults line %u is not understood: %s",
				 number, shown);
		return 0;
	}
	list = realloc(f->list, (f->count + 1) * sizeof *list);
	if (!list) {
		finish_one(&one);
		return -ENOMEM;
	}
	f->list = list;
	f->list[f->count++] = one;
	return 0;
}

int faults_parse(const char *text, size_t len, struct sim_faults *out)
{
	auto_free char *copy = strndup(text, len);
	struct sim_faults f = {0};
	char *rest = copy, *line;
	unsigned number = 0;

	if (!copy)
		return -ENOMEM;
	while ((line = strsep(&rest, "\n")))
		if (add_line(&f, line, ++number)) {
			faults_finish(&f);
			return -ENOMEM;
		}
	*out = f;
	return 0;
}

void faults_finish(struct sim_faults *f)
{
	size_t i;

	for (i = 0; i < f->count; i++)
		finish_one(&f->list[i]);
	free(f->list);
	*f = (struct sim_faults){0};
}

/* How the cluster itself would call it: it does not know who asked. */
static enum act native_act(enum act act)
{
	static const enum act natives[ACT_COUNT] = {
		[ACT_DEMOTE_PEER] = ACT_DEMOTE,
		[ACT_PROMOTE_PEER] = ACT_PROMOTE,
		[ACT_RESYNC_PEER] = ACT_RESYNC,
	};

	return natives[act] ? natives[act] : act;
}

static bool is_volume(const char *pattern, const char *namespace,
		      const char *volume)
{
	size_t n = strlen(namespace);

	return !pattern || (strncmp(pattern, namespace, n) == 0 &&
			    pattern[n] == '/' &&
			    strcmp(pattern + n + 1, volume) == 0);
}

struct fault *faults_find(const struct sim_faults *f, enum fault_kind kind,
			  const char *namespace, const char *volume,
			  enum act act)
{
	struct fault *one;
	size_t i;

	for (i = 0; i < f->count; i++) {
		one = &f->list[i];
		if (one->kind == kind &&
		    is_volume(one->volume, namespace, volume) &&
		    (one->act == ACT_NONE || one->act == act ||
		     one->act == native_act(act)))
			return one;
	}
	return NULL;
}
