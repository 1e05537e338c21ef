/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of a cluster, found by name or topic, and who has asked for which:
 * a change of an object brings up those pairs and no others.
 */
#include "csi_model.h"

#include "text.h"

#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPIC_MAX 600

/* A watch that is further behind a call has lost its place, and says the truth. */
#define AWAIT_MS 3000

struct csi_topics {
	struct csi_site *site;
	struct csi_object *object;
	bool failed;
};

/* ---- lists that grow ---- */

static bool grow(void *list, size_t count, size_t *cap, size_t size)
{
	void **at = list, *bigger;
	size_t wanted = *cap ? *cap * 2 : 2;

	if (count < *cap)
		return true;
	bigger = reallocarray(*at, wanted, size);
	if (!bigger)
		return false;
	*at = bigger;
	*cap = wanted;
	return true;
}

/* ---- topics ---- */

static int compare_topics(const void *a, const void *b)
{
	const struct csi_topic *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return strcmp(x->text, y->text);
}

static struct csi_topic *topic_find(struct csi_site *s, int kind,
				    const char *text)
{
	struct csi_topic probe = {.kind = kind, .text = (char *)text};
	struct csi_topic **node = tfind(&probe, &s->topics, compare_topics);

	return node ? *node : NULL;
}

static void topic_free(void *p)
{
	struct csi_topic *t = p;

	free(t->text);
	free(t->objects);
	free(t->pairs);
	free(t);
}

static struct csi_topic *topic_of(struct csi_site *s, int kind,
				  const char *text)
{
	struct csi_topic *t = topic_find(s, kind, text);

	if (t)
		return t;
	t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->kind = kind;
	t->text = strdup(text);
	if (t->text && tsearch(t, &s->topics, compare_topics))
		return t;
	topic_free(t);
	return NULL;
}

static void topic_tidy(struct csi_site *s, struct csi_topic *t)
{
	if (t->object_count || t->pair_count)
		return;
	tdelete(t, &s->topics, compare_topics);
	topic_free(t);
}

