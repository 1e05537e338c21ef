/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: in pages, or as the beginning of a watch; and what is gone since. */
#include "kube_reflect_private.h"

#include "buf.h"
#include "clock.h"
#include "json_parts.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 250
#define LIST_MS 60000

/* So often a list is begun anew because its pages were too old. */
#define RESTARTS_MAX 3

/* The first server that may know sendInitialEvents; later ones refuse it when
   they are told to.  (Earlier ones take it for nothing, and never say that the
   list is whole.) */
#define STREAMS_MINOR 27

struct known {
	char *key;		/* NAMESPACE/NAME */
	char *uid;
	unsigned round;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct known *)a)->key,
		      ((const struct known *)b)->key);
}

static void known_free(void *p)
{
	struct known *k = p;

	free(k->key);
	free(k->uid);
	free(k);
}

/* NAMESPACE/NAME in @out; false when it has no name. */
static bool key_of(const json_t *object, char out[static 320])
{
	const json_t *meta = json_object_get(object, "metadata");
	const char *name = json_text_at(meta, "name");

	return *name && snprintf(out, 320, "%s/%s", json_text_at(meta, "namespace"),
				 name) < 320;
}

static struct known *known_new(struct kube_reflector *r, const char *key)
{
	struct known *k = calloc(1, sizeof *k);

	if (k)
		k->key = strdup(key);
	if (k && k->key && tsearch(k, &r->known, compare))
		return k;
	if (k)
		known_free(k);
	return NULL;
}

bool reflect_remember(struct kube_reflector *r, const json_t *object)
{
	const char *uid = json_text_at(json_object_get(object, "metadata"), "uid");
	char key[320];
	struct known probe = {.key = key}, *k, **node;

	if (!key_of(object, key))
		return false;
	node = tfind(&probe, &r->known, compare);
	k = node ? *node : known_new(r, key);
	if (!k)
		return false;
	k->round = r->round;
	if (k->uid && strcmp(k->uid, uid) == 0)
		return true;
	free(k->uid);
	k->uid = strdup(uid);
	return k->uid != NULL;
}

void reflect_forget(struct kube_reflector *r, const json_t *object)
{
	char key[320];
	struct known probe = {.key = key}, *k, **node;

	node = key_of(object, key) ? tfind(&probe, &r->known, compare) : NULL;
	if (!node)
		return;
	k = *node;
	tdelete(k, &r->known, compare);
	known_free(k);
}

void reflect_forget_all(struct kube_reflector *r)
{
	tdestroy(r->known, known_free);
	r->known = NULL;
}

/* ---- what a list did not have ---- */

struct sweep {
	struct known **list;
	size_t count;
	size_t cap;
	unsigned round;
};

static void collect(const void *node, VISIT visit, void *ctx)
{
	struct known *k = *(struct known *const *)node;
	struct sweep *s = ctx;
	struct known **list;

	if ((visit != postorder && visit != leaf) || k->round == s->round)
		return;
	if (s->count == s->cap) {
		list = reallocarray(s->list, s->cap * 2 + 16, sizeof *list);
		if (!list)
			return;		/* the next list tells it */
		s->list = list;
		s->cap = s->cap * 2 + 16;
	}
	s->list[s->count++] = k;
}

void reflect_listed(struct kube_reflector *r)
{
	struct sweep s = {.round = r->round};
	char *slash;
	size_t i;

	twalk_r(r->known, collect, &s);
	for (i = 0; i < s.count; i++) {
		struct known *k = s.list[i];

		tdelete(k, &r->known, compare);
		slash = strchr(k->key, '/');
		*slash = '\0';
		r->listener->gone(r->listener, k->key, slash + 1,
				  k->uid ? k->uid : "");
		known_free(k);
	}
	free(s.list);
	r->listing = 0;
	reflect_heard(r);
	r->listener->listed(r->listener);
}

/* ---- pages ---- */

static int take_page(struct kube_reflector *r, json_t *page, char **token,
		     struct error *err)
{
	json_t *items = json_object_get(page, "items"), *item;
	const char *more;
	size_t i;

