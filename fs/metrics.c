/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .uvrfs/metrics: Prometheus' text format, version 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats).  Names are those that the
 * Unified Replication Operator documents where they mean the same.  A sample that
 * nobody knows the value of is left out.
 */
#include "daemon.h"

#include "render.h"
#include "text.h"

#include <inttypes.h>
#include <string.h>

#define PREFIX "unified_replication_"

/* One metric: its samples follow. */
static void head(struct buf *out, const char *name, const char *type,
		 const char *help)
{
	buf_printf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name,
		   help, name, type);
}

static void put_quoted(struct buf *out, const char *text)
{
	size_t n;

	for (;; text += n + 1) {
		n = strcspn(text, "\n\"\\");
		buf_add(out, text, n);
		if (!text[n])
			return;
		buf_putc(out, '\\');
		buf_putc(out, (char)(text[n] == '\n' ? 'n' : text[n]));
	}
}

/* Labels in pairs of name and value, NULL at the end; with their braces. */
static void put_labels(struct buf *out, const char *const *labels)
{
	char sep = '{';

	for (; *labels; labels += 2, sep = ',') {
		buf_putc(out, sep);
		buf_puts(out, labels[0]);
		buf_puts(out, "=\"");
		put_quoted(out, labels[1]);
		buf_putc(out, '"');
	}
	if (sep != '{')
		buf_putc(out, '}');
}

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_LABELS ((const char *const[]){NULL})

static void put(struct buf *out, const char *name, const char *const *labels,
		int64_t value)
{
	buf_puts(out, PREFIX);
	buf_puts(out, name);
	put_labels(out, labels);
	buf_printf(out, " %" PRId64 "\n", value);
}

/* Milliseconds, in seconds. */
static void put_ms(struct buf *out, const char *name,
		   const char *const *labels, int64_t ms)
{
	buf_puts(out, PREFIX);
	buf_puts(out, name);
	put_labels(out, labels);
	buf_printf(out, " %" PRId64 ".%03d\n", ms / 1000, (int)(ms % 1000));
}

/* @labels has room for one more pair before its end. */
static void put_durations(struct buf *out, const char *name,
			  const char *labels[7], const struct durations *d)
{
	char bucket[64], number[32];
	uint64_t sum = 0;
	int i, n = 0;

	while (labels[n])
		n += 2;
	labels[n] = "le";
	labels[n + 1] = number;
	labels[n + 2] = NULL;
	snprintf(bucket, sizeof bucket, "%s_bucket", name);
	for (i = 0; i < DURATION_LIMITS; i++) {
		sum += d->upto[i];
		snprintf(number, sizeof number, "%g",
			 (double)duration_limits_ms[i] / 1000);
		put(out, bucket, labels, (int64_t)sum);
	}
	strcpy(number, "+Inf");
	put(out, bucket, labels, (int64_t)durations_count(d));
	labels[n] = NULL;
	snprintf(bucket, sizeof bucket, "%s_sum", name);
	put_ms(out, bucket, labels, d->sum_ms);
	snprintf(bucket, sizeof bucket, "%s_count", name);
	put(out, bucket, labels, (int64_t)durations_count(d));
}

/* ---- one replication ---- */

/* What a sample is made of, and where it goes. */
struct sample {
	struct world *world;
	const struct replication *r;
	const char *name;
	struct buf *out;
};

static void put_of(const struct sample *s, const char *label,
		   const char *text, int64_t value)
{
	put(s->out, s->name,
	    LABELS("namespace", s->r->ns->name, "name", s->r->name, label, text),
	    value);
}

static void put_state(const struct sample *s)
{
	put_of(s, "state", state_text(replication_state(s->r)), 1);
}

static const struct condition *condition_of(const struct sample *s,
					    enum condition_type type)
{
	return &s->r->status->conditions[type];
}

static void put_health(const struct sample *s)
{
	put_of(s, NULL, NULL,
	       condition_of(s, CONDITION_READY)->status == CONDITION_TRUE &&
		       condition_of(s, CONDITION_DEGRADED)->status ==
			       CONDITION_FALSE);
}

