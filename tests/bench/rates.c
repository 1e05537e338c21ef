/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often a second something is done to files, by several processes.
 *
 *     rates WHAT PROCESSES SECONDS < PATHS
 *
 * WHAT is `read' (open, read, close), `stat', or `again' (read a descriptor that
 * stays open, from the beginning).  Each process goes round all paths, from a
 * place of its own.  Prints the sum.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATHS_MAX 200000
#define PROCESSES_MAX 64

static char *paths[PATHS_MAX];
static int fds[PATHS_MAX];
static size_t count;

struct shared {
	atomic_bool start;
	atomic_int ready;
	uint64_t done[PROCESSES_MAX];
};

static bool do_read(size_t i)
{
	char text[4096];
	int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && read(fd, text, sizeof text) > 0;

	return fd >= 0 && close(fd) == 0 && ok;
}

static bool do_stat(size_t i)
{
	struct stat st;

	return stat(paths[i], &st) == 0;
}

static bool do_again(size_t i)
{
	char text[4096];

	return pread(fds[i], text, sizeof text, 0) > 0;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void work(struct shared *s, int number, int processes, double seconds,
		 bool (*deed)(size_t))
{
	size_t i, at = count * (size_t)number / (size_t)processes;
	uint64_t done = 0;
	int64_t end;

	for (i = 0; deed == do_again && i < count; i++)
		fds[i] = open(paths[i], O_RDONLY | O_CLOEXEC);
	atomic_fetch_add(&s->ready, 1);
	while (!atomic_load(&s->start))
		usleep(100);
	end = now() + (int64_t)(seconds * 1e9);
	/* The clock is looked at now and then. */
	do
		for (i = 0; i < 16; i++, done++) {
			if (!deed(at)) {
				perror(paths[at]);
				exit(1);
			}
			at = (at + 1) % count;
		}
	while (now() < end);
	s->done[number] = done;
	exit(0);
}

static int run(int processes, double seconds, bool (*deed)(size_t))
{
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i, status, failed = 0;
	uint64_t sum = 0;

	for (i = 0; i < processes; i++)
		if (fork() == 0)
			work(s, i, processes, seconds, deed);
	while (atomic_load(&s->ready) < processes)
		usleep(100);
	atomic_store(&s->start, true);
	while (wait(&status) > 0)
		failed |= status;
	for (i = 0; i < processes; i++)
		sum += s->done[i];
	printf("%.1f\n", (double)sum / seconds);
	return failed != 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*deed)(size_t);
	} deeds[] = {{"read", do_read}, {"stat", do_stat}, {"again", do_again}};
	int processes = argc == 4 ? (int)strtol(argv[2], NULL, 10) : 0;
	char *text = NULL;
	size_t size = 0, i;
	ssize_t len;

	while (count < PATHS_MAX && (len = getline(&text, &size, stdin)) > 0) {
		text[len - 1] = '\0';
		paths[count++] = strdup(text);
	}
	free(text);
	for (i = 0; i < sizeof deeds / sizeof *deeds; i++)
		if (count && processes > 0 && processes <= PROCESSES_MAX &&
		    strcmp(argv[1], deeds[i].name) == 0)
			return run(processes, strtod(argv[3], NULL), deeds[i].deed);
	fprintf(stderr, "usage: rates read|stat|again PROCESSES SECONDS\n");
	return 2;
}
