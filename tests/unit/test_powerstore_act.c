/* SPDX-License-Identifier: Apache-2.0 */
/* How powerstore finds replication groups, and what it asks of them. */
#include "plan.h"
#include "powerstore_groups.h"
#include "suite.h"

#include <errno.h>
#include <stdarg.h>

static struct error err;
static unsigned overrides;
static char sent[200];			/* CLUSTER ACTION after BEFORE */
static unsigned sent_count;
static int patch_rc;
static bool told;
static bool cleared;			/* what says whose action it was */

/* ---- instead of the API servers ---- */

int csi_patch(struct csi_call *c, const struct csi_view *view, unsigned part,
	      json_t *body, struct error *e)
{
	ck_assert_uint_eq(part, RG_PART);
	ck_assert(view == c->at || view == c->other);
	snprintf(sent, sizeof sent, "%s %s after %s", view->cluster,
		 csi_spec(body, "action"), csi_annotation(body, RG_BEFORE));
	sent_count++;
	cleared = json_is_null(json_object_get(
			  json_object_get(json_object_get(body, "metadata"),
					  "annotations"), RG_BEFORE)) &&
		  json_is_null(json_object_get(
			  json_object_get(json_object_get(body, "metadata"),
					  "annotations"), RG_ASKED));
	json_decref(body);
	e->code = -patch_rc;
	return patch_rc;
}

bool csi_is_of_act(const struct csi_call *c, const json_t *object)
{
	return strcmp(csi_annotation(object, "uvrfs/serial"), "this") == 0;
}

bool csi_is_of_request(const struct csi_call *c, const json_t *object)
{
	return strcmp(csi_annotation(object, "uvrfs/request"), "this") == 0;
}

bool csi_was_told(struct csi_call *c)
{
	bool before = told;

	told = true;
	return before;
}

/* ---- instead of the cache ---- */

struct csi_look {
	struct csi_view view;
	const json_t *volumes[2];	/* reserved for the claim */
	char got[64], topic[64];
};

const json_t *csi_get(struct csi_look *l, int kind, const char *namespace,
		      const char *name)
{
	ck_assert_int_eq(kind, RG_KIND);
	ck_assert_str_eq(namespace, "");
	snprintf(l->got, sizeof l->got, "%s", name);
	return NULL;
}

const json_t *csi_next(struct csi_look *l, int kind, const json_t *after,
		       const char *fmt, ...)
{
	char topic[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(topic, sizeof topic, fmt, ap);
	va_end(ap);
	ck_assert_int_eq(kind, CSI_VOLUME);
	ck_assert_str_eq(topic, "claim database/orders");
	return after == NULL ? l->volumes[0]
	       : after == l->volumes[0] ? l->volumes[1] : NULL;
}

void csi_take(struct csi_look *l, unsigned part, int kind,
	      const json_t *object)
{
	ck_assert_uint_eq(part, RG_PART);
	ck_assert_int_eq(kind, RG_KIND);
}

void csi_take_group(struct csi_look *l, const char *group, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->topic, sizeof l->topic, fmt, ap);
	va_end(ap);
	snprintf(l->view.group, sizeof l->view.group, "%s", group);
}

struct csi_view *csi_look_view(struct csi_look *l)
{
	return &l->view;
}

/* ---- acting ---- */

/* The act at @at, one of a and b, as they are now. */
static int act(enum act act, const struct shape *at)
{
	struct order order = {.act = act, .overrides = overrides};
	struct csi_call c = {.order = &order};
	int rc;

	judge();
	c.at = at == &a ? &view_a : &view_b;
	c.other = at == &a ? &view_b : &view_a;
	c.seen = o;
	if (at == &b) {
		c.seen.here = o.peer;
		c.seen.peer = o.here;
	}
	*sent = '\0';
	err = (struct error){0};
	rc = powerstore_act(&c, &err);
	if (rc < 0)
		ck_assert_int_eq(err.code, -rc);
	ck_assert(rc <= 0);
	return rc;
}

