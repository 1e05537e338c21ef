/* SPDX-License-Identifier: Apache-2.0 */
/* VolumeSnapshots that we take: what becomes of one.  See csi_probe.c. */
#ifndef UVRFS_CSI_PROBE_H
#define UVRFS_CSI_PROBE_H

#include "csi_product.h"

/* What a controller has not done after this is said to be late, and waited for
   no longer; what has failed is tried again after that. */
#define CSI_PATIENCE_MS (5 * 60 * 1000)
#define CSI_RETRY_MS (60 * 1000)

#define CSI_MARK_MAX 80

/*
 * Writes GENERATION/UID of @object into @out and returns it.  What we note on an
 * object begins with that, so that it counts no more once somebody has changed
 * what is asked for, nor on another object that is made from this one's text,
 * such as a backup.
 */
const char *csi_mark(const json_t *object, char out[static CSI_MARK_MAX]);

/* How long ago it was made; very long when that can't be told. */
int64_t csi_age(const struct csi_view *v, const json_t *object);

enum csi_snap { CSI_SNAP_NONE, CSI_SNAP_RUNS, CSI_SNAP_FAILED, CSI_SNAP_READY };

/* How @snapshot, of the volume of @v, has got on; why it failed, into @why. */
enum csi_snap csi_snap_read(const struct csi_view *v, const json_t *snapshot,
			    char why[static NATIVE_MAX]);

/* The newest of this volume's that has @label and is not going away, or NULL. */
const json_t *csi_snap_newest(struct csi_look *l, const char *label);

/* A new one for csi_create: labels @label: @value.  NULL without memory. */
json_t *csi_snap_new(const struct csi_view *v, const char *name,
		     const char *label, const char *value);

/* The name that this act's objects about @object have: OBJECT-uvrfs-WHAT-SERIAL. */
const char *csi_name(const struct csi_call *c, const char *object,
		     const char *what, char out[static CSI_NAME_MAX]);

#endif
