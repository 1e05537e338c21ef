/* SPDX-License-Identifier: Apache-2.0 */
/* The states, the words, and the one table of edges. */
#include "state.h"

#include <stdio.h>
#include <string.h>

const struct edge edges[] = {
	{STATE_NONE, WORD_SOURCE, EDGE_USER,
	 "adopt or create a relationship whose source is this site"},
	{STATE_NONE, WORD_REPLICA, EDGE_USER,
	 "adopt or create a relationship whose replica is this site"},
	{STATE_REPLICA, WORD_PROMOTING, EDGE_USER,
	 "fail over: this site's volume becomes writable"},
	{STATE_REPLICA, WORD_SYNCING, EDGE_USER,
	 "resynchronise from the source"},
	{STATE_PROMOTING, WORD_SOURCE, EDGE_USER | EDGE_VERIFIED,
	 "complete the failover"},
	{STATE_PROMOTING, WORD_REPLICA, EDGE_USER | EDGE_UNDO, "roll back"},
	{STATE_PROMOTING, WORD_FAILED, EDGE_BACKEND,
	 "the failover failed: the reason is in error"},
	{STATE_SOURCE, WORD_DEMOTING, EDGE_USER | EDGE_UNDO,
	 "final sync, then read-only"},
	{STATE_DEMOTING, WORD_REPLICA, EDGE_USER | EDGE_VERIFIED,
	 "complete the step down"},
	{STATE_DEMOTING, WORD_SOURCE, EDGE_USER | EDGE_UNDO,
	 "take back, while that loses nothing"},
	{STATE_DEMOTING, WORD_FAILED, EDGE_BACKEND,
	 "the step down failed: the reason is in error"},
	{STATE_SYNCING, WORD_REPLICA,
	 EDGE_USER | EDGE_BACKEND | EDGE_VERIFIED, "the copy is complete"},
	{STATE_SYNCING, WORD_FAILED, EDGE_BACKEND,
	 "the resynchronisation failed: the reason is in error"},
	{STATE_FAILED, WORD_SYNCING, EDGE_USER,
	 "resynchronise from the source"},
	{STATE_FAILED, WORD_REPLICA, EDGE_USER | EDGE_UNDO,
	 "go back to replica, when the storage says so"},
	{STATE_FAILED, WORD_SOURCE, EDGE_USER | EDGE_UNDO,
	 "go back to source, when the storage says so"},
	{STATE_FAILED, WORD_PROMOTING, EDGE_USER | EDGE_RETRY, "retry"},
	{STATE_FAILED, WORD_DEMOTING, EDGE_USER | EDGE_RETRY, "retry"},
};

const size_t edge_count = sizeof edges / sizeof *edges;

static const char *const words[WORD_COUNT] = {
	[WORD_NONE] = "",	       [WORD_SOURCE] = "source",
	[WORD_REPLICA] = "replica",    [WORD_PROMOTING] = "promoting",
	[WORD_DEMOTING] = "demoting",  [WORD_SYNCING] = "syncing",
	[WORD_FAILED] = "failed",      [WORD_SWAP] = "swap",
	[WORD_REMOVE] = "remove",
};

const struct edge *edge_find(enum state from, enum word to)
{
	size_t i;

	for (i = 0; i < edge_count; i++)
		if (edges[i].from == from && edges[i].to == to)
			return &edges[i];
	return NULL;
}

const struct edge *edge_for_user(enum state from, enum word to,
				 enum state failed_in)
{
	const struct edge *e = edge_find(from, to);

	if (!e || !(e->flags & EDGE_USER))
		return NULL;
	if (e->flags & EDGE_RETRY && (enum word)failed_in != to)
		return NULL;
	return e;
}

const char *word_text(enum word word)
{
	return words[word];
}

const char *state_text(enum state state)
{
	return words[state];
}

enum word word_parse(const char *text)
{
	int i;

	for (i = WORD_NONE + 1; i < WORD_COUNT; i++)
		if (strcmp(text, words[i]) == 0)
			return (enum word)i;
	return WORD_NONE;
}

void edge_list_allowed(enum state from, enum state failed_in, char *out,
		       size_t size)
{
	size_t i, len = 0;

	snprintf(out, size, "nothing");
	for (i = 0; i < edge_count && len < size; i++)
		if (edge_for_user(from, edges[i].to, failed_in) ==
		    &edges[i])
			len += (size_t)snprintf(out + len, size - len, "%s%s",
						len ? ", " : "",
						words[edges[i].to]);
}