static void says(const char *part)
{
	if (!strstr(err.msg, part))
		ck_abort_msg("'%s' is not in: %s", part, err.msg);
}

#define refused(act_, at, rc, part) do { \
		ck_assert_int_eq(act(act_, at), -(rc)); \
		says(part); \
		ck_assert_str_eq(sent, ""); \
	} while (0)

#define nothing_to_do(act_, at) do { \
		ck_assert_int_eq(act(act_, at), 0); \
		ck_assert_str_eq(sent, ""); \
	} while (0)

#define sends(act_, at, what) do { \
		ck_assert_int_eq(act(act_, at), 0); \
		ck_assert_str_eq(sent, what); \
	} while (0)

static void setup(void)
{
	pair();
	overrides = 0;
	patch_rc = 0;
	told = false;
	sent_count = 0;
}

/* What was written reached the group, and it is asked about again. */
static void own(struct shape *s, const char *before)
{
	s->serial = s->request = "this";
	s->before = before;
}

/* ---- finding ---- */

static json_t *labelled(const char *group)
{
	return group ? json_pack("{s:{s:{s:s}}}", "metadata", "labels",
				 "replication.storage.dell.com/"
				 "replicationGroupName", group)
		     : json_pack("{s:{}}", "metadata");
}

/* The group that is found by these labels, "" for none. */
static const char *found(const char *claim, const char *volume,
			 const char *reserved)
{
	static struct csi_look l;

	l = (struct csi_look){
		.view = {.namespace = "database", .claim_name = "orders"},
		.volumes = {labelled(NULL), labelled(reserved)},
	};
	l.view.claim = claim ? labelled(claim) : NULL;
	l.view.volume = volume ? labelled(*volume ? volume : NULL) : NULL;
	csi_powerstore.gather(&l);
	json_decref((json_t *)l.view.claim);
	json_decref((json_t *)l.view.volume);
	json_decref((json_t *)l.volumes[0]);
	json_decref((json_t *)l.volumes[1]);
	if (*l.got) {
		ck_assert_str_eq(l.topic + strlen("group "), l.got);
		ck_assert_str_eq(l.view.group + strlen("replication group "),
				 l.got);
	}
	return l.got;
}

START_TEST(to_find_the_group)
{
	ck_assert_str_eq(found("rg-1", "rg-2", "rg-3"), "rg-1");
	ck_assert_str_eq(found(NULL, "rg-2", "rg-3"), "rg-2");
	ck_assert_str_eq(found(NULL, NULL, "rg-3"), "rg-3");
	ck_assert_str_eq(found(NULL, NULL, NULL), "");
	/* The volume is known, and in no group: another is none of ours. */
	ck_assert_str_eq(found(NULL, "", "rg-3"), "");
}
END_TEST

/* ---- stepping down ---- */

START_TEST(to_demote)
{
	sends(ACT_DEMOTE, &a, "site-a FAILOVER_REMOTE after none");
	sends(ACT_DEMOTE_PEER, &a, "site-a FAILOVER_REMOTE after none");
	nothing_to_do(ACT_DEMOTE, &b);
	a.link = b.link = "SYNC_IN_PROGRESS";
	sends(ACT_DEMOTE, &a, "site-a FAILOVER_REMOTE after none");
	a.in_use = TRI_YES;
	refused(ACT_DEMOTE, &a, EBUSY, "site-a: the volume is in use");
	a.members = 3;
	refused(ACT_DEMOTE, &a, EBUSY, "replication group rg-1 is in use");
	a.in_use = TRI_UNKNOWN;
	refused(ACT_DEMOTE, &a, EBUSY, "in use");
	overrides = OVERRIDE_IN_USE;
	sends(ACT_DEMOTE, &a, "site-a FAILOVER_REMOTE after none");
	patch_rc = -EAGAIN;
	ck_assert_int_eq(act(ACT_DEMOTE, &a), -EAGAIN);
}
END_TEST

