/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local store: one YAML manifest per replication under a directory that one
 * daemon at a time owns.
 */
#include "store_local.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* "NAMESPACE/NAME" and what its file holds. */
struct version {
	const char *key;
	uint64_t number;
};

#define KEY_MAX (NAME_MAX + 1 + NAME_MAX + 1)

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct version *)a)->key,
		      ((const struct version *)b)->key);
}

static struct version *version_find(struct local *l, const char *namespace,
				    const char *name)
{
	char key[KEY_MAX];
	struct version wanted = {.key = key};
	void *slot;

	snprintf(key, sizeof key, "%s/%s", namespace, name);
	slot = tfind(&wanted, &l->versions, compare);
	return slot ? *(struct version **)slot : NULL;
}

uint64_t version_get(struct local *l, const char *namespace, const char *name)
{
	struct version *v = version_find(l, namespace, name);

	return v ? v->number : 0;
}

int version_set(struct local *l, const char *namespace, const char *name,
		uint64_t number)
{
	struct version *v = version_find(l, namespace, name);
	size_t len = strlen(namespace) + 1 + strlen(name) + 1;

	if (!v) {
		v = malloc(sizeof *v + len);
		if (!v)
			return -ENOMEM;
		v->key = (char *)(v + 1);
		snprintf((char *)(v + 1), len, "%s/%s", namespace, name);
		if (!tsearch(v, &l->versions, compare)) {
			free(v);
			return -ENOMEM;
		}
	}
	v->number = number;
	return 0;
}

static void version_drop(struct local *l, const char *namespace,
			 const char *name)
{
	struct version *v = version_find(l, namespace, name);

	if (!v)
		return;
	tdelete(v, &l->versions, compare);
	free(v);
}

static int save(struct store *s, struct store_write *write, struct error *err)
{
	const char *namespace = write->namespace, *name = write->name;
	uint64_t expected = write->expected;
	struct local *l = (struct local *)s;
	char path[PATH_MAX], entry[NAME_MAX + 1];
	struct place p = {.path = path, .name = entry, .undo = &l->undo};
	uint64_t held = version_get(l, namespace, name);
	int rc = disk_settle(&l->undo, l->path, err);

	if (rc < 0)
		return rc;
	if (held != expected)
		return fail(err, ECANCELED,
			    "%s/%s was changed meanwhile: it is at version "
			    "%" PRIu64 ", not %" PRIu64,
			    namespace, name, held, expected);
	/* Before the file: memory must not fail when that is done. */
	if (version_set(l, namespace, name, held) < 0)
		return fail(err, ENOMEM, "no memory for %s/%s", namespace,
			    name);
	file_name(name, entry);
	p.dir = nsdir_open(l, namespace, path, err);
	if (p.dir >= 0) {
		rc = file_write(&p, namespace, name, write->spec, write->status,
				held != 0, err);
		close(p.dir);
	} else {
		rc = p.dir;
	}
	if (rc == 0)
		version_set(l, namespace, name,
			    write->status->resource_version);
	else if (!held)
		version_drop(l, namespace, name);
	return rc;
}

static int remove_file(struct store *s, const char *namespace,
		       const char *name, const struct status *status,
		       struct error *err)
{
	struct local *l = (struct local *)s;
	char path[PATH_MAX], entry[NAME_MAX + 1];
	struct place p = {.path = path, .name = entry, .undo = &l->undo};
	int rc = disk_settle(&l->undo, l->path, err);

	if (rc < 0)
		return rc;
	if (!version_get(l, namespace, name))
		return fail(err, ENOENT, "%s/%s is not in the store",
			    namespace, name);
	file_name(name, entry);
	p.dir = nsdir_open(l, namespace, path, err);
	if (p.dir < 0)
		return p.dir;
	rc = disk_remove(&p, err);
	close(p.dir);
	if (rc == 0)
		version_drop(l, namespace, name);
	return rc;
}

static uint64_t new_id(struct store *s, struct error *err)
{
	return ids_next((struct local *)s, err);
}

static uint64_t last_id(const struct store *s)
{
	return ((const struct local *)s)->next_id - 1;
}

static int make_namespace(struct store *s, const char *namespace, uint64_t id,
			  struct error *err)
{
	struct local *l = (struct local *)s;
	int rc = disk_settle(&l->undo, l->path, err);

	return rc < 0 ? rc : nsdir_make(l, namespace, id, err);
}

static int remove_namespace(struct store *s, const char *namespace,
			    struct error *err)
{
	struct local *l = (struct local *)s;
	int rc = disk_settle(&l->undo, l->path, err);

	return rc < 0 ? rc : nsdir_remove(l, namespace, err);
}

