/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of Dell's replication groups, made up as the sidecar's source has them. */
#ifndef UVRFS_POWERSTORE_GROUPS_H
#define UVRFS_POWERSTORE_GROUPS_H

#include "powerstore.h"
#include "text.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define NOW 1769601600000		/* 2026-01-28T12:00:00Z */

/* One group; times are seconds ago. */
struct shape {
	const char *ids[2];		/* protection groups: its own, there */
	const char *spec_action;
	const char *state;
	const char *link;
	bool is_source;
	int polled;			/* 0: never */
	const char *poll_error;
	const char *note;		/* the annotation Action: its name */
	bool completed;
	int finished;
	const char *final_error;
	const char *last_error;		/* lastAction.errorMessage */
	const char *serial, *request, *before, *asked;
	const char *deleted;
	struct event {
		const char *text;
		int ago;
	} events[6];			/* newest first */
	enum reach reach;
	bool absent;
	enum tri in_use;
	unsigned members;
};

static struct shape a, b;
static struct csi_view view_a, view_b;
static struct observation o;

#define MOVED(from, to) \
	"Replication Link State:IsSource changed from (" from ") to (" to ")"

static inline const char *ago(int seconds, char text[TIME_TEXT_MAX])
{
	return time_text(NOW - seconds * 1000LL, text);
}

static inline void put(json_t *map, const char *key, const char *text)
{
	if (text)
		json_object_set_new(map, key, json_string(text));
}

static inline void put_time(json_t *map, const char *key, int seconds)
{
	char text[TIME_TEXT_MAX];

	put(map, key, seconds ? ago(seconds, text) : NULL);
}

static inline void put_note(json_t *annotations, const struct shape *s)
{
	char text[TIME_TEXT_MAX], note[600];

	if (!s->note)
		return;
	/* A text in which there is JSON, in which there is a text with JSON. */
	snprintf(note, sizeof note,
		 "{\"name\":\"%s\",\"completed\":%s,\"finalError\":\"%s\","
		 "\"finishTime\":\"%s%s%s\",\"protectionGroupStatus\":\"\","
		 "\"snapshotNamespace\":\"\",\"snapshotClass\":\"\"}",
		 s->note, s->completed ? "true" : "false",
		 s->final_error ? s->final_error : "",
		 s->finished ? "\\\"" : "",
		 s->finished ? ago(s->finished, text) : "",
		 s->finished ? "\\\"" : "");
	put(annotations, "Action", note);
}

static inline json_t *status_of(const struct shape *s)
{
	json_t *link = json_object(), *last = json_object();
	json_t *events = json_array(), *event;
	size_t i;

	put(link, "state", s->link);
	put(link, "errorMessage", s->poll_error);
	json_object_set_new(link, "isSource", json_boolean(s->is_source));
	put_time(link, "lastSuccessfulUpdate", s->polled);
	put(last, "errorMessage", s->last_error);
	if (s->completed)
		put_time(last, "time", s->finished);
	for (i = 0; i < sizeof s->events / sizeof *s->events; i++) {
		if (!s->events[i].text)
			break;
		event = json_object();
		put(event, "condition", s->events[i].text);
		put_time(event, "time", s->events[i].ago);
		json_array_append_new(events, event);
	}
	return json_pack("{s:s, s:o, s:o, s:o}", "state", s->state,
			 "replicationLinkState", link, "lastAction", last,
			 "conditions", events);
}

static inline json_t *group_of(const struct shape *s)
{
	json_t *annotations = json_object();
	json_t *group;

	put_note(annotations, s);
	put(annotations, "uvrfs/serial", s->serial);
	put(annotations, "uvrfs/request", s->request);
	put(annotations, "uvrfs/before", s->before);
	put(annotations, "uvrfs/action", s->asked);
	group = json_pack("{s:{s:s, s:s, s:o}, s:{s:s, s:s, s:s}, s:o}",
			  "metadata", "name", "rg-1", "resourceVersion", "7",
			  "annotations", annotations, "spec", "action",
			  s->spec_action, "protectionGroupId", s->ids[0],
			  "remoteProtectionGroupId", s->ids[1], "status",
			  status_of(s));
	put(json_object_get(group, "metadata"), "deletionTimestamp",
	    s->deleted);
	ck_assert_ptr_nonnull(group);
	return group;
}

static inline void show(const struct shape *s, const char *cluster,
			struct csi_view *v)
{
	json_decref((json_t *)v->part[RG_PART].object);
	*v = (struct csi_view){
		.cluster = cluster,
		.reach = s->reach,
		.now = NOW,
		.namespace = "database",
		.claim_name = "orders",
		.in_use = s->in_use,
		.member_count = s->members,
	};
	if (s->members > 1)
		strcpy(v->group, "replication group rg-1");
	if (!s->absent)
		v->part[RG_PART] = (struct csi_part){RG_KIND, group_of(s)};
}

static inline void judge(void)
{
	show(&a, "site-a", &view_a);
	show(&b, "site-b", &view_b);
	memset(&o, 0, sizeof o);
	o.here = (struct side){.reach = a.reach, .progress = -1};
	o.peer = (struct side){.reach = b.reach, .progress = -1};
	powerstore_judge(&view_a, &view_b, &o);
}

/* As it is most of the time: a is the source, b follows. */
static inline void pair(void)
{
	a = (struct shape){
		.ids = {"vg-a", "vg-b"}, .spec_action = "", .state = "Ready",
		.link = "SYNCHRONIZED", .is_source = true, .polled = 30,
		.reach = REACH_OK, .in_use = TRI_NO, .members = 1,
	};
	b = a;
	b.ids[0] = "vg-b";
	b.ids[1] = "vg-a";
	b.is_source = false;
	b.polled = 40;
}

/* The sidecar says that this has ended, so long ago. */
static inline void ended(struct shape *s, const char *action, int ago)
{
	static char texts[4][100];
	static unsigned next;
	char *text = texts[next++ % 4];

	snprintf(text, sizeof texts[0], "Action %s succeeded", action);
	memmove(&s->events[1], &s->events[0],
		sizeof s->events - sizeof *s->events);
	s->events[0] = (struct event){text, ago};
	s->note = action;
	s->completed = true;
	s->finished = ago;
}

static inline void moved(struct shape *s, bool is_source, int ago)
{
	memmove(&s->events[1], &s->events[0],
		sizeof s->events - sizeof *s->events);
	s->events[0] = (struct event){is_source ? MOVED("false", "true")
						: MOVED("true", "false"),
				      ago};
	s->is_source = is_source;
}

/* ... and runs, as it has been seen to. */
static inline void runs(struct shape *s, const char *action,
			const char *state)
{
	s->spec_action = action;
	s->note = action;
	s->completed = false;
	s->finished = 0;
	s->state = state;
}

/* A planned failover from a to b, ten minutes ago. */
static inline void fail_over(void)
{
	pair();
	ended(&a, "FAILOVER_REMOTE", 600);
	moved(&a, false, 598);
	moved(&b, true, 540);
	a.link = b.link = "FAILEDOVER";
}

/* b was promoted ten minutes ago, and a is back as a destination. */
static inline void fail_over_unplanned(void)
{
	pair();
	ended(&b, "UNPLANNED_FAILOVER_LOCAL", 600);
	moved(&b, true, 599);
	moved(&a, false, 60);
	a.link = b.link = "FAILEDOVER";
}

/* ... as a source, for all that it knows. */
static inline void split(void)
{
	fail_over_unplanned();
	a.events[0].text = NULL;
	a.is_source = true;
	a.link = "SUSPENDED";
}

#endif