START_TEST(not_to_demote)
{
	a.link = b.link = "SUSPENDED";
	refused(ACT_DEMOTE, &a, EAGAIN, "ask for RESUME first");
	overrides = OVERRIDE_PEER;
	refused(ACT_DEMOTE_PEER, &a, EAGAIN,
		"or write 'promoting force' once more");
	fail_over();
	refused(ACT_DEMOTE, &b, EOPNOTSUPP, "write swap to endpoints first");
	pair();
	a.polled = 300;
	refused(ACT_DEMOTE, &a, EAGAIN, "can't be told: not polled since");
	pair();
	a.absent = true;
	refused(ACT_DEMOTE, &a, ENOENT, "no replication group of database/");
	pair();
	b.ids[0] = "vg-c";
	overrides = ~0u;
	refused(ACT_DEMOTE, &a, EINVAL, "not one pair");
	pair();
	a.deleted = "2026-01-28T11:00:00Z";
	refused(ACT_DEMOTE, &a, EINVAL, "being deleted");
	pair();
	a.state = "Invalid";
	refused(ACT_DEMOTE, &a, EINVAL, "Invalid");
	a.state = "";
	refused(ACT_DEMOTE, &a, EAGAIN, "no state yet");
}
END_TEST

START_TEST(the_final_copy_failed)
{
	ended(&a, "FAILOVER_REMOTE", 60);
	a.link = b.link = "SUSPENDED";
	refused(ACT_DEMOTE, &a, EAGAIN, "not believed");
	refused(ACT_DEMOTE, &a, EAGAIN, "the final copy of rg-1 failed");
	refused(ACT_DEMOTE, &a, EAGAIN, "the final copy of rg-1 failed");
	ck_assert_uint_eq(sent_count, 0);
}
END_TEST

START_TEST(to_end_two_sources)
{
	split();
	refused(ACT_DEMOTE_PEER, &a, EOPNOTSUPP, "only by overwriting it");
	overrides = OVERRIDE_DATA;
	sends(ACT_DEMOTE_PEER, &a, "site-b REPROTECT_LOCAL after "
				   "2026-01-28T11:50:00Z");
	a.in_use = TRI_YES;
	refused(ACT_DEMOTE, &a, EBUSY, "in use");
	a.in_use = TRI_NO;
	/* There is no failover at a that b could be rebuilt from. */
	refused(ACT_DEMOTE, &b, EOPNOTSUPP, "has not been failed over to");
	/* a was not polled since. */
	b.finished = 20;
	b.polled = 10;
	refused(ACT_DEMOTE, &a, EAGAIN, "waiting for the next polls");
}
END_TEST

/* ---- promoting ---- */

START_TEST(to_promote)
{
	nothing_to_do(ACT_PROMOTE, &a);
	refused(ACT_PROMOTE, &b, EBUSY, "there would be two");
	a.is_source = false;
	refused(ACT_PROMOTE, &b, EAGAIN, "has not happened yet");
	overrides = ~0u;
	refused(ACT_PROMOTE, &b, EAGAIN, "has not happened yet");
}
END_TEST

