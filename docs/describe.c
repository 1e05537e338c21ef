/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes uvrfs.7 from uvrfs.7.in: a line that is a marker is replaced by the
 * section that the program's own tables give, so that the page can't say
 * anything else than what is served.
 *
 *   .\" @FILES@    every file of the tree
 *   .\" @EDGES@    the table of states
 *   .\" @REASONS@  why a condition is as it is
 */
#include "buf.h"
#include "fs.h"
#include "reason.h"
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_MAX ((size_t)1 << 20)

static const char *mover(const struct edge *e)
{
	if (!(e->flags & EDGE_BACKEND))
		return "you";
	return e->flags & EDGE_USER ? "you, uvrfs" : "uvrfs";
}

/* What narrows an edge, after what it means. */
static void add_limits(const struct edge *e, struct buf *out)
{
	if (e->flags & EDGE_VERIFIED && e->flags & EDGE_USER)
		buf_puts(out, "; by you only once verified");
	if (e->flags & EDGE_RETRY)
		buf_puts(out, ", when that is what failed");
	if (e->flags & EDGE_UNDO)
		buf_puts(out, " (*)");
}

static void describe_edges(struct buf *out)
{
	size_t i;

	buf_puts(out, ".TS\nlb lb lb lb\nl l l lx.\n"
		      "from\tword\twho\tmeans\n_\n");
	for (i = 0; i < edge_count; i++) {
		const struct edge *e = &edges[i];

		buf_printf(out, "%s\t%s\t%s\tT{\n%s",
			   e->from == STATE_NONE ? "(new)"
						 : state_text(e->from),
			   word_text(e->to), mover(e), e->means);
		add_limits(e, out);
		buf_puts(out, "\nT}\n");
	}
	buf_puts(out, ".TE\n");
}

static void describe_reasons(struct buf *out)
{
	int i;

	for (i = REASON_NONE + 1; i < REASON_COUNT; i++)
		buf_printf(out, ".TP\n.B %s\n%s.\n", reason_text((enum reason)i),
			   reason_means((enum reason)i));
}

static const struct {
	const char *line;
	void (*describe)(struct buf *out);
} markers[] = {
	{".\\\" @FILES@\n", fs_describe},
	{".\\\" @EDGES@\n", describe_edges},
	{".\\\" @REASONS@\n", describe_reasons},
};

#define MARKERS (sizeof markers / sizeof *markers)

/* Returns the marker that @line is, as a bit, or 0 when it is text. */
static unsigned copy_line(const char *line, struct buf *out)
{
	unsigned i;

	for (i = 0; i < MARKERS; i++)
		if (strcmp(line, markers[i].line) == 0) {
			markers[i].describe(out);
			return 1U << i;
		}
	buf_puts(out, line);
	return 0;
}

int main(int argc, char **argv)
{
	FILE *in = argc == 2 ? fopen(argv[1], "re") : NULL;
	unsigned seen = 0;
	size_t size = 0;
	auto_buf page;
	char *line = NULL;

	if (!in) {
		fputs("usage: describe TEMPLATE\n", stderr);
		return 2;
	}
	buf_init(&page, PAGE_MAX);
	while (getline(&line, &size, in) > 0)
		seen |= copy_line(line, &page);
	free(line);
	if (ferror(in) || page.failed || seen != (1U << MARKERS) - 1) {
		fprintf(stderr, "describe: %s: not read, or a marker is "
				"missing\n", argv[1]);
		return 1;
	}
	fclose(in);
	return fputs(buf_str(&page), stdout) < 0 || fflush(stdout) ? 1 : 0;
}
