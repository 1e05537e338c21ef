/* SPDX-License-Identifier: Apache-2.0 */
/* .uvrfs/help: one screen, made from the tables. */
#include "daemon.h"

#include <stdio.h>
#include <string.h>

#define SCREEN 80

static const char *const commands[][2] = {
	{"cat state conditions", "look"},
	{"cat plan/promoting", "see what it would do; this changes nothing"},
	{"echo promoting > state", "begin the failover"},
	{"sync state", "wait until the storage has been verified"},
	{"echo source > state", "complete it"},
	{"cat state conditions error", "check"},
};

static const char *const errnos[][2] = {
	{"EINVAL", "no such word, or a bad manifest"},
	{"EPERM", "not allowed from here, or held"},
	{"EBUSY", "not yet, or it needs force"},
	{"ECANCELED", "somebody else was first"},
	{"EACCES", "not yours"},
	{"EROFS", "read-only"},
	{"EHOSTUNREACH", "no answer from the store"},
	{"EIO", "the request failed"},
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Adds @word to the line that began at *@start, or to a new one. */
static void wrap(struct buf *out, size_t *start, const char *word)
{
	if (out->len - *start + 1 + strlen(word) > SCREEN - 1) {
		buf_puts(out, "\n ");
		*start = out->len - 1;
	}
	buf_printf(out, " %s", word);
}

static void add_words(struct buf *out)
{
	size_t i, start;
	bool first;
	int from;

	for (from = STATE_SOURCE; from < STATE_COUNT; from++) {
		start = out->len;
		buf_printf(out, "  from %s:", state_text((enum state)from));
		first = true;
		for (i = 0; i < edge_count; i++) {
			if ((int)edges[i].from != from ||
			    !(edges[i].flags & EDGE_USER))
				continue;
			if (!first)
				buf_putc(out, ',');
			wrap(out, &start, word_text(edges[i].to));
			first = false;
		}
		buf_putc(out, '\n');
	}
}

static void add_files(struct buf *out)
{
	size_t start = out->len;
	unsigned i;

	buf_puts(out, "Files (* can be written):");
	for (i = 0; i < attribute_files.count; i++) {
		const struct file *f = &attribute_files.rows[i];
		char word[32];

		snprintf(word, sizeof word, "%s%s%s", f->name,
			 file_is_directory(f) ? "/" : "",
			 file_is_writable(f) ? "*" : "");
		wrap(out, &start, word);
	}
	buf_putc(out, '\n');
}

static void add_errnos(struct buf *out)
{
	size_t i, start = out->len;
	char phrase[SCREEN];

	buf_putc(out, ' ');
	for (i = 0; i < COUNT(errnos); i++) {
		snprintf(phrase, sizeof phrase, "%s %s%s", errnos[i][0],
			 errnos[i][1], i + 1 < COUNT(errnos) ? ";" : "");
		wrap(out, &start, phrase);
	}
	buf_putc(out, '\n');
}

void daemon_help(const struct subject *s, struct buf *out)
{
	size_t i;

	buf_puts(out, "Read a file and you see what is true; write a word "
		      "and it happens.\nA failover, in NAMESPACE/NAME:\n");
	for (i = 0; i < COUNT(commands); i++)
		buf_printf(out, "  %-27s %s\n", commands[i][0],
			   commands[i][1]);
	buf_puts(out, "Words for state (WORD force where plan/ says `needs "
		      "force'):\n");
	add_words(out);
	add_files(out);
	buf_puts(out, "A refused write changes nothing; the sentence is in "
		      "error:\n");
	add_errnos(out);
}
