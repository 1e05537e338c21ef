/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image that is open to be changed, and locked against other uvrfs daemons:
 * two mirror snapshots that are made at the same moment send librbd 16.2 into an
 * endless recursion, which ends the process (CreatePrimaryRequest takes the
 * other one, which is not complete yet, for a leftover).
 */
#include "rbd_model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

/* Longer than any change takes; a daemon that dies holds others up so long. */
#define LOCK_S 15
#define LOCK_NAME "uvrfs"

static int lock(struct rbd_hold *h)
{
	struct timeval duration = {.tv_sec = LOCK_S};
	int rc = look_object(h->image, "rbd_header", h->header);

	if (rc < 0)
		return rc;
	rc = rados_lock_exclusive(h->io, h->header, LOCK_NAME, "",
				  "its mirroring is being changed", &duration,
				  LIBRADOS_LOCK_FLAG_RENEW);
	return rc == -EBUSY ? -EAGAIN : rc;
}

int hold_image(struct rbd_site *s, const struct rbd_pair *p,
	       struct rbd_hold *h)
{
	int rc;

	h->conn = site_conn(s, &rc);
	if (!h->conn)
		return rc;
	rc = look_pool(h->conn, p, &h->io);
	if (rc < 0)
		goto no_pool;
	rc = rbd_open(h->io, p->image, &h->image, NULL);
	if (rc < 0)
		goto no_image;
	rc = lock(h);
	if (rc == 0)
		return 0;
	rbd_close(h->image);
no_image:
	rados_ioctx_destroy(h->io);
no_pool:
	conn_unref(h->conn);
	return rc == -ENOENT ? rc : site_note(s, rc);
}

void release_image(struct rbd_hold *h)
{
	rbd_close(h->image);
	rados_unlock(h->io, h->header, LOCK_NAME, "");
	rados_ioctx_destroy(h->io);
	conn_unref(h->conn);
}

bool hold_is_of(rados_ioctx_t io, rbd_image_t image, uint64_t client)
{
	char header[RBD_OBJECT_MAX], holder[64], want[64];
	char tag[64], cookies[64], addresses[256];
	size_t tag_len = sizeof tag, holder_len = sizeof holder;
	size_t cookies_len = sizeof cookies;
	size_t addresses_len = sizeof addresses;
	int exclusive;

	snprintf(want, sizeof want, "client.%llu", (unsigned long long)client);
	return look_object(image, "rbd_header", header) == 0 &&
	       rados_list_lockers(io, header, LOCK_NAME, &exclusive, tag,
				  &tag_len, holder, &holder_len, cookies,
				  &cookies_len, addresses,
				  &addresses_len) > 0 &&
	       strcmp(holder, want) == 0;
}
