/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An API server on 127.0.0.1, a thread for each connection, with lists, watches
 * and faults.  api_put, api_edit and api_drop are everybody else who writes to
 * it, controllers above all.
 */
#ifndef UVRFS_FAKE_API_H
#define UVRFS_FAKE_API_H

#include "fake_api_objects.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define API_PATIENCE_S 20
#define API_TEXT_MAX 32768

struct api_conn {
	struct api_conn *next;
	struct api *api;
	pthread_t thread;
	int fd;
	char text[API_TEXT_MAX];	/* the request that is read */
};

/* ---- connections ---- */

static inline bool api_send(int fd, const char *text, size_t len)
{
	ssize_t n = 0;

	for (; len; text += n, len -= (size_t)n) {
		n = send(fd, text, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
	}
	return true;
}

/* Method and path in c->text; returns the body, "" when there is none. */
static inline char *api_read(struct api_conn *c)
{
	char *end = NULL, *header;
	size_t have = 0, want = 0;
	ssize_t n;

	do {
		n = recv(c->fd, c->text + have, sizeof c->text - 1 - have, 0);
		if (n <= 0)
			return NULL;
		have += (size_t)n;
		c->text[have] = '\0';
		if (!end && (end = strstr(c->text, "\r\n\r\n"))) {
			header = strcasestr(c->text, "\r\nContent-Length:");
			want = (size_t)(end + 4 - c->text);
			if (header && header < end)
				want += strtoul(header + 17, NULL, 10);
		}
	} while (!end || have < want);
	return end + 4;
}

/* Takes @text, which is of the heap. */
static inline bool api_reply(struct api_conn *c, int code, char *text)
{
	char head[160];
	bool ok;

	snprintf(head, sizeof head, "HTTP/1.1 %d Said\r\nContent-Type: "
		 "application/json\r\nContent-Length: %zu\r\n\r\n", code,
		 strlen(text));
	ok = api_send(c->fd, head, strlen(head)) &&
	     api_send(c->fd, text, strlen(text));
	free(text);
	return ok;
}

/* The fault that a request meets; waits while that is silence. */
static inline int api_fault_of(struct api *a, const char *what)
{
	bool hung = false;

	while (!a->stopping && a->code == API_HANG && strstr(what, a->fault)) {
		a->hung += !hung;
		hung = true;
		pthread_cond_broadcast(&a->turn);
		pthread_cond_wait(&a->turn, &a->lock);
	}
	return a->code > 0 && strstr(what, a->fault) ? a->code : 0;
}

/* The next event to tell at *@i, as a line of the heap; NULL: the end. */
static inline char *api_event(struct api *a, const char *what, const char *of,
			      size_t *i, int from)
{
	const json_t *e;
	int version;

	while (!a->stopping) {
		e = json_array_get(a->events, *i);
		version = (int)json_integer_value(json_object_get(e,
								  "version"));
		if (!e || version > a->told ||
		    (a->code == API_HANG && strstr(what, a->fault))) {
			pthread_cond_wait(&a->turn, &a->lock);
			continue;
		}
		(*i)++;
		if (version > from &&
		    strcmp(json_string_value(json_object_get(e, "of")),
			   of) == 0)
			return json_dumps(json_object_get(e, "event"),
					  JSON_COMPACT);
	}
	return NULL;
}

static inline void api_watch(struct api_conn *c, const char *what,
			     const char *of, int from)
{
	const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: "
			    "application/json\r\nConnection: close\r\n\r\n";
	bool ok = api_send(c->fd, head, sizeof head - 1);
	size_t i = 0;
	char *line;

	while (ok) {
		pthread_mutex_lock(&c->api->lock);
		line = api_event(c->api, what, of, &i, from);
		pthread_mutex_unlock(&c->api->lock);
		if (!line)
			return;
		ok = api_send(c->fd, line, strlen(line)) &&
		     api_send(c->fd, "\n", 1);
		free(line);
	}
}

static inline void api_note(struct api *a, const char *what, json_t *body)
{
	if (strncmp(what, "GET ", 4) == 0)
		return;
	a->writes++;
	snprintf(a->last, sizeof a->last, "%s", what);
	json_decref(a->body);
	a->body = json_deep_copy(body);
}

/* With the lock held: a text of the heap, NULL: it is a watch. */
static inline char *api_text_for(struct api *a, const char *what, char *text,
				 int *code)
{
	json_t *body = json_loads(text, 0, NULL), *answer;
	char method[8], path[480], *query, *reply = NULL;

	sscanf(what, "%7s %479s", method, path);
	query = strchr(path, '?');
	if (query)
		*query = '\0';
	api_note(a, what, body);
	*code = api_fault_of(a, what);
	if (strcmp(what, "GET /version") == 0)
		*(*code ? &a->unwell : &a->versions) += 1;
	if (*code == 404) {
		/* Of what it does not serve it says no more. */
		reply = strdup("404 page not found\n");
	} else if (*code || !query || !strstr(query + 1, "watch=1")) {
		answer = *code ? api_status(*code, "Fault")
			       : api_answer(a, method, path, body, code);
		reply = json_dumps(answer, JSON_COMPACT);
		json_decref(answer);
	}
	json_decref(body);
	pthread_cond_broadcast(&a->turn);
	return reply;
}

/* False: this connection is over. */
static inline bool api_serve(struct api_conn *c, char *body)
{
	struct api *a = c->api;
	char what[512], of[256] = "", *reply, *at;
	int code, from;

	snprintf(what, sizeof what, "%.*s", (int)strcspn(c->text, "\r"),
		 c->text);
	*strrchr(what, ' ') = '\0';	/* without HTTP/1.1 */
	pthread_mutex_lock(&a->lock);
	reply = api_text_for(a, what, body, &code);
	pthread_mutex_unlock(&a->lock);
	if (reply)
		return api_reply(c, code, reply);
	at = strstr(what, "resourceVersion=");
	from = at ? (int)strtol(at + 16, NULL, 10) : 0;
	*strchr(what, '?') = '\0';
	api_split(strchr(what, '/'), of);
	api_watch(c, what, of, from);
	return false;
}

static inline void *api_conn_main(void *arg)
{
	struct api_conn *c = arg;
	char *body;

	while ((body = api_read(c)) && api_serve(c, body))
		;
	shutdown(c->fd, SHUT_RDWR);
	return NULL;
}

static inline void *api_accept_main(void *arg)
{
	struct api *a = arg;
	struct api_conn *c;
	int fd;

	while ((fd = accept(a->fd, NULL, NULL)) >= 0) {
		c = calloc(1, sizeof *c);
		c->api = a;
		c->fd = fd;
		pthread_mutex_lock(&a->lock);
		c->next = a->conns;
		a->conns = c;
		if (a->stopping)
			shutdown(fd, SHUT_RDWR);
		pthread_create(&c->thread, NULL, api_conn_main, c);
		pthread_mutex_unlock(&a->lock);
	}
	return NULL;
}

/* ---- for tests ---- */

static inline void api_start(struct api *a)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof at;

	*a = (struct api){.told = INT_MAX};
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->turn, NULL);
	a->objects = json_object();
	a->events = json_array();
	a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(a->fd, (struct sockaddr *)&at, len), 0);
	ck_assert_int_eq(listen(a->fd, 64), 0);
	ck_assert_int_eq(getsockname(a->fd, (struct sockaddr *)&at, &len), 0);
	a->port = ntohs(at.sin_port);
	ck_assert_int_eq(pthread_create(&a->acceptor, NULL, api_accept_main,
					a), 0);
}

