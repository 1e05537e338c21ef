/* SPDX-License-Identifier: Apache-2.0 */
/* The array's belief about one side of a relationship, as JSON on disk. */
#include "sim_site.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_MAX (64 * 1024)

/* The flags of a record by their names in the file. */
static const struct {
	const char *name;
	size_t offset;
	bool is_new;			/* older records lack it */
} flags[] = {
	{"pvcSide", offsetof(struct belief, pvc_side)},
	{"complete", offsetof(struct belief, complete)},
	{"following", offsetof(struct belief, following)},
	{"followed", offsetof(struct belief, followed)},
	{"caughtUp", offsetof(struct belief, caught_up)},
	{"turning", offsetof(struct belief, turning), true},
	{"unlisted", offsetof(struct belief, unlisted), true},
};

#define FLAG_COUNT (sizeof flags / sizeof *flags)

static bool *flag_of(struct belief *r, size_t i)
{
	return (bool *)((char *)r + flags[i].offset);
}

static json_t *snapshot_json(const struct snapshot *s)
{
	char hex[24];

	snprintf(hex, sizeof hex, "%016" PRIx64, s->digest);
	return json_pack("{s:I, s:s}", "id", (json_int_t)s->id, "digest", hex);
}

static void snapshot_parse(const json_t *json, struct snapshot *s)
{
	const char *hex = json_string_value(json_object_get(json, "digest"));

	s->id = (uint64_t)json_integer_value(json_object_get(json, "id"));
	s->digest = hex ? strtoull(hex, NULL, 16) : 0;
}

static json_t *done_json(const struct belief *r)
{
	json_t *list = json_array();
	int i;

	for (i = 0; i < DONE_MAX && r->done[i].serial; i++)
		json_array_append_new(
			list, json_pack("{s:I, s:s, s:b}", "serial",
					(json_int_t)r->done[i].serial, "act",
					act_text(r->done[i].act), "effect",
					r->done[i].effect));
	return list;
}

static int done_parse(const json_t *list, struct belief *r)
{
	const char *text;
	json_t *item;
	size_t i;
	int act;

	json_array_foreach(list, i, item) {
		text = json_string_value(json_object_get(item, "act"));
		act = text ? act_parse(text) : -1;
		if (act < 0 || i >= DONE_MAX)
			return -EIO;
		r->done[i].act = (enum act)act;
		r->done[i].serial = (uint64_t)json_integer_value(
			json_object_get(item, "serial"));
		r->done[i].effect =
			json_is_true(json_object_get(item, "effect"));
	}
	return 0;
}

static char *belief_text(const struct belief *r)
{
	char stamp[TIME_TEXT_MAX];
	struct belief copy = *r;
	json_t *root;
	char *text;
	size_t i;

	root = json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:o}", "role",
			 r->role == ROLE_SOURCE ? "source" : "replica", "peer",
			 r->peer, "dataTime",
			 time_text_ms(r->data_time, stamp), "final",
			 (json_int_t)r->final, "base", snapshot_json(&r->base),
			 "next", snapshot_json(&r->next), "done", done_json(r));
	for (i = 0; root && i < FLAG_COUNT; i++)
		if (json_object_set_new(root, flags[i].name,
					json_boolean(*flag_of(&copy, i)))) {
			json_decref(root);
			root = NULL;
		}
	text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
	json_decref(root);
	return text;
}

static int belief_parse(const json_t *root, struct belief *out)
{
	const char *role = json_string_value(json_object_get(root, "role"));
	const char *peer = json_string_value(json_object_get(root, "peer"));
	const char *time = json_string_value(json_object_get(root, "dataTime"));
	struct belief r = {0};
	json_t *flag;
	size_t i;

	if (!role || !peer || !time || strlen(peer) >= sizeof r.peer)
		return -EIO;
	if (strcmp(role, "source") && strcmp(role, "replica"))
		return -EIO;
	r.role = strcmp(role, "source") == 0 ? ROLE_SOURCE : ROLE_REPLICA;
	memcpy(r.peer, peer, strlen(peer) + 1);
	r.data_time = time_parse(time);
	for (i = 0; i < FLAG_COUNT; i++) {
		flag = json_object_get(root, flags[i].name);
		if (!json_is_boolean(flag) && (flag || !flags[i].is_new))
			return -EIO;
		*flag_of(&r, i) = json_is_true(flag);
	}
	r.final = (uint64_t)json_integer_value(json_object_get(root, "final"));
	snapshot_parse(json_object_get(root, "base"), &r.base);
	snapshot_parse(json_object_get(root, "next"), &r.next);
	if (r.data_time < 0 || done_parse(json_object_get(root, "done"), &r))
		return -EIO;
	*out = r;
	return 0;
}

