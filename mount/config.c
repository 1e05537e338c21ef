/* SPDX-License-Identifier: Apache-2.0 */
/* uvrfs.yaml: the table of its keys, the rules between them, loading. */
#include "config.h"

#include "config_read.h"
#include "csi.h"
#include "rbd.h"
#include "text.h"
#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_type(const char *type)
{
	return strcmp(type, "sim") == 0 || strcmp(type, "ceph-rbd") == 0 ||
	       csi_is_type(type);
}

static void list_types(struct buf *out)
{
	size_t i;

	buf_puts(out, "sim, ceph-rbd");
	for (i = 0; csi_type(i); i++)
		buf_printf(out, ", %s", csi_type(i));
}

static void read_type(struct reader *rd, const struct key *key,
		      const struct node *node, void *into)
{
	const char *type = NULL;
	char quoted[QUOTE_MAX];
	auto_buf all;

	buf_init(&all, 1024);
	list_types(&all);
	read_string(rd, key, node, &type);
	if (type && strcmp(type, "ceph-rbd") == 0 && !rbd_is_built())
		reader_fault(rd, "backend type ceph-rbd is not built into this "
				 "uvrfs: it was built without librbd");
	else if (type && !is_type(type))
		reader_fault(rd, "backend type %s is not built into this "
				 "uvrfs; there are: %s",
			     fault_quote(type, quoted), buf_str(&all));
	else if (type)
		*(const char **)into = type;
}

/* The one string that may be empty: every manifest's destination. */
static void read_site(struct reader *rd, const struct key *key,
		      const struct node *node, void *into)
{
	if (node->kind == NODE_SCALAR && node->quoted && !*node->text)
		*(const char **)into = "";
	else
		read_string(rd, key, node, into);
}

static void read_unreachable(struct reader *rd, const struct key *key,
			     const struct node *node, void *into)
{
	const char *word = NULL;
	char quoted[QUOTE_MAX];

	read_string(rd, key, node, &word);
	if (word && strcmp(word, "allow") != 0 && strcmp(word, "force") != 0)
		reader_fault(rd, "%s is neither allow nor force",
			     fault_quote(word, quoted));
	else if (word)
		*(bool *)into = strcmp(word, "force") == 0;
}

static void init_access(void *item)
{
	*(struct access_rule *)item = (struct access_rule){
		.namespace = "",
		.owner = geteuid(),
		.group = getegid(),
		.directory_mode = 0755,
		.file_mode = 0644,
	};
}

#define IN(type, field) .offset = offsetof(struct type, field)
#define LIST(field, number) IN(config, field),                                \
	.item_size = sizeof *((struct config *)0)->field,                     \
	.count_offset = offsetof(struct config, number)

static const struct key local_keys[] = {
	{"path", read_path, IN(config, store_path), .required = true},
	{NULL}};

static const struct key kube_keys[] = {
	{"cluster", read_string, IN(config, kube.cluster), .required = true},
	{"namespace", read_namespace, IN(config, kube.namespace)},
	{"lease", read_namespace, IN(config, kube.lease)},
	{"leaseDuration", read_ms, IN(config, kube.lease_ms)},
	{"lead", read_bool, IN(config, kube.lead)},
	{NULL}};

static const struct key store_keys[] = {
	{"local", read_mapping, .keys = local_keys},
	{"kubernetes", read_mapping, .keys = kube_keys},
	{NULL}};

static const struct key ceph_keys[] = {
	{"conf", read_path, IN(config_cluster, ceph_conf), .required = true},
	{"user", read_string, IN(config_cluster, ceph_user)},
	{"keyring", read_path, IN(config_cluster, ceph_keyring)},
	{NULL}};

static const struct key cluster_keys[] = {
	{"kubeconfig", read_path, IN(config_cluster, kubeconfig)},
	{"context", read_string, IN(config_cluster, context)},
	{"inCluster", read_bool, IN(config_cluster, in_cluster)},
	{"ceph", read_mapping, .keys = ceph_keys},
	{NULL}};

