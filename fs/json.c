/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.json: everything that is known of a replication.  Times that only say
 * how late it is are left out, so that the text changes when something does.
 */
#include "render.h"

#include "text.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *time_json(int64_t ms)
{
	char text[TIME_TEXT_MAX];

	return ms ? json_string(time_text(ms, text)) : json_null();
}

/* jansson takes nothing but UTF-8, and foreign text may be anything. */
static json_t *safe_json(const char *s)
{
	auto_buf safe;

	buf_init(&safe, 64 * 1024);
	for (; *s; s++)
		if ((unsigned char)*s < 0x80)
			buf_putc(&safe, *s);
		else
			buf_printf(&safe, "\\x%02x", (unsigned char)*s);
	return json_string(buf_str(&safe));
}

static json_t *text_json(const char *s)
{
	if (!s)
		return json_null();
	return text_is_utf8(s, strlen(s)) ? json_string(s) : safe_json(s);
}

static json_t *endpoint_json(const struct endpoint *e)
{
	return json_pack("{s:o, s:o, s:o}", "cluster", text_json(e->cluster),
			 "region", text_json(e->region), "storageClass",
			 text_json(e->storage_class));
}

static json_t *tri_json(enum tri t)
{
	return t == TRI_UNKNOWN ? json_null() : json_boolean(t == TRI_YES);
}

static json_t *progress_json(const struct side *s)
{
	return s->reach == REACH_UNKNOWN || s->progress < 0
		       ? json_null()
		       : json_integer(s->progress);
}

static json_t *side_json(const struct side *s)
{
	return json_pack(
		"{s:s, s:o, s:s, s:s, s:o, s:o, s:b, s:b, s:b, s:b, s:b, s:b, "
		"s:o, s:o, s:o}",
		"reach", reach_text(s->reach), "why", text_json(s->why),
		"claim", role_text(s->claim), "fact", role_text(s->fact),
		"inUse", tri_json(s->in_use), "inUseBy",
		text_json(s->in_use_by), "busy", s->busy, "complete",
		s->complete, "following", s->following, "caughtUp",
		s->caught_up, "diverged", s->diverged, "hasLastCopy",
		s->has_last_copy, "progress", progress_json(s), "dataTime",
		time_json(s->data_time), "native", text_json(s->native));
}

static json_t *request_json(const struct request *q)
{
	if (!q->id)
		return json_null();
	return json_pack(
		"{s:I, s:s, s:s, s:b, s:s, s:s, s:o, s:o, s:o, s:i, s:i, s:o}",
		"id", (json_int_t)q->id, "word", word_text(q->word), "from",
		state_text(q->from), "force", q->force, "failover",
		failover_text(q->failover), "outcome",
		outcome_text(q->outcome), "accepted", time_json(q->accepted),
		"deadline", time_json(q->deadline), "finished",
		time_json(q->finished), "uid", (int)q->who.uid, "pid",
		q->who.pid, "command", text_json(q->who.command));
}

static json_t *intent_json(const struct intent *i)
{
	if (i->act == ACT_NONE)
		return json_null();
	return json_pack("{s:s, s:I, s:I, s:o}", "act", act_text(i->act),
			 "request", (json_int_t)i->request, "serial",
			 (json_int_t)i->serial, "at", time_json(i->at));
}

static json_t *conditions_json(const struct status *status)
{
	json_t *list = json_array();
	int i;

	for (i = 0; i < CONDITION_COUNT; i++) {
		const struct condition *c = &status->conditions[i];

		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:o, s:o, s:o, s:I}", "type",
				  condition_type_text((enum condition_type)i),
				  "status", condition_status_text(c->status),
				  "reason", text_json(c->reason), "message",
				  text_json(c->message), "lastTransitionTime",
				  time_json(c->since), "observedGeneration",
				  (json_int_t)c->generation));
	}
	return list;
}

static json_t *status_json(const struct replication *r)
{
	const struct spec *spec = r->spec;
	const struct status *status = r->status;

	return json_pack(
		"{s:s, s:s, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b, "
		"s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o}",
		"namespace", r->ns->name, "name", r->name, "uid",
		text_json(status->uid), "site", text_json(status->site),
		"state", state_text(replication_state(r)), "mode",
		mode_text(spec->mode), "source", endpoint_json(&spec->source),
		"destination", endpoint_json(&spec->destination), "pvc",
		text_json(spec->pvc_name), "volumeHandle",
		text_json(spec->volume_handle), "dataTime",
		time_json(render_data_time(r)), "failed", status->failed,
		"failure", text_json(status->failure), "hold",
		text_json(status->hold), "request",
		request_json(&status->request), "intent",
		intent_json(&status->intent), "conditions",
		conditions_json(status), "here", side_json(&r->seen.here),
		"peer", side_json(&r->seen.peer), "generation",
		(json_int_t)status->generation, "resourceVersion",
		(json_int_t)status->resource_version, "backend",
		text_json(r->backend ? r->backend->name : NULL));
}

void render_json(const struct subject *s, struct buf *out)
{
	json_t *j = status_json(s->r);
	char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;

	json_decref(j);
	if (!text) {
		out->failed = ENOMEM;
		return;
	}
	buf_puts(out, text);
	buf_putc(out, '\n');
	free(text);
}
