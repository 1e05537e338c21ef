/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer means that is no success. */
#include "kube_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* An answer's first words, for a sentence. */
#define EXCERPT_MAX 120

/* What Kubernetes says of it, or the beginning of what somebody else does. */
static void quote_answer(const struct kube_try *t, const json_t *status,
			 struct buf *out)
{
	const char *message =
		json_string_value(json_object_get(status, "message"));
	char room[EXCERPT_MAX + 1];

	if (message) {
		buf_escape(out, message);
		return;
	}
	snprintf(room, sizeof room, "%s", buf_str(&t->answer));
	buf_escape(out, *room ? room : "no reason given");
}

static int errno_of_status(long code, const char *reason)
{
	switch (code) {
	case 401:
	case 403:
	case 407:
		return EACCES;
	case 409:
		return strcmp(reason, "AlreadyExists") == 0 ? EEXIST
							     : ECANCELED;
	case 410:
		return ESTALE;
	case 404:
	case 429:
		return EAGAIN;
	default:
		return code >= 500 ? EAGAIN : code >= 400 ? EINVAL : EPROTO;
	}
}

/*
 * Of an object only the API server says it like this.  Of a path that it does not
 * serve it says what any server in Go does, one in front of it as well.
 */
static bool is_missing(const struct kube_try *t, const char *reason)
{
	if (t->code != 404)
		return false;
	return strcmp(reason, "NotFound") == 0 ||
	       (t->request->is_kind &&
		strcmp(buf_str(&t->answer), "404 page not found\n") == 0);
}

int kube_judge(const struct kube_try *t, struct error *err)
{
	json_t *status = json_loadb(buf_str(&t->answer), t->answer.len, 0,
				    NULL);
	const char *reason =
		json_string_value(json_object_get(status, "reason"));
	auto_buf said;
	int code;

	buf_init(&said, 1024);
	quote_answer(t, status, &said);
	reason = reason ? reason : "";
	code = is_missing(t, reason) ? ENOENT : errno_of_status(t->code, reason);
	fail(err, code, "%s answered %ld%s%s: %s",
	     t->conn->kube->access->server, t->code, *reason ? " " : "",
	     reason, buf_str(&said));
	json_decref(status);
	return -code;
}
