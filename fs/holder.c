/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each user's open files cost us: the text that a reader was given, and
 * half of what somebody writes, stay for as long as the file is open.  Nobody
 * but root may hold so much that there is nothing left for others.
 */
#include "tree.h"

#include <errno.h>
#include <stdlib.h>

#define HOLDER_BYTES (128u << 20)
#define HOLDER_POLLS (FS_POLLED_MAX / 4)

struct holder {
	struct map_link link;		/* its key is the uid */
	size_t bytes;			/* 0: about to go */
	unsigned polls;			/* noted for the next daemon */
};

static size_t cost_of(const struct handle *h)
{
	return sizeof *h + h->text.cap + h->collect.text.cap;
}

int holder_charge(struct handle *h)
{
	struct holder *who = h->holder;

	if (!who)
		return 0;
	who->bytes += cost_of(h) - h->charged;
	h->charged = cost_of(h);
	if (!who->link.key || who->bytes <= HOLDER_BYTES)
		return 0;
	buf_finish(&h->text);
	collect_drop(&h->collect);
	h->has_text = false;
	who->bytes += cost_of(h) - h->charged;
	h->charged = cost_of(h);
	return -EDQUOT;
}

int holder_take(struct fs *fs, struct handle *h, uid_t uid)
{
	struct holder *who = (struct holder *)map_find(&fs->holders, uid);

	if (!who) {
		who = calloc(1, sizeof *who);
		if (!who)
			return -ENOMEM;
		who->link.key = uid;
		if (map_add(&fs->holders, &who->link)) {
			free(who);
			return -ENOMEM;
		}
	}
	h->holder = who;
	return holder_charge(h);
}

bool holder_add_poll(struct handle *h)
{
	struct holder *who = h->holder;

	if (who && who->link.key && who->polls >= HOLDER_POLLS)
		return false;
	if (who)
		who->polls++;
	return true;
}

void holder_drop_poll(struct handle *h)
{
	if (h->holder)
		h->holder->polls--;
}

void holder_release(struct fs *fs, struct handle *h)
{
	struct holder *who = h->holder;

	if (!who)
		return;
	who->bytes -= h->charged;
	if (who->bytes)
		return;
	map_remove(&fs->holders, &who->link);
	free(who);
}