START_TEST(to_force_promote)
{
	nothing_to_do(ACT_FORCE_PROMOTE, &a);
	refused(ACT_FORCE_PROMOTE, &b, EBUSY, "there would be two");
	/* It was for one that gave no answer: this one steps down first. */
	overrides = OVERRIDE_PEER;
	refused(ACT_FORCE_PROMOTE, &b, EBUSY, "there would be two");
	overrides = OVERRIDE_PEER | OVERRIDE_STEP_DOWN;
	sends(ACT_FORCE_PROMOTE, &b,
	      "site-b UNPLANNED_FAILOVER_LOCAL after none");
	overrides = 0;
	a.reach = REACH_SILENT;
	sends(ACT_FORCE_PROMOTE, &b,
	      "site-b UNPLANNED_FAILOVER_LOCAL after none");
	b.link = "SUSPENDED";
	refused(ACT_FORCE_PROMOTE, &b, EAGAIN, "look yourself");
	overrides = OVERRIDE_COPY;
	sends(ACT_FORCE_PROMOTE, &b,
	      "site-b UNPLANNED_FAILOVER_LOCAL after none");
	/* isSource is that of before. */
	b.link = "UNKNOWN";
	b.poll_error = "array gives no answer";
	sends(ACT_FORCE_PROMOTE, &b,
	      "site-b UNPLANNED_FAILOVER_LOCAL after none");
	overrides = 0;
	refused(ACT_FORCE_PROMOTE, &b, EAGAIN, "look yourself");
	overrides = OVERRIDE_COPY;
	b.is_source = true;
	refused(ACT_FORCE_PROMOTE, &b, EAGAIN, "can't be told");
	b.is_source = false;
	b.polled = 0;
	refused(ACT_FORCE_PROMOTE, &b, EAGAIN, "can't be told");
}
END_TEST

START_TEST(not_to_force_promote)
{
	overrides = OVERRIDE_PEER | OVERRIDE_STEP_DOWN | OVERRIDE_COPY;
	a.link = b.link = "SYNC_IN_PROGRESS";
	refused(ACT_FORCE_PROMOTE, &b, EINVAL, "not known to hold a whole");
	/* The driver would say that it has been done. */
	fail_over();
	refused(ACT_FORCE_PROMOTE, &a, EOPNOTSUPP, "reprotect it at site-b");
	b.reach = REACH_SILENT;
	refused(ACT_FORCE_PROMOTE, &a, EOPNOTSUPP, "reprotect it at site-b");
}
END_TEST

/* ---- rebuilding ---- */

START_TEST(to_resync)
{
	nothing_to_do(ACT_RESYNC, &b);
	nothing_to_do(ACT_RESYNC_PEER, &b);
	refused(ACT_RESYNC, &a, EAGAIN, "not verified as the source");
	a.link = b.link = "SUSPENDED";
	sends(ACT_RESYNC_PEER, &b, "site-a RESUME after none");
	/* It was the array that paused it, and so it takes no RESUME. */
	ended(&a, "RESUME", 60);
	sends(ACT_RESYNC_PEER, &b, "site-a SYNC after 2026-01-28T11:59:00Z");
	ended(&a, "SYNC", 50);
	sends(ACT_RESYNC_PEER, &b, "site-a RESUME after 2026-01-28T11:59:10Z");
	a.link = "SYNCHRONIZED";
	refused(ACT_RESYNC_PEER, &b, EAGAIN, "does not follow (SUSPENDED)");
	fail_over();
	sends(ACT_RESYNC_PEER, &a, "site-b REPROTECT_LOCAL after none");
	sends(ACT_RESYNC, &a, "site-b REPROTECT_LOCAL after none");
	refused(ACT_RESYNC, &b, EAGAIN, "not verified as the source");
	fail_over_unplanned();
	refused(ACT_RESYNC_PEER, &a, EBUSY, "may have, writes");
	overrides = OVERRIDE_DATA;
	sends(ACT_RESYNC_PEER, &a, "site-b REPROTECT_LOCAL after "
				   "2026-01-28T11:50:00Z");
	split();
	refused(ACT_RESYNC_PEER, &a, EAGAIN, "has not stepped down");
	b.reach = REACH_SILENT;
	refused(ACT_RESYNC, &a, EAGAIN, "not verified as the source");
}
END_TEST

/* ---- what was asked for already ---- */

