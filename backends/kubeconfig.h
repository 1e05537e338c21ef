/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How to reach a Kubernetes cluster and as whom: out of kubeconfig files, or,
 * for who runs in the cluster, out of its service account.
 *
 * Facts are from "Organizing Cluster Access Using kubeconfig Files", the
 * reference "kubeconfig (v1)", "Authenticating" and "Accessing the Kubernetes
 * API from a Pod" on kubernetes.io.
 */
#ifndef UVRFS_KUBECONFIG_H
#define UVRFS_KUBECONFIG_H

#include "error.h"

#include <stdbool.h>

#define KUBECONFIG_MAX (1024 * 1024)

/* Whether the plugin wants a terminal; those that must have one are refused. */
enum kube_interactive {
	KUBE_INTERACTIVE_IF_AVAILABLE,	/* also when nothing is said */
	KUBE_INTERACTIVE_NEVER,
};

/* A program that knows the credential. */
struct kube_exec {
	char *command;
	char **args;		/* without the command; NULL-terminated */
	char **env;		/* "NAME=VALUE"; NULL-terminated */
	char *api_version;	/* client.authentication.k8s.io/v1 or v1beta1 */
	bool provide_cluster_info;
	char *install_hint;	/* NULL: none */
	char *dir;		/* of its kubeconfig, which a relative command
				   with a slash is relative to */
	enum kube_interactive interactive;
};

/* All strings are of the heap and the struct's; what is not given is NULL. */
struct kube_access {
	char *server;		/* http[s]://HOST[:PORT][/PATH], without a slash
				   at the end */
	char *ca;		/* PEM */
	char *cert;
	char *key;
	char *ca_file;		/* absolute; NULL when there is the text */
	char *cert_file;
	char *key_file;
	char *token;
	char *token_file;	/* absolute; without it, `token` */
	char *username;
	char *password;
	char *proxy_url;	/* of http, https or socks5 */
	char *tls_server_name;
	char *namespace;
	bool insecure;
	struct kube_exec *exec;
};

/*
 * Reads the kubeconfigs @paths, a list with colons between, and fills @out with
 * what @context names.  @paths NULL: what KUBECONFIG says, else
 * ~/.kube/config.  @context NULL: the current-context.  Of several files the
 * first that has a thing of that name wins, and those that are not there are
 * passed over.  A worker: it reads files.
 *
 * @out becomes the caller's, for kube_access_finish().  Fails with ENOENT when
 * there is no such file, context, cluster or user, EFBIG over KUBECONFIG_MAX,
 * EINVAL for what can't be used, ENOMEM, or as open(2) and read(2) do.
 */
int kubeconfig_load(const char *paths, const char *context,
		    struct kube_access *out, struct error *err);

/*
 * The same for the service account of the pod that this process runs in: its
 * files are in @dir, NULL for where Kubernetes mounts them.  Fails with ENOENT
 * when this is no pod.  A worker: it reads files.
 */
int kubeconfig_in_cluster(const char *dir, struct kube_access *out,
			  struct error *err);

/* Clears and frees what @access holds; it is as if zeroed afterwards. */
void kube_access_finish(struct kube_access *access);
#define auto_kube_access \
	__attribute__((cleanup(kube_access_finish))) struct kube_access

#endif
