/* SPDX-License-Identifier: Apache-2.0 */
/* What stores and backends watch, and how old what they know by it may be. */
#ifndef UVRFS_WATCHES_H
#define UVRFS_WATCHES_H

#include <stdint.h>

struct watch_visitor {
	/*
	 * One watch: of this kind of objects (their plural), at this cluster (""
	 * for the store), last heard of so many ms ago: a list, an event or a
	 * bookmark.  One that was never heard of is not told of.
	 */
	void (*watch)(struct watch_visitor *v, const char *cluster,
		      const char *kind, int64_t age_ms);
	const char *owner;	/* "store", or the backend's name */
};

#endif
