/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who learns of a change first: a watch of an API server, read by nothing but an
 * HTTP client, or inotify watches of files.
 *
 *     watch SERVER PATH CA TOKEN < FILES
 *
 * Prints `ready', and then a line for each event, with the time in nanoseconds at
 * which it was there: `watch TIME', or `file TIME NUMBER' of the file's place in
 * FILES.  Ends when it is killed.
 */
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

static int64_t woken;			/* when the last poll returned */

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static size_t take_watch(char *data, size_t size, size_t count, void *ctx)
{
	size_t i;

	for (i = 0; i < size * count; i++)
		if (data[i] == '\n')
			printf("watch %lld\n", (long long)woken);
	return size * count;
}

static void take_files(int fd)
{
	_Alignas(struct inotify_event) char buffer[1 << 16];
	ssize_t at = 0, len = read(fd, buffer, sizeof buffer);
	const struct inotify_event *event;

	for (; at < len; at += (ssize_t)(sizeof *event + event->len)) {
		event = (const void *)(buffer + at);
		if (event->mask & IN_Q_OVERFLOW) {
			fprintf(stderr, "inotify's queue ran over\n");
			exit(1);
		}
		printf("file %lld %d\n", (long long)woken, event->wd - 1);
	}
}

/* Watches are numbered from 1. */
static int watch_files(void)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char *path = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&path, &size, stdin)) > 0) {
		path[len - 1] = '\0';
		if (inotify_add_watch(fd, path, IN_ATTRIB | IN_MODIFY) < 0) {
			perror(path);
			exit(1);
		}
	}
	free(path);
	return fd;
}

static CURL *request(char **argv)
{
	CURL *easy = curl_easy_init();
	char text[2000];

	snprintf(text, sizeof text, "%s%s", argv[1], argv[2]);
	curl_easy_setopt(easy, CURLOPT_URL, text);
	snprintf(text, sizeof text, "Authorization: Bearer %s", argv[4]);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER,
			 curl_slist_append(NULL, text));
	curl_easy_setopt(easy, CURLOPT_CAINFO, argv[3]);
	curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_watch);
	return easy;
}

int main(int argc, char **argv)
{
	struct curl_waitfd more = {.events = CURL_WAIT_POLLIN};
	CURLM *multi = curl_multi_init();
	int running = 1;
	CURL *easy;

	if (argc != 5) {
		fprintf(stderr, "usage: watch SERVER PATH CA TOKEN < FILES\n");
		return 2;
	}
	more.fd = watch_files();
	easy = request(argv);
	curl_multi_add_handle(multi, easy);
	printf("ready\n");
	while (running && curl_multi_perform(multi, &running) == CURLM_OK) {
		fflush(stdout);
		curl_multi_poll(multi, &more, 1, 1000, NULL);
		woken = now();
		if (more.revents)
			take_files(more.fd);
	}
	fprintf(stderr, "%s%s: the watch has ended\n", argv[1], argv[2]);
	return 1;
}