START_TEST(it_is_on_its_way)
{
	/* Not taken up yet; taken up; running. */
	own(&a, "none");
	a.spec_action = "FAILOVER_REMOTE";
	nothing_to_do(ACT_DEMOTE, &a);
	runs(&a, "FAILOVER_REMOTE", "Ready");
	nothing_to_do(ACT_DEMOTE, &a);
	a.state = "FAILOVER_REMOTE_IN_PROGRESS";
	nothing_to_do(ACT_DEMOTE, &a);
	/* Another member's, and somebody's who writes small letters. */
	a.serial = a.request = NULL;
	a.spec_action = "failover_remote";
	nothing_to_do(ACT_DEMOTE, &a);
	a.last_error = "rpc error: no answer";
	refused(ACT_DEMOTE, &a, EAGAIN, "is tried again: rpc error");
	a.last_error = NULL;
	runs(&a, "SYNC", "SYNC_IN_PROGRESS");
	refused(ACT_DEMOTE, &a, EBUSY, "SYNC is under way in rg-1");
	/* Whatever is written there, this is what runs. */
	a.spec_action = "FAILOVER_REMOTE";
	refused(ACT_DEMOTE, &a, EBUSY, "SYNC is under way in rg-1");
	/* Between the two writes of its end a third would be lost. */
	a.spec_action = "";
	a.completed = true;
	a.finished = 5;
	refused(ACT_DEMOTE, &a, EBUSY, "SYNC is under way in rg-1");
	ck_assert_uint_eq(sent_count, 0);
}
END_TEST

START_TEST(nobody_does_it)
{
	b.spec_action = "UNPLANNED_FAILOVER_LOCAL";
	a.reach = REACH_SILENT;
	b.polled = 300;
	overrides = OVERRIDE_COPY;
	refused(ACT_FORCE_PROMOTE, &b, EAGAIN, "does Dell's sidecar run?");
	/* It would run this one in place of whatever is written. */
	pair();
	runs(&a, "UNPLANNED_FAILOVER_LOCAL", "Ready");
	a.spec_action = "";
	refused(ACT_DEMOTE, &a, EAGAIN, "take that annotation away");
}
END_TEST

START_TEST(it_was_dropped)
{
	own(&a, "none");
	refused(ACT_DEMOTE, &a, EOPNOTSUPP, "was dropped");
	ended(&a, "SYNC", 600);
	a.before = "2026-01-28T11:50:00Z";
	refused(ACT_DEMOTE, &a, EOPNOTSUPP, "was dropped");
	/* Nor is it asked for again by the next act of the same request. */
	a.serial = "other";
	a.asked = "FAILOVER_REMOTE";
	refused(ACT_DEMOTE, &a, EOPNOTSUPP, "was dropped");
	a.asked = "SYNC";
	sends(ACT_DEMOTE, &a, "site-a FAILOVER_REMOTE after "
			      "2026-01-28T11:50:00Z");
	own(&a, "none");
	/* Somebody else's took its place: this one never ran. */
	a.before = "2026-01-28T11:40:00Z";
	sends(ACT_DEMOTE, &a, "site-a FAILOVER_REMOTE after "
			      "2026-01-28T11:50:00Z");
}
END_TEST

START_TEST(it_failed)
{
	ended(&a, "FAILOVER_REMOTE", 60);
	a.state = "Error";
	a.final_error = "no such session";
	own(&a, "none");
	refused(ACT_DEMOTE, &a, EINVAL, "FAILOVER_REMOTE of rg-1 failed: no ");
	/* Asked for by another act of the same request. */
	a.serial = "other";
	refused(ACT_DEMOTE, &a, EINVAL, "failed: no such session");
	/* A new request may: Error does not stand in its way. */
	a.request = "other";
	sends(ACT_DEMOTE, &a, "site-a FAILOVER_REMOTE after "
			      "2026-01-28T11:59:00Z");
	/* Not before a poll has shown that it did not happen. */
	a.polled = 70;
	refused(ACT_DEMOTE, &a, EAGAIN, "has not been polled");
	/* The failure is older than what we wrote. */
	a.polled = 30;
	a.request = "this";
	a.before = "2026-01-28T11:59:00Z";
	sends(ACT_DEMOTE, &a, "site-a FAILOVER_REMOTE after "
			      "2026-01-28T11:59:00Z");
}
END_TEST

