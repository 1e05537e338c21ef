/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP exchange: libcurl set up, driven, and what came of it. */
#include "kube_private.h"

#include "clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SET(easy, option, value)                                              \
	((void)curl_easy_setopt(easy, CURLOPT_##option, value))

static size_t take_bytes(char *data, size_t size, size_t n, void *ctx)
{
	struct kube_try *t = ctx;
	long code = 0;

	curl_easy_getinfo(t->conn->easy, CURLINFO_RESPONSE_CODE, &code);
	if (t->take && code >= 200 && code < 300) {
		t->taken = t->take(t, data, size * n);
		return t->taken ? 0 : size * n;
	}
	buf_add(&t->answer, data, size * n);
	return t->answer.failed ? 0 : size * n;
}

/* An empty line ends the headers. */
static size_t take_header(char *data, size_t size, size_t n, void *ctx)
{
	struct kube_try *t = ctx;
	long code = 0;

	curl_easy_getinfo(t->conn->easy, CURLINFO_RESPONSE_CODE, &code);
	if (t->alive && size * n <= 2 && code >= 200 && code < 300) {
		t->began = true;
		t->alive(t);
	}
	return size * n;
}

/* As libcurl does it, but for the port: that of a proxy is another. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose,
				 struct curl_sockaddr *address)
{
	const struct sockaddr_in6 *v6 = (const void *)&address->addr;
	const struct sockaddr_in *v4 = (const void *)&address->addr;
	struct kube_conn *c = ctx;

	if (address->family == AF_INET)
		c->port = ntohs(v4->sin_port);
	else if (address->family == AF_INET6)
		c->port = ntohs(v6->sin6_port);
	return socket(address->family, address->socktype | SOCK_CLOEXEC,
		      address->protocol);
}

/*
 * A peer that is gone is noticed within half a minute, also while nothing is
 * sent: a watch is silent for minutes.
 */
static int set_socket(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	const int on = 1, idle = 10, interval = 5, count = 3;
	const int unanswered = 25 * 1000;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered,
		   sizeof unanswered);
	return CURL_SOCKOPT_OK;
}

/* libcurl copies what it is given here. */
static void set_blob(CURL *easy, CURLoption option, const char *pem)
{
	struct curl_blob blob = {
		.data = (void *)pem,
		.len = strlen(pem),
		.flags = CURL_BLOB_COPY,
	};

	curl_easy_setopt(easy, option, &blob);
}

static void set_certificates(CURL *easy, const struct kube_access *a,
			     const struct kube_secret *s)
{
	if (a->ca)
		set_blob(easy, CURLOPT_CAINFO_BLOB, a->ca);
	else if (a->ca_file)
		SET(easy, CAINFO, a->ca_file);
	if (s->cert && s->key) {
		set_blob(easy, CURLOPT_SSLCERT_BLOB, s->cert);
		set_blob(easy, CURLOPT_SSLKEY_BLOB, s->key);
	} else if (a->cert_file && a->key_file) {
		SET(easy, SSLCERT, a->cert_file);
		SET(easy, SSLKEY, a->key_file);
	}
	SET(easy, SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(easy, SSL_VERIFYPEER, a->insecure ? 0L : 1L);
	SET(easy, SSL_VERIFYHOST, a->insecure ? 0L : 2L);
}

/* The part of a URL between :// and what follows the host and its port. */
static const char *authority(const char *url, size_t *len)
{
	const char *at = strstr(url, "://");

	at = at ? at + 3 : url;
	*len = strcspn(at, "/");
	return at;
}

/*
 * tls-server-name: the certificate is for another name than that of the server.
 * libcurl takes both from the URL, so that has the certificate's, and the
 * connection is made to the server's.
 */
static int set_url(struct kube_conn *c, const char *path,
		   struct curl_slist **to, struct curl_slist **headers)
{
	const struct kube_access *a = c->kube->access;
	const char *name = a->tls_server_name, *host, *port;
	auto_buf url, line;
	size_t len;

	buf_init(&url, 64 * 1024);
	buf_init(&line, 4096);
	host = authority(a->server, &len);
	if (!name) {
		buf_printf(&url, "%s%s", a->server, path);
	} else {
		port = memrchr(host, ':', len);
		if (port && memchr(port, ']', len - (size_t)(port - host)))
			port = NULL;	/* within an IPv6 address */
		buf_printf(&url, "%.*s%s%.*s%s%s", (int)(host - a->server),
			   a->server, name,
			   port ? (int)(len - (size_t)(port - host)) : 0,
			   port ? port : "", host + len, path);
		/* NAME:PORT:HOST:PORT, empty ports meaning the same. */
		buf_printf(&line, "::%.*s%s", (int)len, host, port ? "" : ":");
		*to = curl_slist_append(NULL, buf_str(&line));
		SET(c->easy, CONNECT_TO, *to);
		buf_reset(&line);
		buf_printf(&line, "Host: %.*s", (int)len, host);
		*headers = curl_slist_append(*headers, buf_str(&line));
	}
	if (url.failed || line.failed)
		return -ENOMEM;
	SET(c->easy, URL, buf_str(&url));
	return 0;
}

static struct curl_slist *make_headers(const struct kube_try *t)
{
	struct curl_slist *list;
	auto_buf line;

	buf_init(&line, 256);
	list = curl_slist_append(NULL, "Accept: application/json");
	if (!t->body)
		return list;
	buf_printf(&line, "Content-Type: %s",
		   t->request->type ? t->request->type : "application/json");
	list = curl_slist_append(list, buf_str(&line));
	/* Not to be asked first whether it may be sent. */
	return curl_slist_append(list, "Expect:");
}

static void set_credential(struct kube_conn *c, const struct kube_secret *s)
{
	const struct kube_access *a = c->kube->access;

	if (s->token) {
		SET(c->easy, HTTPAUTH, CURLAUTH_BEARER);
		SET(c->easy, XOAUTH2_BEARER, s->token);
	} else if (a->username) {
		SET(c->easy, HTTPAUTH, CURLAUTH_BASIC);
		SET(c->easy, USERNAME, a->username);
		SET(c->easy, PASSWORD, a->password ? a->password : "");
	}
	/* One that was made with an older certificate is not used again. */
	if (c->secret_version && c->secret_version != s->version)
		SET(c->easy, FRESH_CONNECT, 1L);
	c->secret_version = s->version;
}

static void set_up(struct kube_conn *c, struct kube_try *t)
{
	const struct kube_access *a = c->kube->access;

	SET(c->easy, ERRORBUFFER, c->curl_error);
	SET(c->easy, NOSIGNAL, 1L);
	SET(c->easy, PROTOCOLS_STR, "http,https");
	SET(c->easy, HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(c->easy, USERAGENT, "uvrfs/" UVRFS_VERSION);
	SET(c->easy, ACCEPT_ENCODING, "gzip");
	SET(c->easy, CONNECTTIMEOUT_MS, (long)KUBE_CONNECT_MS);
	SET(c->easy, OPENSOCKETFUNCTION, open_socket);
	SET(c->easy, OPENSOCKETDATA, c);
	SET(c->easy, SOCKOPTFUNCTION, set_socket);
	SET(c->easy, WRITEFUNCTION, take_bytes);
	SET(c->easy, WRITEDATA, t);
	SET(c->easy, HEADERFUNCTION, take_header);
	SET(c->easy, HEADERDATA, t);
	if (a->proxy_url)
		SET(c->easy, PROXY, a->proxy_url);
	SET(c->easy, CUSTOMREQUEST, t->request->method);
	if (t->body) {
		SET(c->easy, POSTFIELDSIZE, (long)strlen(t->body));
		SET(c->easy, POSTFIELDS, t->body);
	}
}

/* Runs the transfer; the error of libcurl, or -1 when it was cut short. */
static int drive(struct kube_conn *c, struct kube_try *t, bool *late)
{
	CURLMsg *message;
	int running = 1, left_over, result = -1;
	int64_t left = 1;

	if (curl_multi_add_handle(c->multi, c->easy) != CURLM_OK)
		return CURLE_OUT_OF_MEMORY;
	while (!kube_is_stopped(c->kube)) {
		if (curl_multi_perform(c->multi, &running) != CURLM_OK)
			break;
		left = t->deadline - clock_monotonic();
		if (!running || left <= 0)
			break;
		curl_multi_poll(c->multi, NULL, 0, (int)(left < 1000 ? left
								     : 1000),
				NULL);
		if (t->began)
			t->alive(t);
	}
	while ((message = curl_multi_info_read(c->multi, &left_over)))
		if (message->msg == CURLMSG_DONE)
			result = (int)message->data.result;
	*late = result < 0 && left <= 0;
	curl_multi_remove_handle(c->multi, c->easy);
	return result;
}

static int port_of(const char *server)
{
	size_t len;
	const char *host = authority(server, &len);
	const char *port = memrchr(host, ':', len);

	if (port && !memchr(port, ']', len - (size_t)(port - host)))
		return (int)strtol(port + 1, NULL, 10);
	return strncmp(server, "https:", 6) == 0 ? 443 : 80;
}

/* The kubeconfig's, or the environment's, of which libcurl makes exceptions. */
static bool is_by_proxy(const struct kube_conn *c)
{
	const struct kube_access *a = c->kube->access;

	return a->proxy_url || (c->port && c->port != port_of(a->server));
}

/*
 * Was it the server that had no answer?  What is in the way of asking it says
 * nothing about it: a name that is not resolved, a proxy, this machine's own
 * network.
 */
static bool was_tried(struct kube_conn *c)
{
	curl_off_t named = 0, connected = 0;

	curl_easy_getinfo(c->easy, CURLINFO_NAMELOOKUP_TIME_T, &named);
	curl_easy_getinfo(c->easy, CURLINFO_CONNECT_TIME_T, &connected);
	return named && (connected || !is_by_proxy(c));
}

static bool is_of_network(long code)
{
	return code == ECONNREFUSED || code == ECONNRESET ||
	       code == ECONNABORTED || code == ETIMEDOUT || code == EPIPE ||
	       code == EHOSTUNREACH || code == EHOSTDOWN ||
	       code == ENETUNREACH;
}

/* libcurl has one code for these and for an alert, or for what is no TLS. */
static bool is_cut(const struct kube_conn *c)
{
	return strstr(c->curl_error, "unexpected eof") ||
	       strstr(c->curl_error, "SSL_ERROR_SYSCALL");
}

/* The answer of a proxy that was to connect us; 0: there is none. */
static int errno_of_proxy(struct kube_conn *c)
{
	long code = 0;

	curl_easy_getinfo(c->easy, CURLINFO_HTTP_CONNECTCODE, &code);
	return code >= 500 ? EHOSTUNREACH : code >= 300 ? EACCES : 0;
}

/* When the connection broke, or there was none. */
static int errno_of_break(struct kube_conn *c, int result)
{
	int code = errno_of_proxy(c);
	long of_os = 0;

	if (code)
		return code;
	curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &of_os);
	if (is_of_network(of_os)
		    ? result != CURLE_COULDNT_CONNECT || !is_by_proxy(c)
		    : is_cut(c))
		return EHOSTUNREACH;
	return EPROTO;
}

static int errno_of(struct kube_conn *c, int result)
{
	switch (result) {
	case CURLE_OUT_OF_MEMORY:
		return ENOMEM;
	case CURLE_OPERATION_TIMEDOUT:
		return was_tried(c) ? ETIMEDOUT : EPROTO;
	case CURLE_GOT_NOTHING:
		return EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return errno_of_break(c, result);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CLIENTCERT:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_LOGIN_DENIED:
		return EACCES;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return EINVAL;
	default:
		return EPROTO;
	}
}

/* Why the transfer did not end well. */
static int explain(struct kube_conn *c, const struct kube_try *t, int result,
		   bool late, struct error *err)
{
	const char *server = c->kube->access->server;

	if (t->taken)
		return t->taken;
	if (t->answer.failed)
		return fail(err, t->answer.failed == EFBIG ? EPROTO : ENOMEM,
			    "%s: an answer of more than %zu bytes", server,
			    t->answer.max);
	if (late)
		return fail(err, was_tried(c) ? ETIMEDOUT : EPROTO,
			    "%s gave no whole answer in time", server);
	if (result < 0)
		return fail(err, ESHUTDOWN, "%s: the call was cut short",
			    server);
	return fail(err, errno_of(c, result), "%s: %s", server,
		    *c->curl_error ? c->curl_error
				   : curl_easy_strerror((CURLcode)result));
}

static void read_headers(struct kube_conn *c, struct kube_try *t)
{
	struct curl_header *header;
	char *end;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &t->code);
	t->retry_after = -1;
	if (curl_easy_header(c->easy, "Retry-After", 0, CURLH_HEADER, -1,
			     &header) != CURLHE_OK)
		return;
	t->retry_after = strtol(header->value, &end, 10);
	/* A date is none of Kubernetes'. */
	if (*end || end == header->value || t->retry_after < 0)
		t->retry_after = -1;
}

int kube_try(struct kube_conn *c, struct kube_try *t, struct error *err)
{
	struct curl_slist *headers = make_headers(t), *to = NULL;
	auto_kube_secret secret = {0};
	int64_t left = t->deadline - clock_monotonic();
	bool late = false;
	int rc, result;

	t->conn = c;
	t->began = false;
	t->taken = 0;
	buf_reset(&t->answer);
	*c->curl_error = '\0';
	rc = kube_credential_get(c->kube->credential, t->refresh,
				 left > 0 ? (int)left : 1, &secret, err);
	if (rc < 0) {
		curl_slist_free_all(headers);
		/* The server was not asked: that it is silent does not follow. */
		if (rc == -ETIMEDOUT || rc == -EHOSTUNREACH)
			err->code = t->refresh ? EACCES : EAGAIN;
		return error_prefix(err, "%s: ", c->kube->access->server);
	}
	curl_easy_reset(c->easy);
	set_up(c, t);
	set_certificates(c->easy, c->kube->access, &secret);
	set_credential(c, &secret);
	if (set_url(c, t->request->path, &to, &headers) < 0 || !headers) {
		rc = fail(err, ENOMEM, "no memory for a request");
	} else {
		SET(c->easy, HTTPHEADER, headers);
		result = drive(c, t, &late);
		read_headers(c, t);
		if (result != CURLE_OK)
			rc = explain(c, t, result, late, err);
	}
	/* Neither the secret nor what is about to be freed stays in there. */
	curl_easy_reset(c->easy);
	curl_slist_free_all(headers);
	curl_slist_free_all(to);
	return rc;
}
