/* SPDX-License-Identifier: Apache-2.0 */
/* What is written down for people: log, audit, and the last refusal. */
#include "world_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A full disk must not stop a failover, and loses no line but at the end. */
#define WAITING_MAX 10000
#define WAIT_MS 5000		/* before they are tried again */

struct audit_job {
	struct job job;
	struct audit_job *next;		/* that waits as well */
	struct world *world;
	char *line;
	char *why;			/* it could not be written, or NULL */
	bool is_retry;
};

static void audit_free(struct audit_job *a)
{
	free(a->line);
	free(a->why);
	free(a);
}

static void audit_run(struct job *job)
{
	struct audit_job *a = (struct audit_job *)job;
	struct store *s = a->world->store;
	struct error err;

	if (s->ops->audit(s, a->line, &err) < 0)
		a->why = strdup(err.msg);
}

static struct audit_job *take_waiting(struct record *r)
{
	struct audit_job *a = r->first;

	r->first = a->next;
	if (!r->first)
		r->last = &r->first;
	r->waiting--;
	return a;
}

static void keep_waiting(struct world *w, struct audit_job *a)
{
	struct record *r = &w->record;

	if (!r->troubled)
		world_note(w, NULL, &(struct who){0}, "audit",
			   "lines can't be written and are kept: %s", a->why);
	if (r->waiting == WAITING_MAX)
		audit_free(take_waiting(r));
	free(r->why);
	r->why = a->why;
	a->why = NULL;
	r->retry_at = w->now + WAIT_MS;
	a->next = NULL;
	*r->last = a;
	r->last = &a->next;
	r->troubled = true;
	r->waiting++;
}

/* Those that are tried again are not written yet. */
static size_t not_written(const struct record *r)
{
	return r->waiting + r->retried;
}

static void audit_done(struct job *job)
{
	struct audit_job *a = (struct audit_job *)job;

	struct world *w = a->world;

	if (a->is_retry)
		w->record.retried--;
	a->is_retry = false;
	if (a->why) {
		keep_waiting(w, a);
		return;
	}
	audit_free(a);
	if (w->record.troubled && !not_written(&w->record))
		world_note(w, NULL, &(struct who){0}, "audit",
			   "all lines are written");
	w->record.troubled = not_written(&w->record);
}

/* All that wait, in their order; those that can't be written come back. */
void record_retry(struct world *w)
{
	size_t count = w->record.waiting;

	w->record.retry_at = INT64_MAX;
	w->record.retried += count;
	while (count--) {
		struct audit_job *a = take_waiting(&w->record);

		a->is_retry = true;
		w->jobs->submit(w->jobs, &a->job);
	}
}

void record_init(struct world *w)
{
	w->record.last = &w->record.first;
	w->record.retry_at = INT64_MAX;
}

void record_tick(struct world *w)
{
	if (w->record.retry_at <= w->now)
		record_retry(w);
}

void record_finish(struct world *w)
{
	while (w->record.first)
		audit_free(take_waiting(&w->record));
	free(w->record.why);
}

const char *world_audit_trouble(const struct world *w, size_t *waiting)
{
	*waiting = not_written(&w->record);
	return *waiting ? w->record.why : NULL;
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
	a->world = w;
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
			.command = strdup(who->command), .call = who->call},
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
