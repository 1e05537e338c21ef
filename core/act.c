/* SPDX-License-Identifier: Apache-2.0 */
/* The acts, as one table. */
#include "act.h"

#include <string.h>

static const struct {
	const char *text;
	bool wait;
	bool at_peer;
} acts[ACT_COUNT] = {
	[ACT_NONE] = {"none", false, false},
	[ACT_CREATE] = {"create", false, false},
	[ACT_DEMOTE_PEER] = {"demote-peer", false, true},
	[ACT_AWAIT_FINAL_COPY] = {"await-final-copy", true, false},
	[ACT_PROMOTE] = {"promote", false, false},
	[ACT_FORCE_PROMOTE] = {"force-promote", false, false},
	[ACT_DEMOTE] = {"demote", false, false},
	[ACT_AWAIT_PEER_COPY] = {"await-peer-copy", true, true},
	[ACT_RESYNC] = {"resync", false, false},
	[ACT_AWAIT_RESYNC] = {"await-resync", true, false},
	[ACT_PROMOTE_PEER] = {"promote-peer", false, true},
	[ACT_RESYNC_PEER] = {"resync-peer", false, true},
	[ACT_AWAIT_PEER_RESYNC] = {"await-peer-resync", true, true},
	[ACT_DELETE] = {"delete", false, false},
	[ACT_VERIFY] = {"verify", false, false},
	[ACT_VERIFY_PEER] = {"verify-peer", false, true},
};

const char *act_text(enum act act)
{
	return acts[act].text;
}

int act_parse(const char *text)
{
	int i;

	for (i = 0; i < ACT_COUNT; i++)
		if (strcmp(text, acts[i].text) == 0)
			return i;
	return -1;
}

bool act_is_wait(enum act act)
{
	return acts[act].wait;
}

bool act_is_look(enum act act)
{
	return act == ACT_VERIFY || act == ACT_VERIFY_PEER;
}

bool act_is_at_peer(enum act act)
{
	return acts[act].at_peer;
}