/* Ends every connection. */
static inline void api_hang_up(struct api *a)
{
	struct api_conn *c;

	pthread_mutex_lock(&a->lock);
	for (c = a->conns; c; c = c->next)
		shutdown(c->fd, SHUT_RDWR);
	pthread_mutex_unlock(&a->lock);
}

static inline void api_stop(struct api *a)
{
	struct api_conn *c;

	pthread_mutex_lock(&a->lock);
	a->stopping = true;
	pthread_cond_broadcast(&a->turn);
	pthread_mutex_unlock(&a->lock);
	api_hang_up(a);
	shutdown(a->fd, SHUT_RDWR);
	pthread_join(a->acceptor, NULL);
	while ((c = a->conns)) {
		a->conns = c->next;
		pthread_join(c->thread, NULL);
		close(c->fd);
		free(c);
	}
	close(a->fd);
	json_decref(a->objects);
	json_decref(a->events);
	json_decref(a->body);
}

static inline json_t *api_parse(const char *text)
{
	json_error_t where;
	json_t *value = json_loads(text, 0, &where);

	ck_assert_msg(value, "%s in %s", where.text, text);
	return value;
}

/* Makes an object. */
static inline void api_put(struct api *a, const char *path, const char *text)
{
	json_t *object = api_parse(text);

	pthread_mutex_lock(&a->lock);
	api_add(a, path, object);
	json_decref(object);
	pthread_mutex_unlock(&a->lock);
}

/* A merge patch of all there is, status and metadata, too. */
static inline void api_edit(struct api *a, const char *path, const char *text)
{
	json_t *patch = api_parse(text), *object;

	pthread_mutex_lock(&a->lock);
	object = json_object_get(a->objects, path);
	ck_assert_msg(object, "no %s", path);
	api_change(a, path, object, patch);
	pthread_mutex_unlock(&a->lock);
	json_decref(patch);
}

static inline void api_drop(struct api *a, const char *path)
{
	pthread_mutex_lock(&a->lock);
	api_tell(a, path, json_object_get(a->objects, path), "DELETED");
	json_object_del(a->objects, path);
	pthread_mutex_unlock(&a->lock);
}

/* From now on requests that have @match in them are answered with @code. */
static inline void api_fault(struct api *a, const char *match, int code)
{
	pthread_mutex_lock(&a->lock);
	snprintf(a->fault, sizeof a->fault, "%s", match);
	a->code = code;
	pthread_cond_broadcast(&a->turn);
	pthread_mutex_unlock(&a->lock);
}

/* Watches tell what has happened so far, or all. */
static inline void api_withhold(struct api *a, bool withhold)
{
	pthread_mutex_lock(&a->lock);
	a->told = withhold ? a->version : INT_MAX;
	pthread_cond_broadcast(&a->turn);
	pthread_mutex_unlock(&a->lock);
}

/* Waits until that counter of @a's is @n. */
static inline void api_await(struct api *a, const unsigned *counter,
			     unsigned n)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += API_PATIENCE_S;
	pthread_mutex_lock(&a->lock);
	while (*counter < n && rc == 0)
		rc = pthread_cond_timedwait(&a->turn, &a->lock, &until);
	pthread_mutex_unlock(&a->lock);
	ck_assert_int_eq(rc, 0);
}

#endif
