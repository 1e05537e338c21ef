/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a product is to the code that serves all of them (csi*.c): which kinds of
 * objects it has, what they mean, and what is written for an act.
 *
 * `judge` is a pure function of two views, so it can be tested with nothing but
 * JSON.  `act` is given two views that were fetched for it, and is called again
 * whenever the plan still wants the same: it starts from what is there, never
 * from what was done.
 */
#ifndef UVRFS_CSI_PRODUCT_H
#define UVRFS_CSI_PRODUCT_H

#include "backend.h"

#include <jansson.h>

/* ---- kinds of objects ---- */

/* Those that every product looks at; its own follow from CSI_COMMON on. */
enum csi_common_kind {
	CSI_CLAIM,		/* PersistentVolumeClaim */
	CSI_VOLUME,		/* PersistentVolume */
	CSI_ATTACHMENT,		/* VolumeAttachment */
	CSI_POD,
	CSI_SNAPSHOT,		/* VolumeSnapshot */
	CSI_SNAPSHOT_CLASS,
	CSI_COMMON
};

#define CSI_KINDS_MAX 10

/*
 * What an object can be found by, besides its name: short texts such as
 * "claim NAMESPACE/NAME".
 */
struct csi_topics;
void csi_topic(struct csi_topics *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

struct csi_kind {
	const char *plural;	/* "volumereplications" */
	const char *api;	/* "/apis/GROUP/VERSION" */
	const char *older;	/* the same, where `api' is not served; or NULL */
	bool cluster_wide;	/* has no namespace */
	bool optional;		/* the product can be served without it */
	bool unwatched;		/* asked for by csi_list() when it is needed */
	void (*topics)(const json_t *object, struct csi_topics *t);
};

/* ---- one side of a pair, as it was at one moment ---- */

#define CSI_PARTS_MAX 6
#define CSI_NAME_MAX 254

struct csi_part {
	int kind;			/* enum csi_common_kind, or a product's */
	const json_t *object;		/* NULL: there is none.  Immutable; the
					   view holds a reference */
};

struct csi_view {
	const char *cluster;
	enum reach reach;		/* OK: all that follows is known */
	char why[SIDE_TEXT_MAX];	/* why it is not OK */
	int64_t now;			/* ms since the epoch: of this look */
	/* The volume.  The names are those of the manifest while there is no
	   such claim. */
	char namespace[64];
	char claim_name[CSI_NAME_MAX];
	const json_t *claim;		/* PersistentVolumeClaim, NULL: none */
	const json_t *volume;		/* PersistentVolume, NULL: none */
	enum tri in_use;		/* by pods and attachments */
	char in_use_by[SIDE_TEXT_MAX];
	int64_t used_at;		/* ms: when it was last seen in use, since
					   this daemon began; 0: never */
	/* Of what the product asks and says, hashed; 0: it does not tell.  And ms:
	   the first look of this daemon at which it was this. */
	uint64_t stand;
	int64_t stands_since;
	bool can_snapshot;		/* VolumeSnapshots are installed, and there
					   is a class for the volume's driver */
	char snapshot_class[CSI_NAME_MAX];
	struct csi_part part[CSI_PARTS_MAX];	/* the product's */
	/* The unit that the product acts on, when it holds more volumes. */
	char group[SIDE_TEXT_MAX];	/* "": this volume alone */
	unsigned member_count;
	char strangers[SIDE_TEXT_MAX];	/* members that no replication is for:
					   NAMESPACE/NAME, ...; without a
					   claimRef the volume's name */
	bool was_incomplete;		/* when the other side last answered, there
					   was no whole copy here */
	int64_t known_time;		/* ms: data_time that is kept with the
					   replication, 0: none */
};

/* What a pair keeps of the stand of a side. */
struct csi_stand {
	uint64_t what;
	int64_t since;
};

/* The look of @v is the next one. */
void csi_note_stand(struct csi_stand *kept, struct csi_view *v);

/* ---- looking: with the lock held, on any thread; see csi_cache.c ---- */

struct csi_look;		/* one side of one pair, being looked at */

/* The object, borrowed, or NULL; a change of it brings the pair up again. */
const json_t *csi_get(struct csi_look *l, int kind, const char *namespace,
		      const char *name);

/*
 * The next object with that topic after @after (NULL: the first), or NULL, in
 * the order of their names.
 */
const json_t *csi_next(struct csi_look *l, int kind, const json_t *after,
		       const char *topic_fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Makes @object a part of the view, instead of what was there.  Takes NULL. */
void csi_take(struct csi_look *l, unsigned part, int kind,
	      const json_t *object);

/*
 * The pair is one of several volumes, those under this topic themselves or by
 * their claims: fills group, member_count, strangers, and in_use by any of them.
 */
void csi_take_group(struct csi_look *l, const char *group,
		    const char *topic_fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The view that is being filled; claim and volume are there already. */
struct csi_view *csi_look_view(struct csi_look *l);

/* ---- acting: on a worker ---- */

struct csi_call {
	const struct target *target;
	const struct order *order;
	const struct csi_view *at;	/* where the act is made */
	const struct csi_view *other;
	struct observation seen;	/* of these; `here' is `at' */
	bool at_holder;			/* `at' has volumeMapping.source */
	struct csi_private *private;
};

/*
 * A merge patch of one part of `at' (or of @view's, for either side); takes
 * @body over.  It goes with the resourceVersion of what was looked at, and with
 * the annotations uvrfs/serial and uvrfs/request, which say whose act it was.
 * -EAGAIN when somebody else has changed the object since; else as kube_call().
 * After a success the cache has what was written.
 */
int csi_patch(struct csi_call *c, const struct csi_view *view, unsigned part,
	      json_t *body, struct error *err);

/*
 * Makes an object of @kind on the side of @view; takes @body over, which has
 * apiVersion, kind, metadata.name and spec.  Namespace, the two annotations and
 * a label app.kubernetes.io/managed-by: uvrfs are added.  -EEXIST when there is
 * one of that name.
 */
int csi_create(struct csi_call *c, const struct csi_view *view, int kind,
	       json_t *body, struct error *err);

/* Deletes that very object (by its uid); one that is gone is a success. */
int csi_delete(struct csi_call *c, const struct csi_view *view, int kind,
	       const json_t *object, struct error *err);

/* All of @kind there is at that side now, a new reference; NULL on failure. */
json_t *csi_list(struct csi_call *c, const struct csi_view *view, int kind,
		 struct error *err);

/*
 * The last moment at which a promotion by force can be refused that was to be of a
 * peer that is lost, or has been asked in vain to step down: 0, -EBUSY when that
 * may be the source, -EAGAIN when it can't be told.
 */
int csi_check_lost(const struct csi_call *c, struct error *err);

/* The object carries this act's own serial, or this request's own number. */
bool csi_is_of_act(const struct csi_call *c, const json_t *object);
bool csi_is_of_request(const struct csi_call *c, const json_t *object);

/*
 * The first time that this very act comes here: false, then true.  For saying
 * once what is doubted before it is done again.
 */
bool csi_was_told(struct csi_call *c);

/* ---- a snapshot as proof that a volume can be written to; csi_probe.c ---- */

/*
 * Storage refuses to snapshot a volume that is no source: one that becomes
 * ready, made after a promotion, is a second fact.  What it proved is kept as
 * the annotation uvrfs/writable of the product's object, for the generation of
 * that object (metadata.generation), and the snapshot is deleted.
 *
 * With @part of the view's, and the snapshot (label uvrfs/probe) as @probe:
 */
struct csi_proof {
	bool proved;			/* at the object's generation */
	bool running;			/* the snapshot has not ended yet */
	bool possible;			/* ACT_VERIFY would do something */
	char failure[NATIVE_MAX];	/* what the driver said of it, or why there
					   can be none; "" */
};
void csi_probe_read(const struct csi_view *v, unsigned part, unsigned probe,
		    struct csi_proof *out);

/* Finds the probe of this volume and makes it a part. */
void csi_probe_gather(struct csi_look *l, unsigned probe);

/* One stage of ACT_VERIFY: takes the snapshot, or writes down what it proved. */
int csi_probe_act(struct csi_call *c, unsigned part, unsigned probe,
		  struct error *err);
void csi_probe_describe(const struct csi_view *v, struct buf *out);

/* ---- reading objects ---- */

/* Of a claim or a volume: the DellCSIReplicationGroup that it is in. */
#define CSI_RG_LABEL "replication.storage.dell.com/replicationGroupName"

/* Of a claim: the VolumeGroupReplication that it is replicated by. */
#define CSI_VGR_ANNOTATION                                                     \
	"replication.storage.openshift.io/volume-group-replication-name"

/* The text at metadata.KEY, spec.KEY, status.KEY and so on; "" without one. */
const char *csi_meta(const json_t *object, const char *key);
const char *csi_annotation(const json_t *object, const char *key);
const char *csi_label(const json_t *object, const char *key);
/* An object's name out of NAMESPACE/NAME, or NAME alone. */
const char *csi_bare_name(const char *name);
const char *csi_spec(const json_t *object, const char *key);
const json_t *csi_status(const json_t *object);
bool csi_spec_is(const json_t *object, const char *key, const char *text);
int64_t csi_generation(const json_t *object);
int64_t csi_status_generation(const json_t *object);
/* A metav1.LabelSelector selects that object: an empty one all, NULL none. */
bool csi_selects(const json_t *selector, const json_t *object);
/* Somebody has deleted it, and finalizers keep it. */
bool csi_is_going(const json_t *object);
/* Not made before @than, NULL: none; of the same second it is newer. */
bool csi_is_newer(const json_t *object, const json_t *than);
/* RFC 3339 at @key of @map in ms, 0 for none. */
int64_t csi_time(const json_t *map, const char *key);

/* ---- a product ---- */

struct csi_product {
	const char *type;		/* "ceph" */
	unsigned capabilities;		/* enum capability */
	const char *installed_as;	/* "csi-addons": in sentences */
	const struct csi_kind *kinds;	/* its own; ends with plural NULL */
	bool ages;			/* what it says gets old by itself: it is
					   judged anew every few seconds */

	/* As backend_ops.check; may be NULL. */
	int (*check)(const struct spec *spec, struct error *err);

	/* Finds the product's objects for the claim of this side. */
	void (*gather)(struct csi_look *l);

	/*
	 * What both sides mean.  Given with reach, why, in_use, in_use_by and
	 * progress (-1) filled in.  A side that is not REACH_OK keeps its
	 * zeroes.  Pure.
	 */
	void (*judge)(const struct csi_view *here, const struct csi_view *peer,
		      struct observation *o);

	/* worker: as backend_ops.act, with fresh views; `at' is REACH_OK. */
	int (*act)(struct csi_call *c, struct error *err);

	/* As backend_ops.describe: a line each, `kubectl ...' as it would be
	   typed, with --context CLUSTER.  Pure. */
	void (*describe)(const struct csi_view *at,
			 const struct csi_view *other, enum act act,
			 struct buf *out);
};

extern const struct csi_product csi_ceph, csi_trident, csi_powerstore;

#endif
