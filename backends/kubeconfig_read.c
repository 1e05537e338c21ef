/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig's clusters and users: their keys, and what is refused. */
#include "kubeconfig_read.h"

#include "faults.h"
#include "kubeconfig_text.h"
#include "text.h"
#include "trust.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int kubeconfig_refuse(const struct kubeconfig_place *at, const char *fmt, ...)
{
	char name[QUOTE_MAX], sentence[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof sentence, fmt, ap);
	va_end(ap);
	return fail(at->err, EINVAL, "%s: %s %s: %s", at->file, at->kind,
		    fault_quote(at->name, name), sentence);
}

static int no_memory(const struct kubeconfig_place *at)
{
	return fail(at->err, ENOMEM, "not enough memory");
}

/* A number or a boolean is taken for the text that it is written as. */
static int read_text(const struct kubeconfig_place *at,
		     const struct node *node, void *into)
{
	char *copy = strdup(node->text);

	if (!copy)
		return no_memory(at);
	*(char **)into = copy;
	return 0;
}

static int read_path(const struct kubeconfig_place *at,
		     const struct node *node, void *into)
{
	char *path = NULL;

	if (*node->text == '/')
		return read_text(at, node, into);
	if (asprintf(&path, "%s/%s", at->dir, node->text) < 0)
		return no_memory(at);
	*(char **)into = path;
	return 0;
}

static int read_data(const struct kubeconfig_place *at,
		     const struct node *node, void *into)
{
	char *text = NULL;
	int rc = base64_decode(node->text, &text);

	if (rc == -ENOMEM)
		return no_memory(at);
	if (rc < 0)
		return kubeconfig_refuse(at, "%s (line %u) is not the base64 "
					 "of a text", node->key, node->line);
	*(char **)into = text;
	return 0;
}

static int read_flag(const struct kubeconfig_place *at,
		     const struct node *node, void *into)
{
	if (node->quoted || scalar_kind(node->text) != SCALAR_BOOLEAN)
		return kubeconfig_refuse(at, "%s (line %u) must be true or "
					 "false, not %s", node->key,
					 node->line, node_type_text(node));
	*(bool *)into = strchr("tTyY", *node->text) ||
			strcasecmp(node->text, "on") == 0;
	return 0;
}

int kubeconfig_read_keys(const struct kubeconfig_place *at,
			 const struct node *map,
			 const struct kubeconfig_key *keys, void *base)
{
	static int (*const read[])(const struct kubeconfig_place *,
				   const struct node *, void *) = {
		[KUBECONFIG_TEXT] = read_text,
		[KUBECONFIG_PATH] = read_path,
		[KUBECONFIG_DATA] = read_data,
		[KUBECONFIG_FLAG] = read_flag,
	};
	const struct node *node;
	int rc = 0;

	for (; keys->key && rc == 0; keys++) {
		node = node_get(map, keys->key);
		if (!node || node_is_null(node))
			continue;
		if (node->kind != NODE_SCALAR)
			return kubeconfig_refuse(at, "%s (line %u) must be a "
						 "single value, not %s",
						 node->key, node->line,
						 node_type_text(node));
		if (*node->text)
			rc = read[keys->value](at, node,
					       (char *)base + keys->offset);
	}
	return rc;
}

int kubeconfig_read_text(const struct kubeconfig_place *at,
			 const struct node *map, const char *key, char **out)
{
	const struct kubeconfig_key keys[] = {{key, KUBECONFIG_TEXT, 0}, {0}};

	*out = NULL;
	return kubeconfig_read_keys(at, map, keys, out);
}

/* The data wins over the file. */
static void prefer(const char *data, char **file)
{
	if (!data)
		return;
	free(*file);
	*file = NULL;
}

/* One of @schemes, then a host; nothing in it that could end a header. */
static const char *url_host(const char *url, const char *const *schemes)
{
	const char *host = NULL, *p;

	for (; *schemes && !host; schemes++)
		if (strncmp(url, *schemes, strlen(*schemes)) == 0)
			host = url + strlen(*schemes);
	if (!host || !*host || strchr(":/?#@", *host))
		return NULL;
	for (p = host; *p; p++)
		if (*p <= ' ' || *p > '~')
			return NULL;
	return host;
}

static int check_server(const struct kubeconfig_place *at, char *server)
{
	static const char *const schemes[] = {"https://", "http://", NULL};
	char quoted[QUOTE_MAX];
	const char *host;
	size_t len;

	if (!server)
		return kubeconfig_refuse(at, "it has no server");
	host = url_host(server, schemes);
	if (!host || strpbrk(host, "?#@"))
		return kubeconfig_refuse(at, "server %s is not of the form "
					 "https://HOST:PORT",
					 fault_quote(server, quoted));
	for (len = strlen(server); server[len - 1] == '/'; len--)
		server[len - 1] = '\0';
	return 0;
}

