/* SPDX-License-Identifier: Apache-2.0 */
/* The ExecCredential: what a plugin is told, and what it answers. */
#include "kube_exec.h"

#include "faults.h"
#include "kubeconfig_text.h"
#include "text.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KIND "ExecCredential"

/* The authority in base64; an empty string when there is none. */
static char *encode_ca(const struct kube_access *a, struct error *err)
{
	auto_secret text = NULL;
	char *out;

	if (!a->ca && a->ca_file &&
	    secret_read_file(a->ca_file, KUBECONFIG_MAX, &text, err) < 0)
		return NULL;
	out = base64_encode(a->ca ? a->ca : text ? text : "");
	if (!out)
		fail(err, ENOMEM, "not enough memory");
	return out;
}

/* Sets @key when there is something to say; 0, or -1: out of memory. */
static int set_text(json_t *object, const char *key, const char *text)
{
	if (!text || !*text)
		return 0;
	return json_object_set_new(object, key, json_string(text));
}

static json_t *make_cluster(const struct kube_access *a, const char *ca)
{
	json_t *cluster = json_object();

	if (set_text(cluster, "server", a->server) < 0 ||
	    set_text(cluster, "tls-server-name", a->tls_server_name) < 0 ||
	    set_text(cluster, "proxy-url", a->proxy_url) < 0 ||
	    set_text(cluster, "certificate-authority-data", ca) < 0 ||
	    (a->insecure &&
	     json_object_set_new(cluster, "insecure-skip-tls-verify",
				 json_true()) < 0)) {
		json_decref(cluster);
		return NULL;
	}
	return cluster;
}

/* NULL: out of memory.  @ca NULL: nothing of the cluster. */
static char *make_info(const struct kube_access *a, const char *ca)
{
	json_t *spec = json_object(), *top = json_object();
	char *text = NULL;

	if (json_object_set_new(spec, "interactive", json_false()) == 0 &&
	    (!ca || json_object_set_new(spec, "cluster",
					make_cluster(a, ca)) == 0) &&
	    set_text(top, "apiVersion", a->exec->api_version) == 0 &&
	    set_text(top, "kind", KIND) == 0 &&
	    json_object_set(top, "spec", spec) == 0)
		text = json_dumps(top, JSON_COMPACT);
	json_decref(spec);
	json_decref(top);
	return text;
}

char *kube_exec_info(const struct kube_access *a, struct error *err)
{
	auto_secret ca = NULL;
	auto_secret text = NULL;
	char *entry = NULL;

	if (a->exec->provide_cluster_info) {
		ca = encode_ca(a, err);
		if (!ca)
			return NULL;
	}
	text = make_info(a, ca);
	if (!text || asprintf(&entry, "KUBERNETES_EXEC_INFO=%s", text) < 0) {
		fail(err, ENOMEM, "not enough memory");
		return NULL;
	}
	return entry;
}

static int refuse(const struct kube_exec *exec, struct error *err,
		  const char *why)
{
	char quoted[QUOTE_MAX];

	return fail(err, EPROTO, "what the exec plugin %s wrote is no "
		    "credential: %s", fault_quote(exec->command, quoted), why);
}

/* ".5" after a time, and "Z" or "+01:00": ms to add; false when it is none. */
static bool parse_rest(const char *p, int64_t *ms)
{
	int sign, hours, minutes, used = 0;

	*ms = 0;
	if (*p == '.') {
		size_t n = strspn(p + 1, "0123456789");

		if (!n)
			return false;
		p += n + 1;
	}
	if (strcmp(p, "Z") == 0 || strcmp(p, "z") == 0)
		return true;
	sign = *p == '+' ? -1 : *p == '-' ? 1 : 0;
	if (!sign || strspn(p + 1, "0123456789:") != 5 ||
	    sscanf(p + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 ||
	    used != 5 || p[6] || hours > 23 || minutes > 59)
		return false;
	*ms = sign * (hours * INT64_C(3600) + minutes * INT64_C(60)) * 1000;
	return true;
}

/* RFC 3339, in ms; -1 when it is none.  A fraction is left out. */
static int64_t parse_time(const char *text)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int day = tm.tm_mday;
	int64_t offset, ms;

	if (!rest || *text < '0' || *text > '9' || !parse_rest(rest, &offset))
		return -1;
	ms = (int64_t)timegm(&tm) * 1000 + offset;
	/* timegm mends the 30th of February. */
	if (tm.tm_mday != day)
		return -1;
	return ms > 0 ? ms : 1;
}

