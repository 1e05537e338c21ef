/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a replication's files, and looking into such tables. */
#include "file.h"

#include "fs.h"
#include "render.h"

#include <string.h>

#define FACETS_ALL (FACET_SPEC | FACET_STATUS | FACET_SEEN)

static const struct file attributes[] = {
	{.name = "state", .kind = KIND_ATTRIBUTE,
	 .flags = FILE_WORD | FILE_SYNC, .edit = EDIT_STATE,
	 .facets = FACET_SPEC | FACET_STATUS, .render = render_state,
	 .doc = "One word, the role of this site's volume: source, replica, "
		"promoting, demoting, syncing or failed.  Writing a word asks "
		"for it; WORD force overrides what plan/ marks `needs force'.  "
		"`sync state' waits until the request is verified."},
	{.name = "conditions", .kind = KIND_ATTRIBUTE,
	 .facets = FACET_STATUS, .render = render_conditions,
	 .doc = "A line for each condition: TYPE STATUS REASON SINCE "
		"MESSAGE."},
	{.name = "endpoints", .kind = KIND_ATTRIBUTE,
	 .flags = FILE_YAML | FILE_SWAP | FILE_SYNC, .edit = EDIT_ENDPOINTS,
	 .facets = FACET_SPEC, .render = render_endpoints,
	 .doc = "YAML: source and destination, each with cluster, region and "
		"storageClass.  Writing the word swap, or the endpoints "
		"exchanged, reverses the replication."},
	{.name = "mode", .kind = KIND_ATTRIBUTE, .flags = FILE_WORD,
	 .edit = EDIT_MODE, .facets = FACET_SPEC, .render = render_mode,
	 .doc = "synchronous or asynchronous."},
	{.name = "schedule", .kind = KIND_ATTRIBUTE, .flags = FILE_YAML,
	 .edit = EDIT_SCHEDULE, .facets = FACET_SPEC,
	 .render = render_schedule, .doc = "YAML: mode, rpo and rto."},
	{.name = "volumes", .kind = KIND_ATTRIBUTE,
	 .facets = FACET_SPEC | FACET_SEEN | FACET_VOLUME,
	 .render = render_volumes,
	 .doc = "YAML: the volume mapping, and whether the volumes are in "
		"use."},
	{.name = "spec.yaml", .kind = KIND_ATTRIBUTE,
	 .flags = FILE_YAML | FILE_DRAFT | FILE_SYNC, .edit = EDIT_SPEC,
	 .facets = FACET_SPEC | FACET_STATUS, .render = render_spec,
	 .doc = "The whole manifest, without status.  Writing a valid one to "
		"a draft makes the replication."},
	{.name = "status.json", .kind = KIND_ATTRIBUTE, .facets = FACETS_ALL,
	 .render = render_status,
	 .doc = "Everything that is known, for programs."},
	{.name = "backend", .kind = KIND_ATTRIBUTE, .facets = FACETS_ALL,
	 .render = render_backend,
	 .doc = "The backend that serves the replication, and why."},
	{.name = "lag", .kind = KIND_ATTRIBUTE, .flags = FILE_VOLATILE,
	 .facets = FACETS_ALL, .render = render_lag,
	 .doc = "Seconds since the replica's data was current, or unknown."},
	{.name = "progress", .kind = KIND_ATTRIBUTE, .facets = FACETS_ALL,
	 .render = render_progress,
	 .doc = "Percent of the running copy as a number, or `-'."},
	{.name = "error", .kind = KIND_ATTRIBUTE, .flags = FILE_DRAFT,
	 .facets = FACET_STATUS | FACET_REFUSAL, .render = render_error,
	 .doc = "The standing failure and the last refusal, a line each: "
		"TIME WHO: sentence.  Empty when there is none."},
	{.name = "hold", .kind = KIND_ATTRIBUTE,
	 .flags = FILE_WORD | FILE_EMPTY_OK, .edit = EDIT_HOLD,
	 .facets = FACET_STATUS, .render = render_hold,
	 .doc = "A reason.  While it is not empty, every other write here is "
		"refused with it."},
	{.name = "log", .kind = KIND_ATTRIBUTE, .flags = FILE_GROWING,
	 .facets = FACET_LOG,
	 .doc = "What happened, a line each, bounded.  tail -f works."},
	{.name = "wait", .kind = KIND_ATTRIBUTE,
	 .flags = FILE_UNLISTED | FILE_WAIT | FILE_VOLATILE,
	 .doc = "Not listed.  A reader waits until the request that was "
		"current at open is verified and reads `verified: STATE'; EIO "
		"when it failed, ECANCELED when another replaced it, EAGAIN "
		"instead of waiting with O_NONBLOCK."},
	{.name = "history", .kind = KIND_ATTRIBUTE, .facets = FACET_STATUS,
	 .render = render_history,
	 .doc = "The state transitions: when, who asked, planned or not, what "
		"came of it."},
	{.name = "plan", .kind = KIND_PLAN,
	 .doc = "A directory with a file for each word that may be written "
		"now.  The first line is `allowed', `needs force: WHY' or `not "
		"now: WHY'; then the checks, the calls in order, and what it "
		"costs.  Reading changes nothing."},
	{.name = "events", .kind = KIND_ATTRIBUTE,
	 .flags = FILE_UNLISTED | FILE_STREAM | FILE_VOLATILE,
	 .doc = "Not listed.  The lines of log as a stream: at its end a "
		"reader waits for more, or gets EAGAIN with O_NONBLOCK.  One "
		"that was too slow reads how many lines it has lost.  Ends "
		"when the replication is removed."},
};

