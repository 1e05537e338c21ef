/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tags of an image's journal, as the OSD's class `journal` lists them: there
 * is one for each time that whose the image is has changed.
 */
#include "rbd_view.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Ceph's encoding: little-endian, and a length before what varies in size. */

struct decoder {
	const char *at, *end;
	bool bad;
};

static const char *take(struct decoder *d, size_t len)
{
	const char *at = d->at;

	if (d->bad || len > (size_t)(d->end - d->at)) {
		d->bad = true;
		return NULL;
	}
	d->at += len;
	return at;
}

static uint64_t take_number(struct decoder *d, size_t size)
{
	const char *at = take(d, size);
	uint64_t le = 0;

	if (at)
		memcpy(&le, at, size);
	return le64toh(le);
}

/* A part of its own, after its length. */
static struct decoder take_part(struct decoder *d)
{
	size_t len = take_number(d, sizeof(uint32_t));
	const char *at = take(d, len);

	return (struct decoder){at, at ? at + len : NULL, !at};
}

/* cls::journal::Tag; its data begins with the owner's mirror uuid. */
static void take_tag(struct decoder *d, uint64_t *tid,
		     char owner[RBD_UUID_MAX])
{
	struct decoder tag, data, uuid;

	take(d, 2);			/* version, compatible with */
	tag = take_part(d);
	*tid = take_number(&tag, sizeof *tid);
	take_number(&tag, sizeof(uint64_t));	/* its class */
	data = take_part(&tag);
	uuid = take_part(&data);
	d->bad = d->bad || uuid.bad || uuid.end - uuid.at >= RBD_UUID_MAX;
	if (!d->bad)
		snprintf(owner, RBD_UUID_MAX, "%.*s",
			 (int)(uuid.end - uuid.at), uuid.at);
}

int rbd_tags_decode(const char *answer, size_t len, uint64_t *last,
		    char owner[static RBD_UUID_MAX])
{
	struct decoder d = {answer, answer + len, false};
	uint32_t n = (uint32_t)take_number(&d, sizeof n), i;

	/* They come in the order of their numbers. */
	for (i = 0; i < n && !d.bad; i++)
		take_tag(&d, last, owner);
	return d.bad ? -EBADMSG : (int)n;
}
