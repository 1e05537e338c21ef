/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a DellCSIReplicationGroup.  Its `spec.action` is a mailbox: the
 * sidecar takes an action out of it, writes it down as the annotation `Action`
 * (JSON in a text, and the time in it JSON again), runs it, and blanks the box
 * in the same write that says that it has ended.  Its status comes a write
 * later, so it is the annotation that counts.
 */
#include "powerstore.h"

#include "json_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The link as the action's own end has seen it is no poll of its own. */
#define SLACK_MS 5000
/* So soon after a failover the roles are seen to have changed. */
#define NOTICE_MS 150000
/* So long may an array be at a failover of which the driver saw no end. */
#define FAILOVER_MS 900000

static const char *const links[] = {
	[RG_LINK_UNKNOWN] = "UNKNOWN",
	[RG_LINK_SYNCHRONIZED] = "SYNCHRONIZED",
	[RG_LINK_SYNC_IN_PROGRESS] = "SYNC_IN_PROGRESS",
	[RG_LINK_SUSPENDED] = "SUSPENDED",
	[RG_LINK_FAILEDOVER] = "FAILEDOVER",
	[RG_LINK_INVALID] = "INVALID",
	[RG_LINK_EMPTY] = "EMPTY",
};

static const char *const actions[] = {
	[RG_NO_ACTION] = "",
	[RG_FAILOVER_REMOTE] = "FAILOVER_REMOTE",
	[RG_UNPLANNED_FAILOVER_LOCAL] = "UNPLANNED_FAILOVER_LOCAL",
	[RG_REPROTECT_LOCAL] = "REPROTECT_LOCAL",
	[RG_RESUME] = "RESUME",
	[RG_SUSPEND] = "SUSPEND",
	[RG_SYNC] = "SYNC",
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static int find_word(const char *const *words, size_t count, const char *word)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcasecmp(words[i], word) == 0)
			return (int)i;
	return -1;
}

const char *rg_action_word(enum rg_action action)
{
	return actions[action];
}

const char *rg_name(const struct rg *g)
{
	return csi_meta(g->object, "name");
}

static const json_t *link_of(const struct rg *g)
{
	return json_object_get(csi_status(g->object), "replicationLinkState");
}

const char *rg_link_word(const struct rg *g)
{
	const char *word = json_text_at(link_of(g), "state");

	return *word ? word : links[RG_LINK_UNKNOWN];
}

/* ---- what the array was seen to be ---- */

static void read_link(struct rg *g)
{
	const json_t *link = link_of(g);
	int word = find_word(links, COUNT(links), rg_link_word(g));

	g->link = word < 0 ? RG_LINK_UNKNOWN : (enum rg_link)word;
	g->is_source = json_is_true(json_object_get(link, "isSource"));
	g->polled = csi_time(link, "lastSuccessfulUpdate");
	/* A time far ahead tells of a clock, and nothing of an age. */
	g->fresh = g->polled && llabs(g->now - g->polled) <= RG_OLD_MS;
	/* A poll that failed leaves isSource and the time from before. */
	g->known = g->fresh && !*json_text_at(link, "errorMessage") &&
		   (g->link == RG_LINK_SYNCHRONIZED ||
		    g->link == RG_LINK_SYNC_IN_PROGRESS ||
		    g->link == RG_LINK_SUSPENDED ||
		    g->link == RG_LINK_FAILEDOVER);
}

/* ---- the last action ---- */

static void set_action(struct rg *g, const char *name)
{
	int word = find_word(actions, COUNT(actions), name);
	char *p;

	g->action = word < 0 ? RG_OTHER_ACTION : (enum rg_action)word;
	snprintf(g->action_name, sizeof g->action_name, "%s", name);
	for (p = g->action_name; *p; p++)
		*p = (char)toupper((unsigned char)*p);
}

static const json_t *last_action(const struct rg *g)
{
	return json_object_get(csi_status(g->object), "lastAction");
}

