/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a manifest must be like for ceph-rbd.  Pure.
 */
#ifndef UVRFS_RBD_HANDLE_H
#define UVRFS_RBD_HANDLE_H

#include "error.h"
#include "spec.h"

#include <errno.h>

/* Parts of the text that was parsed; only `image` ends with a NUL. */
struct rbd_handle {
	const char *pool;
	size_t pool_len;
	const char *namespace;
	size_t namespace_len;		/* 0: the pool's own namespace */
	const char *image;
};

/*
 * Reads POOL/[NAMESPACE/]IMAGE.  RBD mirrors an image to the pool, namespace and
 * name that it has, so this names it at both sites.  0 or -EINVAL.
 */
int rbd_handle_parse(const char *text, struct rbd_handle *h, struct error *err);

/* Can RBD mirroring serve this manifest?  0, or -EINVAL with a sentence. */
int rbd_check(const struct spec *spec, struct error *err);

#endif
