/* SPDX-License-Identifier: Apache-2.0 */
/* The CustomResourceDefinition, and how it gets into a cluster. */
#include "store_kube.h"

#include "clock.h"
#include "kube.h"
#include "node.h"

#include <errno.h>
#include <string.h>

#define CRD_PATH "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define CRD_NAME "unifiedvolumereplications.replication.unified.io"
#define CALL_MS 15000
#define SERVED_MS 30000

static const char crd_text[] =
#include "crd.h"
	;

const char *kube_crd(void)
{
	return crd_text;
}

/* A plain scalar as JSON means it. */
static json_t *scalar_json(const struct node *n)
{
	if (node_is_integer(n))
		return json_integer(strtoll(n->text, NULL, 10));
	if (!n->quoted && strcmp(n->text, "true") == 0)
		return json_true();
	if (!n->quoted && strcmp(n->text, "false") == 0)
		return json_false();
	return json_string(n->text);
}

static json_t *node_json(const struct node *n)
{
	const struct node *child;
	json_t *value;

	if (n->kind == NODE_SCALAR)
		return scalar_json(n);
	value = n->kind == NODE_MAPPING ? json_object() : json_array();
	for (child = n->children; child; child = child->next)
		if (n->kind == NODE_MAPPING)
			json_object_set_new(value, child->key,
					    node_json(child));
		else
			json_array_append_new(value, node_json(child));
	return value;
}

static json_t *definition(struct error *err)
{
	auto_node root = node_parse(crd_text, strlen(crd_text),
				    err);
	json_t *value = root ? node_json(root) : NULL;

	if (root && !value)
		fail(err, ENOMEM, "no memory for a definition");
	return value;
}

static bool is_served(const json_t *crd)
{
	const json_t *list = json_object_get(json_object_get(crd, "status"),
					     "conditions");
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *type =
			json_string_value(json_object_get(item, "type"));
		const char *status =
			json_string_value(json_object_get(item, "status"));

		if (type && status && strcmp(type, "Established") == 0)
			return strcmp(status, "True") == 0;
	}
	return false;
}

static int await_served(struct kube_conn *c, struct error *err)
{
	const struct kube_request q = {
		.method = "GET",
		.path = CRD_PATH "/" CRD_NAME,
		.timeout_ms = CALL_MS,
	};
	int64_t end = clock_monotonic() + SERVED_MS;
	json_t *reply = NULL;
	bool served;
	int rc;

	do {
		rc = kube_call(c, &q, &reply, err);
		served = rc == 0 && is_served(reply);
		json_decref(reply);
		reply = NULL;
	} while (rc == 0 && !served && clock_monotonic() < end &&
		 kube_pause(c, 100));
	if (rc == 0 && !served)
		return fail(err, ETIMEDOUT, "the server does not serve it yet");
	return rc;
}

/* What is there is made to say the same; `versions` is replaced whole. */
static int write_crd(struct kube_conn *c, const json_t *crd, const char **what,
		     struct error *err)
{
	struct kube_request q = {
		.method = "POST",
		.path = CRD_PATH "?fieldManager=" KUBE_FIELD_MANAGER,
		.body = crd,
		.timeout_ms = CALL_MS,
	};
	int rc = kube_call(c, &q, NULL, err);

	*what = "installed";
	if (rc != -EEXIST)
		return rc;
	q.method = "PATCH";
	q.path = CRD_PATH "/" CRD_NAME "?fieldManager=" KUBE_FIELD_MANAGER;
	q.type = KUBE_MERGE_PATCH;
	*what = "brought up to date";
	return kube_call(c, &q, NULL, err);
}

int kube_install_crd(const struct kube_access *access, const char **what,
		     struct error *err)
{
	json_t *crd = definition(err);
	struct kube *k = crd ? kube_new(access, err) : NULL;
	struct kube_conn *c = k ? kube_conn_new(k, err) : NULL;
	int rc = c ? write_crd(c, crd, what, err) : -err->code;

	if (rc == 0)
		rc = await_served(c, err);
	kube_conn_free(c);
	kube_free(k);
	json_decref(crd);
	return rc;
}