/* A copy of @status's @key; NULL when it is absent, null or empty. */
static int copy_text(const json_t *status, const char *key, char **out)
{
	const json_t *value = json_object_get(status, key);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return -EPROTO;
	if (!*json_string_value(value))
		return 0;
	*out = strdup(json_string_value(value));
	return *out ? 0 : -ENOMEM;
}

static int read_expiry(const json_t *status, int64_t *expires)
{
	auto_secret text = NULL;
	int rc = copy_text(status, "expirationTimestamp", &text);

	if (rc == 0 && text)
		*expires = parse_time(text);
	return *expires < 0 ? -EPROTO : rc;
}

static int read_status(const struct kube_exec *exec, const json_t *status,
		       struct kube_exec_answer *a, struct error *err)
{
	struct kube_secret *s = &a->secret;
	int rc = copy_text(status, "token", &s->token);

	if (rc == 0)
		rc = copy_text(status, "clientCertificateData", &s->cert);
	if (rc == 0)
		rc = copy_text(status, "clientKeyData", &s->key);
	if (rc == -ENOMEM)
		return fail(err, ENOMEM, "not enough memory");
	if (rc < 0)
		return refuse(exec, err, "status holds what is not a string");
	rc = read_expiry(status, &a->expires);
	if (rc == -ENOMEM)
		return fail(err, ENOMEM, "not enough memory");
	if (rc < 0)
		return refuse(exec, err, "status.expirationTimestamp is no "
			      "time of RFC 3339");
	if (!s->cert != !s->key)
		return refuse(exec, err, "of status.clientCertificateData and "
			      "status.clientKeyData there is one only");
	if (!s->token && !s->cert)
		return refuse(exec, err, "it has neither a token nor a "
			      "certificate");
	if (s->token && !secret_is_token(s->token))
		return refuse(exec, err, "status.token holds a blank or a byte "
			      "that is not ASCII");
	return 0;
}

static bool says(const json_t *top, const char *key, const char *word)
{
	const char *text = json_string_value(json_object_get(top, key));

	return text && strcmp(text, word) == 0;
}

static int read_answer(const struct kube_exec *exec, const json_t *top,
		       struct kube_exec_answer *a, struct error *err)
{
	char quoted[QUOTE_MAX];

	if (!says(top, "kind", KIND))
		return refuse(exec, err, "its kind is not " KIND);
	if (!says(top, "apiVersion", exec->api_version))
		return fail(err, EPROTO, "what the exec plugin %s wrote is not "
			    "of apiVersion %s, as the kubeconfig has it",
			    fault_quote(exec->command, quoted),
			    exec->api_version);
	return read_status(exec, json_object_get(top, "status"), a, err);
}

/* The parser's copies of the secrets, which it would free as they are. */
static void clear_texts(json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
		if (json_is_string(value))
			explicit_bzero((char *)json_string_value(value),
				       json_string_length(value));
}

int kube_exec_parse(const struct kube_exec *exec, const char *text,
		    struct kube_exec_answer *out, struct error *err)
{
	struct kube_exec_answer a = {0};
	json_error_t fault = {0};
	char where[64];
	json_t *top = json_loads(text, 0, &fault);
	int rc;

	/* For a lack of memory jansson may say nothing at all. */
	if (!top && json_error_code(&fault) <= json_error_out_of_memory)
		return fail(err, ENOMEM, "not enough memory");
	if (!top) {
		snprintf(where, sizeof where, "it is no JSON at line %d",
			 fault.line);
		return refuse(exec, err, where);
	}
	rc = read_answer(exec, top, &a, err);
	clear_texts(json_object_get(top, "status"));
	json_decref(top);
	if (rc < 0)
		kube_secret_finish(&a.secret);
	else
		*out = a;
	return rc;
}
