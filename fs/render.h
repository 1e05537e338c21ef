/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a replication show: a pure function each of what is known.
 * Unless said otherwise a draft has none of them.
 */
#ifndef UVRFS_RENDER_H
#define UVRFS_RENDER_H

#include "buf.h"
#include "file.h"

void render_state(const struct subject *s, struct buf *out);
void render_conditions(const struct subject *s, struct buf *out);
void render_endpoints(const struct subject *s, struct buf *out);
void render_mode(const struct subject *s, struct buf *out);
void render_schedule(const struct subject *s, struct buf *out);
void render_volumes(const struct subject *s, struct buf *out);
void render_spec(const struct subject *s, struct buf *out);	/* drafts too */
void render_status(const struct subject *s, struct buf *out);
void render_backend(const struct subject *s, struct buf *out);
void render_lag(const struct subject *s, struct buf *out);
void render_progress(const struct subject *s, struct buf *out);
void render_error(const struct subject *s, struct buf *out);	/* drafts too */
void render_hold(const struct subject *s, struct buf *out);
void render_history(const struct subject *s, struct buf *out);

/* When the data of the side that follows was current, ms; 0: unknown. */
int64_t render_data_time(const struct replication *r);
/* How old it is, ms; -1: unknown. */
int64_t render_lag_ms(const struct world *w, const struct replication *r);

/* What `wait` reads once the request is verified. */
void render_verified(const struct replication *r, struct buf *out);

#endif