/* The sidecar writes the time as a JSON text, its quotes included. */
static void read_end(struct rg *g, const json_t *note)
{
	const char *text = json_text_at(note, "finishTime");
	size_t len;

	text += *text == '"';
	len = strcspn(text, "\"");
	if (!len) {
		text = json_text_at(last_action(g), "time");
		len = strlen(text);
	}
	if (!len || len >= sizeof g->finish)
		return;
	memcpy(g->finish, text, len);
	g->finish[len] = '\0';
	g->ended = time_parse(g->finish);
	if (g->ended < csi_time(last_action(g), "time"))
		g->ended = csi_time(last_action(g), "time");
}

static bool is_in_progress(const struct rg *g)
{
	static const char end[] = "_IN_PROGRESS";
	const char *state = json_text_at(csi_status(g->object), "state");
	size_t len = strlen(state);

	return len >= sizeof end - 1 &&
	       strcmp(state + len - (sizeof end - 1), end) == 0;
}

static void read_running(struct rg *g, bool is_noted)
{
	const char *failure = json_text_at(last_action(g), "errorMessage");

	/* Before the state says so, `lastAction` is that of another. */
	g->failing = is_in_progress(g) && *failure;
	snprintf(g->failure, sizeof g->failure, "%s",
		 g->failing ? failure : "");
	g->stuck = is_noted && !*csi_spec(g->object, "action") &&
		   !is_in_progress(g);
	g->ended = 0;
}

/* Not somebody else's, and not one of which a word from before tells. */
static bool is_ours(const struct rg *g)
{
	return strcmp(csi_annotation(g->object, RG_ASKED), g->action_name) == 0 &&
	       strcmp(csi_annotation(g->object, RG_BEFORE), g->finish) == 0;
}

static void read_action(struct rg *g)
{
	json_t *note = json_loads(csi_annotation(g->object, "Action"), 0, NULL);
	const char *asked = csi_spec(g->object, "action");
	bool completed = json_is_true(json_object_get(note, "completed"));
	const char *failure = json_text_at(note, "finalError");

	snprintf(g->finish, sizeof g->finish, RG_NOTHING);
	g->under_way = *asked || is_in_progress(g) || (note && !completed);
	/* Whatever is written now, it is the one that is noted that runs. */
	if (note && (!completed || !*asked))
		set_action(g, json_text_at(note, "name"));
	else
		set_action(g, asked);
	if (completed) {
		read_end(g, note);
		g->succeeded = !*failure && !g->under_way;
		snprintf(g->failure, sizeof g->failure, "%s", failure);
	}
	if (g->under_way)
		read_running(g, note && !completed);
	g->untaken = *asked && !is_in_progress(g) && (!note || completed) &&
		     is_ours(g);
	json_decref(note);
}

void rg_read(const struct csi_view *v, struct rg *g)
{
	*g = (struct rg){.now = v->now};
	if (v->reach != REACH_OK || !v->part[RG_PART].object)
		return;
	g->object = v->part[RG_PART].object;
	read_link(g);
	read_action(g);
}

/* ---- what the two stories come to ---- */

bool rg_is_pair(const struct rg *g, const struct rg *other)
{
	return !g->object || !other->object ||
	       (strcmp(csi_spec(g->object, "protectionGroupId"),
		       csi_spec(other->object, "remoteProtectionGroupId")) == 0 &&
		strcmp(csi_spec(g->object, "remoteProtectionGroupId"),
		       csi_spec(other->object, "protectionGroupId")) == 0);
}

bool rg_is_linked(const struct rg *g)
{
	return g->link == RG_LINK_SYNCHRONIZED ||
	       g->link == RG_LINK_SYNC_IN_PROGRESS;
}

bool rg_is_done(const struct rg *g, enum rg_action action)
{
	switch (action) {
	case RG_FAILOVER_REMOTE:
		return !g->is_source;
	case RG_UNPLANNED_FAILOVER_LOCAL:
		return g->is_source;
	case RG_REPROTECT_LOCAL:
	case RG_RESUME:
	case RG_SYNC:
		return rg_is_linked(g);
	case RG_NO_ACTION:
	case RG_SUSPEND:
	case RG_OTHER_ACTION:
		break;
	}
	return true;
}

bool rg_is_revocable(const struct rg *g, const struct rg *other,
		     enum rg_action action)
{
	return g->untaken && g->action == action &&
	       !(action == RG_FAILOVER_REMOTE && other->known &&
		 other->is_source);
}