/* What is as it should be says so by having no sample. */
static void put_conditions(const struct sample *s)
{
	static const struct {
		enum condition_type type;
		enum condition_status good;
	} rows[] = {
		{CONDITION_READY, CONDITION_TRUE},
		{CONDITION_SYNCED, CONDITION_TRUE},
		{CONDITION_DEGRADED, CONDITION_FALSE},
		{CONDITION_DRIFTED, CONDITION_FALSE},
	};
	const struct condition *c;
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		c = condition_of(s, rows[i].type);
		if (c->status == rows[i].good)
			continue;
		put(s->out, s->name,
		    LABELS("namespace", s->r->ns->name, "name", s->r->name,
			   "type", condition_type_text(rows[i].type), "status",
			   condition_status_text(c->status), "reason",
			   c->reason),
		    1);
	}
}

static int64_t rpo_ms(const struct sample *s)
{
	return s->r->spec->rpo ? duration_parse(s->r->spec->rpo) : -1;
}

static void put_lag(const struct sample *s)
{
	int64_t ms = render_lag_ms(s->world, s->r);

	if (ms >= 0)
		put_of(s, NULL, NULL, ms / 1000);
}

static void put_rpo(const struct sample *s)
{
	if (rpo_ms(s) > 0)
		put_of(s, NULL, NULL, rpo_ms(s) / 1000);
}

/* Who tells the time of a copy only when asked for one seems to miss it. */
static void put_rpo_met(const struct sample *s)
{
	const struct backend *b = s->r->backend;
	int64_t ms = render_lag_ms(s->world, s->r);

	if (b && b->ops->capabilities & CAP_LAG && rpo_ms(s) > 0 && ms >= 0)
		put_of(s, NULL, NULL, ms <= rpo_ms(s));
}

static void put_pending(const struct sample *s)
{
	const struct request *req = &s->r->status->request;
	int64_t ms = world_now(s->world) - req->accepted;

	if (req->outcome == OUTCOME_PENDING)
		put_of(s, "word", word_text(req->word), ms > 0 ? ms / 1000 : 0);
}

static void put_held(const struct sample *s)
{
	if (s->r->status->hold)
		put_of(s, NULL, NULL, 1);
}

static const struct {
	const char *name;
	void (*put)(const struct sample *s);
	const char *help;
} families[] = {
	{"state", put_state, "1 for what `state' reads."},
	{"health", put_health, "1 when Ready is True and Degraded is False."},
	{"condition", put_conditions, "1 for each condition that is not as it "
	 "should be: Ready or Synced not True, Degraded or Drifted not False."},
	{"lag_seconds", put_lag, "How old the data of the replica is, where "
	 "that is known."},
	{"rpo_seconds", put_rpo, "The rpo of the schedule."},
	{"rpo_met", put_rpo_met, "1 while the lag is not over the rpo."},
	{"request_pending_seconds", put_pending, "For how long a request has "
	 "been under way."},
	{"held", put_held, "1 while somebody holds it."},
};

static void put_replications(const struct subject *s, struct buf *out)
{
	struct sample sample = {.world = s->world, .out = out};
	size_t i;

	for (i = 0; i < sizeof families / sizeof *families; i++) {
		head(out, families[i].name, "gauge", families[i].help);
		sample.name = families[i].name;
		for (sample.r = world_next(s->world, 0); sample.r;
		     sample.r = world_next(s->world, sample.r->id))
			if (sample.r->spec)
				families[i].put(&sample);
	}
}

/* ---- backends ---- */

