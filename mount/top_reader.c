/* SPDX-License-Identifier: Apache-2.0 */
/* Reads files of the mount, in a child process that may hang in that. */
#include "top_reader.h"

#include "top_rows.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TEXT_MAX (256UL << 20)
#define FILES_MAX 6

static const struct {
	const char *files[FILES_MAX];
	bool titles;		/* and the plans */
} asks[] = {
	[TOP_SUMMARY] = {{".uvrfs/summary"}},
	[TOP_HEALTH] = {{".uvrfs/health"}},
	[TOP_DETAIL] = {{"state", "lag", "progress", "conditions", "error"},
			true},
	[TOP_ROW] = {{"conditions", "progress", "schedule"}},
};

/* Adds the file's text; 0 or an errno. */
static int add_file(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;
	char part[64 * 1024];
	ssize_t n;

	if (fd < 0)
		return errno;
	while ((n = read(fd, part, sizeof part)) > 0)
		buf_add(out, part, (size_t)n);
	if (n < 0)
		error = errno;
	close(fd);
	return error;
}

/* What its backend can tell at all; one that has gone can nothing. */
static void add_capabilities(const char *root, const char *backend,
			     struct buf *out)
{
	char path[PATH_MAX + TOP_ID_MAX];

	snprintf(path, sizeof path, "%s/.uvrfs/backends/%s/capabilities", root,
		 backend);
	add_file(path, out);
}

/* The same below its name.  A draft has few files. */
static int add_titled(const char *path, const char *name, struct buf *out)
{
	int error;

	buf_printf(out, "---- %s\n", name);
	error = add_file(path, out);
	if (error == ENOENT)
		buf_puts(out, "(there is none)\n");
	buf_putc(out, '\n');
	return error == ENOENT ? 0 : error;
}

static int add_plans(const char *dir, struct buf *out)
{
	char path[PATH_MAX + NAME_MAX + 16];
	struct dirent *entry;
	int error = 0;
	DIR *plans;

	snprintf(path, sizeof path, "%s/plan", dir);
	plans = opendir(path);
	if (!plans)
		return errno == ENOENT ? 0 : errno;
	while (!error && (entry = readdir(plans))) {
		if (*entry->d_name == '.')
			continue;
		snprintf(path, sizeof path, "%s/plan/%s", dir, entry->d_name);
		error = add_titled(path, path + strlen(dir) + 1, out);
	}
	closedir(plans);
	return error;
}

int reader_read(const char *root, const struct top_ask *ask, struct buf *out)
{
	char dir[PATH_MAX], path[PATH_MAX + 16];
	const char *const *files = asks[ask->what].files;
	bool titles = asks[ask->what].titles;
	int i, error = 0;
	auto_buf text;

	buf_init(&text, TEXT_MAX);
	snprintf(dir, sizeof dir, "%s/%s", root, ask->id);
	for (i = 0; i < FILES_MAX && files[i] && !error; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, files[i]);
		error = titles ? add_titled(path, files[i], &text)
			       : add_file(path, &text);
	}
	if (titles && !error)
		error = add_plans(dir, &text);
	if (ask->what == TOP_ROW && !error)
		add_capabilities(root, ask->backend, &text);
	top_clean(out, buf_str(&text), text.len);
	return error ? error : text.failed ? text.failed : out->failed;
}

/* ---- the child ---- */

static void answer(int fd, const struct top_answer *head, const char *text)
{
	/* Who asked is gone, or will see that we are. */
	if (send(fd, head, sizeof *head, MSG_NOSIGNAL) != sizeof *head ||
	    send(fd, text, head->len, MSG_NOSIGNAL) != (ssize_t)head->len)
		_exit(0);
}

/* Tells the last of the lines that have come; false when there come no more. */
static bool tell_news(int fd, int events)
{
	struct top_answer head = {.what = TOP_NEWS};
	char part[16 * 1024], *last;
	auto_buf line;
	ssize_t n;
	bool goes_on;

	buf_init(&line, TEXT_MAX);
	while ((n = read(events, part, sizeof part)) > 0) {
		n -= part[n - 1] == '\n';
		last = memrchr(part, '\n', (size_t)n);
		last = last ? last + 1 : part;
		buf_reset(&line);
		top_clean(&line, last, (size_t)(part + n - last));
	}
	goes_on = n < 0 && errno == EAGAIN;
	head.len = line.len;
	if (line.len || !goes_on)
		answer(fd, &head, buf_str(&line));
	return goes_on;
}

static int open_events(const char *root)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/.uvrfs/events", root);
	return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static void serve_one(const char *root, int fd)
{
	struct top_answer head;
	struct top_ask ask;
	auto_buf text;

	buf_init(&text, TEXT_MAX);
	if (recv(fd, &ask, sizeof ask, MSG_WAITALL) != sizeof ask)
		_exit(0);
	head.what = ask.what;
	head.error = reader_read(root, &ask, &text);
	head.len = text.len;
	answer(fd, &head, buf_str(&text));
}

static void serve(const char *root, int fd)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
			       {.fd = -1, .events = POLLIN}};

	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		if (fds[1].fd >= 0 && fds[1].revents &&
		    !tell_news(fd, fds[1].fd)) {
			close(fds[1].fd);
			fds[1].fd = -1;
		}
		if (!fds[0].revents)
			continue;
		/* Before it reads, so that no change is missed. */
		if (fds[1].fd < 0)
			fds[1].fd = open_events(root);
		serve_one(root, fd);
	}
}

int reader_start(const char *root)
{
	int ends[2], null;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		/* It must not hold the terminal when it hangs. */
		null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		close(ends[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(root, ends[1]);
		_exit(0);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -1;
	}
	return ends[0];
}

/* ---- the parent ---- */

bool reader_ask(int fd, const struct top_ask *ask)
{
	return send(fd, ask, sizeof *ask, MSG_NOSIGNAL) == sizeof *ask;
}

bool reader_receive(int fd, struct top_answer *answer, struct buf *text)
{
	char part[64 * 1024];
	size_t left;
	ssize_t n;

	if (recv(fd, answer, sizeof *answer, MSG_WAITALL) != sizeof *answer)
		return false;
	for (left = answer->len; left; left -= (size_t)n) {
		n = recv(fd, part, left < sizeof part ? left : sizeof part, 0);
		if (n <= 0)
			return false;
		buf_add(text, part, (size_t)n);
	}
	return true;
}
