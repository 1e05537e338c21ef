/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of ceph-rbd where librbd was not there at build time. */
#include "rbd.h"

#include <errno.h>

bool rbd_is_built(void)
{
	return false;
}

struct backend *rbd_new(const char *name, const struct rbd_access *access,
			size_t count, int silent_ms, struct error *err)
{
	fail(err, EOPNOTSUPP, "ceph-rbd is not built into this uvrfs: it was "
	     "built without librbd");
	return NULL;
}
