/* SPDX-License-Identifier: Apache-2.0 */
/* What an act comes to, given two groups that were looked at for it. */
#include "powerstore.h"

#include "plan.h"

#include <errno.h>

/* An act that is being decided. */
struct deal {
	struct csi_call *c;
	struct rg at, other;
	struct error *err;
};

/* ---- the acts ---- */

static int need_group(struct deal *d)
{
	const struct csi_view *at = d->c->at;

	if (!d->at.object)
		return fail(d->err, ENOENT,
			    "%s: there is no replication group of %s/%s",
			    at->cluster, at->namespace, at->claim_name);
	if (!rg_is_pair(&d->at, &d->other))
		return fail(d->err, EINVAL,
			    "%s of %s and %s of %s are not one pair of "
			    "protection groups: see volumeMapping",
			    rg_name(&d->at), at->cluster, rg_name(&d->other),
			    d->c->other->cluster);
	return 0;
}

static int need_role(struct deal *d)
{
	int rc = need_group(d);

	if (rc == 0 && !d->at.known)
		return fail(d->err, EAGAIN, "%s: the role of %s can't be told: %s",
			    d->c->at->cluster, rg_name(&d->at),
			    d->c->seen.here.native);
	return rc;
}

static int not_in_use(struct deal *d)
{
	const struct csi_view *at = d->c->at;

	if (at->in_use == TRI_NO ||
	    d->c->order->overrides & OVERRIDE_IN_USE)
		return 0;
	return fail(d->err, EBUSY, "%s: %s is in use%s%s", at->cluster,
		    *at->group ? at->group : "the volume",
		    *at->in_use_by ? " by " : "", at->in_use_by);
}

/*
 * Both are sources, as the array here has not given way to the failover there:
 * what makes it do so is to be rebuilt.
 */
static int give_way(struct deal *d)
{
	int rc;

	if (side_verified_role(&d->c->seen.here) != ROLE_SOURCE ||
	    side_verified_role(&d->c->seen.peer) != ROLE_SOURCE)
		return fail(d->err, EAGAIN,
			    "%s and %s both say that they are the source: "
			    "waiting for the next polls",
			    d->c->at->cluster, d->c->other->cluster);
	if (d->other.link != RG_LINK_FAILEDOVER)
		return fail(d->err, EOPNOTSUPP,
			    "%s and %s are both sources, and %s has not been "
			    "failed over to: PowerStore can't make this one "
			    "follow it",
			    d->c->at->cluster, d->c->other->cluster,
			    d->c->other->cluster);
	if (!(d->c->order->overrides & OVERRIDE_DATA))
		return fail(d->err, EOPNOTSUPP,
			    "%s and %s are both sources: PowerStore makes one "
			    "step down only by overwriting it with the other's "
			    "data: write 'swap force' to the other's endpoints",
			    d->c->at->cluster, d->c->other->cluster);
	rc = not_in_use(d);
	if (rc == 0)
		rc = rg_may_ask(d->c, d->c->other, RG_REPROTECT_LOCAL, d->err);
	return rc <= 0 ? rc
		       : rg_ask(d->c, d->c->other, RG_REPROTECT_LOCAL, d->err);
}

static int check_link_to_demote(struct deal *d)
{
	const struct rg *g = &d->at;
	const char *cluster = d->c->at->cluster;

	if (g->link == RG_LINK_FAILEDOVER)
		return fail(d->err, EOPNOTSUPP,
			    "%s: after its failover %s replicates to nobody: "
			    "write swap to endpoints first",
			    cluster, rg_name(g));
	if (g->link != RG_LINK_SUSPENDED)
		return 0;
	if (g->action == RG_FAILOVER_REMOTE && rg_is_contradicted(g))
		return fail(d->err, EAGAIN,
			    "%s: the final copy of %s failed and the array has "
			    "paused it, though FAILOVER_REMOTE is said to have "
			    "succeeded: mend the link between the arrays, then "
			    "ask for SYNC",
			    cluster, rg_name(g));
	return fail(d->err, EAGAIN,
		    "%s: %s is SUSPENDED, and nothing can be copied: ask for "
		    "RESUME first, or SYNC%s",
		    cluster, rg_name(g),
		    d->c->order->act == ACT_DEMOTE_PEER
			    ? ", or write 'promoting force' once more to do "
			      "without"
			    : "");
}

