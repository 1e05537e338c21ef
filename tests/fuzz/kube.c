/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an API server, or something in its place, answers to a reflector: lists,
 * watches and errors.  An input is a script; each line that starts with a number
 * is an answer with that status, its body being what follows; the next lines go
 * on with it, one piece each, without the line's end.  `~' is a line's end.
 *
 * There is no network, no thread, and no time but what passes here.
 */
#include "fuzz.h"

#include "kube_private.h"
#include "kube_reflect.h"

#include "object.h"
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int64_t __wrap_clock_monotonic(void);
bool __wrap_kube_pause(struct kube_conn *c, int ms);
int __wrap_kube_try(struct kube_conn *c, struct kube_try *t, struct error *err);
int __wrap_thread_start(pthread_t *thread, void *(*run)(void *), void *ctx);

static const uint8_t *data;
static size_t size;
static int64_t now;

/* ---- in the place of what blocks ---- */

int64_t __wrap_clock_monotonic(void)
{
	return now;
}

bool __wrap_kube_pause(struct kube_conn *c, int ms)
{
	now += ms;
	return !kube_is_stopped(c->kube);
}

/* The thread has done all it will do when it is started, so it is none. */
int __wrap_thread_start(pthread_t *thread, void *(*run)(void *), void *ctx)
{
	run(ctx);
	return EAGAIN;
}

/* What ends a piece is its line's end. */
static int give(struct kube_try *t, struct line *line, size_t from)
{
	size_t i;

	for (i = from; i < line->len; i++)
		if (line->text[i] == '~')
			line->text[i] = '\n';
	if (t->take && t->code >= 200 && t->code < 300)
		return t->take(t, line->text + from, line->len - from);
	buf_add(&t->answer, line->text + from, line->len - from);
	return 0;
}

static bool goes_on(void)
{
	return size && !isdigit(*data);
}

int __wrap_kube_try(struct kube_conn *c, struct kube_try *t, struct error *err)
{
	struct line line;
	char *body;

	t->conn = c;
	t->retry_after = -1;
	buf_reset(&t->answer);
	now += 100;
	if (!line_next(&line, &data, &size)) {
		kube_stop(c->kube);
		return fail(err, ESHUTDOWN, "the end");
	}
	t->code = strtol(line.text, &body, 10);
	if (t->code < 100)
		return fail(err, t->code % 2 ? ETIMEDOUT : EHOSTUNREACH,
			    "no answer");
	if (t->alive && t->code < 300)
		t->alive(t);
	t->taken = give(t, &line, (size_t)(body - line.text));
	while (!t->taken && goes_on() && line_next(&line, &data, &size)) {
		now += 500;
		t->taken = give(t, &line, 0);
		if (t->alive && t->code < 300)
			t->alive(t);
	}
	return t->taken;
}

/* ---- who listens ---- */

struct ear {
	struct kube_listener listener;
	bool silent;
};

static void seen(struct kube_listener *l, const json_t *object, int64_t as_of)
{
	struct error err = {0};
	struct object *o = object_read(object, &err);

	ck_assert_ptr_nonnull(json_string_value(json_object_get(
		json_object_get(object, "metadata"), "name")));
	ck_assert_int_eq(!o, *err.msg != '\0');
	object_free(o);
}

static void gone(struct kube_listener *l, const char *namespace,
		 const char *name, const char *uid)
{
	ck_assert_uint_lt(strlen(namespace) + strlen(name) + strlen(uid),
			  1 << 20);
}

static void listed(struct kube_listener *l)
{
}

static void reached(struct kube_listener *l, int rc, const char *why)
{
	struct ear *ear = (struct ear *)l;

	ck_assert_int_eq(rc < 0, *why != '\0');
	/* That it answers is told when it did not. */
	ck_assert(rc < 0 || ear->silent);
	ear->silent = rc < 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	struct kube_access access = {.server = (char[]){"http://server"}};
	struct ear ear = {{seen, gone, listed, reached}, false};
	struct error err;
	struct kube *kube = kube_new(&access, &err);

	data = input;
	size = n;
	now = 1000;
	ck_assert_ptr_nonnull(kube);
	ck_assert_ptr_null(kube_reflect(kube, "/apis/g/v1/things",
					n & 1 ? "/apis/g/v1beta1/things" : NULL,
					&ear.listener, &err));
	kube_free(kube);
	return 0;
}
