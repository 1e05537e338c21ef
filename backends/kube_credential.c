/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credential of a cluster: when the token's file is read again, and when
 * the plugin runs again.
 */
#include "kube_credential.h"

#include "clock.h"
#include "faults.h"
#include "kube_exec.h"
#include "kubeconfig_text.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_MAX (64 * 1024)

/* In ms.  A minute is what Kubernetes' own clients read a token's file after,
   whose owner writes it anew at 80 % of its life. */
#define TOKEN_FILE_AGE 60000
#define PLUGIN_TIMEOUT_MAX 60000
#define PLUGIN_PAUSE 1000
#define EXPIRY_MARGIN 10000

struct kube_credential {
	const struct kube_access *access;
	pthread_mutex_t lock;
	pthread_cond_t ended;		/* the plugin */
	struct kube_secret now;		/* version 0: there is none yet */
	int64_t read_at;		/* the token's file, monotonic; 0: never */
	bool running;			/* the plugin, without the lock */
	int64_t ran_at;			/* its last end, monotonic; 0: never */
	int64_t expires;		/* by the time of day; 0: never */
	struct error last;		/* its last failure; code 0: none */
};

static int no_memory(struct error *err)
{
	return fail(err, ENOMEM, "not enough memory");
}

void kube_secret_finish(struct kube_secret *s)
{
	secret_free(s->token);
	secret_free(s->cert);
	secret_free(s->key);
	*s = (struct kube_secret){0};
}

static int copy_text(const char *text, char **out)
{
	*out = text ? strdup(text) : NULL;
	return text && !*out ? -ENOMEM : 0;
}

static int copy_secret(const struct kube_secret *from, struct kube_secret *out,
		       struct error *err)
{
	struct kube_secret s = {.version = from->version};

	if (copy_text(from->token, &s.token) < 0 ||
	    copy_text(from->cert, &s.cert) < 0 ||
	    copy_text(from->key, &s.key) < 0) {
		kube_secret_finish(&s);
		return no_memory(err);
	}
	*out = s;
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Takes @s over; it has another version when it is another one. */
static void install(struct kube_credential *c, struct kube_secret *s)
{
	s->version = c->now.version;
	if (!s->version || !same_text(s->token, c->now.token) ||
	    !same_text(s->cert, c->now.cert) || !same_text(s->key, c->now.key))
		s->version++;
	kube_secret_finish(&c->now);
	c->now = *s;
	*s = (struct kube_secret){0};
}

/* Gives @s the access's own certificate, unless it has one. */
static int add_certificate(const struct kube_credential *c,
			   struct kube_secret *s, struct error *err)
{
	if (s->cert)
		return 0;
	if (copy_text(c->access->cert, &s->cert) < 0 ||
	    copy_text(c->access->key, &s->key) < 0)
		return no_memory(err);
	return 0;
}

static int read_token(const char *path, char **out, struct error *err)
{
	auto_secret text = NULL;
	int rc = secret_read_file(path, TOKEN_MAX, &text, err);
	size_t len;

	if (rc < 0)
		return rc;
	len = strlen(text);
	while (len && strchr(" \t\r\n", text[len - 1]))
		text[--len] = '\0';
	if (!secret_is_token(text))
		return fail(err, EINVAL, "%s holds no token", path);
	return copy_text(text, out) < 0 ? no_memory(err) : 0;
}

static int renew_file(struct kube_credential *c, struct error *err)
{
	auto_kube_secret s = {0};
	int rc = read_token(c->access->token_file, &s.token, err);

	if (rc == 0)
		rc = add_certificate(c, &s, err);
	if (rc < 0)
		return rc;
	install(c, &s);
	c->read_at = clock_monotonic();
	return 0;
}

static int need_file(struct kube_credential *c, bool refresh,
		     struct error *err)
{
	struct error why = {0};
	int rc;