/* The other one becomes the source by the same. */
static int demote(struct deal *d)
{
	int rc = need_role(d);

	if (rc || !d->at.is_source)
		return rc;
	if (d->other.known && d->other.is_source)
		return give_way(d);
	rc = rg_may_ask(d->c, d->c->at, RG_FAILOVER_REMOTE, d->err);
	if (rc <= 0)
		return rc;
	rc = check_link_to_demote(d);
	if (rc == 0)
		rc = not_in_use(d);
	return rc ? rc : rg_ask(d->c, d->c->at, RG_FAILOVER_REMOTE, d->err);
}

static int promote(struct deal *d)
{
	const char *other = d->c->other->cluster;
	int rc = need_role(d);

	if (rc || d->at.is_source)
		return rc;
	if (d->other.known && d->other.is_source)
		return fail(d->err, EBUSY,
			    "%s is the source: there would be two", other);
	return fail(d->err, EAGAIN,
		    "%s has stepped down, and PowerStore makes %s the source by "
		    "the same failover: it has not happened yet",
		    other, d->c->at->cluster);
}

static int check_copy(struct deal *d)
{
	const struct rg *g = &d->at;
	const struct side *here = &d->c->seen.here;
	const char *cluster = d->c->at->cluster;

	if (g->link == RG_LINK_FAILEDOVER)
		return fail(d->err, EOPNOTSUPP,
			    "%s: %s was failed over already, and the driver "
			    "takes another failover for done: reprotect it at "
			    "%s first, or force a failover on the array",
			    cluster, rg_name(g), d->c->other->cluster);
	if (!here->complete)
		return fail(d->err, EINVAL,
			    "%s: %s is not known to hold a whole copy", cluster,
			    rg_name(g));
	if ((here->claim != ROLE_REPLICA ||
	     (here->fact == ROLE_UNKNOWN && !d->other.known)) &&
	    !(d->c->order->overrides & OVERRIDE_COPY))
		return fail(d->err, EAGAIN,
			    "%s: whether %s holds a whole copy can't be told "
			    "(%s): look yourself, then write 'promoting force'",
			    cluster, rg_name(g), here->native);
	return 0;
}

static int force_promote(struct deal *d)
{
	int rc = need_group(d);

	if (rc || (d->at.known && d->at.is_source))
		return rc;
	if (d->at.is_source || !d->at.polled)
		return need_role(d);
	/* The array there has stepped down, so the one here has taken over, or
	   is about to: force is for a replica. */
	if (d->other.known && !d->other.is_source)
		return fail(d->err, EAGAIN,
			    "%s has stepped down, and no poll of %s shows yet "
			    "what that is now: %s",
			    d->c->other->cluster, d->c->at->cluster,
			    d->c->seen.here.native);
	rc = csi_check_lost(d->c, d->err);
	if (rc)
		return rc;
	rc = rg_may_ask(d->c, d->c->at, RG_UNPLANNED_FAILOVER_LOCAL, d->err);
	if (rc <= 0)
		return rc;
	rc = check_copy(d);
	return rc ? rc
		  : rg_ask(d->c, d->c->at, RG_UNPLANNED_FAILOVER_LOCAL, d->err);
}

/*
 * What makes `at' follow `other'; the source's group is where it is asked.  A
 * session that has paused itself takes no RESUME, and looks like any other.
 */
static enum rg_action resync_action(const struct rg *source)
{
	if (source->link == RG_LINK_FAILEDOVER)
		return RG_REPROTECT_LOCAL;
	if (source->link != RG_LINK_SUSPENDED)
		return RG_NO_ACTION;
	return source->action == RG_RESUME && rg_is_contradicted(source)
		       ? RG_SYNC
		       : RG_RESUME;
}

static int resync(struct deal *d)
{
	const struct csi_view *source = d->c->other;
	enum rg_action action = resync_action(&d->other);
	int rc = need_group(d);

	if (rc)
		return rc;
	if (side_verified_role(&d->c->seen.peer) != ROLE_SOURCE)
		return fail(d->err, EAGAIN,
			    "%s is not verified as the source: there is nothing "
			    "to rebuild from",
			    source->cluster);
	if (d->c->seen.here.following)
		return 0;
	if (!d->at.known || d->at.is_source)
		return fail(d->err, EAGAIN, "%s has not stepped down: %s",
			    d->c->at->cluster, d->c->seen.here.native);
	if (action == RG_NO_ACTION)
		return fail(d->err, EAGAIN, "%s: %s does not follow (%s), "
			    "though %s says %s",
			    d->c->at->cluster, rg_name(&d->at),
			    rg_link_word(&d->at), source->cluster,
			    rg_link_word(&d->other));
	if (d->c->seen.here.diverged &&
	    !(d->c->order->overrides & OVERRIDE_DATA))
		return fail(d->err, EBUSY,
			    "%s has, or may have, writes that %s lacks",
			    d->c->at->cluster, source->cluster);
	rc = rg_may_ask(d->c, source, action, d->err);
	return rc <= 0 ? rc : rg_ask(d->c, source, action, d->err);
}

