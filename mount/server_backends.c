/* SPDX-License-Identifier: Apache-2.0 */
/* From the configuration: the backends, and how to reach clusters. */
#include "server.h"

#include "csi.h"
#include "rbd.h"
#include "sim.h"
#include "store_kube.h"
#include "text.h"
#include "trust.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int server_open_access(const struct config *c, const char *cluster,
		       struct kube_access *out, struct error *err)
{
	const struct config_cluster *found = config_find_cluster(c, cluster);
	int rc = found->in_cluster
			 ? kubeconfig_in_cluster(NULL, out, err)
			 : kubeconfig_load(found->kubeconfig, found->context,
					   out, err);

	return rc < 0 ? error_prefix(err, "cluster %s: ", cluster) : 0;
}

static int check_ceph(const struct config_cluster *c, struct error *err)
{
	if (access(c->ceph_conf, R_OK) < 0)
		return fail(err, errno, "can't read %s: %m", c->ceph_conf);
	if (!c->ceph_keyring)
		return 0;
	if (trust_file(c->ceph_keyring, true, err) < 0)
		return -err->code;
	if (access(c->ceph_keyring, R_OK) < 0)
		return fail(err, errno, "can't read %s: %m", c->ceph_keyring);
	return 0;
}

int server_check_cluster(const struct config *config,
			 const struct config_cluster *c, struct error *err)
{
	auto_kube_access access = {0};

	if ((c->kubeconfig || c->in_cluster) &&
	    server_open_access(config, c->name, &access, err) < 0)
		return -err->code;
	if (c->ceph_conf && check_ceph(c, err) < 0)
		return error_prefix(err, "cluster %s: ", c->name);
	return 0;
}

static struct backend *make_sim(struct server *s,
				const struct config_backend *b,
				struct error *err)
{
	auto_free char *dir = NULL;
	struct backend *sim;

	if (asprintf(&dir, "%s/sim", s->state_dir) < 0) {
		dir = NULL;
		fail(err, ENOMEM, "not enough memory");
		return NULL;
	}
	sim = sim_new(b->name, b->path ? b->path : dir, err);
	/* With the store there are other daemons. */
	if (sim && s->config.kube.cluster && sim_share(sim, err) < 0) {
		sim->ops->free(sim);
		sim = NULL;
	}
	return sim;
}

static struct backend *make_rbd(struct server *s,
				const struct config_backend *b,
				struct error *err)
{
	const struct config *c = &s->config;
	auto_free struct rbd_access *access =
		calloc(c->cluster_count + 1, sizeof *access);
	size_t i, n = 0;

	if (!access) {
		fail(err, ENOMEM, "not enough memory");
		return NULL;
	}
	for (i = 0; i < c->cluster_count; i++) {
		if (c->clusters[i].ceph_keyring &&
		    trust_file(c->clusters[i].ceph_keyring, true, err) < 0)
			return NULL;
		if (c->clusters[i].ceph_conf)
			access[n++] = (struct rbd_access){
				.cluster = c->clusters[i].name,
				.conf = c->clusters[i].ceph_conf,
				.user = c->clusters[i].ceph_user,
				.keyring = c->clusters[i].ceph_keyring,
			};
	}
	return rbd_new(b->name, access, n, c->timeouts.act, err);
}

/* Those clusters that have an API server. */
static struct backend *make_csi(struct server *s,
				const struct config_backend *b,
				struct error *err)
{
	const struct config *c = &s->config;
	auto_free struct csi_access *sites =
		calloc(c->cluster_count + 1, sizeof *sites);
	size_t i, n = 0;

	if (!sites) {
		fail(err, ENOMEM, "not enough memory");
		return NULL;
	}
	for (i = 0; i < c->cluster_count; i++) {
		if (!c->clusters[i].kubeconfig && !c->clusters[i].in_cluster)
			continue;
		sites[n].cluster = c->clusters[i].name;
		if (server_open_access(c, sites[n].cluster, &sites[n].access,
				       err) < 0) {
			while (n--)
				kube_access_finish(&sites[n].access);
			return NULL;
		}
		n++;
	}
	return csi_new(b->type, b->name, sites, n, c->timeouts.act, err);
}

struct backend *server_make_backend(struct server *s,
				    const struct config_backend *b,
				    struct error *err)
{
	if (strcmp(b->type, "sim") == 0)
		return make_sim(s, b, err);
	return csi_is_type(b->type) ? make_csi(s, b, err) : make_rbd(s, b, err);
}
