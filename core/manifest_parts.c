/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a manifest that `endpoints` and `schedule` take: bare, under
 * their own keys, or under `spec:`.
 */
#include "manifest.h"

#include "manifest_schema.h"
#include "node.h"

#include <errno.h>
#include <string.h>

#define AT(member) .offset = offsetof(struct draft, member)

/* Here a storageClass may be left out: it is taken over. */
static const struct field source_fields[] = {
	{"cluster", SHAPE_STRING, true, AT(source.cluster),
	 .check = check_name},
	{"region", SHAPE_STRING, true, AT(source.region), .check = check_text},
	{"storageClass", SHAPE_STRING, AT(source.storage_class),
	 .check = check_name},
	{NULL}};

static const struct field destination_fields[] = {
	{"cluster", SHAPE_STRING, true, AT(destination.cluster),
	 .check = check_name},
	{"region", SHAPE_STRING, true, AT(destination.region),
	 .check = check_text},
	{"storageClass", SHAPE_STRING, AT(destination.storage_class),
	 .check = check_name},
	{NULL}};

static const struct field endpoints_bare[] = {
	{"source", SHAPE_MAPPING, true, .fields = source_fields},
	{"destination", SHAPE_MAPPING, true, .fields = destination_fields},
	{NULL}};

static const struct field endpoints_keyed[] = {
	{"sourceEndpoint", SHAPE_MAPPING, true, .fields = source_fields},
	{"destinationEndpoint", SHAPE_MAPPING, true,
	 .fields = destination_fields},
	{NULL}};

static const struct field endpoints_in_spec[] = {
	{"spec", SHAPE_MAPPING, true, .fields = endpoints_keyed}, {NULL}};

static const struct field schedule_keyed[] = {
	{"schedule", SHAPE_MAPPING, true, .fields = manifest_schedule_fields,
	 .whole = check_interval},
	{NULL}};

static const struct field schedule_in_spec[] = {
	{"spec", SHAPE_MAPPING, true, .fields = schedule_keyed}, {NULL}};

/* The forms of a part: the first that has one of the text's keys is meant. */
static const struct field endpoints_forms[] = {
	{"", SHAPE_MAPPING, true, .fields = endpoints_in_spec},
	{"", SHAPE_MAPPING, true, .fields = endpoints_keyed},
	{"", SHAPE_MAPPING, true, .fields = endpoints_bare},
	{NULL}};

static const struct field schedule_forms[] = {
	{"", SHAPE_MAPPING, true, .fields = schedule_in_spec},
	{"", SHAPE_MAPPING, true, .fields = schedule_keyed},
	{"", SHAPE_MAPPING, true, .fields = manifest_schedule_fields,
	 .whole = check_interval},
	{NULL}};

static const struct field *pick_form(const struct field *form,
				     const struct node *root)
{
	const struct field *row;

	for (; form[1].name; form++)
		for (row = form->fields; row->name; row++)
			if (node_get(root, row->name))
				return form;
	return form;
}

/* The endpoint of @base with these in common with @e, if there is just one. */
static const struct endpoint *find_alike(const struct spec *base,
					 const struct endpoint *e, bool cluster,
					 bool region)
{
	const struct endpoint *list[] = {&base->source, &base->destination};
	const struct endpoint *found = NULL;
	size_t i;

	for (i = 0; i < 2; i++) {
		if (cluster && strcmp(list[i]->cluster, e->cluster) != 0)
			continue;
		if (region && strcmp(list[i]->region, e->region) != 0)
			continue;
		if (found)
			return NULL;
		found = list[i];
	}
	return found;
}

/* Takes a storageClass that was left out over from @base. */
static void take_class(struct endpoint *e, const struct spec *base,
		       struct faults *f, const struct path *at)
{
	struct path where = {.up = at, .key = "storageClass", .line = at->line};
	const struct endpoint *from;

	if (e->storage_class)
		return;
	from = find_alike(base, e, true, false);
	if (!from)
		from = find_alike(base, e, true, true);
	if (!from)
		from = find_alike(base, e, false, true);
	if (from)
		e->storage_class = from->storage_class;
	else
		faults_add(f, &where,
			   "required, as no one endpoint has this cluster or "
			   "region already");
}

/* What needs both endpoints and what was there before. */
static void complete_endpoints(struct draft *d, const struct spec *base,
			       const struct node *root, struct faults *f)
{
	struct path top = {.line = root->line};
	struct path in_spec = {.up = &top, .key = "spec"};
	const struct node *spec = node_get(root, "spec");
	const struct node *part = spec ? spec : root;
	const struct path *at = spec ? &in_spec : &top;
	bool keyed = node_get(part, "sourceEndpoint");
	struct path side = {.up = at};

	side.key = keyed ? "sourceEndpoint" : "source";
	side.line = node_get(part, side.key)->key_line;
	take_class(&d->source, base, f, &side);
	side.key = keyed ? "destinationEndpoint" : "destination";
	side.line = node_get(part, side.key)->key_line;
	take_class(&d->destination, base, f, &side);
	check_endpoints(f, at, part, d);
}

/* A part being read into a copy of @base. */
struct part {
	struct draft draft;
	struct node *root;
	struct faults faults;
};

/*
 * Reads @text by the form that fits.  The draft must have lost what the part
 * gives: a part is replaced whole.
 */
static int read_part(struct part *p, const struct field *forms,
		     const char *text, size_t len)
{
	struct error *err = p->faults.err;

	if (len > MANIFEST_MAX)
		return fail(err, EFBIG,
			    "%zu bytes are too many, at most %d are allowed",
			    len, MANIFEST_MAX);
	p->root = node_read(text, len, err);
	if (!p->root)
		return -err->code;
	node_check(p->root, &p->faults);
	if (manifest_read(pick_form(forms, p->root), p->root, &p->draft,
			  &p->faults) < 0)
		return fail(err, ENOMEM, "out of memory");
	return faults_result(&p->faults);
}

static int begin_part(struct part *p, const struct spec *base,
		      struct error *err)
{
	*p = (struct part){.root = NULL};
	faults_init(&p->faults, err);
	if (draft_from_spec(&p->draft, base) < 0)
		return fail(err, ENOMEM, "out of memory");
	return 0;
}

/* Frees @p; returns the new spec when @rc is 0. */
static struct spec *end_part(struct part *p, int rc)
{
	struct spec *spec = NULL;

	if (rc == 0) {
		spec = draft_to_spec(&p->draft, NULL, 0);
		if (!spec)
			fail(p->faults.err, ENOMEM, "out of memory");
	}
	node_free(p->root);
	draft_finish(&p->draft);
	return spec;
}

struct spec *manifest_parse_endpoints(const char *text, size_t len,
				      const struct spec *base,
				      struct error *err)
{
	struct part p;
	int rc = begin_part(&p, base, err);

	p.draft.source = p.draft.destination = (struct endpoint){0};
	if (rc == 0)
		rc = read_part(&p, endpoints_forms, text, len);
	if (rc == 0) {
		complete_endpoints(&p.draft, base, p.root, &p.faults);
		rc = faults_result(&p.faults);
	}
	return end_part(&p, rc);
}

struct spec *manifest_parse_schedule(const char *text, size_t len,
				     const struct spec *base,
				     struct error *err)
{
	struct part p;
	int rc = begin_part(&p, base, err);

	p.draft.schedule = p.draft.rpo = p.draft.rto = NULL;
	if (rc == 0)
		rc = read_part(&p, schedule_forms, text, len);
	return end_part(&p, rc);
}
