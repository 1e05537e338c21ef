/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of .uvrfs, its backends and clusters, and their text. */
#include "daemon.h"

#include "render.h"
#include "text.h"

#include <string.h>

void daemon_version(const struct subject *s, struct buf *out)
{
	buf_puts(out, "uvrfs " UVRFS_VERSION "\n");
}

void daemon_site(const struct subject *s, struct buf *out)
{
	const char *site = world_site(s->world);

	buf_printf(out, "%s\n",
		   *site ? site : "(the destination of each manifest)");
}

static bool is_lost(const struct cluster *c)
{
	return c->reach != REACH_OK && c->reach != REACH_UNKNOWN;
}

void daemon_health(const struct subject *s, struct buf *out)
{
	char until[TIME_TEXT_MAX];
	const struct cluster *c;
	const char *leader = world_leader(s->world);
	const char *silence = world_store_silence(s->world);
	size_t i, waiting, begin = out->len;
	const char *trouble = world_audit_trouble(s->world, &waiting);

	if (trouble) {
		buf_printf(out, "the audit can't be written, %zu lines wait: ",
			   waiting);
		buf_escape(out, trouble);
		buf_putc(out, '\n');
	}
	if (silence && *silence) {
		buf_puts(out, "the store gives no answer: ");
		buf_escape(out, silence);
		buf_putc(out, '\n');
	} else if (leader && !*leader) {
		buf_puts(out, "nobody leads: requests are taken, and carried "
			      "out when somebody does\n");
	}
	for (i = 0; (c = world_cluster(s->world, i)); i++) {
		if (is_lost(c)) {
			buf_printf(out, "cluster %s is %s", c->name,
				   reach_text(c->reach));
			buf_puts(out, *c->why ? ": " : "");
			buf_escape(out, c->why);
			buf_putc(out, '\n');
		}
		switch (circuit_state(c, world_now(s->world))) {
		case CIRCUIT_OPEN:
			buf_printf(out,
				   "cluster %s: after %u failures no calls "
				   "are made until %s\n",
				   c->name, c->failures,
				   time_text(c->open_until, until));
			break;
		case CIRCUIT_HALF_OPEN:
			buf_printf(out,
				   "cluster %s: after failures one call is "
				   "made at a time\n", c->name);
			break;
		case CIRCUIT_CLOSED:
			break;
		}
	}
	if (out->len == begin)
		buf_puts(out, "ok\n");
}

static void daemon_leader(const struct subject *s, struct buf *out)
{
	const char *leader = world_leader(s->world);

	buf_escape(out, !leader ? "this" : *leader ? leader : "none");
	buf_putc(out, '\n');
}

static void backend_type(const struct subject *s, struct buf *out)
{
	buf_printf(out, "%s\n", s->backend->ops->type);
}

/* The first replication that it serves and whose storage does not answer. */
static const struct replication *lost_one(const struct subject *s,
					  struct observation *seen)
{
	const struct replication *r = NULL;

	while ((r = world_next(s->world, r ? r->id : 0))) {
		if (r->backend != s->backend || !sight_at(r->seen))
			continue;
		sight_read(r->seen, seen);
		if (seen->here.reach != REACH_OK)
			return r;
	}
	return NULL;
}

static void backend_available(const struct subject *s, struct buf *out)
{
	const struct backend_ops *ops = s->backend->ops;
	struct observation seen;
	bool there;
	auto_buf why;

	buf_init(&why, 64 * 1024);
	there = !ops->available || ops->available(s->backend, &why);
	buf_puts(out, there && !lost_one(s, &seen) ? "yes\n" : "no\n");
}

static void backend_reason(const struct subject *s, struct buf *out)
{
	struct observation seen;
	const struct replication *r = lost_one(s, &seen);

	if (s->backend->ops->available)
		s->backend->ops->available(s->backend, out);
	if (!r) {
		buf_puts(out, "nothing that it serves is out of reach\n");
		return;
	}
	buf_printf(out, "%s/%s is %s: ", r->ns->name, r->name,
		   reach_text(seen.here.reach));
	buf_escape(out, seen.here.why);
	buf_putc(out, '\n');
}

static void backend_capabilities(const struct subject *s, struct buf *out)
{
	const struct capability_name *c;

	for (c = capability_names; c->bit; c++)
		if (s->backend->ops->capabilities & c->bit)
			buf_printf(out, "%s\n", c->tree);
}

/* The breakers are per cluster: a line for each. */
static void backend_circuit(const struct subject *s, struct buf *out)
{
	char until[TIME_TEXT_MAX];
	int64_t now = world_now(s->world);
	const struct cluster *c;
	size_t i;

	for (i = 0; (c = world_cluster(s->world, i)); i++) {
		buf_printf(out, "%s %s", c->name, circuit_text(c, now));
		if (circuit_state(c, now) == CIRCUIT_OPEN)
			buf_printf(out, " until %s",
				   time_text(c->open_until, until));
		buf_putc(out, '\n');
	}
}

