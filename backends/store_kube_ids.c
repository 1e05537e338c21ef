/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ids of directories, noted in memory that outlives this process as the
 * mount does: the kernel knows directories by them, so who goes on with the mount
 * has to give each the one that it had, and to tell watchers of what has come and
 * gone and was not told.  Records are appended; a process that dies in between
 * leaves a part of one, which the next one writes over.
 *
 * An id that can't be noted is given all the same.  The next daemon then gives
 * that directory another one, so whoever has it open is told ESTALE, and nobody
 * is led to another directory: no id is given twice.
 */
#include "store_kube_private.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_MAX 71		/* a uid, or / and a namespace's name */
#define PATH_LEN 320		/* NAMESPACE/NAME; "": of a namespace */

enum what { IS, GONE, TOLD, KINDS };

/* Then, of one that is, the key and the path. */
struct record {
	uint64_t id;
	uint32_t what;
	uint16_t key_len, path_len;
};

struct kube_id {
	struct kube_id *next;
	uint64_t id;
	char *key, *path;
	bool gone;			/* there is no such directory any more */
	bool told;			/* all that this says */
	bool found;			/* the store has it still */
};

static int compare_keys(const void *a, const void *b)
{
	const struct kube_id *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static int compare_ids(const void *a, const void *b)
{
	const struct kube_id *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static struct kube_id *find_id(const struct kube_ids *ids, uint64_t id)
{
	struct kube_id probe = {.id = id}, **there;

	there = tfind(&probe, &ids->by_id, compare_ids);
	return there ? *there : NULL;
}

/* The last one of a key is the one. */
static int take(struct kube_ids *ids, uint64_t id, const char *key,
		const char *path)
{
	struct kube_id *one = calloc(1, sizeof *one), **there;

	if (!one)
		return -ENOMEM;
	one->next = ids->all;
	ids->first = ids->all = one;
	one->id = id;
	one->key = strdup(key);
	one->path = strdup(path);
	if (!one->key || !one->path || !tsearch(one, &ids->by_id, compare_ids))
		return -ENOMEM;
	there = tsearch(one, &ids->by_key, compare_keys);
	if (there)
		*there = one;
	if (id > ids->last)
		ids->last = id;
	return there ? 0 : -ENOMEM;
}

static void mark(struct kube_id *one, enum what what)
{
	if (one && what == GONE && !one->gone) {
		one->gone = true;
		one->told = one->found = false;
	} else if (one && what == TOLD) {
		one->told = true;
	}
}

/* Takes the next one; 0: there is no more, or but a part of it. */
static int take_next(struct kube_ids *ids)
{
	char key[KEY_MAX + 1] = "", path[PATH_LEN + 1] = "";
	off_t at = ids->end + (off_t)sizeof(struct record);
	struct record r;
	ssize_t got;
	int rc = 0;

	got = pread(ids->fd, &r, sizeof r, ids->end);
	if (got != sizeof r)
		return got < 0 ? -errno : 0;
	if (r.what >= KINDS || r.key_len > KEY_MAX || r.path_len > PATH_LEN)
		return -EBADMSG;
	if (pread(ids->fd, key, r.key_len, at) != r.key_len ||
	    pread(ids->fd, path, r.path_len, at + r.key_len) != r.path_len)
		return 0;
	if (r.what == IS)
		rc = take(ids, r.id, key, path);
	else
		mark(find_id(ids, r.id), (enum what)r.what);
	ids->end = at + r.key_len + r.path_len;
	return rc ? rc : 1;
}

int kube_ids_open(struct kube_ids *ids, int fd, off_t from, struct error *err)
{
	int rc;

	ids->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	ids->end = from;
	if (fd < 0)
		return 0;
	while ((rc = take_next(ids)) > 0)
		;
	errno = -rc;
	return rc ? fail(err, -rc, "can't read which ids were given: %m") : 0;
}

static void keep(void *node)
{
}

void kube_ids_finish(struct kube_ids *ids)
{
	struct kube_id *one;

	tdestroy(ids->by_key, keep);
	tdestroy(ids->by_id, keep);
	while ((one = ids->all)) {
		ids->all = one->next;
		free(one->key);
		free(one->path);
		free(one);
	}
	if (ids->fd >= 0)
		close(ids->fd);
}

uint64_t kube_ids_find(struct kube_ids *ids, const char *key, bool *told)
{
	struct kube_id probe = {.key = (char *)key}, **there, *one;

	there = tfind(&probe, &ids->by_key, compare_keys);
	one = there ? *there : NULL;
	*told = one && one->told;
	if (!one || one->found || one->gone)
		return 0;
	one->found = true;
	return one->id;
}

/* Appends @r, with what follows it. */
static int append(struct kube_ids *ids, const struct record *r,
		  const char *key, const char *path)
{
	char text[sizeof *r + KEY_MAX + PATH_LEN];
	size_t size = sizeof *r;
	ssize_t done;

	if (ids->fd < 0)
		return 0;
	memcpy(text, r, sizeof *r);
	memcpy(text + size, key, r->key_len);
	size += r->key_len;
	memcpy(text + size, path, r->path_len);
	size += r->path_len;
	done = pwrite(ids->fd, text, size, ids->end);
	if (done != (ssize_t)size)
		return done < 0 ? -errno : -ENOSPC;
	ids->end += done;
	return 0;
}

int kube_ids_note(struct kube_ids *ids, uint64_t id, const char *key,
		  const char *path)
{
	const struct kube_id *one = find_id(ids, id);
	struct record r = {
		.id = id,
		.what = IS,
		.key_len = (uint16_t)strnlen(key, KEY_MAX),
		.path_len = (uint16_t)strnlen(path, PATH_LEN),
	};

	return one ? 0 : append(ids, &r, key, path);
}

static int note_mark(struct kube_ids *ids, uint64_t id, enum what what)
{
	struct record r = {.id = id, .what = what};
	struct kube_id *one = find_id(ids, id);

	if (one && (what == GONE ? one->gone : one->told))
		return 0;
	mark(one, what);
	return append(ids, &r, "", "");
}

int kube_ids_note_gone(struct kube_ids *ids, uint64_t id)
{
	return note_mark(ids, id, GONE);
}

int kube_ids_note_told(struct kube_ids *ids, uint64_t id)
{
	return note_mark(ids, id, TOLD);
}

/* It went while nobody looked; what nobody was told of goes in silence. */
static void lose(struct kube_ids *ids, struct kube_id *one)
{
	bool was_told = one->told;

	/* At worst the next one finds that out again. */
	if (kube_ids_note_gone(ids, one->id) == 0 && !was_told)
		kube_ids_note_told(ids, one->id);
}

uint64_t kube_ids_lost(struct kube_ids *ids, const char **path)
{
	struct kube_id *one;
	bool lost;

	while ((one = ids->first)) {
		ids->first = one->next;
		lost = !one->gone && !one->found;
		if (lost)
			lose(ids, one);
		*path = one->told ? "" : one->path;
		if (lost || (one->gone && !one->told))
			return one->id;
	}
	return 0;
}

/* ---- for the world ---- */

int store_kube_load_namespaces(struct store_kube *k, struct store_visitor *v)
{
	struct kube_id *one;
	int rc = 0;

	for (one = k->ids.first; one && rc == 0; one = one->next) {
		if (*one->key != '/' || one->gone)
			continue;
		one->found = true;
		rc = v->found_namespace(v, one->key + 1, one->id);
	}
	return rc;
}

uint64_t store_kube_new_id(struct store *s, struct error *err)
{
	return ++((struct store_kube *)s)->ids.last;
}

uint64_t store_kube_last_id(const struct store *s)
{
	return ((const struct store_kube *)s)->ids.last;
}

uint64_t store_kube_known_id(struct store *s, const char *uid, bool *told)
{
	return kube_ids_find(&((struct store_kube *)s)->ids, uid, told);
}

static void check(struct store_kube *k, int rc)
{
	char sentence[128];

	if (rc == 0)
		return;
	errno = -rc;
	snprintf(sentence, sizeof sentence,
		 "the id of a directory can't be kept for the next daemon: %m");
	store_kube_complain(k, sentence);
}

void store_kube_note_id(struct store *s, uint64_t id, const char *namespace,
			const struct object *o)
{
	struct store_kube *k = (struct store_kube *)s;
	char key[KEY_MAX + 1], path[PATH_LEN + 1] = "";

	snprintf(key, sizeof key, "%s%s", o ? "" : "/", o ? o->uid : namespace);
	if (o)
		snprintf(path, sizeof path, "%s/%s", namespace, o->name);
	check(k, kube_ids_note(&k->ids, id, key, path));
}

void store_kube_note_gone(struct store *s, uint64_t id)
{
	struct store_kube *k = (struct store_kube *)s;

	check(k, kube_ids_note_gone(&k->ids, id));
}

void store_kube_note_told(struct store *s, uint64_t id)
{
	struct store_kube *k = (struct store_kube *)s;

	check(k, kube_ids_note_told(&k->ids, id));
}

uint64_t store_kube_lost_id(struct store *s, const char **path)
{
	return kube_ids_lost(&((struct store_kube *)s)->ids, path);
}
