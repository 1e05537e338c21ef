/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubeconfigs: which files, merged how, and which of their parts.  Every file
 * stays a tree of its own, so that a part knows what its paths are relative to.
 */
#include "kubeconfig.h"

#include "faults.h"
#include "kubeconfig_read.h"
#include "kubeconfig_text.h"
#include "text.h"
#include "trust.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct source {
	char *path;
	char *dir;		/* of it, absolute */
	struct node *tree;
};

/* A kubeconfig_load on its way. */
struct load {
	struct source *list;
	size_t count;
	const char *paths;	/* as somebody wrote them */
	char *context, *cluster, *user;		/* what they are called */
	struct kube_access access;
	struct error *err;
};

static int no_memory(struct error *err)
{
	return fail(err, ENOMEM, "not enough memory");
}

/* Clears the texts.  Recurses at most NODE_DEPTH_MAX times. */
static void clear_tree(struct node *node)
{
	for (; node; node = node->next) {
		if (node->text)
			explicit_bzero(node->text, strlen(node->text));
		clear_tree(node->children);
	}
}

static void finish(struct load *ld)
{
	size_t i;

	for (i = 0; i < ld->count; i++) {
		clear_tree(ld->list[i].tree);
		node_free(ld->list[i].tree);
		free(ld->list[i].path);
		free(ld->list[i].dir);
	}
	free(ld->list);
	free(ld->context);
	free(ld->cluster);
	free(ld->user);
	kube_access_finish(&ld->access);
}

/* The directory of the file at @path, absolute. */
static int directory_of(const char *path, char **out, struct error *err)
{
	const char *slash = strrchr(path, '/');
	int len = slash ? (int)(slash - path) : 0;
	auto_free char *here = NULL;
	char *dir = NULL;

	if (*path == '/') {
		*out = strndup(path, (size_t)len);
		return *out ? 0 : no_memory(err);
	}
	errno = ENOMEM;
	here = get_current_dir_name();
	if (!here)
		return fail(err, errno, "can't tell the directory of %s: %m",
			    path);
	if (asprintf(&dir, "%s%s%.*s", here, len ? "/" : "", len, path) < 0)
		return no_memory(err);
	*out = dir;
	return 0;
}

static int parse_source(struct source *to, const char *text,
			struct error *err)
{
	to->tree = node_parse(text, strlen(text), err);
	if (!to->tree)
		return error_prefix(err, "%s: ", to->path);
	if (to->tree->kind != NODE_MAPPING)
		return fail(err, EINVAL, "%s is no kubeconfig, but %s",
			    to->path, node_type_text(to->tree));
	return directory_of(to->path, &to->dir, err);
}

/* Takes @path over.  A file that is not there is none. */
static int add_source(struct load *ld, char *path)
{
	struct source *to = &ld->list[ld->count];
	auto_secret text = NULL;
	int rc;

	if (!path)
		return no_memory(ld->err);
	rc = secret_read_file(path, KUBECONFIG_MAX, &text, ld->err);
	if (rc < 0) {
		free(path);
		return rc == -ENOENT ? 0 : rc;
	}
	to->path = path;
	ld->count++;
	rc = trust_file(path, true, ld->err);
	return rc < 0 ? rc : parse_source(to, text, ld->err);
}

static int read_sources(struct load *ld)
{
	const char *p, *end;
	size_t n = 1;
	int rc = 0;

	for (p = ld->paths; (p = strchr(p, ':')); p++)
		n++;
	ld->list = calloc(n, sizeof *ld->list);
	if (!ld->list)
		return no_memory(ld->err);
	for (p = ld->paths; rc == 0; p = end + 1) {
		end = strchrnul(p, ':');
		if (end > p)
			rc = add_source(ld, strndup(p, (size_t)(end - p)));
		if (!*end)
			break;
	}
	if (rc == 0 && ld->count == 0)
		rc = fail(ld->err, ENOENT, "there is no kubeconfig %s",
			  ld->paths);
	return rc;
}

/* What is called @name in the list @list of @tree, or NULL. */
static const struct node *find_in(const struct node *tree, const char *list,
				  const char *name)
{
	const struct node *item = node_get(tree, list), *n;

	item = item && item->kind == NODE_SEQUENCE ? item->children : NULL;
	for (; item; item = item->next) {
		n = node_get(item, "name");
		if (n && n->kind == NODE_SCALAR && strcmp(n->text, name) == 0)
			return item;
	}
	return NULL;
}

/* The part of @at's kind and name, and the file that it is in. */
static const struct node *find_part(const struct load *ld, const char *list,
				    struct kubeconfig_place *at)
{
	const struct node *item;
	size_t i;