START_TEST(it_is_not_believed)
{
	ended(&a, "FAILOVER_REMOTE", 60);
	own(&a, "none");
	/* As far as this act goes it has been done, whatever it has done. */
	nothing_to_do(ACT_DEMOTE, &a);
	a.serial = "other";
	refused(ACT_DEMOTE, &a, EAGAIN,
		"site-a: rg-1 says that FAILOVER_REMOTE succeeded, and the "
		"array's poll of 2026-01-28T11:59:30Z still says source, "
		"SYNCHRONIZED: not believed");
	sends(ACT_DEMOTE, &a, "site-a FAILOVER_REMOTE after "
			      "2026-01-28T11:59:00Z");
	/* What the end itself has seen proves nothing: a poll has to come. */
	told = false;
	a.polled = 58;
	refused(ACT_DEMOTE, &a, EAGAIN, "has not been polled");
	/* It was believed, and things have gone on since. */
	a.polled = 10;
	moved(&a, false, 50);
	moved(&a, true, 40);
	sends(ACT_DEMOTE, &a, "site-a FAILOVER_REMOTE after "
			      "2026-01-28T11:59:00Z");
	/* The other kinds. */
	pair();
	told = false;
	ended(&b, "UNPLANNED_FAILOVER_LOCAL", 60);
	a.reach = REACH_SILENT;
	refused(ACT_FORCE_PROMOTE, &b, EAGAIN, "not believed");
	sends(ACT_FORCE_PROMOTE, &b, "site-b UNPLANNED_FAILOVER_LOCAL after "
				     "2026-01-28T11:59:00Z");
	fail_over();
	told = false;
	ended(&b, "REPROTECT_LOCAL", 60);
	refused(ACT_RESYNC, &a, EAGAIN, "not believed");
	sends(ACT_RESYNC, &a, "site-b REPROTECT_LOCAL after "
			      "2026-01-28T11:59:00Z");
}
END_TEST

START_TEST(it_may_go_on)
{
	/* The driver has lost its connection, and the array is at it. */
	ended(&a, "FAILOVER_REMOTE", 60);
	a.link = b.link = "SYNC_IN_PROGRESS";
	a.polled = b.polled = 10;
	own(&a, "none");
	a.serial = "other";
	refused(ACT_DEMOTE, &a, EAGAIN, "may still be at it");
	refused(ACT_DEMOTE, &a, EAGAIN, "may still be at it");
	/* Nor does anybody else ask for it, or for something else. */
	a.request = "other";
	refused(ACT_DEMOTE_PEER, &a, EAGAIN, "may still be at it");
	a.link = "SYNCHRONIZED";
	refused(ACT_DEMOTE, &a, EAGAIN, "not believed");
	sends(ACT_DEMOTE, &a, "site-a FAILOVER_REMOTE after "
			      "2026-01-28T11:59:00Z");
	/* It is not waited for for ever. */
	a.link = "SYNC_IN_PROGRESS";
	a.finished = a.events[0].ago = 901;
	sends(ACT_DEMOTE, &a, "site-a FAILOVER_REMOTE after "
			      "2026-01-28T11:44:59Z");
	pair();
	a.reach = REACH_SILENT;
	ended(&b, "UNPLANNED_FAILOVER_LOCAL", 60);
	b.link = "SYNC_IN_PROGRESS";
	b.polled = 10;
	overrides = ~0u;
	refused(ACT_FORCE_PROMOTE, &b, EAGAIN, "may still be at it");
}
END_TEST

/* ---- taking back ---- */

/* It was asked for by uvrfs, and nobody has begun. */
static void ask_for(struct shape *s, const char *action, const char *before)
{
	s->spec_action = s->asked = action;
	s->before = before;
}

