/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig's exec plugins, and the end of all that a kubeconfig says. */
#include "kubeconfig_read.h"

#include "faults.h"
#include "kubeconfig_text.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(const struct kubeconfig_place *at)
{
	return fail(at->err, ENOMEM, "not enough memory");
}

static int read_arg(const struct kubeconfig_place *at,
		    const struct node *item, char **out)
{
	if (item->kind != NODE_SCALAR)
		return kubeconfig_refuse(at, "exec.args (line %u) must be a "
					 "list of strings", item->line);
	*out = strdup(item->text);
	return *out ? 0 : no_memory(at);
}

static int read_variable(const struct kubeconfig_place *at,
			 const struct node *item, char **out)
{
	auto_secret name = NULL;
	auto_secret value = NULL;
	char *both = NULL;
	int rc = kubeconfig_read_text(at, item, "name", &name);

	if (rc == 0)
		rc = kubeconfig_read_text(at, item, "value", &value);
	if (rc < 0)
		return rc;
	if (!name || strchr(name, '='))
		return kubeconfig_refuse(at, "exec.env (line %u) must be a "
					 "list of {name, value}, names without "
					 "=", item->line);
	if (asprintf(&both, "%s=%s", name, value ? value : "") < 0)
		return no_memory(at);
	*out = both;
	return 0;
}

/* The list @node as strings with a NULL after them; NULL is the empty list. */
static int read_list(const struct kubeconfig_place *at,
		     const struct node *node, char ***out,
		     int (*read)(const struct kubeconfig_place *,
				 const struct node *, char **))
{
	bool none = !node || node_is_null(node);
	const struct node *item;
	size_t n = 0;
	int rc = 0;

	if (!none && node->kind != NODE_SEQUENCE)
		return kubeconfig_refuse(at, "exec.%s (line %u) must be a "
					 "list, not %s", node->key, node->line,
					 node_type_text(node));
	node = none ? NULL : node->children;
	for (item = node; item; item = item->next)
		n++;
	*out = calloc(n + 1, sizeof **out);
	if (!*out)
		return no_memory(at);
	for (n = 0, item = node; item && rc == 0; item = item->next)
		rc = read(at, item, &(*out)[n++]);
	return rc;
}

static int read_interactive(const struct kubeconfig_place *at,
			    const struct node *node,
			    enum kube_interactive *out)
{
	auto_secret word = NULL;
	int rc = kubeconfig_read_text(at, node, "interactiveMode", &word);

	if (rc < 0)
		return rc;
	if (word && strcmp(word, "Always") == 0)
		return kubeconfig_refuse(at, "exec.interactiveMode is Always, "
					 "and a daemon has no terminal");
	if (word && strcmp(word, "Never") != 0 &&
	    strcmp(word, "IfAvailable") != 0)
		return kubeconfig_refuse(at, "exec.interactiveMode is neither "
					 "Never nor IfAvailable");
	*out = word && *word == 'N' ? KUBE_INTERACTIVE_NEVER
				    : KUBE_INTERACTIVE_IF_AVAILABLE;
	return 0;
}

static int check_version(const struct kubeconfig_place *at,
			 const char *version)
{
	static const char front[] = "client.authentication.k8s.io/";
	char quoted[QUOTE_MAX];
	const char *rest = version;

	if (rest && strncmp(rest, front, strlen(front)) == 0)
		rest += strlen(front);
	if (rest && rest > version &&
	    (strcmp(rest, "v1") == 0 || strcmp(rest, "v1beta1") == 0))
		return 0;
	return kubeconfig_refuse(at, "exec.apiVersion %s is neither %sv1 nor "
				 "%sv1beta1", version ?
				 fault_quote(version, quoted) : "is absent and",
				 front, front);
}

#define IN(field) offsetof(struct kube_exec, field)

static int read_exec(const struct kubeconfig_place *at,
		     const struct node *node, struct kube_exec *exec)
{
	static const struct kubeconfig_key keys[] = {
		{"command", KUBECONFIG_TEXT, IN(command)},
		{"apiVersion", KUBECONFIG_TEXT, IN(api_version)},
		{"installHint", KUBECONFIG_TEXT, IN(install_hint)},
		{"provideClusterInfo", KUBECONFIG_FLAG,
		 IN(provide_cluster_info)},
		{NULL}};
	int rc = kubeconfig_read_keys(at, node, keys, exec);

	if (rc == 0)
		rc = read_list(at, node_get(node, "args"), &exec->args,
			       read_arg);
	if (rc == 0)
		rc = read_list(at, node_get(node, "env"), &exec->env,
			       read_variable);
	if (rc == 0)
		rc = read_interactive(at, node, &exec->interactive);
	if (rc < 0)
		return rc;
	if (!exec->command)
		return kubeconfig_refuse(at, "exec has no command");
	exec->dir = strdup(at->dir);
	return exec->dir ? check_version(at, exec->api_version)
			 : no_memory(at);
}

int kubeconfig_read_exec(const struct kubeconfig_place *at,
			 const struct node *node, struct kube_exec **out)
{
	if (!node || node_is_null(node))
		return 0;
	if (node->kind != NODE_MAPPING)
		return kubeconfig_refuse(at, "exec (line %u) must be a "
					 "mapping, not %s", node->line,
					 node_type_text(node));
	*out = calloc(1, sizeof **out);
	return *out ? read_exec(at, node, *out) : no_memory(at);
}

static void free_list(char **list)
{
	char **p;

	for (p = list; p && *p; p++)
		secret_free(*p);
	free(list);
}

static void free_exec(struct kube_exec *exec)
{
	if (!exec)
		return;
	free_list(exec->args);
	free_list(exec->env);
	free(exec->command);
	free(exec->api_version);
	free(exec->install_hint);
	free(exec->dir);
	free(exec);
}

void kube_access_finish(struct kube_access *a)
{
	char *const strings[] = {
		a->server, a->ca, a->cert, a->key, a->ca_file, a->cert_file,
		a->key_file, a->token, a->token_file, a->username, a->password,
		a->proxy_url, a->tls_server_name, a->namespace,
	};
	size_t i;

	for (i = 0; i < sizeof strings / sizeof *strings; i++)
		secret_free(strings[i]);
	free_exec(a->exec);
	*a = (struct kube_access){0};
}