static const struct key backend_keys[] = {
	{"type", read_type, IN(config_backend, type), .required = true},
	{"path", read_path, IN(config_backend, path)},
	{NULL}};

static const struct key select_keys[] = {
	{"storageClass", read_string, IN(select_rule, storage_class),
	 .required = true},
	{"backend", read_string, IN(select_rule, backend), .required = true},
	{NULL}};

static const struct key failover_keys[] = {
	{"peerUnreachable", read_unreachable,
	 IN(config, unreachable_needs_force)},
	{NULL}};

static const struct key access_keys[] = {
	{"namespace", read_place, IN(access_rule, namespace)},
	{"owner", read_user, IN(access_rule, owner)},
	{"group", read_group, IN(access_rule, group)},
	{"directoryMode", read_mode, IN(access_rule, directory_mode)},
	{"fileMode", read_mode, IN(access_rule, file_mode)},
	{NULL}};

static const struct key timeout_keys[] = {
	{"act", read_ms, IN(config, timeouts.act)},
	{"retryFirst", read_ms, IN(config, timeouts.retry_first)},
	{"retryMax", read_ms, IN(config, timeouts.retry_max)},
	{"minDeadline", read_ms, IN(config, timeouts.min_deadline)},
	{NULL}};

static const struct key top_keys[] = {
	{"site", read_site, IN(config, site)},
	{"store", read_mapping, .keys = store_keys},
	{"clusters", read_named, LIST(clusters, cluster_count),
	 .keys = cluster_keys},
	{"backends", read_named, LIST(backends, backend_count),
	 .keys = backend_keys},
	{"select", read_list, LIST(select, select_count), .keys = select_keys},
	{"failover", read_mapping, .keys = failover_keys, .live = true},
	{"access", read_list, LIST(access, access_count), .keys = access_keys,
	 .init = init_access},
	{"timeouts", read_mapping, .keys = timeout_keys, .live = true},
	{NULL}};

static const struct config defaults = {
	.site = "",
	.kube = {.lease = "uvrfs", .lease_ms = 15 * 1000, .lead = true},
	.timeouts = {
		.act = 30 * 1000,
		.retry_first = 1000,
		.retry_max = 300 * 1000,
		.min_deadline = 900 * 1000,
	},
};

/*
 * Who names no backend gets the simulated one, and with it, unless there are
 * rules, every storage class.
 */
static bool add_default_backend(struct config *c)
{
	if (c->backend_count)
		return true;
	c->backends = calloc(1, sizeof *c->backends);
	if (!c->backends)
		return false;
	c->backends[0] = (struct config_backend){.name = "sim", .type = "sim"};
	c->backend_count = 1;
	if (c->select_count)
		return true;
	c->select = calloc(1, sizeof *c->select);
	if (!c->select)
		return false;
	c->select[0] = (struct select_rule){"*", "sim"};
	c->select_count = 1;
	return true;
}

static const struct config_backend *find_backend(const struct config *c,
						 const char *name)
{
	size_t i;

	for (i = 0; i < c->backend_count; i++)
		if (strcmp(c->backends[i].name, name) == 0)
			return &c->backends[i];
	return NULL;
}

static void check_select(struct reader *rd, const struct config *c)
{
	const struct node *item = reader_items(c->tree, "select",
					       NODE_SEQUENCE);
	struct path list = {.key = "select"}, at = {.up = &list};
	struct path name = {.up = &at, .key = "backend"};
	char quoted[QUOTE_MAX];

	rd->at = &name;
	for (; item; at.index++, item = item->next) {
		const char *backend = c->select[at.index].backend;

		if (!backend || find_backend(c, backend))
			continue;
		name.line = node_get(item, "backend")->key_line;
		reader_fault(rd, "there is no backend %s",
			     fault_quote(backend, quoted));
	}
	rd->at = NULL;
}