static void put_by_backend(const struct subject *s, struct buf *out)
{
	const struct replication *r = NULL;
	const struct backend *b;
	int64_t all = 0, here;
	size_t i;

	head(out, "by_backend", "gauge", "Replications that each backend serves.");
	for (i = 0; (b = world_backend(s->world, i)); i++) {
		here = 0;
		while ((r = world_next(s->world, r ? r->id : 0)))
			here += r->spec && r->backend == b;
		put(out, "by_backend", LABELS("backend", b->name), here);
	}
	while ((r = world_next(s->world, r ? r->id : 0)))
		all += r->spec != NULL;
	head(out, "active_total", "gauge", "Replications, drafts aside.");
	put(out, "active_total", NO_LABELS, all);
}

/*
 * What may come is there from the start, as 0: a counter that appears with a 1
 * has not increased, as far as rate() can tell.
 */
static bool may_change(enum state from, enum state to)
{
	return from != to &&
	       (to == STATE_FAILED || edge_find(from, (enum word)to));
}

static void put_changes(const struct subject *s, struct buf *out)
{
	const struct backend_counts *c;
	const char *name;
	int from, to;
	size_t i;

	head(out, "state_transitions_total", "counter",
	     "How often `state' has come to read otherwise.");
	for (i = 0; (c = world_backend_counts(s->world, i)); i++) {
		name = world_backend(s->world, i)->name;
		for (from = 1; from < STATE_COUNT; from++)
			for (to = 1; to < STATE_COUNT; to++)
				if (c->changes[from][to] || may_change(from, to))
					put(out, "state_transitions_total",
					    LABELS("from_state", state_text(from),
						   "to_state", state_text(to),
						   "backend", name),
					    (int64_t)c->changes[from][to]);
	}
}

static const char *operation_text(enum act act)
{
	return act == ACT_NONE ? "look" : act_text(act);
}

static void put_operations(const struct subject *s, struct buf *out)
{
	static const char name[] = "backend_operations_total";
	const struct backend_counts *c;
	const char *backend;
	int act;
	size_t i;

	head(out, name, "counter", "Calls that acts made, and looks.");
	for (i = 0; (c = world_backend_counts(s->world, i)); i++) {
		backend = world_backend(s->world, i)->name;
		for (act = 0; act < ACT_COUNT; act++) {
			if (act_is_wait(act))
				continue;
			put(out, name,
			    LABELS("backend", backend, "operation",
				   operation_text(act), "result", "success"),
			    (int64_t)c->acts[act].done);
			put(out, name,
			    LABELS("backend", backend, "operation",
				   operation_text(act), "result", "error"),
			    (int64_t)c->acts[act].failed);
		}
	}
}

static void put_operation_durations(const struct subject *s, struct buf *out)
{
	static const char name[] = "backend_operation_duration_seconds";
	const struct backend_counts *c;
	int act;
	size_t i;

	head(out, name, "histogram", "How long they took, with their waiting for "
	     "a thread.");
	for (i = 0; (c = world_backend_counts(s->world, i)); i++)
		for (act = 0; act < ACT_COUNT; act++) {
			const char *labels[7] = {
				"backend", world_backend(s->world, i)->name,
				"operation", operation_text(act),
			};

			if (durations_count(&c->acts[act].took))
				put_durations(out, name, labels,
					      &c->acts[act].took);
		}
}

/* ---- the daemon ---- */

/* Nobody asks for one, and what is removed is not there any more. */
static bool is_timed(enum word word)
{
	return word != WORD_FAILED && word != WORD_REMOVE;
}

static void put_requests(const struct subject *s, struct buf *out)
{
	static const char name[] = "request_duration_seconds";
	static const char *const outcomes[] = {"verified", "failed"};
	const struct counts *c = world_counts(s->world);
	int word, i;

	head(out, name, "histogram",
	     "From the acceptance of a request until it was decided.");
	for (word = 1; word < WORD_COUNT; word++)
		for (i = 0; i < 2 && is_timed(word); i++) {
			const char *labels[7] = {
				"word", word_text(word), "outcome", outcomes[i],
			};

			put_durations(out, name, labels,
				      i ? &c->failed[word] : &c->verified[word]);
		}
}

