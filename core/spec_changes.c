/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody has changed in a spec, as the audit tells it. */
#include "spec.h"

#include "text.h"

#include <stdio.h>
#include <string.h>

#define VALUE_MAX 80			/* of a value that is told of */
#define MORE_MAX 32			/* "and 12 more" */

struct changes {
	char *out;
	size_t size, len;
	unsigned more;			/* that found no room */
};

static const struct {
	const char *name;
	size_t offset;
} texts[] = {
	{"volumeMapping.source.pvcName", offsetof(struct spec, pvc_name)},
	{"volumeMapping.source.namespace",
	 offsetof(struct spec, pvc_namespace)},
	{"volumeMapping.destination.volumeHandle",
	 offsetof(struct spec, volume_handle)},
	{"volumeMapping.destination.namespace",
	 offsetof(struct spec, volume_namespace)},
	{"schedule.rpo", offsetof(struct spec, rpo)},
	{"schedule.rto", offsetof(struct spec, rto)},
};

/* One that finds no room is counted, and so are all after it. */
static void add(struct changes *c, const char *text)
{
	int n;

	if (c->more || c->len + strlen(text) + MORE_MAX > c->size) {
		c->more++;
		return;
	}
	n = snprintf(c->out + c->len, c->size - c->len, "%s%s",
		     c->len ? ", " : "", text);
	c->len += (size_t)n;
}

/* NULL: it is not there. */
static void compare(struct changes *c, const char *name, const char *from,
		    const char *to)
{
	char old[VALUE_MAX], new[VALUE_MAX], text[4 * VALUE_MAX];

	if (from == to || (from && to && strcmp(from, to) == 0))
		return;
	snprintf(text, sizeof text, "%s %s -> %s", name,
		 text_quote(from, old, sizeof old),
		 text_quote(to, new, sizeof new));
	add(c, text);
}

static void compare_words(struct changes *c, const char *name, const char *from,
			  const char *to)
{
	compare(c, name, *from ? from : NULL, *to ? to : NULL);
}

static void compare_endpoint(struct changes *c, const char *name,
			     const struct endpoint *from,
			     const struct endpoint *to)
{
	char field[64];

	snprintf(field, sizeof field, "%s.cluster", name);
	compare(c, field, from->cluster, to->cluster);
	snprintf(field, sizeof field, "%s.region", name);
	compare(c, field, from->region, to->region);
	snprintf(field, sizeof field, "%s.storageClass", name);
	compare(c, field, from->storage_class, to->storage_class);
}

static void compare_endpoints(struct changes *c, const struct spec *from,
			      const struct spec *to)
{
	if (!endpoint_equal(&from->source, &to->source) &&
	    spec_endpoints_exchanged(from, to)) {
		add(c, "endpoints exchanged");
		return;
	}
	compare_endpoint(c, "sourceEndpoint", &from->source, &to->source);
	compare_endpoint(c, "destinationEndpoint", &from->destination,
			 &to->destination);
}

static void compare_extensions(struct changes *c, const struct spec *from,
			       const struct spec *to)
{
	static const struct {
		unsigned flag;
		const char *name;
	} flags[] = {
		{EXTENSION_PRESENT, "extensions"},
		{EXTENSION_CEPH, "extensions.ceph"},
		{EXTENSION_TRIDENT, "extensions.trident"},
		{EXTENSION_POWERSTORE, "extensions.powerstore"},
	};
	size_t i;

	for (i = 0; i < sizeof flags / sizeof *flags; i++)
		compare(c, flags[i].name,
			from->extensions & flags[i].flag ? "there" : NULL,
			to->extensions & flags[i].flag ? "there" : NULL);
	compare_words(c, "extensions.ceph.mirroringMode",
		      mirroring_text(from->mirroring),
		      mirroring_text(to->mirroring));
}

struct pairs {
	const struct pair *list;
	size_t count;
};

/* Both are sorted.  Of our own ones, which say what is done, or of the others. */
static void compare_pairs(struct changes *c, const char *what, bool ours,
			  const struct pairs *from, const struct pairs *to)
{
	char quoted[VALUE_MAX], name[VALUE_MAX + 16];
	const struct pair *a, *b;
	const char *key;
	size_t i = 0, k = 0;
	int order;

	while (i < from->count || k < to->count) {
		a = i < from->count ? &from->list[i] : NULL;
		b = k < to->count ? &to->list[k] : NULL;
		order = !a ? 1 : !b ? -1 : strcmp(a->key, b->key);
		i += order <= 0;
		k += order >= 0;
		key = order <= 0 ? a->key : b->key;
		if ((strncmp(key, "uvrfs/", 6) == 0) != ours)
			continue;
		snprintf(name, sizeof name, "%s %s", what,
			 text_quote(key, quoted, sizeof quoted));
		compare(c, name, order <= 0 ? a->value : NULL,
			order >= 0 ? b->value : NULL);
	}
}

void spec_changes(const struct spec *from, const struct spec *to, char *out,
		  size_t size)
{
	const struct pairs notes = {from->annotations, from->annotation_count};
	const struct pairs now = {to->annotations, to->annotation_count};
	struct changes c = {.out = out, .size = size};
	size_t i;

	*out = '\0';
	compare_words(&c, "mode", mode_text(from->mode), mode_text(to->mode));
	compare_words(&c, "schedule.mode", schedule_text(from->schedule),
		      schedule_text(to->schedule));
	compare_endpoints(&c, from, to);
	for (i = 0; i < sizeof texts / sizeof *texts; i++)
		compare(&c, texts[i].name,
			*(const char *const *)(const void *)(
				(const char *)from + texts[i].offset),
			*(const char *const *)(const void *)(
				(const char *)to + texts[i].offset));
	compare_pairs(&c, "annotation", true, &notes, &now);
	compare_extensions(&c, from, to);
	compare_pairs(&c, "label", false,
		      &(struct pairs){from->labels, from->label_count},
		      &(struct pairs){to->labels, to->label_count});
	compare_pairs(&c, "annotation", false, &notes, &now);
	if (c.more)
		snprintf(out + c.len, size - c.len, "%sand %u more",
			 c.len ? ", " : "", c.more);
}