/* Each simulation has files of its own. */
static bool share_files(const struct config_backend *a,
			const struct config_backend *b)
{
	return a->type && b->type && strcmp(a->type, "sim") == 0 &&
	       strcmp(b->type, "sim") == 0 &&
	       strcmp(a->path ? a->path : "", b->path ? b->path : "") == 0;
}

static bool has_api_server(const struct config *c)
{
	size_t i;

	for (i = 0; i < c->cluster_count; i++)
		if (c->clusters[i].kubeconfig || c->clusters[i].in_cluster)
			return true;
	return false;
}

static void check_backends(struct reader *rd, const struct config *c)
{
	const struct node *node = reader_items(c->tree, "backends",
					       NODE_MAPPING);
	struct path map = {.key = "backends"}, at = {.up = &map};
	char quoted[QUOTE_MAX];
	size_t i, k;

	rd->at = &at;
	for (i = 0; node; i++, node = node->next) {
		at.key = node->key;
		at.line = node->key_line;
		/* It is a directory's name in the tree. */
		if (!name_is_dns_label(node->key))
			reader_fault(rd, "a backend's name is 1 to 63 of a-z, "
					 "0-9 and -");
		if (c->backends[i].type && csi_is_type(c->backends[i].type) &&
		    !has_api_server(c))
			reader_fault(rd, "no cluster has a kubeconfig, or "
					 "inCluster: true");
		for (k = 0; k < i; k++)
			if (share_files(&c->backends[i], &c->backends[k]))
				reader_fault(rd, "needs a path other than that "
						 "of %s",
					     fault_quote(c->backends[k].name,
							 quoted));
	}
	rd->at = NULL;
}

const struct config_cluster *config_find_cluster(const struct config *c,
						 const char *name)
{
	size_t i;

	for (i = 0; i < c->cluster_count; i++)
		if (strcmp(c->clusters[i].name, name) == 0)
			return &c->clusters[i];
	return NULL;
}

/* The shortest lease that leaves time for three tries. */
#define LEASE_MIN_MS 3000

static void check_store(struct reader *rd, const struct config *c)
{
	const struct node *store = node_get(c->tree, "store");
	const struct node *kube = node_get(store, "kubernetes");
	struct path up = {.key = "store"};
	struct path at = {.up = &up, .key = "kubernetes"};
	const struct config_cluster *cluster;
	char quoted[QUOTE_MAX];

	if (!kube || !c->kube.cluster)
		return;
	at.line = kube->key_line;
	rd->at = &at;
	cluster = config_find_cluster(c, c->kube.cluster);
	if (node_get(store, "local"))
		reader_fault(rd, "there is one store: local or kubernetes");
	if (!cluster)
		reader_fault(rd, "there is no cluster %s",
			     fault_quote(c->kube.cluster, quoted));
	else if (!cluster->kubeconfig == !cluster->in_cluster)
		reader_fault(rd, "cluster %s must have either kubeconfig or "
				 "inCluster: true",
			     fault_quote(cluster->name, quoted));
	if (c->kube.lease_ms < LEASE_MIN_MS || c->kube.lease_ms % 1000)
		reader_fault(rd, "leaseDuration is whole seconds, 3s at least");
	rd->at = NULL;
}

void config_list_warnings(const struct config *c, struct buf *out)
{
	if (c->kube.cluster && *c->site &&
	    strcmp(c->kube.cluster, c->site) != 0)
		buf_printf(out, "store.kubernetes: the store is in %s, and the "
				"site is %s: without %s nothing can be "
				"promoted; keep the store at the site that "
				"would promote\n",
			   c->kube.cluster, c->site, c->kube.cluster);
}

static void check_timeouts(struct reader *rd, const struct config *c)
{
	const struct node *node = node_get(c->tree, "timeouts");
	struct path at = {.key = "timeouts", .line = node ? node->key_line : 0};

	rd->at = &at;
	if (c->timeouts.retry_first > c->timeouts.retry_max)
		reader_fault(rd, "retryFirst is longer than retryMax");
	rd->at = NULL;
}