static int audit(struct store *s, const char *line, struct error *err)
{
	return audit_file_append(&((struct local *)s)->audit, line, err);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void close_store(struct store *s)
{
	struct local *l = (struct local *)s;
	struct error err;

	if (!l)
		return;
	(void)disk_settle(&l->undo, l->path, &err);
	tdestroy(l->versions, free);
	audit_file_close(&l->audit);
	close_fd(l->list);
	close_fd(l->dir);
	/* Last: whoever takes it finds a directory at rest. */
	close_fd(l->lock);
	free(l->site);
	free(l->list_path);
	free(l->path);
	free(l);
}

static const struct store_ops ops = {
	.type = "local",
	.load = local_load,
	.new_id = new_id,
	.last_id = last_id,
	.save = save,
	.remove = remove_file,
	.mkdir = make_namespace,
	.rmdir = remove_namespace,
	.audit = audit,
	.close = close_store,
};

/* Makes directory @path, durably, unless it is there. */
static int make_dir(const char *path, struct error *err)
{
	char parent[PATH_MAX];
	char *slash;
	int fd, rc;

	if (mkdir(path, 0700) < 0)
		return errno == EEXIST
			       ? 0
			       : fail(err, errno, "making %s: %m", path);
	snprintf(parent, sizeof parent, "%s", path);
	slash = strrchr(parent, '/');
	if (slash)
		slash[slash == parent] = '\0';
	fd = open(slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = fd < 0 ? -1 : fsync(fd);
	if (rc < 0)
		fail(err, errno, "making %s: %m", path);
	if (fd >= 0)
		close(fd);
	return rc < 0 ? -err->code : 0;
}

/* The same with all of its parents. */
static int make_dirs(const char *path, struct error *err)
{
	char part[PATH_MAX];
	char *slash = part;
	int rc = 0;

	if (!*path || snprintf(part, sizeof part, "%s", path) >= PATH_MAX - 512)
		return fail(err, *path ? ENAMETOOLONG : EINVAL,
			    "the path '%s' is empty or too long", path);
	while (rc == 0 && (slash = strchr(slash + 1, '/'))) {
		*slash = '\0';
		rc = make_dir(part, err);
		*slash = '/';
	}
	return rc == 0 ? make_dir(part, err) : rc;
}

/* Opens directory @name of @at. */
static int open_dir(int at, const char *name, struct error *err)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? fail(err, errno, "opening %s: %m", name) : fd;
}

static int refuse_second(struct local *l, struct error *err)
{
	char pid[32] = "";
	ssize_t n = pread(l->lock, pid, sizeof pid - 1, 0);

	pid[n > 0 ? n : 0] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
	return fail(err, EBUSY, "%s is in use by another uvrfs%s%s", l->path,
		    *pid ? ", process " : "", pid);
}

static int take_lock(struct local *l, struct error *err)
{
	char pid[32];
	int n;

	l->lock = openat(l->dir, "lock",
			 O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->lock < 0)
		return fail(err, errno, "opening %s/lock: %m", l->path);
	if (flock(l->lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? refuse_second(l, err)
			       : fail(err, errno, "locking %s/lock: %m",
				      l->path);
	/* Only for that sentence: a full disk does not matter. */
	n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	if (ftruncate(l->lock, 0) < 0 || pwrite(l->lock, pid, (size_t)n, 0) < 0)
		return 0;
	return 0;
}

/* After the lock: what follows may write. */
static int open_list(struct local *l, struct error *err)
{
	if (mkdirat(l->dir, "replications", 0700) < 0 && errno != EEXIST)
		return fail(err, errno, "making %s: %m", l->list_path);
	/* Also one that was there: its maker may have failed at this. */
	if (fsync(l->dir) < 0)
		return fail(err, errno, "syncing %s: %m", l->path);
	l->list = open_dir(l->dir, "replications", err);
	return l->list < 0 ? error_prefix(err, "%s: ", l->path) : 0;
}

static int open_parts(struct local *l, const char *site, struct error *err)
{
	int rc = make_dirs(l->path, err);

	if (rc < 0)
		return rc;
	l->dir = open_dir(AT_FDCWD, l->path, err);
	if (l->dir < 0)
		return l->dir;
	rc = take_lock(l, err);
	if (rc == 0)
		rc = ids_open(l, site, err);
	if (rc == 0)
		rc = open_list(l, err);
	l->audit.dir = l->dir;
	l->audit.path = l->path;
	return rc == 0 ? audit_file_open(&l->audit, err) : rc;
}

struct store *store_local_open(const char *dir, const char *site,
			       struct error *err)
{
	struct local *l = calloc(1, sizeof *l);

	if (!l) {
		fail(err, ENOMEM, "no memory for a store");
		return NULL;
	}
	l->store.ops = &ops;
	l->dir = l->list = l->lock = l->audit.fd = l->undo.dir = -1;
	l->path = strdup(dir);
	if (!l->path || asprintf(&l->list_path, "%s/replications", dir) < 0) {
		l->list_path = NULL;
		fail(err, ENOMEM, "no memory for a store");
		close_store(&l->store);
		return NULL;
	}
	if (open_parts(l, site, err) < 0) {
		close_store(&l->store);
		return NULL;
	}
	return &l->store;
}