const struct file_table attribute_files = {
	.rows = attributes,
	.count = sizeof attributes / sizeof *attributes,
	.title = "NAMESPACE/NAME/",
};

const struct file *file_find(const struct file_table *t, const char *name)
{
	unsigned i;

	for (i = 0; i < t->count; i++)
		if (strcmp(t->rows[i].name, name) == 0)
			return &t->rows[i];
	return NULL;
}

const struct file *file_row(const struct file_table *t, unsigned row)
{
	return row >= 1 && row <= t->count ? &t->rows[row - 1] : NULL;
}

unsigned file_number(const struct file_table *t, const struct file *f)
{
	return (unsigned)(f - t->rows) + 1;
}

bool file_is_writable(const struct file *f)
{
	return f->flags & (FILE_WORD | FILE_YAML);
}

bool file_is_directory(const struct file *f)
{
	return !f->render &&
	       !(f->flags & (FILE_WAIT | FILE_GROWING | FILE_STREAM));
}

#define TYPO_MAX 32

/* How many single letters must be changed, added or taken away. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[TYPO_MAX + 1], left, corner, i, j;
	unsigned n = (unsigned)strlen(b);

	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 0; a[i]; i++) {
		corner = row[0]++;
		for (j = 1; j <= n; j++) {
			left = row[j - 1];
			left = (left < row[j] ? left : row[j]) + 1;
			corner += a[i] != b[j - 1];
			if (corner < left)
				left = corner;
			corner = row[j];
			row[j] = left;
		}
	}
	return row[n];
}

const char *file_suggest(const struct file_table *t, const char *typo)
{
	unsigned best = (unsigned)strlen(typo) / 2 + 1, i, d;
	const char *name = NULL;

	if (strlen(typo) > TYPO_MAX)
		return NULL;
	if (best > 4)
		best = 4;
	for (i = 0; i < t->count; i++) {
		if (strlen(t->rows[i].name) > TYPO_MAX)
			continue;
		d = distance(typo, t->rows[i].name);
		if (d < best) {
			best = d;
			name = t->rows[i].name;
		}
	}
	return name;
}

/* Roff takes some characters for its own. */
static void add_roff(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '\\')
			buf_puts(out, "\\e");
		else if (*s == '-')
			buf_puts(out, "\\-");
		else if (*s == '`')
			buf_puts(out, "\\(oq");
		else if (*s == '\'')
			buf_puts(out, "\\(cq");
		else
			buf_putc(out, *s);
	}
}

static void describe_table(const struct file_table *t, struct buf *out)
{
	unsigned i;

	buf_puts(out, ".SS ");
	add_roff(out, t->title);
	buf_putc(out, '\n');
	for (i = 0; i < t->count; i++) {
		const struct file *f = &t->rows[i];

		buf_puts(out, ".TP\n\\fB");
		add_roff(out, f->name);
		buf_printf(out, "%s\\fR (%s)\n",
			   file_is_directory(f) ? "/" : "",
			   file_is_writable(f) ? "rw" : "r");
		add_roff(out, f->doc);
		buf_putc(out, '\n');
	}
}

void fs_describe(struct buf *out)
{
	describe_table(&attribute_files, out);
	describe_table(&daemon_files, out);
	describe_table(&backend_files, out);
	describe_table(&cluster_files, out);
}