START_TEST(to_take_it_back)
{
	ask_for(&a, "FAILOVER_REMOTE", "none");
	sends(ACT_PROMOTE_PEER, &a, "site-a  after ");
	ck_assert(cleared);
	sends(ACT_PROMOTE, &a, "site-a  after ");
	judge();
	ck_assert(o.here.demotes && !o.here.promotes && !o.peer.demotes);
	ck_assert(o.here.busy);
	/* Whatever its array is said to be. */
	a.polled = 500;
	sends(ACT_PROMOTE_PEER, &a, "site-a  after ");
	/* What steps down is not in the way of stepping down. */
	refused(ACT_DEMOTE, &a, EAGAIN, "can't be told");
	pair();
	a.reach = REACH_SILENT;
	ask_for(&b, "UNPLANNED_FAILOVER_LOCAL", "none");
	sends(ACT_DEMOTE, &b, "site-b  after ");
	ck_assert(cleared);
	judge();
	ck_assert(o.peer.promotes && !o.peer.demotes);
	b.polled = 500;
	refused(ACT_FORCE_PROMOTE, &b, EAGAIN, "unless that is taken back by "
					       "writing replica");
	pair();
	ended(&a, "SYNC", 600);
	ask_for(&a, "FAILOVER_REMOTE", "2026-01-28T11:50:00Z");
	sends(ACT_PROMOTE_PEER, &a, "site-a  after ");
	b.ids[1] = "vg-c";
	refused(ACT_PROMOTE_PEER, &a, EINVAL, "not one pair");
}
END_TEST

START_TEST(not_to_take_it_back)
{
	/* It has begun. */
	ask_for(&a, "FAILOVER_REMOTE", "none");
	runs(&a, "FAILOVER_REMOTE", "Ready");
	refused(ACT_PROMOTE_PEER, &a, EOPNOTSUPP, "gives no role back");
	nothing_to_do(ACT_PROMOTE, &a);
	a.note = NULL;
	a.state = "FAILOVER_REMOTE_IN_PROGRESS";
	nothing_to_do(ACT_PROMOTE, &a);
	/* Somebody else's; the one before it, of the same name, was ours. */
	pair();
	a.spec_action = "FAILOVER_REMOTE";
	nothing_to_do(ACT_PROMOTE, &a);
	judge();
	ck_assert(!o.here.demotes);
	ended(&a, "FAILOVER_REMOTE", 600);
	ask_for(&a, "FAILOVER_REMOTE", "none");
	nothing_to_do(ACT_PROMOTE, &a);
	judge();
	ck_assert(!o.here.demotes);
	/* Another action, which leaves the roles. */
	pair();
	ask_for(&a, "SYNC", "none");
	nothing_to_do(ACT_PROMOTE, &a);
	judge();
	ck_assert(!o.here.demotes && !o.here.promotes);
	ck_assert_ptr_nonnull(strstr(o.here.native, "blanking its spec.action"));
	/* Its end shows, and its state does not yet. */
	pair();
	ended(&a, "SYNC", 5);
	ask_for(&a, "FAILOVER_REMOTE", "2026-01-28T11:59:55Z");
	a.state = "SYNC_IN_PROGRESS";
	nothing_to_do(ACT_PROMOTE, &a);
	/* Both are sources, and this ends it. */
	split();
	ask_for(&a, "FAILOVER_REMOTE", "none");
	nothing_to_do(ACT_PROMOTE, &a);
	judge();
	ck_assert(!o.here.demotes);
	/* Not the acts that want it. */
	pair();
	ask_for(&a, "FAILOVER_REMOTE", "none");
	nothing_to_do(ACT_DEMOTE, &a);
	nothing_to_do(ACT_DEMOTE_PEER, &a);
	ck_assert_uint_eq(sent_count, 0);
}
END_TEST

