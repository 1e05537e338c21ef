/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIR/uvrfs.yaml: the site that the directory belongs to, and the ids.  They
 * are reserved on disk in advance, so that none is given twice, also when the
 * daemon is killed; what was reserved and not given is lost.
 */
#include "store_local.h"

#include "emit.h"
#include "node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define IDS_FILE "uvrfs.yaml"
#define IDS_AT_ONCE 1000000

static int write_ids(struct local *l, uint64_t next, struct error *err)
{
	struct place p = {l->dir, l->path, IDS_FILE, NULL};
	auto_buf text;

	buf_init(&text, 4096);
	emit_str(&text, 0, "site", l->site);
	emit_int(&text, 0, "nextId", (int64_t)next);
	return disk_write(&p, &text, true, err);
}

int ids_reserve(struct local *l, struct error *err)
{
	uint64_t upto = l->next_id + IDS_AT_ONCE;
	int rc;

	if (l->next_id < l->reserved)
		return 0;
	if (upto >= STORE_ID_MAX)
		return fail(err, EOVERFLOW, "%s/%s: no ids are left", l->path,
			    IDS_FILE);
	rc = write_ids(l, upto, err);
	if (rc == 0)
		l->reserved = upto;
	return rc;
}

uint64_t ids_next(struct local *l, struct error *err)
{
	if (ids_reserve(l, err) < 0)
		return 0;
	return l->next_id++;
}

static int check_site(struct local *l, const struct node *root,
		      struct error *err)
{
	const struct node *site = node_get(root, "site");
	auto_buf theirs;

	buf_init(&theirs, 4096);
	if (!site || site->kind != NODE_SCALAR)
		return fail(err, EINVAL, "%s/%s: site is missing", l->path,
			    IDS_FILE);
	if (strcmp(site->text, l->site) == 0)
		return 0;
	buf_escape(&theirs, site->text);
	return fail(err, EINVAL,
		    "%s belongs to site '%s', and this is site '%s': its "
		    "states speak of other volumes; use another directory",
		    l->path, buf_str(&theirs), l->site);
}

static int take_ids(struct local *l, const struct buf *text, struct error *err)
{
	const struct node *next;
	auto_node root = NULL;
	uint64_t value = 0;
	char *end = NULL;
	int rc;

	root = node_parse(buf_str(text), text->len, err);
	if (!root)
		return error_prefix(err, "%s/%s: ", l->path, IDS_FILE);
	if (root->kind != NODE_MAPPING)
		return fail(err, EINVAL, "%s/%s is no mapping", l->path,
			    IDS_FILE);
	rc = check_site(l, root, err);
	if (rc < 0)
		return rc;
	next = node_get(root, "nextId");
	if (next && next->kind == NODE_SCALAR)
		value = strtoull(next->text, &end, 10);
	if (!value || *end || value >= STORE_ID_MAX)
		return fail(err, EINVAL, "%s/%s: nextId is missing or no id",
			    l->path, IDS_FILE);
	l->next_id = value;
	l->reserved = value;
	return 0;
}

/*
 * The first id of a store.  Where the file was lost, the ids of what has been
 * removed are lost with it; by starting at the milliseconds since the epoch we
 * stay beyond them.
 */
static uint64_t first_id(struct local *l)
{
	struct timespec now;

	if (faccessat(l->dir, "replications", F_OK, 0) < 0)
		return 1;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int ids_open(struct local *l, const char *site, struct error *err)
{
	struct place p = {l->dir, l->path, IDS_FILE, NULL};
	auto_buf text;
	int rc;

	buf_init(&text, 4096);
	l->site = strdup(site);
	if (!l->site)
		return fail(err, ENOMEM, "no memory for a site's name");
	rc = disk_read(&p, &text, err);
	if (rc == 0)
		return take_ids(l, &text, err);
	if (rc != -ENOENT)
		return rc;
	l->next_id = first_id(l);
	return ids_reserve(l, err);
}
