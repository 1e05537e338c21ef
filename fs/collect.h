/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text that one descriptor is writing to a YAML file, gathered from its
 * write(2)s until flush or fsync applies it whole.  Pure.
 */
#ifndef UVRFS_COLLECT_H
#define UVRFS_COLLECT_H

#include "buf.h"
#include "error.h"

#include <stdint.h>

struct collect {
	struct buf text;
	bool dirty;	/* there is text that was not taken yet */
	bool broken;	/* what came before was dropped */
};

void collect_init(struct collect *c);
void collect_finish(struct collect *c);

/*
 * Adds the @n bytes at @data, written at @offset.  Offset 0 begins a new text;
 * any other offset must be the end of what is there (a descriptor that appends
 * has no offset: pass collect_end).  A gap (EINVAL) or too much (EFBIG) drops
 * all of it, so that the flush which follows applies no half text; nothing but
 * offset 0 is taken then, not the rest of what somebody appends.
 */
int collect_add(struct collect *c, uint64_t offset, const void *data, size_t n,
		struct error *err);
uint64_t collect_end(const struct collect *c);

/* The same when there is no room for it. */
void collect_drop(struct collect *c);

/*
 * True when there is text to apply; it then counts as applied, so that a second
 * flush does nothing.  The bytes stay: a later write may continue them.
 */
bool collect_take(struct collect *c);

#endif
