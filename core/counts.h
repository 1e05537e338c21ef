/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has happened since the daemon was started, counted for monitoring.  On
 * the event loop only.
 */
#ifndef UVRFS_COUNTS_H
#define UVRFS_COUNTS_H

#include "act.h"
#include "state.h"
#include "status.h"

#include <stdint.h>

/* How long things took: how many took at most so long, each counted once. */
#define DURATION_LIMITS 10
extern const int64_t duration_limits_ms[DURATION_LIMITS];

struct durations {
	uint64_t upto[DURATION_LIMITS];
	uint64_t longer;
	int64_t sum_ms;
};

void durations_add(struct durations *d, int64_t ms);
uint64_t durations_count(const struct durations *d);

/* Of a backend: calls that acts made, from when a worker was asked for one. */
struct act_counts {
	uint64_t done;
	uint64_t failed;
	struct durations took;
};

struct backend_counts {
	struct act_counts acts[ACT_COUNT];
	/* How often `state` has come to read otherwise. */
	uint64_t changes[STATE_COUNT][STATE_COUNT];
};

/* What came of what users wrote, and of objects that others changed. */
enum edit_outcome {
	EDIT_ACCEPTED,
	EDIT_UNCHANGED,
	EDIT_REFUSED,
	EDIT_FAILED,		/* the store did not take it */
	EDIT_OUTCOMES
};

struct counts {
	uint64_t edits[EDIT_OUTCOMES];
	/* Requests that were decided, from acceptance on. */
	struct durations verified[WORD_COUNT];
	struct durations failed[WORD_COUNT];
};

#endif