/* The address of a proxy may have a password in it. */
static int check_proxy(const struct kubeconfig_place *at, const char *url)
{
	static const char *const schemes[] = {"http://", "https://",
					      "socks5://", NULL};

	if (url && !url_host(url, schemes))
		return kubeconfig_refuse(at, "proxy-url must begin with "
					 "http://, https:// or socks5://, and "
					 "a host must follow");
	return 0;
}

#define IN(type, field) offsetof(struct type, field)

int kubeconfig_read_cluster(const struct kubeconfig_place *at,
			    const struct node *node, struct kube_access *out)
{
	static const struct kubeconfig_key keys[] = {
		{"server", KUBECONFIG_TEXT, IN(kube_access, server)},
		{"certificate-authority", KUBECONFIG_PATH,
		 IN(kube_access, ca_file)},
		{"certificate-authority-data", KUBECONFIG_DATA,
		 IN(kube_access, ca)},
		{"insecure-skip-tls-verify", KUBECONFIG_FLAG,
		 IN(kube_access, insecure)},
		{"tls-server-name", KUBECONFIG_TEXT,
		 IN(kube_access, tls_server_name)},
		{"proxy-url", KUBECONFIG_TEXT, IN(kube_access, proxy_url)},
		{NULL}};
	int rc = kubeconfig_read_keys(at, node, keys, out);

	prefer(out->ca, &out->ca_file);
	if (rc == 0)
		rc = check_server(at, out->server);
	if (rc == 0)
		rc = check_proxy(at, out->proxy_url);
	/* Kubernetes' own clients refuse that, too: only one can be meant. */
	if (rc == 0 && out->insecure && (out->ca || out->ca_file))
		rc = kubeconfig_refuse(at, "it has a certificate authority and "
				       "insecure-skip-tls-verify: remove one");
	return rc;
}

/* What is there in a user, and must not be. */
static int check_keys(const struct kubeconfig_place *at,
		      const struct node *node)
{
	static const struct {
		const char *key, *why;
	} refused[] = {
		{"as", "impersonation is not supported"},
		{"as-uid", "impersonation is not supported"},
		{"as-groups", "impersonation is not supported"},
		{"as-user-extra", "impersonation is not supported"},
		{"auth-provider", "Kubernetes has removed it: use an exec "
				  "plugin"},
	};
	const struct node *child;
	size_t i;

	for (i = 0; i < sizeof refused / sizeof *refused; i++) {
		child = node_get(node, refused[i].key);
		if (child && !node_is_null(child))
			return kubeconfig_refuse(at, "%s (line %u): %s",
						 child->key, child->key_line,
						 refused[i].why);
	}
	return 0;
}

static int check_user(const struct kubeconfig_place *at,
		      const struct kube_access *a)
{
	bool cert = a->cert || a->cert_file, key = a->key || a->key_file;

	if (cert != key)
		return kubeconfig_refuse(at, "it has a client %s without the "
					 "%s of it",
					 cert ? "certificate" : "key",
					 cert ? "key" : "certificate");
	if (a->token && !secret_is_token(a->token))
		return kubeconfig_refuse(at, "its token holds a blank or a "
					 "byte that is not ASCII");
	if ((a->token || a->token_file) && a->username)
		return kubeconfig_refuse(at, "it has a token and a username: "
					 "remove one");
	return 0;
}

int kubeconfig_read_user(const struct kubeconfig_place *at,
			 const struct node *node, struct kube_access *out)
{
	static const struct kubeconfig_key keys[] = {
		{"client-certificate", KUBECONFIG_PATH,
		 IN(kube_access, cert_file)},
		{"client-certificate-data", KUBECONFIG_DATA,
		 IN(kube_access, cert)},
		{"client-key", KUBECONFIG_PATH, IN(kube_access, key_file)},
		{"client-key-data", KUBECONFIG_DATA, IN(kube_access, key)},
		{"token", KUBECONFIG_TEXT, IN(kube_access, token)},
		{"tokenFile", KUBECONFIG_PATH, IN(kube_access, token_file)},
		{"username", KUBECONFIG_TEXT, IN(kube_access, username)},
		{"password", KUBECONFIG_TEXT, IN(kube_access, password)},
		{NULL}};
	int rc = check_keys(at, node);

	if (rc == 0)
		rc = kubeconfig_read_keys(at, node, keys, out);
	if (rc == 0)
		rc = kubeconfig_read_exec(at, node_get(node, "exec"),
					  &out->exec);
	if (rc < 0)
		return rc;
	prefer(out->cert, &out->cert_file);
	prefer(out->key, &out->key_file);
	if (out->token_file) {
		secret_free(out->token);
		out->token = NULL;
	}
	if (out->key_file && trust_file(out->key_file, true, at->err) < 0)
		return -at->err->code;
	return check_user(at, out);
}
