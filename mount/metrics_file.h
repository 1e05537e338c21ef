/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics of a daemon without a mount, as DIR/metrics.prom.  The file is whole
 * and of the last seconds, or not there: one that is old says that the daemon
 * hangs, or its disk, and nothing else does.
 */
#ifndef UVRFS_METRICS_FILE_H
#define UVRFS_METRICS_FILE_H

#include "buf.h"
#include "error.h"
#include "job.h"
#include "log.h"

#include <stdint.h>

struct metrics_file {
	struct job job;			/* first: they are cast */
	const char *dir;		/* given, with the four below */
	void (*render)(void *ctx, struct buf *out);	/* event loop */
	void *ctx;
	struct jobs *jobs;
	const struct log *log;
	int64_t due;			/* given as 0: at once */
	bool busy;			/* the job has it: */
	struct buf text;
	int rc;
	struct error err;
	bool failed;			/* the last time, which was logged */
};

/* When metrics_file_tick wants to be called again; INT64_MAX: by its job. */
int64_t metrics_file_due(const struct metrics_file *m);

/*
 * Has it written anew when that is due.  What fails is logged once, until it has
 * worked again.  Event loop.
 */
void metrics_file_tick(struct metrics_file *m, int64_t now);

/* Takes it away; with no job under way.  Blocks for the disk. */
void metrics_file_remove(const char *dir);

#endif
