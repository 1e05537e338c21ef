/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and their parts as text, keys in the order kubectl has them. */
#include "manifest.h"

#include "emit.h"
#include "text.h"


static void put_pairs(struct buf *out, const char *key,
		      const struct pair *list, size_t count)
{
	size_t i;

	if (count)
		emit_map(out, 1, key);
	for (i = 0; i < count; i++)
		emit_str(out, 2, list[i].key, list[i].value);
}

static void put_metadata(struct buf *out, const struct spec *spec,
			 const struct status *status)
{
	char stamp[TIME_TEXT_MAX];

	put_pairs(out, "annotations", spec->annotations,
		  spec->annotation_count);
	if (status && status->created)
		emit_str(out, 1, "creationTimestamp",
			 time_text(status->created, stamp));
	if (status && status->generation)
		emit_int(out, 1, "generation", status->generation);
	put_pairs(out, "labels", spec->labels, spec->label_count);
}

static void put_versions(struct buf *out, const struct status *status)
{
	char room[STATUS_VERSION_MAX];

	if (!status)
		return;
	if (status->resource_version)
		emit_str(out, 1, "resourceVersion",
			 status_version(status, room));
	emit_str(out, 1, "uid", status->uid);
}

static void put_endpoint(struct buf *out, int depth, const char *key,
			 const struct endpoint *e)
{
	emit_map(out, depth, key);
	emit_str(out, depth + 1, "cluster", e->cluster);
	emit_str(out, depth + 1, "region", e->region);
	emit_str(out, depth + 1, "storageClass", e->storage_class);
}

static void put_extensions(struct buf *out, const struct spec *spec)
{
	if (!spec->extensions)
		return;
	if (spec->extensions == EXTENSION_PRESENT) {
		emit_empty(out, 1, "extensions");
		return;
	}
	emit_map(out, 1, "extensions");
	if (spec->mirroring) {
		emit_map(out, 2, "ceph");
		emit_str(out, 3, "mirroringMode",
			 mirroring_text(spec->mirroring));
	} else if (spec->extensions & EXTENSION_CEPH) {
		emit_empty(out, 2, "ceph");
	}
	if (spec->extensions & EXTENSION_POWERSTORE)
		emit_empty(out, 2, "powerstore");
	if (spec->extensions & EXTENSION_TRIDENT)
		emit_empty(out, 2, "trident");
}

static void put_schedule(struct buf *out, int depth, const struct spec *spec)
{
	emit_str(out, depth, "mode", schedule_text(spec->schedule));
	emit_str(out, depth, "rpo", spec->rpo);
	emit_str(out, depth, "rto", spec->rto);
}

static void put_volumes(struct buf *out, int depth, const struct spec *spec)
{
	emit_map(out, depth, "destination");
	emit_str(out, depth + 1, "namespace", spec->volume_namespace);
	emit_str(out, depth + 1, "volumeHandle", spec->volume_handle);
	emit_map(out, depth, "source");
	emit_str(out, depth + 1, "namespace", spec->pvc_namespace);
	emit_str(out, depth + 1, "pvcName", spec->pvc_name);
}

void manifest_render(const char *namespace, const char *name,
		     const struct spec *spec, const struct status *status,
		     struct buf *out)
{
	emit_str(out, 0, "apiVersion", "replication.unified.io/v1alpha1");
	emit_str(out, 0, "kind", "UnifiedVolumeReplication");
	emit_map(out, 0, "metadata");
	put_metadata(out, spec, status);
	emit_str(out, 1, "name", name);
	emit_str(out, 1, "namespace", namespace);
	put_versions(out, status);

	emit_map(out, 0, "spec");
	put_endpoint(out, 1, "destinationEndpoint", &spec->destination);
	put_extensions(out, spec);
	emit_str(out, 1, "replicationMode", mode_text(spec->mode));
	emit_str(out, 1, "replicationState", state_text(spec->state));
	emit_map(out, 1, "schedule");
	put_schedule(out, 2, spec);
	put_endpoint(out, 1, "sourceEndpoint", &spec->source);
	emit_map(out, 1, "volumeMapping");
	put_volumes(out, 2, spec);
}

void manifest_render_endpoints(const struct spec *spec, struct buf *out)
{
	put_endpoint(out, 0, "source", &spec->source);
	put_endpoint(out, 0, "destination", &spec->destination);
}

void manifest_render_schedule(const struct spec *spec, struct buf *out)
{
	put_schedule(out, 0, spec);
}

void manifest_render_volumes(const struct spec *spec, struct buf *out)
{
	put_volumes(out, 0, spec);
}