static void put_edits(const struct subject *s, struct buf *out)
{
	static const char *const texts[EDIT_OUTCOMES] = {
		[EDIT_ACCEPTED] = "accepted",
		[EDIT_UNCHANGED] = "unchanged",
		[EDIT_REFUSED] = "refused",
		[EDIT_FAILED] = "failed",
	};
	int i;

	head(out, "writes_total", "counter", "What came of what was written.");
	for (i = 0; i < EDIT_OUTCOMES; i++)
		put(out, "writes_total", LABELS("result", texts[i]),
		    (int64_t)world_counts(s->world)->edits[i]);
}

static void put_clusters(const struct subject *s, struct buf *out)
{
	int64_t now = world_now(s->world);
	const struct cluster *c;
	size_t i;

	head(out, "cluster_reachable", "gauge",
	     "1 while the storage of a cluster answers.");
	for (i = 0; (c = world_cluster(s->world, i)); i++)
		if (c->reach != REACH_UNKNOWN)
			put(out, "cluster_reachable", LABELS("cluster", c->name),
			    c->reach == REACH_OK);
	head(out, "cluster_reachable_since_seconds", "gauge",
	     "For how long that has been so.");
	for (i = 0; (c = world_cluster(s->world, i)); i++)
		if (c->reach != REACH_UNKNOWN && now >= c->since)
			put(out, "cluster_reachable_since_seconds",
			    LABELS("cluster", c->name), (now - c->since) / 1000);
	head(out, "circuit_breaker_state", "gauge",
	     "0 closed, 1 open (no calls are made), 2 half-open.");
	for (i = 0; (c = world_cluster(s->world, i)); i++)
		put(out, "circuit_breaker_state", LABELS("cluster", c->name),
		    circuit_state(c, now));
}

struct put_watches {
	struct watch_visitor visitor;	/* first: they are cast */
	struct buf *out;
};

static void put_watch(struct watch_visitor *v, const char *cluster,
		      const char *kind, int64_t age_ms)
{
	put_ms(((struct put_watches *)v)->out, "watch_age_seconds",
	       LABELS("owner", v->owner, "cluster", cluster, "kind", kind),
	       age_ms);
}

static void put_watches(const struct subject *s, struct buf *out)
{
	struct put_watches p = {.visitor.watch = put_watch, .out = out};

	head(out, "watch_age_seconds", "gauge", "For how long a watch has had "
	     "neither an event nor a bookmark.");
	world_visit_watches(s->world, &p.visitor);
}

static void put_daemon(const struct subject *s, struct buf *out)
{
	const char *silence = world_store_silence(s->world);
	const char *leader = world_leader(s->world);
	size_t waiting;

	world_audit_trouble(s->world, &waiting);
	/* Whoever copies this writes 0 in its place where there is no mount. */
	head(out, "up", "gauge", "1: it can be read.");
	put(out, "up", NO_LABELS, 1);
	head(out, "build_info", "gauge", "1, and what runs.");
	put(out, "build_info",
	    LABELS("version", UVRFS_VERSION, "site", world_site(s->world)), 1);
	head(out, "store_reachable", "gauge", "1 while the store answers.");
	put(out, "store_reachable", NO_LABELS, !silence || !*silence);
	head(out, "leader", "gauge",
	     "1 when it is this daemon that acts on storage.");
	put(out, "leader", NO_LABELS, world_leads(s->world));
	head(out, "has_leader", "gauge",
	     "1 when there is a daemon that acts on storage.");
	put(out, "has_leader", NO_LABELS, !leader || *leader);
	head(out, "audit_lines_waiting", "gauge",
	     "Lines of the audit that could not be written yet.");
	put(out, "audit_lines_waiting", NO_LABELS, (int64_t)waiting);
}

void daemon_metrics(const struct subject *s, struct buf *out)
{
	put_daemon(s, out);
	put_clusters(s, out);
	put_watches(s, out);
	put_by_backend(s, out);
	put_replications(s, out);
	put_edits(s, out);
	put_requests(s, out);
	put_changes(s, out);
	put_operations(s, out);
	put_operation_durations(s, out);
}