	if (!json_is_array(items))
		return fail(err, EPROTO, "%s: a list without items",
			    kube_server(r->kube));
	json_array_foreach(items, i, item)
		reflect_seen(r, item, r->listing);
	more = json_text_at(json_object_get(page, "metadata"), "continue");
	free(*token);
	*token = *more ? strdup(more) : NULL;
	if (*more && !*token)
		return fail(err, ENOMEM, "no memory for a list");
	if (!*more)
		reflect_version(r, page);
	return 0;
}

/* A token is opaque, so whatever may not stand in a URL is escaped. */
static void add_token(struct buf *path, const char *token)
{
	const char *p;

	buf_puts(path, "&continue=");
	for (p = token; *p; p++)
		if ((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') ||
		    (*p >= 'a' && *p <= 'z') || strchr("-_.~", *p))
			buf_putc(path, *p);
		else
			buf_printf(path, "%%%02X", (unsigned char)*p);
}

static int get_page(struct kube_reflector *r, char **token, bool paged,
		    struct error *err)
{
	struct kube_request q = {
		.method = "GET",
		.timeout_ms = LIST_MS,
		.is_kind = true,
	};
	json_t *page = NULL;
	auto_buf path;
	int rc;

	buf_init(&path, 64 * 1024);
	buf_puts(&path, r->path);
	if (paged)
		buf_printf(&path, "?limit=%d", PAGE);
	if (*token)
		add_token(&path, *token);
	q.path = buf_str(&path);
	rc = path.failed ? fail(err, EPROTO, "a token that is too long")
			 : kube_call(r->conn, &q, &page, err);
	if (rc == 0)
		rc = take_page(r, page, token, err);
	json_decref(page);
	return rc;
}

static int list_pages(struct kube_reflector *r, bool paged, struct error *err)
{
	char *token = NULL;
	int rc;

	r->round++;
	r->listing = clock_wall();
	do
		rc = get_page(r, &token, paged, err);
	while (rc == 0 && token);
	free(token);
	if (rc == 0)
		reflect_listed(r);
	r->listing = 0;
	return rc;
}

/* ---- as a watch ---- */

/* Asks the server once which release it is. */
static int find_out(struct kube_reflector *r, struct error *err)
{
	const struct kube_request q = {
		.method = "GET",
		.path = "/version",
		.timeout_ms = 10000,
	};
	json_t *version = NULL;
	long major, minor;
	int rc;

	if (r->streams_known)
		return 0;
	rc = kube_call(r->conn, &q, &version, err);
	/* Who may not ask that gets its list in pages. */
	if (rc < 0 && rc != -EACCES)
		return rc;
	/* A minor may have a + behind it. */
	major = strtol(json_text_at(version, "major"), NULL, 10);
	minor = strtol(json_text_at(version, "minor"), NULL, 10);
	json_decref(version);
	r->streams = major > 1 || (major == 1 && minor >= STREAMS_MINOR);
	r->streams_known = true;
	return 0;
}

/* -EINVAL: this server does not do that. */
static int list_by_watch(struct kube_reflector *r, struct error *err)
{
	int rc;

	r->round++;
	r->listing = clock_wall();
	rc = reflect_watch(r,
			   "&sendInitialEvents=true"
			   "&resourceVersionMatch=NotOlderThan",
			   err);
	/* Ended before all was there: begin anew. */
	if (rc == 0 && r->listing)
		rc = fail(err, EAGAIN, "%s ended a list before its end",
			  kube_server(r->kube));
	r->listing = 0;
	return rc;
}

int reflect_list(struct kube_reflector *r, struct error *err)
{
	int rc = find_out(r, err), i;

	if (rc < 0)
		return rc;
	if (r->streams) {
		rc = list_by_watch(r, err);
		if (rc != -EINVAL)
			return rc;
		r->streams = false;
	}
	rc = -ESTALE;
	for (i = 0; rc == -ESTALE && i <= RESTARTS_MAX; i++)
		rc = list_pages(r, i < RESTARTS_MAX, err);
	return rc;
}
