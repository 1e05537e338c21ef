/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look at one image.  The image is opened anew each time: a handle that
 * stays open has been seen to show an old `primary` for half a minute.
 */
#include "rbd_model.h"

#include "text.h"

#include <endian.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAGS_A_PAGE 64
#define TAG_ROOM 512			/* a tag takes about 100 bytes */

char *look_pools(struct rbd_conn *c)
{
	int size = rados_pool_list(c->rados, NULL, 0);
	char *names = size > 0 ? calloc(1, (size_t)size) : NULL;

	if (names && rados_pool_list(c->rados, names, (size_t)size) <= size)
		return names;
	free(names);
	return NULL;
}

bool look_is_among(const char *pools, const char *name)
{
	for (; pools && *pools; pools += strlen(pools) + 1)
		if (strcmp(pools, name) == 0)
			return true;
	return false;
}

/* 0, or -ENOENT, or why the monitor can't say. */
static int ask_for_pool(struct rbd_conn *c, const char *name)
{
	char *list = NULL, *at, *rest;
	size_t len = 0;
	int rc = conn_ask(c, "osd pool ls", &list, &len);

	if (rc < 0)
		return rc;
	rc = -ENOENT;
	/* A name a line. */
	for (at = list; at && rc && (rest = memchr(at, '\n', len));
	     at = rest + 1) {
		if ((size_t)(rest - at) == strlen(name) &&
		    memcmp(at, name, strlen(name)) == 0)
			rc = 0;
		len -= (size_t)(rest + 1 - at);
	}
	rados_buffer_free(list);
	return rc;
}

int look_known_pool(struct rbd_conn *c, const struct rbd_pair *p,
		    rados_ioctx_t *io)
{
	int rc = rados_ioctx_create(c->rados, p->pool, io);

	if (rc == 0 && *p->namespace)
		rados_ioctx_set_namespace(*io, p->namespace);
	return rc;
}

/*
 * For a pool that its map lacks rados_ioctx_create waits for a newer map, without
 * an end when the cluster is gone.  So that is left to pools that are there.
 */
int look_pool(struct rbd_conn *c, const struct rbd_pair *p, rados_ioctx_t *io)
{
	auto_free char *pools = look_pools(c);
	int rc = look_is_among(pools, p->pool) ? 0 : ask_for_pool(c, p->pool);

	return rc ? rc : look_known_pool(c, p, io);
}

int look_object(rbd_image_t image, const char *prefix,
		char name[static RBD_OBJECT_MAX])
{
	char id[64];
	int rc = rbd_get_id(image, id, sizeof id);

	if (rc == 0)
		snprintf(name, RBD_OBJECT_MAX, "%s.%s", prefix, id);
	return rc;
}

static int64_t ms_of(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000 + t->tv_nsec / 1000000;
}

/* ---- mirror snapshots ---- */

static int read_snap(rbd_image_t image, uint64_t id, struct rbd_snap *out)
{
	rbd_snap_mirror_namespace_t ns;
	struct timespec time = {0};
	int rc = rbd_snap_get_mirror_namespace(image, id, &ns, sizeof ns);

	if (rc < 0)
		return rc;
	*out = (struct rbd_snap){
		.id = id,
		.state = (enum rbd_snap_state)ns.state,
		.complete = ns.complete,
		.from_id = ns.primary_snap_id,
		.copied = ns.last_copied_object_number,
	};
	if (ns.primary_mirror_uuid)
		snprintf(out->from, sizeof out->from, "%s",
			 ns.primary_mirror_uuid);
	rbd_snap_mirror_namespace_cleanup(&ns, sizeof ns);
	if (rbd_snap_get_timestamp(image, id, &time) == 0)
		out->time = ms_of(&time);
	return 0;
}

static void add_snap(struct rbd_view *v, const struct rbd_snap *snap)
{
	if (v->snap_count == RBD_SNAPS_MAX) {
		memmove(v->snaps, v->snaps + 1,
			sizeof v->snaps - sizeof *v->snaps);
		v->snap_count--;
	}
	v->snaps[v->snap_count++] = *snap;
}

void look_snaps(rbd_image_t image, struct rbd_view *v)
{
	rbd_snap_namespace_type_t type;
	rbd_snap_info_t *list = NULL;
	struct rbd_snap snap;
	int room = 64, n, i;

	do {
		free(list);
		list = calloc((size_t)room, sizeof *list);
		n = list ? rbd_snap_list(image, list, &room) : -ENOMEM;
	} while (n == -ERANGE);
	for (i = 0; i < n; i++)
		if (rbd_snap_get_namespace_type(image, list[i].id, &type) ==
			    0 &&
		    type == RBD_SNAP_NAMESPACE_TYPE_MIRROR &&
		    read_snap(image, list[i].id, &snap) == 0)
			add_snap(v, &snap);
	if (n > 0)
		rbd_snap_list_end(list);
	free(list);
}

/* ---- the journal's owner ---- */

