/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a replication's files. */
#include "render.h"

#include "emit.h"
#include "manifest.h"
#include "status_codec.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

void render_state(const struct subject *s, struct buf *out)
{
	buf_printf(out, "%s\n", state_text(replication_state(s->r)));
}

void render_conditions(const struct subject *s, struct buf *out)
{
	const struct condition *c = s->r->status->conditions;
	char since[TIME_TEXT_MAX];
	int i, width = 0;

	for (i = 0; i < CONDITION_COUNT; i++)
		if ((int)strlen(c[i].reason) > width)
			width = (int)strlen(c[i].reason);
	for (i = 0; i < CONDITION_COUNT; i++) {
		const char *message = c[i].message ? c[i].message : "";

		buf_printf(out, "%-11s %-7s %-*s %-20s%s",
			   condition_type_text((enum condition_type)i),
			   condition_status_text(c[i].status), width,
			   c[i].reason, time_text(c[i].since, since),
			   *message ? " " : "");
		buf_escape(out, message);
		buf_putc(out, '\n');
	}
}

void render_endpoints(const struct subject *s, struct buf *out)
{
	manifest_render_endpoints(s->r->spec, out);
}

void render_mode(const struct subject *s, struct buf *out)
{
	buf_printf(out, "%s\n", mode_text(s->r->spec->mode));
}

void render_schedule(const struct subject *s, struct buf *out)
{
	manifest_render_schedule(s->r->spec, out);
}

static void add_use(struct buf *out, const char *key, const struct side *side)
{
	static const char *const words[] = {"unknown", "false", "true"};

	emit_map(out, 0, key);
	buf_printf(out, "  inUse: %s\n", words[side->in_use]);
	if (side->in_use == TRI_YES && *side->in_use_by)
		emit_str(out, 1, "inUseBy", side->in_use_by);
}

void render_volumes(const struct subject *s, struct buf *out)
{
	struct observation seen;

	sight_read(s->r->seen, &seen);
	manifest_render_volumes(s->r->spec, out);
	world_describe_volume(s->world, s->r, 0, out);
	add_use(out, "here", &seen.here);
	add_use(out, "peer", &seen.peer);
}

void render_spec(const struct subject *s, struct buf *out)
{
	const struct spec *spec = s->r->spec;

	if (!spec)
		return;
	if (spec->written)
		buf_add(out, spec->written, spec->written_len);
	else
		manifest_render(s->r->ns->name, s->r->name, spec,
				s->r->status, out);
}

void render_backend(const struct subject *s, struct buf *out)
{
	const struct backend *b = s->r->backend;
	const char *why = s->r->backend_why;

	buf_printf(out, "%s: ", b ? b->name : "none");
	buf_escape(out, why ? why : "");
	buf_putc(out, '\n');
}

/* The side that follows: the peer when this side is or was to be written. */
static const struct side *follower(const struct replication *r,
				   const struct observation *seen)
{
	enum role here = side_verified_role(&seen->here);
	enum state state = r->spec->state;

	if (here == ROLE_SOURCE)
		return &seen->peer;
	if (here == ROLE_REPLICA)
		return &seen->here;
	return state == STATE_SOURCE || state == STATE_DEMOTING ? &seen->peer
								: &seen->here;
}

int64_t render_data_time(const struct replication *r)
{
	struct observation seen;
	int64_t t;

	sight_read(r->seen, &seen);
	t = follower(r, &seen)->data_time;
	return t ? t : r->status->data_time;
}

int64_t render_lag_ms(const struct world *w, const struct replication *r)
{
	int64_t then = render_data_time(r), now = world_now(w);

	return !then ? -1 : now > then ? now - then : 0;
}

void render_lag(const struct subject *s, struct buf *out)
{
	int64_t ms = render_lag_ms(s->world, s->r);

	if (ms < 0)
		buf_puts(out, "unknown\n");
	else
		buf_printf(out, "%" PRId64 "\n", ms / 1000);
}

void render_progress(const struct subject *s, struct buf *out)
{
	struct observation o;

	sight_read(s->r->seen, &o);
	if (o.here.progress >= 0 && o.at)
		buf_printf(out, "%d\n", o.here.progress);
	else if (o.peer.progress >= 0 && o.at)
		buf_printf(out, "%d\n", o.peer.progress);
	else
		buf_puts(out, "-\n");
}

static void add_sentence(struct buf *out, int64_t at, const struct who *who,
			 const char *sentence)
{
	char stamp[TIME_TEXT_MAX];

	buf_printf(out, "%s ", time_text(at, stamp));
	line_who(out, who);
	buf_puts(out, ": ");
	buf_escape(out, sentence);
	buf_putc(out, '\n');
}

void render_error(const struct subject *s, struct buf *out)
{
	static const struct who daemon = {.command = ""};
	static const struct who asked = {.command = "kubernetes"};
	const struct status *status = s->r->status;
	const struct refusal *refusal = &s->r->refusal;

	if (status && status->failure)
		add_sentence(out, status->failure_at, &daemon,
			     status->failure);
	/* On every mount, and after a restart; where it was decided the next
	   line says it as well. */
	if (status && status->refused &&
	    !(refusal->sentence && strstr(refusal->sentence, status->refused)))
		add_sentence(out, status->conditions[CONDITION_READY].since,
			     &asked, status->refused);
	if (refusal->sentence)
		add_sentence(out, refusal->at, &refusal->who,
			     refusal->sentence);
}

void render_hold(const struct subject *s, struct buf *out)
{
	if (s->r->status->hold)
		buf_printf(out, "%s\n", s->r->status->hold);
}

static void add_transition(struct buf *out, const struct replication *r,
			   const struct transition *t)
{
	char finished[TIME_TEXT_MAX] = "";

	if (t->finished)
		time_text(t->finished, finished);
	line_format(out, t->at, r->ns->name, r->name, &t->who, "transition",
		    "%s -> %s%s%s%s %s%s%s%s%s",
		    t->from == STATE_NONE ? "(new)" : state_text(t->from),
		    word_text(t->word), t->force ? " force" : "",
		    t->failover == FAILOVER_NONE ? "" : " ",
		    t->failover == FAILOVER_NONE ? ""
						 : failover_text(t->failover),
		    outcome_text(t->outcome), *finished ? " " : "", finished,
		    t->note ? ": " : "", t->note ? t->note : "");
	buf_putc(out, '\n');
}

void render_history(const struct subject *s, struct buf *out)
{
	const struct status *status = s->r->status;
	size_t i;

	for (i = 0; i < status->history_count; i++)
		add_transition(out, s->r, &status->history[i]);
}

void render_verified(const struct replication *r, struct buf *out)
{
	buf_printf(out, "verified: %s\n", state_text(replication_state(r)));
}

void render_status(const struct subject *s, struct buf *out)
{
	const struct replication *r = s->r;
	struct observation seen;
	const struct status_view view = {
		.namespace = r->ns->name,
		.name = r->name,
		.spec = r->spec,
		.status = r->status,
		.seen = &seen,
		.backend = r->backend ? r->backend->name : NULL,
	};

	sight_read(r->seen, &seen);
	if (status_json(&view, out) < 0)
		out->failed = ENOMEM;
}