const char *rg_way_back(const struct rg *g)
{
	if (g->action == RG_UNPLANNED_FAILOVER_LOCAL)
		return "writing replica";
	if (g->action == RG_FAILOVER_REMOTE)
		return "writing replica, or source after demoting";
	return "blanking its spec.action";
}

/* By now a poll would have come, or none will. */
static bool is_recent(const struct rg *g, int64_t time)
{
	return time && llabs(g->now - time) < RG_OLD_MS;
}

/*
 * The end of an action looks at the array, too.  That is enough where it shows
 * what was wanted, and there is another array that is asked.
 */
static bool has_seen_own(const struct rg *g, const struct rg *other)
{
	if (g->polled > g->ended + SLACK_MS)
		return true;
	return g->polled >= g->ended && g->known && other->known &&
	       g->succeeded && rg_is_done(g, g->action);
}

bool rg_awaits_poll(const struct rg *g, const struct rg *other)
{
	if (!g->object || *json_text_at(link_of(g), "errorMessage"))
		return false;
	return (is_recent(g, g->ended) && !has_seen_own(g, other)) ||
	       (is_recent(g, other->ended) && g->polled <= other->ended);
}

/* ---- the history: `conditions', newest first, twenty at most ---- */

#define ROLE_CHANGE "Replication Link State:IsSource changed from "
#define NO_SOURCE_NOW ROLE_CHANGE "(true) to (false)"
#define SOURCE_NOW ROLE_CHANGE "(false) to (true)"
#define ACTION_ENDED "Action "

/* The first from @*at on that begins so, and where it is; NULL: none. */
static const json_t *find_event(const struct rg *g, const char *start,
				size_t *at)
{
	const json_t *list = json_object_get(csi_status(g->object),
					     "conditions");
	const json_t *event;

	for (; (event = json_array_get(list, *at)); ++*at)
		if (strncmp(json_text_at(event, "condition"), start,
			    strlen(start)) == 0)
			return event;
	return NULL;
}

/* It is said to have succeeded, and the array has not shown so. */
static bool shows_nothing(const struct rg *g)
{
	size_t ended = 0, changed = 0;

	if (!g->succeeded || !g->ended || rg_is_done(g, g->action))
		return false;
	/* What was done may have been undone since. */
	if (!find_event(g, ROLE_CHANGE, &changed))
		return true;
	return find_event(g, ACTION_ENDED, &ended) && ended < changed;
}

bool rg_may_go_on(const struct rg *g)
{
	return (g->action == RG_FAILOVER_REMOTE ||
		g->action == RG_UNPLANNED_FAILOVER_LOCAL) &&
	       g->link == RG_LINK_SYNC_IN_PROGRESS && shows_nothing(g) &&
	       llabs(g->now - g->ended) < FAILOVER_MS;
}

bool rg_is_contradicted(const struct rg *g)
{
	return g->known && g->polled > g->ended + SLACK_MS &&
	       shows_nothing(g) && !rg_may_go_on(g);
}

bool rg_was_source(const struct rg *g)
{
	size_t at = 0;

	return find_event(g, NO_SOURCE_NOW, &at);
}

static bool says(const json_t *event, const char *words)
{
	return strcmp(json_text_at(event, "condition"), words) == 0;
}

/*
 * The last action before the roles were last seen to change, if that was so;
 * and how long it took to be seen.
 */
static const json_t *cause(const struct rg *g, const char *change,
			   int64_t *took)
{
	size_t at = 0;
	const json_t *seen = find_event(g, ROLE_CHANGE, &at);
	const json_t *event = seen && says(seen, change)
				      ? find_event(g, ACTION_ENDED, &at)
				      : NULL;

	*took = csi_time(seen, "time") - csi_time(event, "time");
	return event;
}

bool rg_stepped_down(const struct rg *g)
{
	int64_t took;
	const json_t *event = cause(g, NO_SOURCE_NOW, &took);

	return says(event, "Action FAILOVER_REMOTE succeeded") && took >= 0 &&
	       took <= NOTICE_MS;
}

bool rg_took_over(const struct rg *g)
{
	int64_t took;
	const json_t *event = cause(g, SOURCE_NOW, &took);

	return says(event, "Action UNPLANNED_FAILOVER_LOCAL succeeded");
}
