/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: requests from the kernel, jobs that come back, the world's
 * next deadline, signals.  It sleeps until one of them is there.
 */
#ifndef UVRFS_LOOP_H
#define UVRFS_LOOP_H

#include "fs.h"
#include "log.h"
#include "metrics_file.h"
#include "nudger.h"
#include "workers.h"
#include "world.h"

struct loop {
	struct fs *fs;			/* mounted; NULL: a controller */
	struct world *world;		/* loaded */
	struct workers *workers;
	struct metrics_file *metrics;	/* a controller's; NULL: there is a mount */
	struct nudger *nudger;		/* started */
	bool needs_nudger;		/* another one would lack its rights: when
					   it ends, so do we, for the next daemon */
	const struct log *log;
	void (*reload)(struct loop *loop);	/* on SIGHUP; may block */
	bool leaves;			/* out: the mount is to be left to another
					   daemon */
	void *ctx;			/* reload's */
};

/* Blocks the signals that loop_run takes; before any thread is started. */
void loop_block_signals(void);

/*
 * Runs until SIGTERM, SIGINT, SIGUSR1, the end of the mount, or that of a nudger
 * that it needs, which is 0; a negative errno when it can't go on.
 */
int loop_run(struct loop *loop, struct error *err);

/* Milliseconds since the epoch. */
int64_t loop_now(void);

#endif
