/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a manifest as tables of fields, and what reads a tree by them.
 * Private to the manifest files of core.
 */
#ifndef UVRFS_MANIFEST_SCHEMA_H
#define UVRFS_MANIFEST_SCHEMA_H

#include "faults.h"
#include "node.h"
#include "spec.h"

/* What a manifest says, before it is known to be right: texts of the tree. */
struct draft {
	const char *unused;		/* so that offset 0 means none */
	const char *api_version;
	const char *kind;
	const char *name;
	const char *namespace;
	const char *resource_version;
	struct endpoint source;
	struct endpoint destination;
	const char *pvc_name;
	const char *pvc_namespace;
	const char *volume_handle;
	const char *volume_namespace;
	const char *state;
	const char *mode;
	const char *schedule;
	const char *rpo;
	const char *rto;
	const char *mirroring;
	unsigned extensions;
	struct pairs {
		struct pair *list;	/* owned by the draft */
		size_t count;
	} labels, annotations;
};

enum shape {
	SHAPE_STRING,
	SHAPE_STRINGS,			/* a mapping of strings */
	SHAPE_MAPPING,
	SHAPE_LIST,
	SHAPE_INTEGER,
};

/* Adds a fault when @value is none that the API accepts. */
typedef void field_check(struct faults *f, const struct path *at,
			 const char *value);

/* Looks at a mapping as a whole; @node is NULL when there is no text. */
typedef void field_whole(struct faults *f, const struct path *at,
			 const struct node *node, const struct draft *d);

struct field {
	const char *name;		/* NULL ends a table */
	enum shape shape;
	bool required;
	bool fold;			/* STRINGS: keys' prefixes in any case */
	unsigned extension;		/* MAPPING: noted in the draft */
	size_t offset;			/* of it in a draft, 0: it is not kept */
	field_check *check;		/* of a string, or of each of STRINGS */
	const struct field *fields;	/* of a MAPPING, NULL: anything */
	field_whole *whole;
};

/* The document, what of it `spec:` is, and the fields of `schedule:`. */
extern const struct field manifest_document;
extern const struct field manifest_spec;
extern const struct field manifest_schedule_fields[];

/*
 * Reads the mapping @node by @field into @d, adding to @f all that is wrong.
 * Returns -ENOMEM, or 0 whatever is wrong.
 */
int manifest_read(const struct field *field, const struct node *node,
		  struct draft *d, struct faults *f);

/* Applies the rules of @field to a draft that comes from no text. */
void manifest_recheck(const struct field *field, const struct draft *d,
		      struct faults *f);

/*
 * Between the two.  A draft's texts stay those of the spec; the spec's are
 * copies.  -ENOMEM and NULL without memory.  draft_finish frees the lists.
 */
int draft_from_spec(struct draft *d, const struct spec *spec);
struct spec *draft_to_spec(const struct draft *d, const char *written,
			   size_t len);
void draft_finish(struct draft *d);
#define auto_draft __attribute__((cleanup(draft_finish))) struct draft

/* The checks. */
field_check check_api_version, check_kind, check_object_name, check_namespace;
field_check check_resource_version, check_name, check_text, check_duration;
field_check check_state, check_mode, check_schedule, check_mirroring;
field_check check_label_value;
void check_qualified_name(struct faults *f, const struct path *at,
			  const char *key, bool fold);
field_whole check_document, check_endpoints, check_interval;

#endif
