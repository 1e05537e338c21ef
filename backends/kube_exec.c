/* SPDX-License-Identifier: Apache-2.0 */
/* Runs an exec plugin and never longer than it may. */
#include "kube_exec.h"

#include "buf.h"
#include "clock.h"
#include "faults.h"
#include "kubeconfig_text.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long it may take until the end of the process is noticed, in ms. */
#define TICK_MAX 64

/* The reading end of a pipe, and the first bytes that came out of it. */
struct stream {
	int fd;			/* -1: at its end */
	char *data;
	size_t len;
	size_t max;
	bool more;		/* there was more than @max */
};

struct run {
	const struct kube_exec *exec;
	char *const *env;
	pid_t pid;
	int status;
	int64_t until;
	int tick;		/* of await_output() */
	struct stream out, said;
	struct error *err;
};

static int no_memory(struct error *err)
{
	return fail(err, ENOMEM, "not enough memory");
}

/* The last of a name wins. */
static void put_variable(char **list, size_t *n, char *entry)
{
	size_t name = strcspn(entry, "=") + 1, i;

	for (i = 0; i < *n; i++)
		if (strncmp(list[i], entry, name) == 0)
			break;
	list[i] = entry;
	if (i == *n)
		++*n;
}

static size_t count(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static void put_variables(char **list, size_t *n, char *const *from)
{
	for (; from && *from; from++)
		put_variable(list, n, *from);
}

/* The strings stay their owners'; NULL: out of memory. */
static char **make_environment(const struct kube_exec *exec, char *info)
{
	char **list = calloc(count(environ) + count(exec->env) + 2,
			     sizeof *list);
	size_t n = 0;

	if (!list)
		return NULL;
	put_variables(list, &n, environ);
	put_variables(list, &n, exec->env);
	put_variable(list, &n, info);
	return list;
}

static char **make_arguments(const struct kube_exec *exec)
{
	size_t n = count(exec->args), i;
	char **list = calloc(n + 2, sizeof *list);

	if (!list)
		return NULL;
	list[0] = exec->command;
	for (i = 0; i < n; i++)
		list[i + 1] = exec->args[i];
	return list;
}

/* Without a slash it is looked for in PATH. */
static char *find_command(const struct kube_exec *exec)
{
	char *path = NULL;

	if (*exec->command == '/' || !strchr(exec->command, '/'))
		return strdup(exec->command);
	if (asprintf(&path, "%s/%s", exec->dir, exec->command) < 0)
		return NULL;
	return path;
}

/*
 * A process group of its own, and nothing of this thread's signals or of this
 * process's files, whoever forgot O_CLOEXEC.
 */
static int prepare(posix_spawnattr_t *attr, posix_spawn_file_actions_t *files,
		   int out, int said)
{
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP |
				       POSIX_SPAWN_SETSIGMASK |
				       POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(attr, 0);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
	rc = posix_spawn_file_actions_adddup2(files, out, STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(files, said,
						      STDERR_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(files, STDIN_FILENO,
						      "/dev/null", O_RDONLY,
						      0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(files, 3);
	return rc;
}

static int cant_start(struct run *r, int code)
{
	const struct kube_exec *exec = r->exec;
	bool hint = code == ENOENT && exec->install_hint;
	char quoted[QUOTE_MAX];
	auto_buf text;

	buf_init(&text, ERROR_MSG_MAX);
	if (hint)
		buf_escape(&text, exec->install_hint);
	errno = code;
	return fail(r->err, code, "can't start the exec plugin %s: %m%s%s",
		    fault_quote(exec->command, quoted), hint ? ": " : "",
		    buf_str(&text));
}

static int spawn(struct run *r, int out, int said)
{
	auto_free char **argv = make_arguments(r->exec);
	auto_free char *path = find_command(r->exec);
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int rc;

	if (!argv || !path)
		return no_memory(r->err);
	rc = posix_spawnattr_init(&attr);
	if (rc)
		return cant_start(r, rc);
	rc = posix_spawn_file_actions_init(&files);
	if (rc == 0) {
		rc = prepare(&attr, &files, out, said);
		if (rc == 0)
			rc = posix_spawnp(&r->pid, path, &files, &attr, argv,
					  r->env);
		posix_spawn_file_actions_destroy(&files);
	}
	posix_spawnattr_destroy(&attr);
	return rc ? cant_start(r, rc) : 0;
}

static void close_stream(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* A pipe that @s reads from; returns its other end, or a negative errno. */
static int open_stream(struct stream *s, struct error *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail(err, errno, "can't make a pipe: %m");
	s->fd = fds[0];
	/* Not of the plugin's end, which would not expect it. */
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
	return fds[1];
}

static int start(struct run *r)
{
	int out = open_stream(&r->out, r->err);
	int said = out < 0 ? out : open_stream(&r->said, r->err);
	int rc = said < 0 ? said : spawn(r, out, said);

	if (out >= 0)
		close(out);
	if (said >= 0)
		close(said);
	return rc;
}

/* Takes what is there; false when there is nothing more at the moment. */
static bool take(struct stream *s)
{
	size_t room = s->max - s->len;
	char waste[4096];
	ssize_t did;

	if (s->fd < 0)
		return false;
	did = read(s->fd, room ? s->data + s->len : waste,
		   room ? room : sizeof waste);
	if (did < 0)
		return errno == EINTR;
	if (did == 0)
		close_stream(s);
	else if (room)
		s->len += (size_t)did;
	else
		s->more = true;
	return did > 0;
}

/*
 * Waits for some output, a tick at most.  When both streams have ended it waits
 * for the process only: nothing that every kernel and valgrind knows could be
 * waited for together with a deadline.
 */
static void await_output(struct run *r)
{
	struct pollfd fds[] = {{r->out.fd, POLLIN}, {r->said.fd, POLLIN}};
	int64_t left = r->until - clock_monotonic();

	if (left > r->tick)
		left = r->tick;
	if (r->tick < TICK_MAX)
		r->tick *= 2;
	if (poll(fds, 2, left > 0 ? (int)left : 0) <= 0)
		return;
	if (fds[0].revents)
		take(&r->out);
	if (fds[1].revents)
		take(&r->said);
	/* A process that lets go of its output is about to end. */
	if ((fds[0].revents | fds[1].revents) & POLLHUP)
		r->tick = 1;
}

/* Its number is its own, and its group's, until it has been waited for. */
static void end_group(struct run *r)
{
	kill(-r->pid, SIGKILL);
	while (waitpid(r->pid, &r->status, 0) < 0 && errno == EINTR)
		;
}

/* 0 when the process has ended by itself; else it is ended. */
static int watch(struct run *r, int timeout_ms)
{
	char name[QUOTE_MAX];
	pid_t ended;

	fault_quote(r->exec->command, name);
	for (;;) {
		ended = waitpid(r->pid, &r->status, WNOHANG);
		if (ended == r->pid)
			break;
		if (ended < 0 && errno != EINTR)
			return fail(r->err, errno, "can't wait for the exec "
				    "plugin %s: %m", name);
		if (clock_monotonic() >= r->until) {
			end_group(r);
			return fail(r->err, ETIMEDOUT, "the exec plugin %s had "
				    "no end within %d ms", name, timeout_ms);
		}
		if (r->out.more) {
			end_group(r);
			break;
		}
		await_output(r);
	}
	while (!r->out.more && take(&r->out))
		;
	while (!r->said.more && take(&r->said))
		;
	return 0;
}

/* What the plugin said, in one line, after ": ", or nothing. */
static void add_said(struct run *r, struct buf *out)
{
	char *text = r->said.data;
	size_t len = r->said.len, i;

	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r' ||
		       text[len - 1] == ' '))
		len--;
	for (i = 0; i < len; i++)
		text[i] = text[i] ? text[i] : ' ';
	text[len] = '\0';
	if (len)
		buf_puts(out, ": ");
	buf_escape(out, text);
}

static int judge(struct run *r)
{
	bool killed = WIFSIGNALED(r->status);
	char name[QUOTE_MAX];
	auto_buf said;

	buf_init(&said, ERROR_MSG_MAX);
	fault_quote(r->exec->command, name);
	if (r->out.more)
		return fail(r->err, EFBIG, "the exec plugin %s wrote more than "
			    "%d bytes", name, KUBE_EXEC_OUTPUT_MAX);
	if (r->status == 0 && strlen(r->out.data) < r->out.len)
		return fail(r->err, EPROTO, "the exec plugin %s wrote a NUL",
			    name);
	if (r->status == 0)
		return 0;
	add_said(r, &said);
	return fail(r->err, EACCES, "the exec plugin %s ended with %s %d%s",
		    name, killed ? "signal" : "status",
		    killed ? WTERMSIG(r->status) : WEXITSTATUS(r->status),
		    buf_str(&said));
}

char *kube_exec_run(const struct kube_exec *exec, const char *info,
		    int timeout_ms, struct error *err)
{
	auto_secret copy = strdup(info);
	auto_free char **env = copy ? make_environment(exec, copy) : NULL;
	char *data = calloc(1, KUBE_EXEC_OUTPUT_MAX + 1);
	char said[KUBE_EXEC_SAID_MAX + 1];
	struct run r = {.exec = exec, .env = env, .err = err,
			.tick = 1,
			.until = clock_monotonic() + timeout_ms,
			.out = {-1, data, 0, KUBE_EXEC_OUTPUT_MAX},
			.said = {-1, said, 0, KUBE_EXEC_SAID_MAX}};
	int rc;

	if (!env || !data)
		rc = no_memory(err);
	else
		rc = start(&r);
	if (rc == 0)
		rc = watch(&r, timeout_ms);
	if (rc == 0)
		rc = judge(&r);
	close_stream(&r.out);
	close_stream(&r.said);
	if (rc == 0)
		return data;
	if (data)
		explicit_bzero(data, r.out.len);
	free(data);
	return NULL;
}