/* A file of comments, as packages install it, says nothing. */
static bool says_nothing(const char *text, size_t len)
{
	bool comment = false;
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] == '\n')
			comment = false;
		else if (text[i] == '#')
			comment = true;
		else if (!comment && !strchr(" \t\r", text[i]))
			return false;
	}
	return true;
}

static int read_tree(struct config *c, struct error *err)
{
	struct path top = {.line = c->tree->line};
	struct reader rd = {.at = &top};

	faults_init(&rd.faults, err);
	node_check(c->tree, &rd.faults);
	reader_mapping(&rd, top_keys, c->tree, c);
	if (rd.no_memory || !add_default_backend(c))
		return fail(err, ENOMEM, "not enough memory");
	check_select(&rd, c);
	check_backends(&rd, c);
	check_store(&rd, c);
	check_timeouts(&rd, c);
	return faults_result(&rd.faults);
}

int config_parse(const char *text, size_t len, struct config *config,
		 struct error *err)
{
	struct config c = defaults;
	int rc = 0;

	if (says_nothing(text, len)) {
		if (!add_default_backend(&c))
			rc = fail(err, ENOMEM, "not enough memory");
	} else {
		c.tree = node_read(text, len, err);
		rc = c.tree ? read_tree(&c, err) : -err->code;
	}
	if (rc < 0)
		config_finish(&c);
	else
		*config = c;
	return rc;
}

static int read_file(const char *path, struct buf *out, struct error *err)
{
	char room[4096];
	ssize_t did = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return fail(err, errno, "can't open %s: %m", path);
	do {
		if (did > 0)
			buf_add(out, room, (size_t)did);
		did = read(fd, room, sizeof room);
	} while ((did > 0 && !out->failed) || (did < 0 && errno == EINTR));
	if (did < 0)
		fail(err, errno, "can't read %s: %m", path);
	close(fd);
	if (did < 0)
		return -err->code;
	if (out->failed)
		return fail(err, out->failed, "%s is longer than %d bytes",
			    path, CONFIG_MAX);
	return 0;
}

int config_load(const char *path, bool optional, struct config *config,
		struct error *err)
{
	auto_buf text;
	int rc;

	buf_init(&text, CONFIG_MAX);
	rc = read_file(path, &text, err);
	if (rc == -ENOENT && optional)
		rc = 0;
	else if (rc == 0)
		rc = trust_file(path, false, err);
	if (rc < 0)
		return rc;
	rc = config_parse(buf_str(&text), text.len, config, err);
	return rc < 0 ? error_prefix(err, "%s: ", path) : 0;
}

void config_finish(struct config *c)
{
	node_free(c->tree);
	free(c->clusters);
	free(c->backends);
	free(c->select);
	free(c->access);
	*c = defaults;
}

/* Takes NULL on both sides. */
static bool node_equal(const struct node *a, const struct node *b)
{
	const struct node *x, *y;

	if (!a || !b)
		return a == b;
	if (a->kind != b->kind || !a->key != !b->key ||
	    (a->key && strcmp(a->key, b->key) != 0) ||
	    (a->kind == NODE_SCALAR && strcmp(a->text, b->text) != 0))
		return false;
	x = a->children;
	y = b->children;
	for (; x && y && node_equal(x, y); y = y->next)
		x = x->next;
	return !x && !y;
}

void config_list_fixed_changes(const struct config *before,
			       const struct config *now, struct buf *out)
{
	const struct node *a, *b;
	const struct key *key;

	for (key = top_keys; key->name; key++) {
		a = before->tree ? node_get(before->tree, key->name) : NULL;
		b = now->tree ? node_get(now->tree, key->name) : NULL;
		if (!key->live && !node_equal(a, b))
			buf_printf(out, "%s%s", out->len ? ", " : "",
				   key->name);
	}
}
