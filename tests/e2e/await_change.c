/* SPDX-License-Identifier: Apache-2.0 */
/*
 * await_change FILE: prints what is in FILE once somebody has written to it.
 * All that a program needs to react to a failover.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char events[4096], text[4096];
	int in = inotify_init1(IN_CLOEXEC);
	ssize_t n;
	int fd;

	if (argc != 2 || in < 0 ||
	    inotify_add_watch(in, argv[1], IN_CLOSE_WRITE) < 0)
		return 1;
	puts("watching");
	fflush(stdout);
	if (read(in, events, sizeof events) <= 0)
		return 1;
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof text);
	return n < 0 || write(STDOUT_FILENO, text, n) != n;
}
