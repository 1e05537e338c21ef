/* SPDX-License-Identifier: Apache-2.0 */
/* VolumeReplications of csi-addons.  Private to ceph*.c. */
#ifndef UVRFS_CEPH_H
#define UVRFS_CEPH_H

#include "csi_product.h"

#define CEPH_VERSION "replication.storage.openshift.io/v1alpha1"
#define CEPH_API "/apis/" CEPH_VERSION

#define CEPH_SYNCED_BEFORE "uvrfs/synced-before"
#define CEPH_STEPPED_DOWN "uvrfs/stepped-down"

/* Of a claim: its VolumeReplication. */
#define CEPH_OWNER "replication.storage.openshift.io/volume-replication-name"

enum ceph_kind { CEPH_VR = CSI_COMMON, CEPH_VRC, CEPH_VGR };
enum ceph_part { CEPH_PART_VR, CEPH_PART_VGR, CEPH_PART_PROBE };

/* What spec.replicationState asks for. */
enum ceph_word { CEPH_NONE, CEPH_PRIMARY, CEPH_SECONDARY, CEPH_RESYNC };
const char *ceph_word(enum ceph_word word);

/*
 * A VolumeReplication, read by the rule of its clients: what its status says
 * counts for the generation that it was said of.
 */
struct ceph_vr {
	bool there;
	enum ceph_word asked;		/* spec.replicationState */
	bool auto_resync;
	enum role says;			/* status.state */
	bool decided;			/* Completed True, of this generation */
	bool failed;			/* of this generation; tried again */
	bool hopeless;			/* it will never complete as it is */
	/* Conditions of this generation; UNKNOWN when there is none. */
	enum tri degraded, resyncing, replicating;
	int64_t last_sync;		/* ms, of a primary; 0: none */
	bool was_resynced;		/* by us, and not known to be done */
	int64_t synced_before;		/* what last_sync of the other side was
					   when that was asked for */
	bool told_down;			/* uvrfs has asked for what it is asked
					   for: to step down */
	const char *message;		/* of what failed; "" */
};

/* Why csi-addons does nothing for the claim, though a group selects it; a phrase
   after the group's name, or NULL. */
const char *ceph_set_aside(const struct csi_view *v);

void ceph_read(const struct csi_view *v, struct ceph_vr *vr);

/* The part whose spec is written: the group's when there is one. */
unsigned ceph_written_part(const struct csi_view *v);

/* It is a replica that csi-addons has been asked for nothing else: the last thing
   that it tried came of that, or failed. */
bool ceph_stands_by(const struct ceph_vr *vr);

/*
 * What is noted at a side that steps down: which generation of its spec says so,
 * and the other side's spec then, where that stands by; NULL: it does not.
 */
#define CEPH_NOTE_MAX 128
void ceph_note(int64_t generation, const struct csi_view *other,
	       char out[static CEPH_NOTE_MAX]);

/*
 * It stepped down, and neither spec has changed since: nobody has been promoted
 * who could have anything that is not here, and nobody is going to be.
 */
bool ceph_has_all(const struct csi_view *at, const struct csi_view *other);

/* Both have stepped down, and what this one had has crossed. */
bool ceph_is_final(const struct ceph_vr *vr);

void ceph_judge(const struct csi_view *here, const struct csi_view *peer,
		struct observation *o);
int ceph_act(struct csi_call *c, struct error *err);
void ceph_describe(const struct csi_view *at, const struct csi_view *other,
		   enum act act, struct buf *out);

/* ceph_class.c: the VolumeReplicationClass for this volume.  Fails with EINVAL
   when none or several fit. */
int ceph_choose_class(struct csi_call *c, const struct csi_view *v,
		      char name[static CSI_NAME_MAX], struct error *err);

#endif