static int list_tags(rados_ioctx_t io, const char *object, uint64_t *last,
		     char owner[static RBD_UUID_MAX])
{
	struct __attribute__((packed)) {
		uint64_t after, max;
		uint32_t client_len;	/* the image's own client: "" */
		uint8_t by_class;
	} ask = {htole64(*last), htole64(TAGS_A_PAGE), 0, 0};
	char answer[TAGS_A_PAGE * TAG_ROOM];
	int len = rados_exec(io, object, "journal", "tag_list",
			     (const char *)&ask, sizeof ask, answer,
			     sizeof answer);

	return len < 0 ? len
		       : rbd_tags_decode(answer, (size_t)len, last, owner);
}

/*
 * librbd refuses writes by the journal's newest tag, and has no call that shows
 * it: the OSD is asked by the method that librbd uses.
 */
static int look_journal(rados_ioctx_t io, rbd_image_t image, struct rbd_view *v)
{
	char object[RBD_OBJECT_MAX];
	uint64_t last = 0;
	int rc = look_object(image, "journal", object);

	if (rc < 0)
		return rc;
	do {
		rc = list_tags(io, object, &last, v->owner);
		v->owner_known = v->owner_known || rc > 0;
	} while (rc == TAGS_A_PAGE);
	return rc < 0 && rc != -ENOENT ? rc : 0;
}

/* ---- what rbd-mirror tells ---- */

static int64_t seconds_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key)) * 1000;
}

/* "replaying, {JSON}": words, then details that differ by mode. */
static void read_description(const char *text, struct rbd_record *r)
{
	const char *brace = strchr(text, '{');
	size_t len = brace ? (size_t)(brace - text) : strlen(text);
	json_t *root = brace ? json_loads(brace, JSON_DISABLE_EOF_CHECK, NULL)
			     : NULL;
	const json_t *behind = json_object_get(root, "entries_behind_primary");

	while (len && strchr(", ", text[len - 1]))
		len--;
	snprintf(r->text, sizeof r->text, "%.*s", (int)len, text);
	r->data_time = seconds_of(root, "local_snapshot_timestamp");
	/* In journal mode all that was written has been replayed by then. */
	if (behind && json_integer_value(behind) == 0 &&
	    r->state == RBD_MIRROR_REPLAYING)
		r->data_time = r->updated;
	json_decref(root);
}

void look_records(const rbd_mirror_image_global_status_t *status,
		  struct rbd_view *v)
{
	const rbd_mirror_image_site_status_t *s;
	uint32_t i;

	v->record = (struct rbd_record){0};
	v->peer_record = 0;
	for (i = 0; i < status->site_statuses_count; i++) {
		s = &status->site_statuses[i];
		if (*s->mirror_uuid) {
			if (s->up && s->last_update * 1000 > v->peer_record)
				v->peer_record = s->last_update * 1000;
			continue;
		}
		v->record.known = s->last_update > 0;
		v->record.up = s->up;
		v->record.state = (enum rbd_mirror_state)s->state;
		if (v->record.state > RBD_MIRROR_STOPPED)
			v->record.state = RBD_MIRROR_UNKNOWN;
		v->record.updated = s->last_update * 1000;
		read_description(s->description, &v->record);
	}
}

static int look_status(rbd_image_t image, struct rbd_view *v)
{
	rbd_mirror_image_global_status_t status;
	int rc = rbd_mirror_image_get_global_status(image, &status,
						    sizeof status);

	if (rc < 0)
		return site_is_silence(rc) ? rc : 0;
	look_records(&status, v);
	rbd_mirror_image_global_status_cleanup(&status);
	return 0;
}

/* ---- who has it open ---- */

/* Where a look is made. */
struct place {
	struct rbd_site *site;
	struct rbd_conn *conn;
	struct rbd_pair *pair;
	rados_ioctx_t io;
};

static int look_clients(const struct place *p, rbd_image_t image,
			struct rbd_view *v)
{
	rbd_image_watcher_t list[32];
	size_t n = sizeof list / sizeof *list, i;
	int rc = rbd_watchers_list(image, list, &n);

	v->in_use = TRI_UNKNOWN;
	if (rc == -ERANGE) {
		v->in_use = TRI_YES;
		snprintf(v->in_use_by, sizeof v->in_use_by, "%zu clients", n);
		return 0;
	}
	if (rc < 0)
		return site_is_silence(rc) ? rc : 0;
	v->in_use = TRI_NO;
	for (i = 0; i < n; i++) {
		if (site_is_mirror(p->site, p->conn, p->pair,
				   (uint64_t)list[i].id) ||
		    hold_is_of(p->io, image, (uint64_t)list[i].id))
			continue;
		v->in_use = TRI_YES;
		snprintf(v->in_use_by, sizeof v->in_use_by,
			 "client.%lld at %s", (long long)list[i].id,
			 list[i].addr);
		break;
	}
	rbd_watchers_list_cleanup(list, n);
	return 0;
}

