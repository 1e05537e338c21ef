/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statuses as text: the YAML that follows a manifest in the store's files, and
 * status.json.
 */
#ifndef UVRFS_STATUS_CODEC_H
#define UVRFS_STATUS_CODEC_H

#include "buf.h"
#include "error.h"
#include "node.h"
#include "observation.h"
#include "spec.h"
#include "status.h"

/*
 * Appends `status:` and all of @status to a manifest that has its metadata from
 * the same status (uid, generation, resourceVersion).  Besides, what is needed
 * to notice an edit by hand: a digest of @spec, its state, and the bytes that
 * were last written.  Text that is no UTF-8 is escaped.
 */
void status_emit(const struct spec *spec, const struct status *status,
		 struct buf *out);

/* What status_parse finds. */
struct status_record {
	struct status *status;	/* one reference, the caller's; NULL when the
				   manifest has no status of ours */
	uint64_t digest;	/* of the spec that was saved with it */
	enum state accepted;	/* replicationState that was saved with it */
	const char *written;	/* points into the nodes, or NULL */
	uint64_t said;		/* status_written_digest() of it; 0: not saved */
};

/*
 * Reads the metadata and the status of @manifest, a whole one.  A status
 * without any field of ours (another program's, or none) is no error.  EINVAL
 * with field path and line when one of ours is not as status_emit writes it;
 * a missing uid is NULL, a missing generation or resourceVersion 1.
 */
int status_parse(const struct node *manifest, struct status_record *record,
		 struct error *err);

/* Tells specs apart, replicationState and the bytes as written aside. */
uint64_t status_spec_digest(const struct spec *spec);

/*
 * Tells whether the bytes at @written, which were written to spec.yaml, are of
 * @spec, state included: they were when this number was saved with both.  Never 0.
 */
uint64_t status_written_digest(const struct spec *spec, const char *written,
			       size_t len);

/* Everything that status.json shows of one replication. */
struct status_view {
	const char *namespace;
	const char *name;
	const struct spec *spec;
	const struct status *status;
	const struct observation *seen;
	const char *backend;	/* its name, NULL when none serves it */
};

/*
 * Appends the text of status.json: one object, keys sorted, two spaces a level,
 * a newline at the end.  -ENOMEM or -EFBIG, with @out as it was.
 */
int status_json(const struct status_view *view, struct buf *out);

#endif
