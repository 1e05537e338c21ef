/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests of replication.unified.io/v1alpha1, kind UnifiedVolumeReplication,
 * as YAML or JSON, read with every rule of that API and of its admission
 * webhook, and written.  A refusal names every fault with field path and line:
 *
 *   spec.schedule.rpo (line 21): '5x' does not match ^[0-9]+(s|m|h|d)$; ...
 *
 * Sources: the CRD's schema and the operator's own ValidateSpec.
 */
#ifndef UVRFS_MANIFEST_H
#define UVRFS_MANIFEST_H

#include "buf.h"
#include "error.h"
#include "spec.h"
#include "status.h"

/* Greater manifests are refused with EFBIG. */
#define MANIFEST_MAX (256 * 1024)

/* What a manifest says beside its spec; "" and 0 when it does not say. */
struct manifest_meta {
	char name[254];
	char namespace[64];
	char resource_version[64];
};

/*
 * Reads the @len bytes at @text: a whole manifest, or only its `spec:` part
 * (a mapping whose one key is spec, or spec and metadata).  `status` and the
 * metadata that servers own are allowed and ignored.  Returns the spec with one
 * reference, its `written` set to the bytes, or NULL with EINVAL or EFBIG and
 * all faults in @err.  @meta may be NULL.  Pure.
 *
 * Refused, each by a sentence: unknown fields, duplicate keys, anchors,
 * aliases, tags, merge keys, more than one document, nesting deeper than 32,
 * NULs, invalid UTF-8, an empty document.  A scalar counts as a string as in
 * Kubernetes: a plain yes, 1 or null is not a string and is refused by type
 * (quoted ones are strings).
 */
struct spec *manifest_parse(const char *text, size_t len,
			    struct manifest_meta *meta, struct error *err);

/*
 * The same for a tree that has been read already; the spec has no `written`.
 */
struct node;
struct spec *manifest_from_node(const struct node *root,
				struct manifest_meta *meta, struct error *err);

/*
 * @draft as a spec of its own, with the bytes @written (may be NULL) for as
 * long as these still describe it.  NULL without memory.
 */
struct spec *manifest_keep_written(const struct spec *draft,
				   const char *written);

/*
 * Reads what may be written to `endpoints` or `schedule`: that part as YAML or
 * JSON, bare, under its own key(s), or under `spec:`.  Returns @base changed
 * accordingly (a new reference; `written` dropped), or NULL with all faults.
 * For endpoints a missing storageClass is taken over from the endpoint of @base
 * that has the same cluster, else region.
 */
struct spec *manifest_parse_endpoints(const char *text, size_t len,
				      const struct spec *base,
				      struct error *err);
struct spec *manifest_parse_schedule(const char *text, size_t len,
				     const struct spec *base,
				     struct error *err);

/*
 * Checks @spec by the rules that need no text: what manifest_parse applies
 * after the schema (endpoints not identical, interval needs rpo, names).
 */
int spec_validate(const struct spec *spec, struct error *err);

/*
 * Writes the manifest as `kubectl get uvr -o yaml` would, without status:
 * metadata with name, namespace, uid, creationTimestamp, generation,
 * resourceVersion from @status.  What it writes parses back to an equal spec.
 */
void manifest_render(const char *namespace, const char *name,
		     const struct spec *spec, const struct status *status,
		     struct buf *out);

/* The parts that `endpoints`, `schedule` and `volumes` show, as YAML. */
void manifest_render_endpoints(const struct spec *spec, struct buf *out);
void manifest_render_schedule(const struct spec *spec, struct buf *out);
void manifest_render_volumes(const struct spec *spec, struct buf *out);

#endif
