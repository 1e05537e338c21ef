/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a condition is as it is: every reason there is, in one table.  What is
 * not in it can't be shown; uvrfs(7) lists it, and docs/runbooks.md has a
 * section for each.
 */
#ifndef UVRFS_REASON_H
#define UVRFS_REASON_H

enum reason {
	REASON_NONE,

	/* as it should be */
	REASON_VERIFIED,
	REASON_STATUS_UPDATED,
	REASON_IDLE,
	REASON_IN_PROGRESS,
	REASON_HEALTHY,
	REASON_AS_REQUESTED,

	/* nobody can tell */
	REASON_NOT_OBSERVED,
	REASON_SITE_UNREACHABLE,
	REASON_SITE_REFUSED,
	REASON_SITE_UNCONFIGURED,
	REASON_ROLE_UNKNOWN,
	REASON_STORE_UNREACHABLE,
	REASON_NO_BACKEND,
	REASON_UNVERIFIED,

	/* a request waits, or has ended */
	REASON_RETRYING,
	REASON_CIRCUIT_OPEN,
	REASON_BUSY,
	REASON_IN_USE,
	REASON_NEEDS_FORCE,
	REASON_GROUP_INCOMPLETE,
	REASON_PEER_UNVERIFIED,
	REASON_PEER_RETURNED,
	REASON_PEER_NOT_SOURCE,
	REASON_PEER_NOT_FOLLOWING,
	REASON_PEER_IS_SOURCE,
	REASON_SOURCE_UNVERIFIED,
	REASON_ROLE_CONFLICT,
	REASON_FAILED,
	REASON_VALIDATION_FAILED,
	REASON_INVALID_STATE_TRANSITION,

	/* the storage is not as it should be */
	REASON_SPLIT_BRAIN,
	REASON_DRIFTED,
	REASON_ROLE_DIFFERS,
	REASON_PEER_UNREACHABLE,
	REASON_PEER_REFUSED,
	REASON_PEER_UNCONFIGURED,
	REASON_PEER_NOT_OBSERVED,
	REASON_UNPROTECTED,
	REASON_INITIAL_SYNC,
	REASON_NO_SOURCE,
	REASON_NOT_FOLLOWING,
	REASON_DIVERGED,
	REASON_LAG_OVER_RPO,
	REASON_COUNT
};

/* The reason's CamelCase name, "" for REASON_NONE; and back, REASON_NONE for
   what is none. */
const char *reason_text(enum reason reason);
enum reason reason_parse(const char *text);

/* What it means: a sentence without a full stop. */
const char *reason_means(enum reason reason);

#endif
