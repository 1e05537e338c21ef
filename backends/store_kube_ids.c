/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ids of directories, noted in memory that outlives this process as the
 * mount does: the kernel knows directories by them, so who goes on with the mount
 * has to give each the one that it had.  Records are appended, and the last one
 * of a key counts; a process that dies in between leaves a part of one, which the
 * next one writes over.
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
#include <sys/stat.h>
#include <unistd.h>

/* A uid, or / and a namespace's name. */
#define KEY_MAX 72

struct record {
	uint64_t id;			/* 0: there is no such directory any more */
	char key[KEY_MAX];
};

struct kube_id {
	struct record record;
	struct kube_id *next;
	bool found;			/* the store has it still */
};

static int compare(const void *a, const void *b)
{
	const struct kube_id *x = a, *y = b;

	return strcmp(x->record.key, y->record.key);
}

static int take(struct kube_ids *ids, const struct record *record)
{
	struct kube_id *one = calloc(1, sizeof *one), **there;

	if (!one)
		return -ENOMEM;
	one->record = *record;
	one->record.key[KEY_MAX - 1] = '\0';
	there = tsearch(one, &ids->by_key, compare);
	if (there && *there == one) {
		one->next = ids->first;
		ids->first = one;
	} else {
		if (there)
			(*there)->record.id = record->id;
		free(one);
	}
	if (record->id > ids->last)
		ids->last = record->id;
	return there ? 0 : -ENOMEM;
}

int kube_ids_open(struct kube_ids *ids, int fd, off_t from, struct error *err)
{
	struct record record;
	ssize_t got = 0;
	int rc = 0;

	ids->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	ids->end = from;
	if (fd < 0)
		return 0;
	while (rc == 0 && (got = pread(ids->fd, &record, sizeof record,
				       ids->end)) == sizeof record) {
		rc = take(ids, &record);
		ids->end += sizeof record;
	}
	if (got < 0)
		rc = -errno;
	return rc ? fail(err, -rc, "can't read which ids were given: %m") : 0;
}

void kube_ids_finish(struct kube_ids *ids)
{
	tdestroy(ids->by_key, free);
	if (ids->fd >= 0)
		close(ids->fd);
}

static struct kube_id *find(const struct kube_ids *ids, const char *key)
{
	struct kube_id probe = {.next = NULL}, **there;

	snprintf(probe.record.key, KEY_MAX, "%s", key);
	there = tfind(&probe, &ids->by_key, compare);
	return there ? *there : NULL;
}

uint64_t kube_ids_find(struct kube_ids *ids, const char *key)
{
	struct kube_id *one = find(ids, key);

	if (!one || one->found)
		return 0;
	one->found = true;
	return one->record.id;
}

int kube_ids_note(struct kube_ids *ids, uint64_t id, const char *key)
{
	struct record record = {.id = id};
	struct kube_id *one = find(ids, key);
	ssize_t done;

	if (ids->fd < 0 || (one && one->record.id == id))
		return 0;
	snprintf(record.key, sizeof record.key, "%s", key);
	done = pwrite(ids->fd, &record, sizeof record, ids->end);
	if (done != sizeof record)
		return done < 0 ? -errno : -ENOSPC;
	ids->end += sizeof record;
	if (one) {
		one->record.id = id;
		one->found = true;
	}
	return 0;
}

uint64_t kube_ids_lost(struct kube_ids *ids)
{
	struct kube_id *one;

	while ((one = ids->first)) {
		ids->first = one->next;
		if (one->record.id && !one->found)
			return one->record.id;
	}
	return 0;
}

/* ---- for the world ---- */

int store_kube_load_namespaces(struct store_kube *k, struct store_visitor *v)
{
	struct kube_id *one;
	int rc = 0;

	for (one = k->ids.first; one && rc == 0; one = one->next) {
		if (*one->record.key != '/' || !one->record.id)
			continue;
		one->found = true;
		rc = v->found_namespace(v, one->record.key + 1, one->record.id);
	}
	return rc;
}

uint64_t store_kube_new_id(struct store *s, struct error *err)
{
	return ++((struct store_kube *)s)->ids.last;
}

uint64_t store_kube_known_id(struct store *s, const char *uid)
{
	return kube_ids_find(&((struct store_kube *)s)->ids, uid);
}

void store_kube_note_id(struct store *s, uint64_t id, const char *namespace,
			const char *uid)
{
	struct store_kube *k = (struct store_kube *)s;
	char key[KEY_MAX], sentence[256];
	int rc;

	snprintf(key, sizeof key, "%s%s", uid ? "" : "/", uid ? uid : namespace);
	rc = kube_ids_note(&k->ids, id, key);
	if (rc == 0)
		return;
	errno = -rc;
	snprintf(sentence, sizeof sentence, "the id of a directory in %s can't "
		 "be kept for the next daemon: %m", namespace);
	store_kube_complain(k, sentence);
}

uint64_t store_kube_lost_id(struct store *s)
{
	return kube_ids_lost(&((struct store_kube *)s)->ids);
}
