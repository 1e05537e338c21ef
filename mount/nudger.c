/* SPDX-License-Identifier: Apache-2.0 */
/* Opening changed files, so that their watchers hear of it. */
#include "nudger.h"

#include "rights.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_FIRST 1000
#define PAUSE_MAX 60000

/* ---- in the process: system calls only, since threads may have forked ---- */

static bool is_ours(int fd, dev_t device)
{
	struct statx st;

	/* What the kernel remembers will do: no question to the daemon. */
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) == 0 &&
	       makedev(st.stx_dev_major, st.stx_dev_minor) == device;
}

/*
 * Who is not root may not open what is read-only, but may set its time: then
 * there is no CLOSE_WRITE, but a MODIFY.
 */
static int open_file(const char *path)
{
	const int flags = O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;
	int fd = open(path, O_WRONLY | flags);

	return fd < 0 && errno == EACCES ? open(path, O_RDONLY | flags) : fd;
}

static void nudge(const char *path, dev_t device)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
					  {.tv_nsec = UTIME_NOW}};
	int fd = open_file(path);

	if (fd < 0)
		return;
	if (is_ours(fd, device))
		futimens(fd, times);
	close(fd);
}

/* In the directory of @path, if that is in our mount. */
static void change_directory(const char *path, bool make, dev_t device)
{
	char parent[PATH_MAX];
	const char *name = strrchr(path, '/') + 1;
	int fd;

	memcpy(parent, path, (size_t)(name - path));
	parent[name - path] = '\0';
	fd = open(parent, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (is_ours(fd, device) && make)
		mkdirat(fd, name, 0755);
	else if (is_ours(fd, device))
		unlinkat(fd, name, AT_REMOVEDIR);
	close(fd);
}

/* A foreign process can't be debugged into using our rights either. */
static void drop_rights(void)
{
	rights_hide_memory();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	rights_keep(1u << CAP_FOWNER | 1u << CAP_DAC_OVERRIDE);
}

struct message {
	dev_t device;
	char deed;
	char path[PATH_MAX];
};

static void serve(int socket)
{
	struct message m;
	ssize_t n;

	while ((n = recv(socket, &m, sizeof m - 1, 0)) > 0 ||
	       (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		((char *)&m)[n] = '\0';
		if (m.deed == NUDGER_TOUCH)
			nudge(m.path, m.device);
		else
			change_directory(m.path, m.deed == NUDGER_MKDIR,
					 m.device);
		if (send(socket, "", 1, MSG_NOSIGNAL) < 0)
			return;
	}
}

static void run(int socket, pid_t daemon)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != daemon)
		return;
	prctl(PR_SET_NAME, "uvrfs-nudger");
	/* Before anything else can wait: among them is the mount's. */
	if (dup2(socket, STDIN_FILENO) < 0 || close_range(1, ~0U, 0) < 0)
		return;
	drop_rights();
	serve(STDIN_FILENO);
}

/* ---- in the daemon ---- */

int nudger_start(struct nudger *n, int64_t now, struct error *err)
{
	pid_t daemon = getpid();
	int ends[2];

	n->socket = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(err, errno, "can't make a socket: %m");
	n->pid = fork();
	if (n->pid == 0) {
		run(ends[1], daemon);
		_exit(0);
	}
	close(ends[1]);
	if (n->pid < 0) {
		fail(err, errno, "can't fork: %m");
		n->pid = 0;
		close(ends[0]);
		return -err->code;
	}
	n->socket = ends[0];
	n->started = now;
	n->due = INT64_MAX;
	return 0;
}

bool nudger_send(struct nudger *n, char deed, const char *path)
{
	struct message m = {.device = n->device, .deed = deed};
	size_t len, rest = strlen(path);

	if (n->socket < 0 || !n->device)
		return false;
	len = strlen(n->mountpoint);
	if (len + 1 + rest >= sizeof m.path)
		len = rest = 0;		/* nobody could open it */
	memcpy(m.path, n->mountpoint, len);
	m.path[len] = '/';
	memcpy(m.path + len + 1, path, rest);
	len = offsetof(struct message, path) + len + 1 + rest;
	return send(n->socket, &m, len, MSG_DONTWAIT | MSG_NOSIGNAL) ==
	       (ssize_t)len;
}

static void lose(struct nudger *n, int64_t now)
{
	close(n->socket);
	n->socket = -1;
	if (now - n->started >= PAUSE_MAX || !n->pause)
		n->pause = PAUSE_FIRST;
	else if (n->pause < PAUSE_MAX / 2)
		n->pause *= 2;
	else
		n->pause = PAUSE_MAX;
	n->due = now + n->pause;
}

int nudger_receive(struct nudger *n, int64_t now)
{
	char done;
	int count = 0;
	ssize_t got;

	if (n->socket < 0)
		return 0;
	for (;;) {
		got = recv(n->socket, &done, 1, MSG_DONTWAIT);
		if (got > 0) {
			count++;
		} else if (got < 0 && errno == EAGAIN) {
			return count;
		} else if (got == 0 || errno != EINTR) {
			lose(n, now);
			return -EPIPE;
		}
	}
}

int nudger_tick(struct nudger *n, int64_t now, struct error *err)
{
	int rc;

	if (now < n->due)
		return 0;
	/* It may still be waiting for an answer of ours. */
	if (n->pid && waitpid(n->pid, NULL, WNOHANG) == 0) {
		n->due = now + PAUSE_FIRST;
		return 0;
	}
	rc = nudger_start(n, now, err);
	if (rc < 0)
		n->due = now + PAUSE_MAX;
	return rc < 0 ? rc : 1;
}

void nudger_stop(struct nudger *n)
{
	if (n->socket >= 0)
		close(n->socket);
	if (!n->pid)
		return;
	kill(n->pid, SIGKILL);
	while (waitpid(n->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
