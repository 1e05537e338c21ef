/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of a replication and the one table of edges between them.
 * Documentation, help, plan/ and the tests are made from this table.
 *
 * The six states are those of replication.unified.io/v1alpha1,
 * spec.replicationState.  Two further words may be asked for and are no
 * states: `swap` (written to `endpoints`) and `remove` (rmdir).
 */
#ifndef UVRFS_STATE_H
#define UVRFS_STATE_H

#include <stdbool.h>
#include <stddef.h>

enum state {
	STATE_NONE,		/* a replication that does not exist yet */
	STATE_SOURCE,
	STATE_REPLICA,
	STATE_PROMOTING,
	STATE_DEMOTING,
	STATE_SYNCING,
	STATE_FAILED,
	STATE_COUNT
};

/* A word that can be asked for: the states first, with the same numbers. */
enum word {
	WORD_NONE = STATE_NONE,
	WORD_SOURCE = STATE_SOURCE,
	WORD_REPLICA = STATE_REPLICA,
	WORD_PROMOTING = STATE_PROMOTING,
	WORD_DEMOTING = STATE_DEMOTING,
	WORD_SYNCING = STATE_SYNCING,
	WORD_FAILED = STATE_FAILED,
	WORD_SWAP,
	WORD_REMOVE,
	WORD_COUNT
};

enum edge_flags {
	EDGE_USER = 1,		/* somebody may write it */
	EDGE_BACKEND = 2,	/* the daemon moves it by what it observed */
	EDGE_VERIFIED = 4,	/* by a user only once the request is verified */
	EDGE_UNDO = 8,		/* undoes a failover: never by a manifest
				   without a resourceVersion */
	EDGE_RETRY = 16,	/* from failed: only the state that failed */
};

struct edge {
	enum state from;
	enum word to;
	unsigned flags;
	const char *means;	/* a phrase for help and documentation */
};

/* The table, and how many rows it has. */
extern const struct edge edges[];
extern const size_t edge_count;

/* The row from @from to @to, or NULL. */
const struct edge *edge_find(enum state from, enum word to);

/*
 * The row that a user takes who writes @to in state @from, or NULL when that
 * may not be written there.  @failed_in is the state that failed, for retries;
 * it matters only when @from is STATE_FAILED.
 */
const struct edge *edge_for_user(enum state from, enum word to,
				 enum state failed_in);

/* The word's text, "" for WORD_NONE; and back, WORD_NONE when it is none. */
const char *word_text(enum word word);
const char *state_text(enum state state);
enum word word_parse(const char *text);

/*
 * Writes the words that a user may write in @from into @out, separated by
 * ", ", swap and remove left out; "nothing" when there are none.
 */
void edge_list_allowed(enum state from, enum state failed_in, char *out,
		       size_t size);

#endif
