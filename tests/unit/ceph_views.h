/* SPDX-License-Identifier: Apache-2.0 */
/* Two views of VolumeReplications, and what is made of them. */
#ifndef UVRFS_CEPH_VIEWS_H
#define UVRFS_CEPH_VIEWS_H

#include "ceph.h"
#include "ceph_vr.h"
#include "csi_model.h"
#include "text.h"

static struct csi_view a, b;	/* `here' and `peer' */
static struct observation o;

/* A side that answers and has nothing, not even a claim. */
static struct csi_view nothing_at(const char *cluster)
{
	struct csi_view v = {
		.cluster = cluster,
		.reach = REACH_OK,
		.now = 1795824000000,
		.namespace = "database",
		.claim_name = "db",
		.in_use = TRI_NO,
	};

	return v;
}

static inline void begin_views(void)
{
	a = nothing_at("prod");
	b = nothing_at("dr");
}

static inline void end_views(void)
{
	csi_view_finish(&a);
	csi_view_finish(&b);
}

/* Takes @object over. */
static inline void put_part(struct csi_view *v, unsigned part, json_t *object)
{
	json_decref((json_t *)v->part[part].object);
	v->part[part].object = object;
}

static inline void set(struct csi_view *v, struct vr vr)
{
	put_part(v, CEPH_PART_VR, vr.asked ? make_vr(&vr) : NULL);
}

static inline void silence(struct csi_view *v)
{
	v->reach = REACH_SILENT;
	strcpy(v->why, "no answer");
}

static inline void judge(void)
{
	const struct csi csi = {.product = &csi_ceph};

	csi_judge(&csi, &a, &b, &o);
}

static inline int64_t ms(const char *time)
{
	return time_parse(time);
}

#endif