	if (!refresh && c->read_at &&
	    clock_monotonic() - c->read_at < TOKEN_FILE_AGE)
		return 0;
	rc = renew_file(c, &why);
	/* Whoever rotates the file may be at it; the cluster will judge. */
	if (rc == 0 || c->now.version)
		return 0;
	*err = why;
	return rc;
}

/* What the kubeconfig says itself. */
static int need_given(struct kube_credential *c, struct error *err)
{
	auto_kube_secret s = {0};
	int rc = 0;

	if (c->now.version)
		return 0;
	if (copy_text(c->access->token, &s.token) < 0)
		rc = no_memory(err);
	if (rc == 0)
		rc = add_certificate(c, &s, err);
	if (rc == 0)
		install(c, &s);
	return rc;
}

/* Whether what the plugin last came to still stands. */
static bool stands(const struct kube_credential *c, bool refresh)
{
	if (!c->ran_at)
		return false;
	if (clock_monotonic() - c->ran_at < PLUGIN_PAUSE)
		return true;
	if (refresh || c->last.code)
		return false;
	return !c->expires || clock_wall() < c->expires - EXPIRY_MARGIN;
}

/* Without the lock. */
static int run_plugin(const struct kube_credential *c, int timeout_ms,
		      struct kube_exec_answer *out, struct error *err)
{
	const struct kube_exec *exec = c->access->exec;
	auto_secret info = kube_exec_info(c->access, err);
	auto_secret text = NULL;
	int rc;

	if (!info)
		return -err->code;
	text = kube_exec_run(exec, info, timeout_ms, err);
	if (!text)
		return -err->code;
	rc = kube_exec_parse(exec, text, out, err);
	if (rc == 0)
		rc = add_certificate(c, &out->secret, err);
	return rc;
}

/* With the lock, which is let go of meanwhile. */
static void renew_plugin(struct kube_credential *c, bool refresh,
			 int timeout_ms)
{
	struct kube_exec_answer answer = {0};
	struct error why = {0};
	int rc;

	c->running = true;
	pthread_mutex_unlock(&c->lock);
	rc = run_plugin(c, timeout_ms, &answer, &why);
	pthread_mutex_lock(&c->lock);
	c->running = false;
	c->ran_at = clock_monotonic();
	if (rc == 0) {
		install(c, &answer.secret);
		c->expires = answer.expires;
		c->last.code = 0;
	} else if (refresh || !c->now.version || c->last.code ||
		   clock_wall() >= c->expires) {
		c->last = why;
	}
	kube_secret_finish(&answer.secret);
	pthread_cond_broadcast(&c->ended);
}

static int need_plugin(struct kube_credential *c, bool refresh, int timeout_ms,
		       struct error *err)
{
	int64_t until = clock_monotonic() + timeout_ms, left;
	char quoted[QUOTE_MAX];

	while (!stands(c, refresh)) {
		left = until - clock_monotonic();
		if (left <= 0)
			return fail(err, ETIMEDOUT, "the exec plugin %s has "
				    "given no credential within %d ms",
				    fault_quote(c->access->exec->command,
						quoted), timeout_ms);
		if (c->running)
			clock_cond_wait(&c->ended, &c->lock, until);
		else
			renew_plugin(c, refresh, left < PLUGIN_TIMEOUT_MAX
					? (int)left : PLUGIN_TIMEOUT_MAX);
	}
	if (!c->last.code)
		return 0;
	*err = c->last;
	return -err->code;
}

struct kube_credential *kube_credential_new(const struct kube_access *a)
{
	struct kube_credential *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->access = a;
	pthread_mutex_init(&c->lock, NULL);
	clock_cond_init(&c->ended);
	return c;
}

void kube_credential_free(struct kube_credential *c)
{
	if (!c)
		return;
	kube_secret_finish(&c->now);
	pthread_cond_destroy(&c->ended);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

int kube_credential_get(struct kube_credential *c, bool refresh,
			int timeout_ms, struct kube_secret *out,
			struct error *err)
{
	const struct kube_access *a = c->access;
	int rc;

	pthread_mutex_lock(&c->lock);
	if (a->token_file)
		rc = need_file(c, refresh, err);
	else if (a->exec && !a->token && !a->username)
		rc = need_plugin(c, refresh, timeout_ms, err);
	else
		rc = need_given(c, err);
	if (rc == 0)
		rc = copy_secret(&c->now, out, err);
	pthread_mutex_unlock(&c->lock);
	return rc;
}
