/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody wants: one immutable, counted block of memory each. */
#include "spec.h"

#include <stdlib.h>
#include <string.h>

/* Every text of a spec but labels, annotations and the bytes as written. */
static const size_t texts[] = {
	offsetof(struct spec, source.cluster),
	offsetof(struct spec, source.region),
	offsetof(struct spec, source.storage_class),
	offsetof(struct spec, destination.cluster),
	offsetof(struct spec, destination.region),
	offsetof(struct spec, destination.storage_class),
	offsetof(struct spec, pvc_name),
	offsetof(struct spec, pvc_namespace),
	offsetof(struct spec, volume_handle),
	offsetof(struct spec, volume_namespace),
	offsetof(struct spec, rpo),
	offsetof(struct spec, rto),
};

#define TEXT_COUNT (sizeof texts / sizeof *texts)

static const char **text_of(struct spec *spec, size_t i)
{
	return (const char **)(void *)((char *)spec + texts[i]);
}

static const char *text_in(const struct spec *spec, size_t i)
{
	return *(const char *const *)(const void *)((const char *)spec +
						    texts[i]);
}

static size_t text_size(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

static size_t pairs_size(const struct pair *list, size_t count)
{
	size_t size = 0, i;

	for (i = 0; i < count; i++)
		size += text_size(list[i].key) + text_size(list[i].value);
	return size;
}

static const char *copy_text(char **end, const char *s)
{
	size_t n = text_size(s);
	char *copy = *end;

	if (!s)
		return NULL;
	memcpy(copy, s, n);
	*end += n;
	return copy;
}

static int compare_pairs(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	return strcmp(x->key, y->key);
}

/* Sorted, so that two maps with the same pairs are the same lists. */
static struct pair *copy_pairs(struct pair *to, char **end,
			       const struct pair *from, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		to[i].key = copy_text(end, from[i].key);
		to[i].value = copy_text(end, from[i].value);
	}
	qsort(to, count, sizeof *to, compare_pairs);
	return to;
}

struct spec *spec_new(const struct spec *from)
{
	size_t pairs = from->label_count + from->annotation_count, i;
	size_t size = sizeof *from + pairs * sizeof(struct pair) +
		      pairs_size(from->labels, from->label_count) +
		      pairs_size(from->annotations, from->annotation_count);
	struct spec *spec;
	struct pair *room;
	char *end;

	for (i = 0; i < TEXT_COUNT; i++)
		size += text_size(text_in(from, i));
	if (from->written)
		size += from->written_len;
	spec = malloc(size);
	if (!spec)
		return NULL;
	/* Other threads may be counting @from just now: its count is not read. */
	memcpy(&spec->source, &from->source,
	       sizeof *spec - offsetof(struct spec, source));
	spec->refs = 1;
	room = (struct pair *)(spec + 1);
	end = (char *)(room + pairs);
	for (i = 0; i < TEXT_COUNT; i++)
		*text_of(spec, i) = copy_text(&end, text_in(from, i));
	spec->labels = copy_pairs(room, &end, from->labels, from->label_count);
	spec->annotations = copy_pairs(room + from->label_count, &end,
				       from->annotations,
				       from->annotation_count);
	if (from->written)
		spec->written = memcpy(end, from->written, from->written_len);
	else
		spec->written_len = 0;
	return spec;
}

struct spec spec_draft(const struct spec *spec)
{
	const size_t after = offsetof(struct spec, source);
	struct spec draft = {0};

	memcpy((char *)&draft + after, (const char *)spec + after,
	       sizeof draft - after);
	return draft;
}

struct spec *spec_ref(const struct spec *spec)
{
	/* The count is the one thing of a spec that moves. */
	struct spec *counted = (struct spec *)(uintptr_t)spec;

	__atomic_add_fetch(&counted->refs, 1, __ATOMIC_RELAXED);
	return counted;
}

void spec_unref(const struct spec *spec)
{
	struct spec *counted = (struct spec *)(uintptr_t)spec;

	if (counted &&
	    __atomic_sub_fetch(&counted->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(counted);
}

void spec_unref_cleanup(struct spec **spec)
{
	spec_unref(*spec);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_pairs(const struct pair *a, const struct pair *b, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!same_text(a[i].key, b[i].key) ||
		    !same_text(a[i].value, b[i].value))
			return false;
	return true;
}

bool spec_equal_but_state(const struct spec *a, const struct spec *b)
{
	size_t i;

	for (i = 0; i < TEXT_COUNT; i++)
		if (!same_text(text_in(a, i), text_in(b, i)))
			return false;
	return a->mode == b->mode && a->schedule == b->schedule &&
	       a->extensions == b->extensions && a->mirroring == b->mirroring &&
	       a->label_count == b->label_count &&
	       a->annotation_count == b->annotation_count &&
	       same_pairs(a->labels, b->labels, a->label_count) &&
	       same_pairs(a->annotations, b->annotations, a->annotation_count);
}

bool spec_equal(const struct spec *a, const struct spec *b)
{
	return a->state == b->state && spec_equal_but_state(a, b);
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return same_text(a->cluster, b->cluster) &&
	       same_text(a->region, b->region) &&
	       same_text(a->storage_class, b->storage_class);
}

bool spec_endpoints_equal(const struct spec *a, const struct spec *b)
{
	return endpoint_equal(&a->source, &b->source) &&
	       endpoint_equal(&a->destination, &b->destination);
}

bool spec_endpoints_exchanged(const struct spec *a, const struct spec *b)
{
	return endpoint_equal(&a->source, &b->destination) &&
	       endpoint_equal(&a->destination, &b->source);
}

const char *spec_annotation(const struct spec *spec, const char *key)
{
	size_t i;

	for (i = 0; i < spec->annotation_count; i++)
		if (strcmp(spec->annotations[i].key, key) == 0)
			return spec->annotations[i].value;
	return NULL;
}

static const char *const modes[] = {
	[MODE_NONE] = "",
	[MODE_SYNCHRONOUS] = "synchronous",
	[MODE_ASYNCHRONOUS] = "asynchronous",
};

static const char *const schedules[] = {
	[SCHEDULE_NONE] = "",
	[SCHEDULE_CONTINUOUS] = "continuous",
	[SCHEDULE_INTERVAL] = "interval",
};

static const char *const mirrorings[] = {
	[MIRRORING_NONE] = "",
	[MIRRORING_JOURNAL] = "journal",
	[MIRRORING_SNAPSHOT] = "snapshot",
};

/* The index of @text in @words, 0 (NONE) when it is not there. */
static unsigned find_word(const char *const *words, unsigned count,
			  const char *text)
{
	unsigned i;

	for (i = 1; i < count; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	return 0;
}

#define FIND_WORD(words, text) \
	find_word(words, sizeof(words) / sizeof(*(words)), text)

const char *mode_text(enum mode mode)
{
	return modes[mode];
}

enum mode mode_parse(const char *text)
{
	return (enum mode)FIND_WORD(modes, text);
}

const char *schedule_text(enum schedule_mode mode)
{
	return schedules[mode];
}

enum schedule_mode schedule_parse(const char *text)
{
	return (enum schedule_mode)FIND_WORD(schedules, text);
}

const char *mirroring_text(enum mirroring mode)
{
	return mirrorings[mode];
}

enum mirroring mirroring_parse(const char *text)
{
	return (enum mirroring)FIND_WORD(mirrorings, text);
}