	for (i = 0; i < ld->count; i++) {
		item = find_in(ld->list[i].tree, list, at->name);
		if (!item)
			continue;
		at->file = ld->list[i].path;
		at->dir = ld->list[i].dir;
		return item;
	}
	return NULL;
}

static int choose_context(struct load *ld, const char *wanted)
{
	struct kubeconfig_place at = {.kind = "key",
				      .name = "current-context",
				      .err = ld->err};
	int rc = 0;
	size_t i;

	if (wanted) {
		ld->context = strdup(wanted);
		return ld->context ? 0 : no_memory(ld->err);
	}
	for (i = 0; i < ld->count && rc == 0 && !ld->context; i++) {
		at.file = ld->list[i].path;
		rc = kubeconfig_read_text(&at, ld->list[i].tree, at.name,
					  &ld->context);
	}
	if (rc == 0 && !ld->context)
		rc = fail(ld->err, ENOENT, "%s: there is no current-context, "
			  "and no other is named", ld->paths);
	return rc;
}

/* What the context says; @at becomes its place. */
static int read_context(struct load *ld, struct kubeconfig_place *at)
{
	const struct node *item = find_part(ld, "contexts", at);
	const struct node *map = node_get(item, "context");
	char **namespace = &ld->access.namespace;
	char quoted[QUOTE_MAX];
	int rc;

	if (!item)
		return fail(ld->err, ENOENT, "%s: there is no context %s",
			    ld->paths, fault_quote(at->name, quoted));
	rc = kubeconfig_read_text(at, map, "cluster", &ld->cluster);
	if (rc == 0)
		rc = kubeconfig_read_text(at, map, "user", &ld->user);
	if (rc == 0)
		rc = kubeconfig_read_text(at, map, "namespace", namespace);
	if (rc == 0 && !ld->cluster)
		rc = kubeconfig_refuse(at, "it names no cluster");
	if (rc == 0 && *namespace && !name_is_dns_label(*namespace))
		rc = kubeconfig_refuse(at, "%s is no namespace's name",
				       fault_quote(*namespace, quoted));
	return rc;
}

/* What a context is made of. */
static const struct part {
	const char *list;		/* "users" */
	const char *kind;		/* "user", and the key in the list */
	size_t name;			/* in a struct load */
	int (*read)(const struct kubeconfig_place *at,
		    const struct node *node, struct kube_access *out);
} parts[] = {
	{"clusters", "cluster", offsetof(struct load, cluster),
	 kubeconfig_read_cluster},
	{"users", "user", offsetof(struct load, user), kubeconfig_read_user},
};

static int read_part(struct load *ld, const struct part *part,
		     const struct kubeconfig_place *context)
{
	struct kubeconfig_place at = {.kind = part->kind, .err = ld->err};
	const struct node *item;
	char quoted[QUOTE_MAX];

	at.name = *(char **)(void *)((char *)ld + part->name);
	/* Without a user it is the anonymous one. */
	if (!at.name)
		return 0;
	item = find_part(ld, part->list, &at);
	if (item)
		return part->read(&at, node_get(item, part->kind),
				  &ld->access);
	kubeconfig_refuse(context, "there is no %s %s", part->kind,
			  fault_quote(at.name, quoted));
	ld->err->code = ENOENT;
	return -ENOENT;
}

static int fill(struct load *ld, const char *context)
{
	struct kubeconfig_place at = {.kind = "context", .err = ld->err};
	int rc = choose_context(ld, context);
	size_t i;

	if (rc < 0)
		return rc;
	at.name = ld->context;
	rc = read_context(ld, &at);
	for (i = 0; i < sizeof parts / sizeof *parts && rc == 0; i++)
		rc = read_part(ld, &parts[i], &at);
	return rc;
}

/* Where to look, when nobody says it; *@room is the memory behind it. */
static const char *default_paths(char **room, struct error *err)
{
	const char *paths = getenv("KUBECONFIG"), *home = getenv("HOME");

	if (paths && *paths)
		return paths;
	if (!home || !*home) {
		fail(err, ENOENT, "there is no kubeconfig: neither KUBECONFIG "
		     "nor HOME is set");
		return NULL;
	}
	if (asprintf(room, "%s/.kube/config", home) < 0) {
		*room = NULL;
		no_memory(err);
	}
	return *room;
}

int kubeconfig_load(const char *paths, const char *context,
		    struct kube_access *out, struct error *err)
{
	auto_free char *room = NULL;
	struct load ld = {.paths = paths, .err = err};
	int rc;

	if (!paths)
		ld.paths = default_paths(&room, err);
	if (!ld.paths)
		return -err->code;
	rc = read_sources(&ld);
	if (rc == 0)
		rc = fill(&ld, context);
	if (rc == 0) {
		*out = ld.access;
		ld.access = (struct kube_access){0};
	}
	finish(&ld);
	return rc;
}
