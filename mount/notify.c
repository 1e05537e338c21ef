/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake with the foreground process, and with systemd. */
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* One NUL says that all is well; anything else is a sentence. */
static const char ready[1] = "";

/* Writes all of it; the reader may be gone, which is no concern of ours. */
static void report(struct notify *n, const char *text, size_t len)
{
	ssize_t did;

	for (; len; text += did, len -= (size_t)did) {
		did = write(n->pipe, text, len);
		if (did < 0 && errno == EINTR)
			did = 0;
		if (did < 0)
			break;
	}
	close(n->pipe);
	n->pipe = -1;
}

/*
 * Reads the report; how many bytes there were.  A good one ends with its NUL: a
 * process that the daemon has forked may hold the pipe open.
 */
static size_t hear(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t did;

	do {
		did = read(fd, text + len, size - len);
		if (did > 0)
			len += (size_t)did;
	} while ((did > 0 && text[0] != '\0') || (did < 0 && errno == EINTR));
	close(fd);
	return len;
}

static int wait_for_report(int fd, pid_t child, struct error *err)
{
	char text[ERROR_MSG_MAX];
	size_t len = hear(fd, text, sizeof text - 1);
	int status;

	if (len && text[0] == '\0')
		return 1;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!len)
		return fail(err, EIO, "the daemon died before the mount was "
			    "usable: who killed it is in 'journalctl -k', or "
			    "seen with -f");
	text[len] = '\0';
	return fail(err, EIO, "%s", text);
}

/* Locks and pipes of whoever started us must not outlive them in our hands. */
static void close_others(int keep)
{
	if (keep > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, (unsigned)keep - 1, 0);
	close_range((unsigned)keep + 1, ~0U, 0);
}

int notify_fork(struct notify *n, struct error *err)
{
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail(err, errno, "can't make a pipe: %m");
	child = fork();
	if (child < 0) {
		fail(err, errno, "can't fork: %m");
		close(fds[0]);
		close(fds[1]);
		return -err->code;
	}
	if (child) {
		close(fds[1]);
		return wait_for_report(fds[0], child, err);
	}
	close_others(fds[1]);
	n->pipe = fds[1];
	setsid();
	return 0;
}

/* Whoever collects our output must see its end: no descriptor may stay. */
static void leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

int notify_ready(struct notify *n)
{
	if (n->pipe < 0) {
		notify_systemd("READY=1");
		return 0;
	}
	leave_terminal();
	report(n, ready, sizeof ready);
	return 1;
}

int notify_failed(struct notify *n, const char *sentence)
{
	if (n->pipe < 0)
		return 0;
	report(n, sentence, strlen(sentence));
	return 1;
}

/* Where to send to: its length, 0 when there is no service manager. */
static socklen_t find_systemd(struct sockaddr_un *to)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;

	*to = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (len < 2 || len >= sizeof to->sun_path)
		return 0;
	memcpy(to->sun_path, path, len);
	if (path[0] == '@')	/* a name in the abstract namespace */
		to->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static bool tell_systemd(struct msghdr *m, const char *text)
{
	struct iovec line = {.iov_base = (char *)text, .iov_len = strlen(text)};
	struct sockaddr_un to;
	ssize_t did;
	int fd;

	m->msg_iov = &line;
	m->msg_iovlen = 1;
	m->msg_name = &to;
	m->msg_namelen = find_systemd(&to);
	if (!m->msg_namelen)
		return false;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	did = sendmsg(fd, m, MSG_NOSIGNAL);
	close(fd);
	return did >= 0;
}

void notify_systemd(const char *text)
{
	tell_systemd(&(struct msghdr){0}, text);
}

bool notify_descriptor(const char *text, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof fd)];
	} control = {0};
	struct msghdr m = {
		.msg_control = control.room,
		.msg_controllen = sizeof control.room,
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return tell_systemd(&m, text);
}