int belief_read(const struct place *p, struct belief *out, struct error *err)
{
	char path[SIM_PATH_MAX];
	auto_free char *text = NULL;
	json_t *root;
	ssize_t n;
	int fd, rc;

	fd = openat(p->root, place_path(p, RECORD_PATH, path),
		    O_RDONLY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return fail(err, ENOENT, "%s: there is no record", path);
	if (fd < 0)
		return fail(err, EIO, "%s: can't open: %s", path,
			    strerrordesc_np(errno));
	text = malloc(RECORD_MAX);
	n = text ? volume_read(fd, text, RECORD_MAX) : -ENOMEM;
	close(fd);
	if (n < 0)
		return fail(err, text ? EIO : ENOMEM, "%s: can't read", path);
	root = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	rc = root ? belief_parse(root, out) : -EIO;
	json_decref(root);
	if (rc)
		return fail(err, EIO, "%s: the array's record is damaged", path);
	return 0;
}

static int write_file(const struct place *p, const char *path,
		      const char *text, bool durable)
{
	int fd, rc;

	fd = openat(p->root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0644);
	if (fd < 0)
		return -errno;
	rc = volume_write(fd, text, strlen(text));
	if (!rc && durable && fsync(fd))
		rc = -errno;
	close(fd);
	return rc;
}

static int replace(const struct place *p, const struct belief *r, bool durable,
		   struct error *err)
{
	char tmp[SIM_PATH_MAX], path[SIM_PATH_MAX];
	auto_free char *text = belief_text(r);
	int rc;

	if (!text)
		return fail(err, ENOMEM, "no memory for the array's record");
	place_path(p, RECORD_TMP_PATH, tmp);
	place_path(p, RECORD_PATH, path);
	rc = write_file(p, tmp, text, durable);
	if (!rc && renameat(p->root, tmp, p->root, path))
		rc = -errno;
	if (!rc)
		return 0;
	unlinkat(p->root, tmp, 0);
	/* ENOENT would be final, but a folder may come back. */
	return fail(err, rc == -ENOSPC ? ENOSPC : EIO, "%s: can't write: %s",
		    path, strerrordesc_np(-rc));
}

int belief_write(const struct place *p, const struct belief *r,
		 struct error *err)
{
	return replace(p, r, true, err);
}

int belief_note(const struct place *p, const struct belief *r,
		struct error *err)
{
	return replace(p, r, false, err);
}

int belief_remove(const struct place *p, struct error *err)
{
	char path[SIM_PATH_MAX];

	if (unlinkat(p->root, place_path(p, RECORD_PATH, path), 0) &&
	    errno != ENOENT && errno != ENOTDIR)
		return fail(err, EIO, "%s: can't remove: %s", path,
			    strerrordesc_np(errno));
	return 0;
}

bool belief_has_all(const struct belief *r, const struct belief *other)
{
	if (other->role != ROLE_REPLICA)
		return false;
	if (r->caught_up && other->final == r->base.id)
		return true;
	/* Here stepped down itself, and nobody has taken over: the other side
	   still waits for our data, or has not been source since it gave us
	   its own last. */
	return r->final &&
	       (other->following ||
		(other->final && other->final == r->base.id));
}

bool belief_has_done(const struct belief *r, uint64_t serial, enum act act)
{
	int i;

	for (i = 0; i < DONE_MAX; i++)
		if (r->done[i].serial == serial && r->done[i].act == act)
			return serial != 0;
	return false;
}

void belief_add_done(struct belief *r, const struct done *done)
{
	memmove(r->done + 1, r->done, sizeof r->done - sizeof *r->done);
	r->done[0] = *done;
}
