/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directories of the namespaces.  One is made and removed under a temporary
 * name, so that none is ever there without its id.
 */
#include "store_local.h"

#include "node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_FILE ".namespace"

int nsdir_open(struct local *l, const char *namespace, char *path,
		   struct error *err)
{
	int fd;

	snprintf(path, PATH_MAX, "%s/%s", l->list_path, namespace);
	fd = openat(l->list, namespace,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail(err, errno, "opening %s: %m", path);
	return fd;
}

uint64_t nsdir_read_id(const struct place *p, struct error *err)
{
	struct place file = {p->dir, p->path, ID_FILE, NULL};
	const struct node *id;
	auto_node root = NULL;
	auto_buf text;
	uint64_t value;
	char *end;

	buf_init(&text, 4096);
	if (disk_read(&file, &text, err) < 0)
		return 0;
	root = node_parse(buf_str(&text), text.len, err);
	id = root && root->kind == NODE_MAPPING ? node_get(root, "id") : NULL;
	if (id && id->kind == NODE_SCALAR) {
		value = strtoull(id->text, &end, 10);
		if (!*end && value && value < STORE_ID_MAX)
			return value;
	}
	fail(err, EINVAL, "%s/%s holds no id", p->path, ID_FILE);
	return 0;
}

int nsdir_write_id(const struct place *p, uint64_t id, struct error *err)
{
	struct place file = {p->dir, p->path, ID_FILE, NULL};
	auto_buf text;

	buf_init(&text, 64);
	buf_printf(&text, "id: %" PRIu64 "\n", id);
	return disk_write(&file, &text, true, err);
}

/* Removes what we put into the directory at @fd; others' files stay. */
static void empty(int fd)
{
	struct dirent **list;
	int i, n = scandirat(fd, ".", &list, NULL, NULL);

	for (i = 0; i < n; i++) {
		if (strcmp(list[i]->d_name, ID_FILE) == 0 ||
		    disk_is_temp(list[i]->d_name))
			unlinkat(fd, list[i]->d_name, 0);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

void nsdir_sweep(struct local *l, const char *temp)
{
	int fd = openat(l->list, temp,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	empty(fd);
	close(fd);
	unlinkat(l->list, temp, AT_REMOVEDIR);
}

/* A directory with its id, under the temporary name. */
static int make_temp(struct local *l, const char *temp, uint64_t id,
		     struct error *err)
{
	char path[PATH_MAX];
	struct place p = {.path = path};
	int rc;

	if (mkdirat(l->list, temp, 0700) < 0)
		return fail(err, errno, "making %s/%s: %m", l->list_path, temp);
	p.dir = nsdir_open(l, temp, path, err);
	if (p.dir < 0)
		return p.dir;
	rc = nsdir_write_id(&p, id, err);
	close(p.dir);
	return rc;
}

int nsdir_make(struct local *l, const char *namespace, uint64_t id,
		   struct error *err)
{
	char temp[NAME_MAX + 1];
	struct place p = {l->list, l->list_path, temp, &l->undo};
	int rc;

	disk_temp_name(namespace, temp);
	nsdir_sweep(l, temp);
	rc = make_temp(l, temp, id, err);
	if (rc == 0)
		rc = disk_rename(&p, namespace, err);
	if (rc < 0)
		nsdir_sweep(l, temp);
	return rc;
}

/* Names what a person would have to remove first. */
static int check_empty(const struct place *p, struct error *err)
{
	struct dirent **list;
	int i, n, rc = 0;

	n = scandirat(p->dir, ".", &list, NULL, NULL);
	if (n < 0)
		return fail(err, errno, "reading %s: %m", p->path);
	for (i = 0; i < n; i++) {
		const char *name = list[i]->d_name;

		if (rc == 0 && strcmp(name, ".") != 0 &&
		    strcmp(name, "..") != 0 && strcmp(name, ID_FILE) != 0 &&
		    !disk_is_temp(name))
			rc = fail(err, ENOTEMPTY,
				  "%s still holds %s: move it away first",
				  p->path, name);
		free(list[i]);
	}
	free(list);
	return rc;
}

int nsdir_remove(struct local *l, const char *namespace, struct error *err)
{
	char path[PATH_MAX], temp[NAME_MAX + 1];
	struct place inside = {.path = path};
	struct place p = {l->list, l->list_path, namespace, &l->undo};
	int rc;

	inside.dir = nsdir_open(l, namespace, path, err);
	if (inside.dir < 0)
		return inside.dir;
	rc = check_empty(&inside, err);
	close(inside.dir);
	if (rc < 0)
		return rc;
	disk_temp_name(namespace, temp);
	nsdir_sweep(l, temp);
	rc = disk_rename(&p, temp, err);
	if (rc == 0)
		nsdir_sweep(l, temp);
	return rc;
}
