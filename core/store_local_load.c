/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads what the store wrote and what a person edited while the daemon was
 * stopped.  One bad file takes nothing else with it.
 */
#include "store_local.h"

#include "store_local_mend.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void loading_complain(struct loading *l, const char *fmt, ...)
{
	char sentence[ERROR_MSG_MAX + PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof sentence, fmt, ap);
	va_end(ap);
	l->visitor->complain(l->visitor, sentence);
}

static int compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int loading_claim_id(struct loading *l, uint64_t id)
{
	uint64_t *copy;

	if (!id || id >= STORE_ID_MAX)
		return -EEXIST;
	if (tfind(&id, &l->ids, compare_ids))
		return -EEXIST;
	copy = malloc(sizeof *copy);
	if (!copy)
		return -ENOMEM;
	*copy = id;
	if (!tsearch(copy, &l->ids, compare_ids)) {
		free(copy);
		return -ENOMEM;
	}
	if (id >= l->local->next_id)
		l->local->next_id = id + 1;
	return 0;
}

/* Renames what can't be taken for a replication, and says so. */
static void set_aside(struct loading *l, const struct place *p,
		      const char *why)
{
	char to[NAME_MAX + 1];
	struct error err;
	int i, rc = -EEXIST;

	for (i = 0; rc == -EEXIST && i < 10000; i++) {
		snprintf(to, sizeof to, i ? "%.240s.damaged-%d" : "%.240s.damaged",
			 p->name, i);
		rc = disk_rename(p, to, &err);
	}
	if (rc == 0)
		loading_complain(l,
				 "%s/%s was set aside as %s: %s; mend it and "
				 "name it %s again while uvrfs is stopped",
				 p->path, p->name, to, why, p->name);
	else
		loading_complain(l,
				 "%s/%s is left out: %s; and it could not be "
				 "set aside: %s",
				 p->path, p->name, why, err.msg);
}

/* 1: @text is there, 0: this file is done with. */
static int read_text(struct loading *l, const struct place *p,
		     struct buf *text)
{
	struct error err;
	int rc = disk_read(p, text, &err);

	if (rc == 0)
		return 1;
	if (rc == -EFBIG) {
		set_aside(l, p, "it is too large to be a manifest");
		return 0;
	}
	if (rc == -ENOMEM)
		return rc;
	loading_complain(l,
			 "%s; this replication is missing until that is mended "
			 "and uvrfs started again; the file was not touched",
			 err.msg);
	return 0;
}

static int load_file(struct loading *l, const struct place *p)
{
	struct file_content content;
	char name[NAME_MAX + 1];
	struct error err;
	auto_buf text;
	int rc;

	buf_init(&text, STORE_FILE_MAX);
	rc = read_text(l, p, &text);
	if (rc <= 0)
		return rc;
	snprintf(name, sizeof name, "%.*s",
		 (int)(strlen(p->name) - strlen(".yaml")), p->name);
	rc = file_read(l->namespace, name, &text, &content, &err);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0) {
		set_aside(l, p, err.msg);
		return 0;
	}
	rc = mend(l, p, name, &content);
	if (rc == 0)
		rc = version_set(l->local, l->namespace, name,
				 content.status->resource_version);
	if (rc == 0)
		rc = l->visitor->found(l->visitor, l->namespace, name,
				       content.spec, content.status);
	spec_unref(content.spec);
	status_unref(content.status);
	return rc == -ENODATA ? 0 : rc;
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

static int load_entry(struct loading *l, const struct place *p)
{
	if (disk_is_temp(p->name)) {
		unlinkat(p->dir, p->name, 0);
		return 0;
	}
	if (p->name[0] == '.')
		return 0;
	/* First: `x.yaml.damaged' is a name that a replication may have. */
	if (ends_with(p->name, ".yaml"))
		return load_file(l, p);
	if (strstr(p->name, ".yaml.damaged"))
		return 0;
	loading_complain(l, "%s/%s is no NAME.yaml and was left alone", p->path,
			 p->name);
	return 0;
}

/* Not by the locale; also what decides which of two copies is the first. */
static int compare_entries(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Hands each entry of the directory of @p to @take, in order. */
static int each_entry(struct loading *l, struct place *p,
		      int (*take)(struct loading *l, const struct place *p))
{
	struct dirent **list;
	int i, n, rc = 0;

	n = scandirat(p->dir, ".", &list, NULL, compare_entries);
	if (n < 0 && errno == ENOMEM)
		return -ENOMEM;
	if (n < 0)
		loading_complain(l, "reading %s: %m; what is in it is missing",
				 p->path);
	if (n < 0)
		return 0;
	for (i = 0; i < n; i++) {
		p->name = list[i]->d_name;
		if (rc == 0 && strcmp(p->name, ".") != 0 &&
		    strcmp(p->name, "..") != 0)
			rc = take(l, p);
		free(list[i]);
	}
	free(list);
	return rc;
}

/* The id of the namespace in @p; one made by hand gets one.  0: left out. */
static uint64_t namespace_id(struct loading *l, const struct place *p)
{
	struct error err;
	uint64_t id = nsdir_read_id(p, &err);

	if (id && loading_claim_id(l, id) == 0)
		return id;
	if (id)
		loading_complain(l, "%s has the id of another: it was given a "
				    "new one", p->path);
	else if (err.code != ENOENT)
		loading_complain(l, "%s; it was given a new id", err.msg);
	id = loading_new_id(l);
	if (id && nsdir_write_id(p, id, &err) < 0)
		loading_complain(l, "%s", err.msg);
	return id;
}

static int load_namespace(struct loading *l, const struct place *entry)
{
	char path[PATH_MAX];
	struct place p = {.path = path};
	struct error err;
	uint64_t id;
	int rc;

	if (disk_is_temp(entry->name)) {
		nsdir_sweep(l->local, entry->name);
		return 0;
	}
	if (entry->name[0] == '.')
		return 0;
	if (!name_is_dns_label(entry->name)) {
		loading_complain(l, "%s/%s can be no namespace and was left "
				    "alone", entry->path, entry->name);
		return 0;
	}
	p.dir = nsdir_open(l->local, entry->name, path, &err);
	if (p.dir < 0) {
		loading_complain(l, "%s; what is in it is missing", err.msg);
		return 0;
	}
	l->namespace = entry->name;
	id = namespace_id(l, &p);
	rc = id ? l->visitor->found_namespace(l->visitor, entry->name, id) : 0;
	if (rc == 0 && id)
		rc = each_entry(l, &p, load_entry);
	close(p.dir);
	return rc;
}

static void take_audit_line(void *ctx, const char *line)
{
	struct store_visitor *v = ctx;

	v->audit_line(v, line);
}

int local_load(struct store *s, struct store_visitor *v, struct error *err)
{
	struct local *local = (struct local *)s;
	struct place p = {local->list, local->list_path, NULL, NULL};
	struct loading l = {.local = local, .visitor = v};
	struct timespec now;
	int rc;

	clock_gettime(CLOCK_REALTIME, &now);
	l.now = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	rc = each_entry(&l, &p, load_namespace);
	tdestroy(l.ids, free);
	if (rc < 0) {
		errno = -rc;
		return fail(err, -rc, "loading %s: %m", local->list_path);
	}
	/* Ids that were found may lie beyond what was reserved. */
	rc = local->next_id > local->reserved ? ids_reserve(local, err) : 0;
	return rc < 0 ? rc : audit_file_feed(&local->audit, take_audit_line,
						 v, err);
}
