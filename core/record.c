/* SPDX-License-Identifier: Apache-2.0 */
/* What is written down for people: log, audit, and the last refusal. */
#include "world_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct audit_job {
	struct job job;
	struct store *store;
	char *line;
};

static void audit_run(struct job *job)
{
	struct audit_job *a = (struct audit_job *)job;
	struct error err;

	/* A full disk must not stop a failover: the line is in memory, and the
	   request itself is kept with the replication. */
	(void)a->store->ops->audit(a->store, a->line, &err);
}

static void audit_done(struct job *job)
{
	struct audit_job *a = (struct audit_job *)job;

	free(a->line);
	free(a);
}

void world_audit_line(struct world *w, const char *namespace, const char *name,
		      const struct who *who, const char *event,
		      const char *fmt, ...)
{
	char text[ERROR_MSG_MAX];
	struct audit_job *a;
	auto_buf line;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_init(&line, 4 * ERROR_MSG_MAX);
	line_format(&line, w->now, namespace, name, who, event, "%s", text);
	lines_add(&w->audit, buf_str(&line));

	a = calloc(1, sizeof *a);
	if (!a)
		return;
	a->job.lane = LANE_AUDIT;
	a->job.run = audit_run;
	a->job.done = audit_done;
	a->store = w->store;
	a->line = strdup(buf_str(&line));
	if (a->line)
		w->jobs->submit(w->jobs, &a->job);
	else
		free(a);
}

static void run_nothing(struct job *job)
{
}

void world_after_audit(struct world *w, struct job *job)
{
	job->lane = LANE_AUDIT;
	job->run = run_nothing;
	w->jobs->submit(w->jobs, job);
}

void world_note(struct world *w, struct replication *r, const struct who *who,
		const char *event, const char *fmt, ...)
{
	char text[ERROR_MSG_MAX];
	auto_buf line;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_init(&line, 4 * ERROR_MSG_MAX);
	line_format(&line, w->now, r ? r->ns->name : NULL, r ? r->name : NULL,
		    who, event, "%s", text);
	lines_add(&w->log, buf_str(&line));
	if (w->listener)
		w->listener->logged(w->listener);
	if (!r)
		return;
	lines_add(&r->log, buf_str(&line));
	world_change(w, r, r, FACET_LOG);
}

static void refusal_finish(struct refusal *refusal)
{
	free(refusal->sentence);
	free((char *)refusal->who.command);
	*refusal = (struct refusal){0};
}

void replication_set_refusal(struct world *w, struct replication *r,
			     const struct who *who, const char *sentence)
{
	struct replication before = *r;

	r->refusal = (struct refusal){
		.sentence = strdup(sentence),
		.at = w->now,
		.who = {.uid = who->uid, .pid = who->pid,
			.command = strdup(who->command)},
	};
	world_change(w, r, &before, FACET_REFUSAL);
	refusal_finish(&before.refusal);
}

void replication_clear_refusal(struct world *w, struct replication *r)
{
	struct replication before = *r;

	if (!r->refusal.sentence)
		return;
	r->refusal = (struct refusal){0};
	world_change(w, r, &before, FACET_REFUSAL);
	refusal_finish(&before.refusal);
}

void world_refuse(struct world *w, struct replication *r,
		  const struct who *who, const char *sentence)
{
	replication_set_refusal(w, r, who, sentence);
	world_note(w, r, who, "refused", "%s", sentence);
	world_audit_line(w, r->ns->name, r->name, who, "refused", "%s",
			 sentence);
}