/* ---- what it can't do; what it says that it would do ---- */

START_TEST(not_offered)
{
	overrides = ~0u;
	refused(ACT_CREATE, &a, EOPNOTSUPP, "Dell's sidecar makes it");
	refused(ACT_DELETE, &a, EOPNOTSUPP, "kubectl delete rg");
	refused(ACT_PROMOTE_PEER, &b, EOPNOTSUPP, "gives no role back");
	nothing_to_do(ACT_PROMOTE_PEER, &a);
	refused(ACT_VERIFY, &a, EINVAL, "nothing to be done");
	refused(ACT_NONE, &a, EINVAL, "nothing to be done");
}
END_TEST

static const char *describe(enum act act, const struct csi_view *at,
			    const struct csi_view *other)
{
	static char text[400];
	auto_buf out;

	buf_init(&out, sizeof text);
	judge();
	powerstore_describe(at, other, act, &out);
	snprintf(text, sizeof text, "%s", buf_str(&out));
	return text;
}

#define PATCH(cluster, action) \
	"kubectl --context " cluster " patch rg rg-1 --type merge -p " \
	"'{\"spec\":{\"action\":\"" action "\"}}'"

START_TEST(as_one_would_type_it)
{
	ck_assert_str_eq(describe(ACT_DEMOTE_PEER, &view_a, &view_b),
			 PATCH("site-a", "FAILOVER_REMOTE") "\n");
	ck_assert_str_eq(describe(ACT_PROMOTE, &view_b, &view_a), "");
	ck_assert_str_eq(describe(ACT_FORCE_PROMOTE, &view_b, &view_a),
			 PATCH("site-b", "UNPLANNED_FAILOVER_LOCAL") "\n");
	ck_assert_str_eq(describe(ACT_RESYNC_PEER, &view_a, &view_b),
			 PATCH("site-b", "REPROTECT_LOCAL") "\n");
	b.link = "SUSPENDED";
	ck_assert_str_eq(describe(ACT_RESYNC, &view_a, &view_b),
			 PATCH("site-b", "RESUME") "\n");
	b.link = "SYNCHRONIZED";
	a.members = 3;
	ck_assert_str_eq(describe(ACT_DEMOTE, &view_a, &view_b),
			 PATCH("site-a", "FAILOVER_REMOTE")
			 "  # moves all its 3 volumes\n");
	ask_for(&a, "FAILOVER_REMOTE", "none");
	ck_assert_str_eq(describe(ACT_PROMOTE_PEER, &view_a, &view_b),
			 PATCH("site-a", "") "\n");
	split();
	ck_assert_str_eq(describe(ACT_DEMOTE_PEER, &view_a, &view_b),
			 PATCH("site-b", "REPROTECT_LOCAL") "\n");
	a.absent = true;
	ck_assert_ptr_nonnull(strstr(describe(ACT_DEMOTE, &view_a, &view_b),
				     "patch rg NAME "));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("powerstore_act");
	TCase *c = tcase_create("powerstore_act");

	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, to_find_the_group);
	tcase_add_test(c, to_demote);
	tcase_add_test(c, not_to_demote);
	tcase_add_test(c, the_final_copy_failed);
	tcase_add_test(c, to_end_two_sources);
	tcase_add_test(c, to_promote);
	tcase_add_test(c, to_force_promote);
	tcase_add_test(c, not_to_force_promote);
	tcase_add_test(c, to_resync);
	tcase_add_test(c, it_is_on_its_way);
	tcase_add_test(c, nobody_does_it);
	tcase_add_test(c, it_was_dropped);
	tcase_add_test(c, it_failed);
	tcase_add_test(c, it_is_not_believed);
	tcase_add_test(c, it_may_go_on);
	tcase_add_test(c, to_take_it_back);
	tcase_add_test(c, not_to_take_it_back);
	tcase_add_test(c, not_offered);
	tcase_add_test(c, as_one_would_type_it);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
