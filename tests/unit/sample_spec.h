/* SPDX-License-Identifier: Apache-2.0 */
/* A spec for tests of what keeps one. */
#ifndef UVRFS_SAMPLE_SPEC_H
#define UVRFS_SAMPLE_SPEC_H

#include "spec.h"

static inline struct spec sample_spec(void)
{
	return (struct spec){
		.source = {"prod", "us-east-1", "ceph-rbd"},
		.destination = {"dr", "us-west-2", "ceph-rbd"},
		.pvc_name = "db",
		.pvc_namespace = "database",
		.volume_handle = "vol-1",
		.volume_namespace = "database",
		.state = STATE_REPLICA,
		.mode = MODE_ASYNCHRONOUS,
		.schedule = SCHEDULE_INTERVAL,
		.rpo = "15m",
		.rto = "5m",
	};
}

#endif