static int create(struct deal *d)
{
	return fail(d->err, EOPNOTSUPP,
		    "%s: %s/%s has no replication group: Dell's sidecar makes it "
		    "when a claim of a replicated storage class is made",
		    d->c->at->cluster, d->c->at->namespace,
		    d->c->at->claim_name);
}

/* It may have the role still, as a poll has shown since this was decided. */
static int give_back(struct deal *d)
{
	int rc = need_role(d);

	if (rc || d->c->seen.here.fact == ROLE_SOURCE)
		return rc;
	return fail(d->err, EOPNOTSUPP,
		    "%s: PowerStore gives no role back: ask for REPROTECT_LOCAL "
		    "at %s, wait for SYNCHRONIZED, then for FAILOVER_REMOTE "
		    "there",
		    d->c->at->cluster, d->c->other->cluster);
}

static int delete(struct deal *d)
{
	return fail(d->err, EOPNOTSUPP,
		    "a replication group ends with its volumes: take the claims "
		    "away, then kubectl delete rg");
}

/* It undoes what was asked for and nobody has begun. */
static bool takes_back(enum act act, const struct rg *at,
		       const struct rg *other)
{
	if (act == ACT_DEMOTE)
		return rg_is_revocable(at, other, RG_UNPLANNED_FAILOVER_LOCAL);
	return (act == ACT_PROMOTE || act == ACT_PROMOTE_PEER) &&
	       rg_is_revocable(at, other, RG_FAILOVER_REMOTE);
}

static int take_back(struct deal *d)
{
	int rc = need_group(d);

	return rc ? rc : rg_take_back(d->c, d->c->at, d->err);
}

int powerstore_act(struct csi_call *c, struct error *err)
{
	static int (*const table[ACT_COUNT])(struct deal *) = {
		[ACT_CREATE] = create,
		[ACT_DEMOTE_PEER] = demote,
		[ACT_PROMOTE] = promote,
		[ACT_FORCE_PROMOTE] = force_promote,
		[ACT_DEMOTE] = demote,
		[ACT_RESYNC] = resync,
		[ACT_PROMOTE_PEER] = give_back,
		[ACT_RESYNC_PEER] = resync,
		[ACT_DELETE] = delete,
	};
	struct deal d = {.c = c, .err = err};

	if (!table[c->order->act])
		return fail(err, EINVAL, "%s is nothing to be done",
			    act_text(c->order->act));
	rg_read(c->at, &d.at);
	rg_read(c->other, &d.other);
	if (takes_back(c->order->act, &d.at, &d.other))
		return take_back(&d);
	return table[c->order->act](&d);
}

/* ---- as one would type it ---- */

static void describe_action(const struct csi_view *v, enum rg_action action,
			    struct buf *out)
{
	const char *name = csi_meta(v->part[RG_PART].object, "name");

	buf_printf(out, "kubectl --context %s patch rg %s --type merge -p "
		   "'{\"spec\":{\"action\":\"%s\"}}'",
		   v->cluster, *name ? name : "NAME", rg_action_word(action));
	if (action && v->member_count > 1)
		buf_printf(out, "  # moves all its %u volumes",
			   v->member_count);
	buf_putc(out, '\n');
}

void powerstore_describe(const struct csi_view *at,
			 const struct csi_view *other, enum act act,
			 struct buf *out)
{
	enum rg_action action;
	struct rg a, b;

	rg_read(at, &a);
	rg_read(other, &b);
	action = resync_action(&b);
	if (takes_back(act, &a, &b))
		describe_action(at, RG_NO_ACTION, out);
	else if (act == ACT_FORCE_PROMOTE)
		describe_action(at, RG_UNPLANNED_FAILOVER_LOCAL, out);
	else if (act == ACT_RESYNC || act == ACT_RESYNC_PEER)
		describe_action(other, action ? action : RG_REPROTECT_LOCAL,
				out);
	else if (act != ACT_DEMOTE && act != ACT_DEMOTE_PEER)
		return;
	else if (a.known && a.is_source && b.known && b.is_source)
		describe_action(other, RG_REPROTECT_LOCAL, out);
	else
		describe_action(at, RG_FAILOVER_REMOTE, out);
}
