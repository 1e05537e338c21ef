/* SPDX-License-Identifier: Apache-2.0 */
/* A controller's metrics.prom: made on the loop, written by a worker. */
#include "metrics_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* node_exporter takes what ends in .prom. */
#define NAME "metrics.prom"
#define NEW_NAME "metrics.new"

#define PERIOD_MS 15000
#define TEXT_MAX ((size_t)1 << 28)

static int open_dir(const char *dir)
{
	return open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void remove_at(int dir)
{
	unlinkat(dir, NEW_NAME, 0);
	unlinkat(dir, NAME, 0);
}

/* Nobody needs it after a crash of the machine: it is not synced. */
static int write_new(int dir, const struct buf *text)
{
	int fd, rc;

	if (text->failed)
		return -text->failed;
	fd = openat(dir, NEW_NAME,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0644);
	if (fd < 0)
		return -errno;
	rc = buf_write(text, fd);
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc;
}

/* What can't be renewed goes: it would be taken for that of a daemon that hangs. */
static int replace(int dir, const struct buf *text)
{
	int rc = write_new(dir, text);

	if (rc == 0 && renameat(dir, NEW_NAME, dir, NAME) < 0)
		rc = -errno;
	if (rc < 0)
		remove_at(dir);
	return rc;
}

/* worker */
static void run(struct job *job)
{
	struct metrics_file *m = (struct metrics_file *)job;
	int dir = open_dir(m->dir);
	int rc = dir < 0 ? -errno : replace(dir, &m->text);

	if (dir >= 0)
		close(dir);
	errno = -rc;
	m->rc = rc < 0 ? fail(&m->err, -rc, "can't write %s/" NAME ": %m",
			      m->dir)
		       : 0;
}

static void done(struct job *job)
{
	struct metrics_file *m = (struct metrics_file *)job;

	buf_finish(&m->text);
	m->busy = false;
	if (m->rc < 0 && !m->failed)
		log_print(m->log, LOG_WARNING, "%s", m->err.msg);
	else if (m->rc == 0 && m->failed)
		log_print(m->log, LOG_INFO, "%s/" NAME " is written again",
			  m->dir);
	m->failed = m->rc < 0;
}

int64_t metrics_file_due(const struct metrics_file *m)
{
	return m->busy ? INT64_MAX : m->due;
}

void metrics_file_tick(struct metrics_file *m, int64_t now)
{
	/* Further away than that it is when the clock was set back. */
	if (m->busy || (now < m->due && m->due - now <= PERIOD_MS))
		return;
	m->due = now + PERIOD_MS;
	m->busy = true;
	buf_init(&m->text, TEXT_MAX);
	m->render(m->ctx, &m->text);
	/* A hung disk stops the audit, too, and nothing else. */
	m->job = (struct job){.lane = LANE_AUDIT, .run = run, .done = done};
	m->jobs->submit(m->jobs, &m->job);
}

void metrics_file_remove(const char *dir)
{
	int fd = open_dir(dir);

	if (fd < 0)
		return;
	remove_at(fd);
	close(fd);
}
