/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A UnifiedVolumeReplication as an API server has it.  Its `spec` says what is
 * asked, by whoever patched it last; its `status` says what was accepted.  Both
 * are kept apart, because an edge is checked from what was accepted and never
 * from a spec that was just patched.
 *
 * In `status`, beside what the operator's CRD has: the fields of the local
 * store's files (status_fields.h), `accepted` (the spec that was accepted),
 * `version` (counts our writes), `writer`, `state` and `backend`.
 */
#ifndef UVRFS_OBJECT_H
#define UVRFS_OBJECT_H

#include "error.h"
#include "spec.h"
#include "status.h"

#include <jansson.h>

#define OBJECT_API_VERSION "replication.unified.io/v1alpha1"
#define OBJECT_KIND "UnifiedVolumeReplication"

/* The operator's, so that what it leaves behind can be deleted. */
#define OBJECT_FINALIZER "replication.storage.io/finalizer"

/* A word that is asked with force; consumed by one request. */
#define OBJECT_FORCE "uvrfs/force"
/* WRITER GENERATION: which daemon asks for this spec and will accept it. */
#define OBJECT_ASKED_BY "uvrfs/asked-by"

#define OBJECT_WRITER_MAX 160

struct object {
	char namespace[64];
	char name[254];
	char uid[64];
	char version[64];	/* metadata.resourceVersion: opaque */
	int64_t generation;	/* metadata.generation: counts specs */
	int64_t created;
	bool deleting;		/* deletionTimestamp is set */
	json_t *finalizers;	/* a list, or NULL */
	bool finalized;		/* with ours in it */
	bool applied;		/* its replicationState came by an apply, of a
				   manifest that knows no version */
	char force[32];		/* OBJECT_FORCE, "" for none */
	char asked_by[160];	/* the writer who said so for this generation */
	struct spec *asked;	/* NULL: it breaks the API's rules, */
	char *fault;		/* and this says how */
	struct spec *spec;	/* as accepted; NULL, with status: nothing is */
	struct status *status;	/* its `version` is that of the object */
	char writer[OBJECT_WRITER_MAX];	/* which write of whom the status is */
	bool looked_up;		/* not told by the watch, so that its end may have
				   been told already */
	int64_t as_of;		/* ms: the newest at this time; 0: it can't be
				   told, a watch may have it late */
};

/*
 * Reads what an API server sent.  NULL with EINVAL and a sentence when it is no
 * such object, or its status is ours and damaged.  For object_free.  Pure.
 */
struct object *object_read(const json_t *value, struct error *err);
void object_free(struct object *o);	/* takes NULL */

/*
 * `spec` as JSON; or as a merge patch that makes it out of @base.  NULL without
 * memory.  They are the caller's.
 */
json_t *object_spec(const struct spec *spec);
json_t *object_spec_patch(const struct spec *spec, const struct spec *base);

struct backend;

/* What a status is to say. */
struct object_record {
	const struct spec *spec;	/* accepted */
	const struct spec *was;		/* before, as the object has it, or NULL */
	const struct status *status;
	const struct backend *backend;	/* may be NULL */
	const char *writer;
};

/* `status` as a merge patch: what is not set is null. */
json_t *object_status(const struct object_record *record);

/*
 * `metadata.labels` and `.annotations` as a merge patch that makes those of
 * @spec out of those of @was (NULL: there are none).
 */
int object_metadata(json_t *metadata, const struct spec *spec,
		    const struct spec *was);

#endif
