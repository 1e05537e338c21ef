/* SPDX-License-Identifier: Apache-2.0 */
/* What loading the local store needs to know.  Private to store_local_*.c. */
#ifndef UVRFS_STORE_LOCAL_MEND_H
#define UVRFS_STORE_LOCAL_MEND_H

#include "store_local.h"

struct loading {
	struct local *local;
	struct store_visitor *visitor;
	int64_t now;
	const char *namespace;		/* at hand */
	void *ids;			/* those found so far, a tree */
};

void loading_complain(struct loading *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* -EEXIST when @id is taken, or was never given by us. */
int loading_claim_id(struct loading *l, uint64_t id);

/* An id that no other has; 0, complained about, on failure. */
uint64_t loading_new_id(struct loading *l);

/*
 * Makes @content, read from @p, that of replication @name, into what may be
 * taken over: with a status, an id of its own, and the state that was last
 * accepted.  What was changed is complained about and written back.  -ENODATA,
 * complained about, when the file must be left out.
 */
int mend(struct loading *l, const struct place *p, const char *name,
	 struct file_content *content);

#endif
