/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: an answer that goes on, a JSON object a line. */
#include "kube_private.h"

#include "clock.h"

#include <errno.h>
#include <string.h>

struct stream {
	struct kube_watcher *watcher;
	struct buf line;
	struct error *err;
	const char *server;
};

/* One whole line. */
static int take_line(struct stream *s, const char *text, size_t n)
{
	json_t *event = json_loadb(text, n, 0, NULL);
	int rc;

	if (!json_is_object(event)) {
		json_decref(event);
		return fail(s->err, EPROTO,
			    "%s: a line of a watch is no JSON object",
			    s->server);
	}
	rc = s->watcher->line(s->watcher, event);
	json_decref(event);
	return rc;
}

/* Bytes as they come, whatever they end within. */
static int take(struct kube_try *t, const char *data, size_t n)
{
	struct stream *s = t->ctx;
	const char *end;
	size_t len;
	int rc = 0;

	while (rc == 0 && (end = memchr(data, '\n', n))) {
		len = (size_t)(end - data);
		if (s->line.len) {
			buf_add(&s->line, data, len);
			rc = take_line(s, buf_str(&s->line), s->line.len);
			buf_reset(&s->line);
		} else if (len) {
			rc = take_line(s, data, len);
		}
		data += len + 1;
		n -= len + 1;
	}
	if (rc)
		return rc;
	buf_add(&s->line, data, n);
	if (s->line.failed)
		return fail(s->err, EPROTO,
			    "%s: a line of more than %zu bytes in a watch",
			    s->server, s->line.max);
	return 0;
}

static void alive(struct kube_try *t)
{
	const struct stream *s = t->ctx;

	s->watcher->alive(s->watcher);
}

int kube_watch(struct kube_conn *c, const char *path, int timeout_ms,
	       struct kube_watcher *w, struct error *err)
{
	const struct kube_request request = {
		.method = "GET",
		.path = path,
		.is_kind = true,
	};
	struct stream s = {
		.watcher = w,
		.err = err,
		.server = c->kube->access->server,
	};
	struct kube_try t = {
		.request = &request,
		.deadline = clock_monotonic() + timeout_ms,
		.alive = alive,
		.take = take,
		.ctx = &s,
	};
	int rc;

	buf_init(&s.line, KUBE_LINE_MAX);
	buf_init(&t.answer, KUBE_ANSWER_MAX);
	rc = kube_insist(c, &t, err);
	buf_finish(&t.answer);
	buf_finish(&s.line);
	return rc;
}
