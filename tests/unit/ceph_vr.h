/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VolumeReplications, made up from a few words as csi-addons has been seen to
 * write them.
 */
#ifndef UVRFS_CEPH_VR_H
#define UVRFS_CEPH_VR_H

#include "buf.h"

#include <check.h>
#undef fail		/* ours is the one of error.h */

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define GENERATION 7	/* when none is said */

struct vr {
	int generation;
	const char *asked;	/* spec.replicationState; NULL: no such object */
	const char *state;	/* status.state, NULL: as asked */
	const char *cdr;	/* Completed, Degraded, Resyncing: each of T, F,
				   U (Unknown) or - (there is none) */
	const char *replicating;	/* T, F, U; NULL: there is none */
	const char *stale;	/* these conditions are of the spec before */
	int lag;		/* so far is observedGeneration behind */
	const char *reason;	/* of Completed */
	bool invalid;		/* Validated False */
	const char *synced;	/* lastSyncTime */
	const char *before;	/* uvrfs/synced-before */
	const char *proof;	/* uvrfs/writable */
	const char *stepped;	/* uvrfs/stepped-down */
};

static int generation_of(const struct vr *vr)
{
	return vr->generation ? vr->generation : GENERATION;
}

static void put_condition(struct buf *out, const struct vr *vr,
			  const char *type, char mark, const char *reason)
{
	if (mark == '-')
		return;
	buf_printf(out, ", {\"type\": \"%s\", \"status\": \"%s\", "
		   "\"reason\": \"%s\", \"message\": \"%s says\", "
		   "\"observedGeneration\": %d, \"lastTransitionTime\": "
		   "\"2026-11-28T00:00:00Z\"}", type,
		   mark == 'T' ? "True" : mark == 'F' ? "False" : "Unknown",
		   reason, reason,
		   generation_of(vr) - (vr->stale && strstr(vr->stale, type)));
}

static void put_conditions(struct buf *out, const struct vr *vr)
{
	bool primary = strcmp(vr->asked, "primary") == 0;
	char c = vr->cdr[0], d = vr->cdr[1], r = vr->cdr[2];

	buf_puts(out, "[{\"type\": \"DestinationInfoAvailable\", \"status\": "
		      "\"True\", \"observedGeneration\": 1}");
	put_condition(out, vr, "Completed", c,
		      vr->reason ? vr->reason
		      : primary	 ? "Promoted"
				 : "Demoted");
	put_condition(out, vr, "Degraded", d,
		      c == 'F'	 ? "Error"
		      : d == 'T' ? "VolumeDegraded"
				 : "Healthy");
	put_condition(out, vr, "Resyncing", r,
		      r == 'T' ? "ResyncTriggered" : "NotResyncing");
	put_condition(out, vr, "Validated", vr->invalid ? 'F' : 'T',
		      vr->invalid ? "PrerequisiteNotMet" : "PrerequisiteMet");
	put_condition(out, vr, "Replicating",
		      vr->replicating ? *vr->replicating : '-',
		      "Replicating");
	buf_puts(out, "]");
}

static const char *state_of(const struct vr *vr)
{
	if (vr->state)
		return vr->state;
	return strcmp(vr->asked, "primary") == 0 ? "Primary" : "Secondary";
}

static json_t *parse_object(const char *text)
{
	json_error_t where;
	json_t *o = json_loads(text, 0, &where);

	ck_assert_msg(o, "%s in %s", where.text, text);
	return o;
}

static inline json_t *make_vr(const struct vr *vr)
{
	auto_buf out;

	buf_init(&out, 8192);
	buf_printf(&out,
		   "{\"apiVersion\": \"replication.storage.openshift.io/"
		   "v1alpha1\", \"kind\": \"VolumeReplication\", \"metadata\": "
		   "{\"namespace\": \"database\", \"name\": \"db\", \"uid\": "
		   "\"u\", \"generation\": %d, \"annotations\": {"
		   "\"uvrfs/writable\": \"%s\", \"uvrfs/stepped-down\": "
		   "\"%s\"%s%s%s}}, \"spec\": {"
		   "\"volumeReplicationClass\": \"vrc\", "
		   "\"replicationState\": \"%s\", \"autoResync\": false}, "
		   "\"status\": {\"state\": \"%s\", \"message\": \"it says\", "
		   "\"observedGeneration\": %d, ",
		   generation_of(vr), vr->proof ? vr->proof : "",
		   vr->stepped ? vr->stepped : "",
		   vr->before ? ", \"uvrfs/synced-before\": \"" : "",
		   vr->before ? vr->before : "", vr->before ? "\"" : "",
		   vr->asked, state_of(vr),
		   generation_of(vr) - vr->lag);
	if (vr->synced)
		buf_printf(&out, "\"lastSyncTime\": \"%s\", ", vr->synced);
	buf_puts(&out, "\"conditions\": ");
	put_conditions(&out, vr);
	buf_puts(&out, "}}");
	return parse_object(buf_str(&out));
}

#endif
