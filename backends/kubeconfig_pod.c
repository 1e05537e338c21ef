/* SPDX-License-Identifier: Apache-2.0 */
/* Reaching the cluster that this process runs in, as its service account. */
#include "kubeconfig.h"

#include "kubeconfig_text.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"
#define NAMESPACE_MAX 256

static int no_memory(struct error *err)
{
	return fail(err, ENOMEM, "not enough memory");
}

static int read_server(char **out, struct error *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	bool v6;

	if (!host || !*host || !port || !*port)
		return fail(err, ENOENT, "this is no pod of Kubernetes: "
			    "KUBERNETES_SERVICE_HOST and "
			    "KUBERNETES_SERVICE_PORT are not set");
	v6 = strchr(host, ':');
	if (asprintf(out, "https://%s%s%s:%s", v6 ? "[" : "", host,
		     v6 ? "]" : "", port) < 0) {
		*out = NULL;
		return no_memory(err);
	}
	return 0;
}

/* The path of a file that can be read. */
static int find_file(const char *dir, const char *name, char **out,
		     struct error *err)
{
	if (asprintf(out, "%s/%s", dir, name) < 0) {
		*out = NULL;
		return no_memory(err);
	}
	if (access(*out, R_OK) < 0)
		return fail(err, errno, "can't read %s: %m", *out);
	return 0;
}

/* Without the file there is no namespace to prefer. */
static int read_namespace(const char *dir, char **out, struct error *err)
{
	auto_free char *path = NULL;
	auto_secret text = NULL;
	char name[NAMESPACE_MAX];
	int rc = find_file(dir, "namespace", &path, err);

	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = secret_read_file(path, NAMESPACE_MAX, &text, err);
	if (rc < 0)
		return rc;
	if (!text_trim(text, strlen(text), name, sizeof name) ||
	    !name_is_dns_label(name))
		return fail(err, EINVAL, "%s holds no namespace's name", path);
	*out = strdup(name);
	return *out ? 0 : no_memory(err);
}

int kubeconfig_in_cluster(const char *dir, struct kube_access *out,
			  struct error *err)
{
	auto_kube_access a = {0};
	int rc = read_server(&a.server, err);

	dir = dir ? dir : DEFAULT_DIR;
	if (rc == 0)
		rc = find_file(dir, "token", &a.token_file, err);
	if (rc == 0)
		rc = find_file(dir, "ca.crt", &a.ca_file, err);
	if (rc == 0)
		rc = read_namespace(dir, &a.namespace, err);
	if (rc < 0)
		return rc;
	*out = a;
	a = (struct kube_access){0};
	return 0;
}
