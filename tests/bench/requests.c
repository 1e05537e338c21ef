/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load generator and nothing else: sends requests to an API server as fast as
 * it answers, each connection one at a time.
 *
 *     requests CONNECTIONS SERVER CA TOKEN < LINES
 *
 * A line is METHOD PATH BODY.  Prints the seconds from the first to the last.
 * Whatever isn't answered by 2xx ends it, with status 1.
 */
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECTIONS_MAX 64

struct request {
	char *method, *path, *body;
};

static struct {
	struct request *list;
	size_t count;
	atomic_size_t next;
	const char *server, *ca;
	char token[200];
} all;

static size_t swallow(char *data, size_t size, size_t count, void *ctx)
{
	return size * count;
}

static void send_one(CURL *easy, const struct request *q)
{
	struct curl_slist *headers = curl_slist_append(NULL, all.token);
	bool patches = strcmp(q->method, "PATCH") == 0;
	char url[2000];
	CURLcode rc;
	long code = 0;

	headers = curl_slist_append(
		headers, patches ? "Content-Type: application/merge-patch+json"
				 : "Content-Type: application/json");
	snprintf(url, sizeof url, "%s%s", all.server, q->path);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, q->body);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	rc = curl_easy_perform(easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
	curl_slist_free_all(headers);
	if (rc == CURLE_OK && code / 100 == 2)
		return;
	fprintf(stderr, "%s %s %s: %s, %ld\n", q->method, q->path, q->body,
		curl_easy_strerror(rc), code);
	exit(1);
}

static void *work(void *arg)
{
	CURL *easy = curl_easy_init();
	size_t i;

	curl_easy_setopt(easy, CURLOPT_CAINFO, all.ca);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
			 (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
	while ((i = atomic_fetch_add(&all.next, 1)) < all.count)
		send_one(easy, &all.list[i]);
	curl_easy_cleanup(easy);
	return NULL;
}

static void add_line(char *line)
{
	struct request q = {.method = strsep(&line, " ")};

	q.path = strsep(&line, " ");
	q.body = line;
	if (!q.body) {
		fprintf(stderr, "%s: no METHOD PATH BODY\n", q.method);
		exit(2);
	}
	all.list = reallocarray(all.list, all.count + 1, sizeof q);
	all.list[all.count++] = q;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	long i, connections = argc == 5 ? strtol(argv[1], NULL, 10) : 0;
	pthread_t threads[CONNECTIONS_MAX];
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	double begun;

	if (connections < 1 || connections > CONNECTIONS_MAX) {
		fprintf(stderr, "usage: requests CONNECTIONS SERVER CA TOKEN\n");
		return 2;
	}
	all.server = argv[2];
	all.ca = argv[3];
	snprintf(all.token, sizeof all.token, "Authorization: Bearer %s",
		 argv[4]);
	for (; (len = getline(&line, &size, stdin)) > 0; line = NULL) {
		line[len - 1] = '\0';
		add_line(line);		/* which it stays */
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	begun = now();
	for (i = 0; i < connections; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (i = 0; i < connections; i++)
		pthread_join(threads[i], NULL);
	printf("%.6f\n", now() - begun);
	return 0;
}