/*
 * An rbd-mirror that waits for a site that is gone keeps the exclusive lock of
 * an image in journal mode that was promoted by force: every write is refused.
 */
static void look_lock(const struct place *p, rbd_image_t image,
		      struct rbd_view *v)
{
	char tag[64], holder[64], cookies[128], address[SIDE_TEXT_MAX];
	size_t tag_len = sizeof tag, holder_len = sizeof holder;
	size_t cookies_len = sizeof cookies, address_len = sizeof address;
	unsigned long long client;
	int exclusive;

	if (rbd_list_lockers(image, &exclusive, tag, &tag_len, holder,
			     &holder_len, cookies, &cookies_len, address,
			     &address_len) <= 0 ||
	    sscanf(holder, "client.%llu", &client) != 1 ||
	    client == rados_get_instance_id(p->conn->rados))
		return;
	if (site_is_mirror(p->site, p->conn, p->pair, client))
		memcpy(v->held_by, address, sizeof v->held_by);
}

/* ---- the image ---- */

static int look_mirroring(rbd_image_t image, struct rbd_view *v)
{
	rbd_mirror_image_mode_t mode;
	rbd_mirror_image_info_t info;
	int rc = rbd_mirror_image_get_info(image, &info, sizeof info);

	if (rc < 0)
		return rc;
	v->mirrored = info.state == RBD_MIRROR_IMAGE_ENABLED;
	v->primary = v->mirrored && info.primary;
	rbd_mirror_image_get_info_cleanup(&info);
	if (!v->mirrored)
		return 0;
	rc = rbd_mirror_image_get_mode(image, &mode);
	v->mode = mode == RBD_MIRROR_IMAGE_MODE_JOURNAL ? MIRRORING_JOURNAL
							: MIRRORING_SNAPSHOT;
	return rc;
}

static int look_open(const struct place *p, rbd_image_t image,
		     struct rbd_view *v)
{
	struct timespec created = {0};
	rbd_image_info_t info;
	uint64_t features = 0;
	int rc = look_mirroring(image, v);

	if (rc == 0)
		rc = rbd_get_features(image, &features);
	if (rc == 0)
		rc = rbd_stat(image, &info, sizeof info);
	if (rc < 0)
		return rc;
	v->no_writes = features & RBD_FEATURE_NON_PRIMARY;
	v->objects = info.num_objs;
	if (rbd_get_create_timestamp(image, &created) == 0)
		v->created = ms_of(&created);
	look_snaps(image, v);
	if (v->mirrored && v->mode == MIRRORING_JOURNAL) {
		rc = look_journal(p->io, image, v);
		if (v->primary)
			look_lock(p, image, v);
	}
	if (v->mirrored && rc == 0)
		rc = look_status(image, v);
	return rc ? rc : look_clients(p, image, v);
}

static int look_in(const struct place *p, struct rbd_view *v)
{
	size_t len = sizeof v->uuid;
	rbd_mirror_mode_t mode;
	rbd_image_t image;
	int rc = rbd_mirror_mode_get(p->io, &mode);

	if (rc < 0)
		return rc;
	v->pool_mirrors = mode != RBD_MIRROR_MODE_DISABLED;
	rc = rbd_mirror_uuid_get(p->io, v->uuid, &len);
	if (rc < 0 && site_is_silence(rc))
		return rc;
	rc = rbd_open_read_only(p->io, p->pair->image, &image, NULL);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	v->exists = true;
	rc = look_open(p, image, v);
	rbd_close(image);
	/* It went while we looked. */
	if (rc == -ENOENT)
		*v = (struct rbd_view){.pool_mirrors = v->pool_mirrors};
	return rc == -ENOENT ? 0 : rc;
}

int look_image(struct rbd_site *s, struct rbd_pair *p, struct rbd_view *v)
{
	struct place place = {.site = s, .pair = p};
	int rc;

	*v = (struct rbd_view){0};
	place.conn = site_conn(s, &rc);
	if (place.conn) {
		rc = look_pool(place.conn, p, &place.io);
		if (rc == 0) {
			rc = site_note(s, look_in(&place, v));
			rados_ioctx_destroy(place.io);
		} else if (rc == -ENOENT) {
			/* No such pool: no such image.  Of the OSDs it says
			   nothing. */
			rc = 0;
		}
		conn_unref(place.conn);
	}
	pthread_mutex_lock(&s->rbd->lock);
	v->at = rc == 0 ? clock_wall() : 0;
	site_stamp(s, v);
	v->failed = rc < 0 && place.conn && !s->silent_since &&
		    s->trouble == REACH_OK;
	if (v->failed) {
		v->reach = rc == -EPERM || rc == -EACCES ? REACH_REFUSED
			   : rc == -ENOMEM		 ? REACH_UNKNOWN
							 : REACH_SILENT;
		v->alive = v->reach == REACH_SILENT;
		snprintf(v->why, sizeof v->why, "can't look at the image: %s",
			 strerrordesc_np(-rc));
	}
	pthread_mutex_unlock(&s->rbd->lock);
	return rc;
}