/* Where the object is in the list, or would be. */
static size_t place_of(const struct csi_topic *t, const char *key)
{
	size_t low = 0, high = t->object_count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (strcmp(t->objects[middle]->key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool topic_add_object(struct csi_topic *t, struct csi_object *o)
{
	size_t at = place_of(t, o->key);

	if (at < t->object_count && t->objects[at] == o)
		return false;
	if (!grow(&t->objects, t->object_count, &t->object_cap,
		  sizeof *t->objects))
		return false;
	memmove(t->objects + at + 1, t->objects + at,
		(t->object_count++ - at) * sizeof *t->objects);
	t->objects[at] = o;
	return true;
}

static void topic_drop_object(struct csi_topic *t, struct csi_object *o)
{
	size_t at = place_of(t, o->key);

	memmove(t->objects + at, t->objects + at + 1,
		(--t->object_count - at) * sizeof *t->objects);
}

static void mark_all(const struct csi_topic *t)
{
	size_t i;

	for (i = 0; i < t->pair_count; i++)
		csi_bring_up(t->pairs[i]);
}

/* ---- objects ---- */

static int compare_objects(const void *a, const void *b)
{
	const struct csi_object *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return strcmp(x->key, y->key);
}

static struct csi_object *object_find(struct csi_site *s, int kind,
				      const char *key)
{
	struct csi_object probe = {.kind = kind, .key = (char *)key};
	struct csi_object **node = tfind(&probe, &s->objects, compare_objects);

	return node ? *node : NULL;
}

static void object_free(void *p)
{
	struct csi_object *o = p;

	json_decref(o->json);
	free(o->key);
	free(o->topics);
	free(o);
}

static struct csi_object *object_of(struct csi_site *s, int kind,
				    const char *key)
{
	struct csi_object *o = object_find(s, kind, key);

	if (o)
		return o;
	o = calloc(1, sizeof *o);
	if (!o)
		return NULL;
	o->kind = kind;
	o->key = strdup(key);
	if (o->key && tsearch(o, &s->objects, compare_objects))
		return o;
	object_free(o);
	return NULL;
}

/* Takes it out of its topics; those who asked for any of them are told. */
static void object_detach(struct csi_site *s, struct csi_object *o)
{
	size_t i;

	for (i = 0; i < o->topic_count; i++) {
		topic_drop_object(o->topics[i], o);
		mark_all(o->topics[i]);
		topic_tidy(s, o->topics[i]);
	}
	free(o->topics);
	o->topics = NULL;
	o->topic_count = 0;
}

static void attach(struct csi_topics *into, const char *text)
{
	struct csi_object *o = into->object;
	struct csi_topic *t = topic_of(into->site, o->kind, text);
	struct csi_topic **list;

	list = t ? reallocarray(o->topics, o->topic_count + 1, sizeof *list)
		 : NULL;
	if (!list) {
		into->failed = true;
		return;
	}
	o->topics = list;
	if (topic_add_object(t, o)) {
		list[o->topic_count++] = t;
		mark_all(t);
	}
}

void csi_topic(struct csi_topics *into, const char *fmt, ...)
{
	char text[TOPIC_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	attach(into, text);
}

static void object_attach(struct csi_site *s, struct csi_object *o)
{
	const struct csi_kind *kind = csi_kind_of(s->csi, o->kind);
	struct csi_topics into = {.site = s, .object = o};

	csi_topic(&into, "= %s", o->key);
	if (kind->topics)
		kind->topics(o->json, &into);
}

void csi_key(const json_t *object, char out[static 320])
{
	snprintf(out, 320, "%s/%s", csi_meta(object, "namespace"),
		 csi_meta(object, "name"));
}

/* What a watch tells and a call has overtaken. */
static bool is_overtaken(struct csi_object *o, const char *version)
{
	if (!*o->awaits)
		return false;
	if (strcmp(o->awaits, version) != 0 &&
	    clock_monotonic() - o->got_at < AWAIT_MS)
		return true;
	*o->awaits = '\0';
	return false;
}

static void note_told(struct csi_object *o, const char *version)
{
	const unsigned n = sizeof o->told / sizeof *o->told;

	o->told[o->told_count++ % n] = text_hash(version);
}

static bool was_told(const struct csi_object *o, const char *version)
{
	size_t i;

	for (i = 0; i < sizeof o->told / sizeof *o->told; i++)
		if (o->told[i] == text_hash(version))
			return true;
	return false;
}

void csi_put(struct csi_site *s, int kind, const json_t *object, bool awaited)
{
	const char *version = csi_meta(object, "resourceVersion");
	struct csi_object *o;
	json_t *json;
	char key[320];

	csi_key(object, key);
	o = object_of(s, kind, key);
	if (!o)
		return;
	if (!awaited)
		note_told(o, version);
	if (awaited ? was_told(o, version) : is_overtaken(o, version))
		return;
	json = csi_trim(kind, object);
	if (!json)
		return;
	if (awaited && strcmp(csi_meta(o->json, "resourceVersion"), version) != 0) {
		snprintf(o->awaits, sizeof o->awaits, "%s", version);
		o->got_at = clock_monotonic();
	}
	object_detach(s, o);
	json_decref(o->json);
	o->json = json;
	object_attach(s, o);
}

static void drop(struct csi_site *s, struct csi_object *o)
{
	object_detach(s, o);
	tdelete(o, &s->objects, compare_objects);
	object_free(o);
}

void csi_drop(struct csi_site *s, int kind, const char *key, const char *uid)
{
	struct csi_object *o = object_find(s, kind, key);

	/* One of that name may have been made since. */
	if (o && (!uid || !*uid || strcmp(csi_meta(o->json, "uid"), uid) == 0))
		drop(s, o);
}

struct sweep {
	int kind;
	struct csi_object **list;
	size_t count, cap;
};

static void collect(const void *node, VISIT visit, void *ctx)
{
	struct csi_object *o = *(struct csi_object *const *)node;
	struct sweep *s = ctx;

	if ((visit == postorder || visit == leaf) && o->kind == s->kind &&
	    grow(&s->list, s->count, &s->cap, sizeof *s->list))
		s->list[s->count++] = o;
}

void csi_drop_kind(struct csi_site *s, int kind)
{
	struct sweep sweep = {.kind = kind};
	size_t i;

	twalk_r(s->objects, collect, &sweep);
	for (i = 0; i < sweep.count; i++)
		drop(s, sweep.list[i]);
	free(sweep.list);
}

void csi_touch(struct csi_site *s, const char *key)
{
	static const char *const topics[] = {
		[CSI_CLAIM] = "=", [CSI_VOLUME] = "claim"};
	char text[TOPIC_MAX];
	struct csi_topic *t;
	size_t i, j, kind;

	for (kind = 0; kind < sizeof topics / sizeof *topics; kind++) {
		snprintf(text, sizeof text, "%s %s", topics[kind], key);
		t = topic_find(s, (int)kind, text);
		for (i = 0; t && i < t->object_count; i++)
			for (j = 0; j < t->objects[i]->topic_count; j++)
				mark_all(t->objects[i]->topics[j]);
	}
}

void csi_cache_free(struct csi_site *s)
{
	tdestroy(s->topics, topic_free);
	tdestroy(s->objects, object_free);
	s->topics = s->objects = NULL;
}

/* ---- who asks ---- */

/*
 * A claim that a pair is found to be for, or no longer is, is a member of its
 * group or a stranger: others who look at that group are to know.
 */
static void tell_members(struct csi_site *s, const struct csi_topic *t)
{
	if (t->kind == CSI_CLAIM && *t->text == '=')
		csi_touch(s, t->text + 2);
}

static struct csi_site *site_of(const struct csi_pair *p,
				const struct csi_topic *t)
{
	return topic_find(p->site[0], t->kind, t->text) == t ? p->site[0]
							     : p->site[1];
}

static void forget(struct csi_pair *p, struct csi_topic *t)
{
	struct csi_site *s = site_of(p, t);
	size_t i = 0;

	while (t->pairs[i] != p)
		i++;
	t->pairs[i] = t->pairs[--t->pair_count];
	tell_members(s, t);
	topic_tidy(s, t);
}

void csi_begin_asking(struct csi_pair *p)
{
	size_t i;

	for (i = 0; i < p->asked_count; i++)
		p->asked[i].again = false;
}

void csi_end_asking(struct csi_pair *p)
{
	size_t i, kept = 0;

	for (i = 0; i < p->asked_count; i++)
		if (p->asked[i].again)
			p->asked[kept++] = p->asked[i];
		else
			forget(p, p->asked[i].topic);
	p->asked_count = kept;
}

static bool asks_already(struct csi_pair *p, const struct csi_topic *t)
{
	size_t i;

	for (i = 0; i < p->asked_count; i++)
		if (p->asked[i].topic == t)
			return p->asked[i].again = true;
	return false;
}

/* Without memory a change would go unnoticed; the next look asks anew. */
static struct csi_topic *ask(struct csi_look *l, int kind, const char *text)
{
	struct csi_topic *t = topic_of(l->site, kind, text);
	struct csi_pair *p = l->pair;

	if (!t || asks_already(p, t))
		return t;
	if (!grow(&t->pairs, t->pair_count, &t->pair_cap, sizeof *t->pairs) ||
	    !grow(&p->asked, p->asked_count, &p->asked_cap, sizeof *p->asked))
		return t;
	t->pairs[t->pair_count++] = p;
	p->asked[p->asked_count++] = (struct csi_asked){t, true};
	tell_members(l->site, t);
	return t;
}

bool csi_has_replication(struct csi_site *s, const char *namespace,
			 const char *claim)
{
	char text[TOPIC_MAX];
	struct csi_topic *t;
	size_t i;

	snprintf(text, sizeof text, "= %s/%s", namespace, claim);
	t = topic_find(s, CSI_CLAIM, text);
	for (i = 0; t && i < t->pair_count; i++)
		if (t->pairs[i]->tracked)
			return true;
	return false;
}

const json_t *csi_get(struct csi_look *l, int kind, const char *namespace,
		      const char *name)
{
	char text[TOPIC_MAX];
	struct csi_topic *t;

	snprintf(text, sizeof text, "= %s/%s", namespace, name);
	t = ask(l, kind, text);
	return t && t->object_count ? t->objects[0]->json : NULL;
}

const json_t *csi_next(struct csi_look *l, int kind, const json_t *after,
		       const char *topic_fmt, ...)
{
	char text[TOPIC_MAX], key[320];
	struct csi_topic *t;
	va_list ap;
	size_t at = 0;

	va_start(ap, topic_fmt);
	vsnprintf(text, sizeof text, topic_fmt, ap);
	va_end(ap);
	t = ask(l, kind, text);
	if (t && after) {
		csi_key(after, key);
		at = place_of(t, key) + 1;
	}
	return t && at < t->object_count ? t->objects[at]->json : NULL;
}
