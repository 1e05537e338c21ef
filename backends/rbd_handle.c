/* SPDX-License-Identifier: Apache-2.0 */
/* volumeHandle as POOL/[NAMESPACE/]IMAGE. */
#include "rbd_handle.h"

#include <stdlib.h>
#include <string.h>

static bool is_part(const char *s, size_t n)
{
	/* rbd gives @ to snapshots; a name can't hold it. */
	return n > 0 && !memchr(s, '@', n);
}

int rbd_handle_parse(const char *text, struct rbd_handle *h, struct error *err)
{
	const char *first = strchr(text, '/');
	const char *second = first ? strchr(first + 1, '/') : NULL;
	const char *image = second ? second + 1 : first ? first + 1 : "";

	*h = (struct rbd_handle){
		.pool = text,
		.pool_len = first ? (size_t)(first - text) : 0,
		.namespace = first ? first + 1 : "",
		.namespace_len = second ? (size_t)(second - first - 1) : 0,
		.image = image,
	};
	if (!is_part(h->pool, h->pool_len) || !is_part(image, strlen(image)) ||
	    strchr(image, '/') ||
	    (second && !is_part(h->namespace, h->namespace_len)))
		return fail(err, EINVAL,
			    "spec.volumeMapping.destination.volumeHandle: "
			    "'%.200s' is not POOL/[NAMESPACE/]IMAGE, which "
			    "backends of type ceph-rbd need",
			    text);
	return 0;
}

int rbd_check(const struct spec *spec, struct error *err)
{
	struct rbd_handle h;
	int rc = rbd_handle_parse(spec->volume_handle, &h, err);

	if (rc == 0 && spec->mode == MODE_SYNCHRONOUS)
		rc = fail(err, EINVAL,
			  "spec.replicationMode: RBD mirroring is asynchronous, "
			  "in both of its modes");
	if (rc == 0 && strcmp(spec->source.cluster, spec->destination.cluster) == 0)
		rc = fail(err, EINVAL,
			  "spec.destinationEndpoint.cluster: the same cluster "
			  "as the source's: RBD mirrors between two");
	return rc;
}