static void cluster_reachable(const struct subject *s, struct buf *out)
{
	const struct cluster *c = s->cluster;

	buf_puts(out, c->reach == REACH_OK  ? "yes\n"
		      : is_lost(c)	    ? "no\n"
					    : "unknown\n");
}

static void cluster_reason(const struct subject *s, struct buf *out)
{
	const struct cluster *c = s->cluster;

	buf_puts(out, reach_text(c->reach));
	buf_puts(out, *c->why ? ": " : "");
	buf_escape(out, c->why);
	buf_putc(out, '\n');
}

/* Whichever backend knows. */
static void cluster_version(const struct subject *s, struct buf *out)
{
	struct backend *b;
	size_t i;

	for (i = 0; (b = world_backend(s->world, i)); i++)
		if (b->ops->version &&
		    b->ops->version(b, s->cluster->name, out)) {
			buf_putc(out, '\n');
			return;
		}
	buf_puts(out, "unknown\n");
}

#define ROW(a, k, r, d) {.name = a, .kind = k, .render = r, .doc = d}
#define FIXED(a, k, r, d)                                                      \
	{.name = a, .kind = k, .flags = FILE_FIXED, .render = r, .doc = d}

static const struct file daemons[] = {
	FIXED("help", KIND_DAEMON_FILE, daemon_help, "One screen of help."),
	FIXED("version", KIND_DAEMON_FILE, daemon_version,
	    "The daemon's version."),
	FIXED("site", KIND_DAEMON_FILE, daemon_site,
	    "The site whose volumes `state' speaks of."),
	ROW("health", KIND_DAEMON_FILE, daemon_health,
	    "`ok', or a sentence for the store and each cluster that does not "
	    "answer."),
	ROW("summary", KIND_DAEMON_FILE, daemon_summary,
	    "A table of all replications."),
	{.name = "log", .kind = KIND_DAEMON_FILE, .flags = FILE_GROWING,
	 .doc = "What happened, of all replications."},
	{.name = "audit", .kind = KIND_DAEMON_FILE,
	 .flags = FILE_GROWING | FILE_PRIVATE,
	 .doc = "Every write: who, what, and what came of it."},
	ROW("backends", KIND_BACKENDS, NULL, "A directory for each backend."),
	ROW("clusters", KIND_CLUSTERS, NULL, "A directory for each cluster."),
	ROW("by-state", KIND_BY_STATE, NULL,
	    "A directory for each state, with symbolic links NAMESPACE:NAME "
	    "to the replications in it."),
	ROW("by-source", KIND_BY_SOURCE, NULL,
	    "The same for each cluster, and each region, that is the source "
	    "of some."),
	{.name = "events", .kind = KIND_DAEMON_FILE,
	 .flags = FILE_UNLISTED | FILE_STREAM | FILE_VOLATILE,
	 .doc = "Not listed.  The lines of log as a stream: at its end a "
		"reader waits for more."},
	ROW("leader", KIND_DAEMON_FILE, daemon_leader,
	    "Which of the daemons that share the store acts on storage: its "
	    "host, process and a number; `none'; `this' when the store is not "
	    "shared."),
	{.name = "metrics", .kind = KIND_DAEMON_FILE,
	 .flags = FILE_VOLATILE | FILE_UNSIZED, .render = daemon_metrics,
	 .doc = "For Prometheus, in its text format: states, lag, conditions, "
		"durations and errors."},
};

static const struct file backends[] = {
	FIXED("type", KIND_BACKEND_FILE, backend_type, "Which product."),
	ROW("available", KIND_BACKEND_FILE, backend_available,
	    "yes, or no when something that it serves is out of reach."),
	ROW("reason", KIND_BACKEND_FILE, backend_reason, "Why."),
	FIXED("capabilities", KIND_BACKEND_FILE, backend_capabilities,
	    "What the product can do, a line each."),
	ROW("circuit", KIND_BACKEND_FILE, backend_circuit,
	    "Whether calls are made, a line for each cluster: closed (yes) or "
	    "open until a time (no, after too many failures)."),
};

static const struct file clusters[] = {
	ROW("reachable", KIND_CLUSTER_FILE, cluster_reachable,
	    "yes, no or unknown."),
	ROW("reason", KIND_CLUSTER_FILE, cluster_reason, "Why."),
	ROW("version", KIND_CLUSTER_FILE, cluster_version,
	    "What the cluster says its version is, or unknown."),
};

#define TABLE(a, t) {.rows = a, .count = sizeof a / sizeof *a, .title = t}

const struct file_table daemon_files = TABLE(daemons, ".uvrfs/");
const struct file_table backend_files = TABLE(backends,
					      ".uvrfs/backends/NAME/");
const struct file_table cluster_files = TABLE(clusters,
					      ".uvrfs/clusters/NAME/");
