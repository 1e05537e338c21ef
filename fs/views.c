/* SPDX-License-Identifier: Apache-2.0 */
/* The views by-state and by-source: directories of symbolic links. */
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void place_finish(struct fs *fs)
{
	struct places *p = &fs->places;
	size_t i;

	for (i = 0; i < p->count; i++)
		free(p->list[i].name);
	free(p->list);
	*p = (struct places){.stale = true};
}

/* Where @hash is, or would be. */
static size_t position(const struct places *p, uint64_t hash)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->list[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Without memory, or for names of one hash, a place is missing in the view. */
static void add_place(struct places *p, const char *name)
{
	uint64_t hash = inode_hash(name);
	size_t at = position(p, hash);
	struct place *list;
	char *copy;

	if (!*name || (at < p->count && p->list[at].hash == hash))
		return;
	list = reallocarray(p->list, p->count + 1, sizeof *list);
	if (!list)
		return;
	p->list = list;
	copy = strdup(name);
	if (!copy)
		return;
	memmove(&list[at + 1], &list[at], (p->count - at) * sizeof *list);
	list[at] = (struct place){.hash = hash, .name = copy};
	p->count++;
}

static void refresh(struct fs *fs)
{
	const struct replication *r;
	uint64_t id;

	if (!fs->places.stale)
		return;
	place_finish(fs);
	for (id = 0; (r = world_next(fs->world, id)); id = r->id) {
		if (!r->spec)
			continue;
		add_place(&fs->places, r->spec->source.cluster);
		add_place(&fs->places, r->spec->source.region);
	}
	fs->places.stale = false;
}

const struct place *place_next(struct fs *fs, uint64_t after)
{
	size_t at;

	refresh(fs);
	at = position(&fs->places, after + 1);
	return at < fs->places.count ? &fs->places.list[at] : NULL;
}

const struct place *place_find(struct fs *fs, uint64_t hash)
{
	const struct place *p = place_next(fs, hash - 1);

	return p && p->hash == hash ? p : NULL;
}

/* True when the replication @r is in view directory @dir. */
static bool belongs(struct fs *fs, struct inode dir,
		    const struct replication *r)
{
	const struct place *p;

	if (!r || !r->spec)
		return false;
	if (dir.kind == KIND_STATE)
		return replication_state(r) == (enum state)dir.row;
	p = place_find(fs, dir.id);
	return p && (strcmp(r->spec->source.cluster, p->name) == 0 ||
		     strcmp(r->spec->source.region, p->name) == 0);
}

static bool next_state(uint64_t after, struct entry *out)
{
	if (after + 1 >= STATE_COUNT)
		return false;
	out->node = (struct inode){KIND_STATE, 0, (unsigned)after + 1};
	out->cursor = after + 1;
	snprintf(out->name, sizeof out->name, "%s",
		 state_text((enum state)(after + 1)));
	return true;
}

static bool next_place(struct fs *fs, uint64_t after, struct entry *out)
{
	const struct place *p = place_next(fs, after);

	if (!p)
		return false;
	out->node = (struct inode){KIND_PLACE, p->hash, 0};
	out->cursor = p->hash;
	snprintf(out->name, sizeof out->name, "%s", p->name);
	return true;
}

bool view_next(struct fs *fs, struct inode dir, uint64_t after,
	       struct entry *out)
{
	const struct replication *r;

	if (dir.kind == KIND_BY_STATE)
		return next_state(after, out);
	if (dir.kind == KIND_BY_SOURCE)
		return next_place(fs, after, out);
	for (; (r = world_next(fs->world, after)); after = r->id) {
		if (!belongs(fs, dir, r))
			continue;
		out->node = (struct inode){KIND_LINK, r->id, 0};
		out->cursor = r->id;
		snprintf(out->name, sizeof out->name, "%s:%s", r->ns->name,
			 r->name);
		return true;
	}
	return false;
}

static int link_lookup(struct fs *fs, struct inode dir, const char *name,
		       struct inode *out)
{
	const char *colon = strchr(name, ':');
	const struct replication *r;
	struct namespace *ns;
	char label[64];

	if (!colon || (size_t)(colon - name) >= sizeof label)
		return -ENOENT;
	snprintf(label, sizeof label, "%.*s", (int)(colon - name), name);
	ns = world_namespace(fs->world, label);
	r = ns ? namespace_find(ns, colon + 1) : NULL;
	if (!belongs(fs, dir, r))
		return -ENOENT;
	*out = (struct inode){KIND_LINK, r->id, 0};
	return 0;
}

int view_lookup(struct fs *fs, struct inode dir, const char *name,
		struct inode *out)
{
	const struct place *p;

	if (dir.kind != KIND_BY_SOURCE)
		return link_lookup(fs, dir, name, out);
	p = place_find(fs, inode_hash(name));
	if (!p || strcmp(p->name, name) != 0)
		return -ENOENT;
	*out = (struct inode){KIND_PLACE, p->hash, 0};
	return 0;
}
