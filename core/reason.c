/* SPDX-License-Identifier: Apache-2.0 */
/* The reasons, as one table. */
#include "reason.h"

#include <string.h>

static const struct {
	const char *text;
	const char *means;
} reasons[REASON_COUNT] = {
	[REASON_NONE] = {"", ""},
	[REASON_VERIFIED] = {"Verified",
		"two looks at the storage of this site agree with the state"},
	[REASON_STATUS_UPDATED] = {"StatusUpdated",
		"the storage of this site answers: what is shown is fresh"},
	[REASON_IDLE] = {"Idle", "no request is under way"},
	[REASON_IN_PROGRESS] = {"InProgress",
		"a request is being carried out: the message names the step"},
	[REASON_HEALTHY] = {"Healthy", "nothing is worse than it should be"},
	[REASON_AS_REQUESTED] = {"AsRequested",
		"the storage is what the state says"},
	[REASON_NOT_OBSERVED] = {"NotObserved",
		"nobody has looked at the storage yet"},
	[REASON_SITE_UNREACHABLE] = {"SiteUnreachable",
		"the storage of this site gives no answer that counts"},
	[REASON_SITE_REFUSED] = {"SiteRefused",
		"the storage of this site refuses uvrfs: credentials, TLS or "
		"rights"},
	[REASON_SITE_UNCONFIGURED] = {"SiteUnconfigured",
		"the configuration does not say how to ask this site"},
	[REASON_ROLE_UNKNOWN] = {"RoleUnknown",
		"the storage of this site answers, and its role can't be told"},
	[REASON_STORE_UNREACHABLE] = {"StoreUnreachable",
		"the store, a Kubernetes cluster, gives no answer"},
	[REASON_NO_BACKEND] = {"NoBackend",
		"no backend serves this replication"},
	[REASON_UNVERIFIED] = {"Unverified",
		"the storage says that it is done, and the second look is "
		"missing or says otherwise"},
	[REASON_RETRYING] = {"Retrying",
		"a step failed and is tried again until the deadline"},
	[REASON_CIRCUIT_OPEN] = {"CircuitOpen",
		"a cluster failed too often, so that nothing is asked of it for "
		"a while"},
	[REASON_BUSY] = {"Busy",
		"the storage is at work on the volume: nothing else is begun"},
	[REASON_IN_USE] = {"InUse",
		"the volume that would step down is in use, or that can't be "
		"told"},
	[REASON_NEEDS_FORCE] = {"NeedsForce",
		"the next step would destroy data, and nobody has said that it "
		"may"},
	[REASON_GROUP_INCOMPLETE] = {"GroupIncomplete",
		"the storage moves a group as a whole, and the same was not "
		"asked of all its members"},
	[REASON_PEER_UNVERIFIED] = {"PeerUnverified",
		"what the peer says of its role is not confirmed by a second "
		"look"},
	[REASON_PEER_RETURNED] = {"PeerReturned",
		"an unplanned failover was accepted, and the peer is there "
		"again"},
	[REASON_PEER_NOT_SOURCE] = {"PeerNotSource",
		"there is no verified source to rebuild from"},
	[REASON_PEER_NOT_FOLLOWING] = {"PeerNotFollowing",
		"the peer does not follow this site, which was asked to step "
		"down"},
	[REASON_PEER_IS_SOURCE] = {"PeerIsSource",
		"the role can't be taken back: the peer is, or may be, the "
		"source now"},
	[REASON_SOURCE_UNVERIFIED] = {"SourceUnverified",
		"a swap was asked of this site, which is not verified as the "
		"source any more"},
	[REASON_ROLE_CONFLICT] = {"RoleConflict",
		"a new replication names a role that its storage does not have"},
	[REASON_FAILED] = {"Failed", "the last request failed for good"},
	[REASON_VALIDATION_FAILED] = {"ValidationFailed",
		"the object in the cluster is no valid manifest"},
	[REASON_INVALID_STATE_TRANSITION] = {"InvalidStateTransition",
		"what was patched in the cluster may not be done: it was not"},
	[REASON_SPLIT_BRAIN] = {"SplitBrain", "both sides are writable"},
	[REASON_DRIFTED] = {"Drifted",
		"the storage has another role than the state says"},
	[REASON_ROLE_DIFFERS] = {"RoleDiffers",
		"somebody else has changed the role at the storage"},
	[REASON_PEER_UNREACHABLE] = {"PeerUnreachable",
		"the other site gives no answer"},
	[REASON_PEER_REFUSED] = {"PeerRefused",
		"the other site refuses uvrfs: credentials, TLS or rights"},
	[REASON_PEER_UNCONFIGURED] = {"PeerUnconfigured",
		"the configuration does not say how to ask the other site"},
	[REASON_PEER_NOT_OBSERVED] = {"PeerNotObserved",
		"the other site has not answered yet"},
	[REASON_UNPROTECTED] = {"Unprotected", "nobody follows this source"},
	[REASON_INITIAL_SYNC] = {"InitialSync",
		"the first whole copy is not there yet"},
	[REASON_NO_SOURCE] = {"NoSource",
		"this is a replica, and the other site is no source"},
	[REASON_NOT_FOLLOWING] = {"NotFollowing",
		"this replica gets no data from the source"},
	[REASON_DIVERGED] = {"Diverged",
		"this replica has writes that the source lacks"},
	[REASON_LAG_OVER_RPO] = {"LagOverRpo",
		"the replica's data is older than the rpo of the schedule"},
};

const char *reason_text(enum reason reason)
{
	return reasons[reason].text;
}

enum reason reason_parse(const char *text)
{
	int i;

	for (i = REASON_NONE + 1; i < REASON_COUNT; i++)
		if (text && strcmp(reasons[i].text, text) == 0)
			return (enum reason)i;
	return REASON_NONE;
}

const char *reason_means(enum reason reason)
{
	return reasons[reason].means;
}
