/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that may block, handed to threads and given back to the event loop.
 * mount/ has the threads; tests run jobs in place.
 */
#ifndef UVRFS_JOB_H
#define UVRFS_JOB_H

#include <stdbool.h>

/*
 * The store has a thread of its own, so that no backend can delay it, and so has
 * the audit, which is a file on this machine: a refusal waits for no store.  What
 * else is written to this machine's disk and waited for by nobody goes there, too.
 */
enum lane { LANE_STORE, LANE_AUDIT, LANE_BACKEND, LANE_COUNT };

/*
 * Submitting gives the job away: until `done` is called, only `run` touches it.
 * `run` can't fail; what came of it is in the struct that holds the job.
 */
struct job {
	struct job *next;		/* the queue's */
	enum lane lane;
	bool urgent;			/* goes before those that are not */
	void (*run)(struct job *job);	/* worker */
	void (*done)(struct job *job);	/* event loop; frees the job */
};

struct jobs {
	/* Runs the job on a thread of its lane, then `done` on the loop.  First
	   in, first started within a lane, among those that are urgent and
	   among the others.  Loop thread; never blocks. */
	void (*submit)(struct jobs *jobs, struct job *job);

	/* Makes one urgent that was not, unless it has been started.  Loop
	   thread. */
	void (*hurry)(struct jobs *jobs, struct job *job);

	/* Only `done`, on the loop, in the order of posting.  Any thread. */
	void (*post)(struct jobs *jobs, struct job *job);
};

#endif
