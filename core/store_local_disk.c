/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are whole or not there, whatever happens meanwhile.  A change is
 * done only when the directory is on the disk, too; when that fails it is taken
 * back, since the caller goes on with the old version.
 */
#include "store_local.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void disk_temp_name(const char *name, char out[static NAME_MAX + 1])
{
	snprintf(out, NAME_MAX + 1, ".%s.tmp", name);
}

bool disk_is_temp(const char *name)
{
	size_t n = strlen(name);

	return n > 5 && name[0] == '.' && strcmp(name + n - 4, ".tmp") == 0;
}

static int fail_at(struct error *err, int code, const struct place *p,
		   const char *doing)
{
	errno = code;
	return fail(err, code, "%s %s/%s: %m", doing, p->path, p->name);
}

static int read_all(int fd, struct buf *out)
{
	char chunk[16 * 1024];
	ssize_t n;

	for (;;) {
		n = read(fd, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -out->failed;
		buf_add(out, chunk, (size_t)n);
		if (out->failed)
			return -out->failed;
	}
}

int disk_read(const struct place *p, struct buf *out, struct error *err)
{
	struct stat st;
	int fd, rc = 0;

	/* Not to hang in a FIFO that somebody put there. */
	fd = openat(p->dir, p->name,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return fail_at(err, errno, p, "opening");
	if (fstat(fd, &st) < 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = -ENOTSUP;
	if (rc == 0)
		rc = read_all(fd, out);
	close(fd);
	return rc < 0 ? fail_at(err, -rc, p, "reading") : 0;
}

static int write_temp(const struct place *p, const char *temp,
		      const struct buf *text, struct error *err)
{
	int fd, rc;

	fd = openat(p->dir, temp,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return fail_at(err, errno, p, "writing");
	rc = buf_write(text, fd);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc < 0 ? fail_at(err, -rc, p, "writing") : 0;
}

/* renameat2, also on file systems that know no flags. */
static int rename_at(int dir, const char *from, const char *to, unsigned flags)
{
	if (renameat2(dir, from, dir, to, flags) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (flags == RENAME_NOREPLACE &&
	    faccessat(dir, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(dir, from, dir, to) < 0 ? -errno : 0;
}

/* Undoes a rename, durably. */
static int take_back(struct undo *u)
{
	int rc = 0;

	/* An exchange that became a plain rename has nothing to go back to. */
	if (!u->renamed && u->flags == RENAME_NOREPLACE)
		rc = rename_at(u->dir, u->to, u->from, u->flags);
	else if (!u->renamed)
		rc = renameat2(u->dir, u->to, u->dir, u->from, u->flags) < 0
			     ? -errno
			     : 0;
	if (rc < 0)
		return rc;
	u->renamed = true;
	return fsync(u->dir) < 0 ? -errno : 0;
}

int disk_settle(struct undo *u, const char *path, struct error *err)
{
	int rc;

	if (u->dir < 0)
		return 0;
	rc = take_back(u);
	/* Somebody has had a hand in it, or it can't be done. */
	if (rc == -ENOENT || rc == -EEXIST || rc == -EINVAL || rc == -ENOSYS)
		rc = 0;
	if (rc < 0) {
		errno = -rc;
		return fail(err, -rc, "%s: a change that failed can't be taken "
				      "back: %m", path);
	}
	if (disk_is_temp(u->from))
		unlinkat(u->dir, u->from, 0);
	close(u->dir);
	u->dir = -1;
	return 0;
}

/* Renames so that it can be undone, and undoes it when it does not last. */
static int move(const struct place *p, const char *from, const char *to,
		unsigned flags)
{
	struct undo u = {.dir = p->dir, .flags = flags};
	int rc = rename_at(p->dir, from, to, flags);

	if (rc < 0)
		return rc;
	if (fsync(p->dir) == 0)
		return 0;
	rc = -errno;
	snprintf(u.from, sizeof u.from, "%s", from);
	snprintf(u.to, sizeof u.to, "%s", to);
	if (take_back(&u) == 0)
		return rc;
	if (p->undo) {
		*p->undo = u;
		p->undo->dir = fcntl(p->dir, F_DUPFD_CLOEXEC, 0);
	}
	return -EUCLEAN;
}

static int fail_move(struct error *err, int rc, const struct place *p,
		     const char *doing)
{
	if (rc != -EUCLEAN)
		return fail_at(err, -rc, p, doing);
	return fail(err, EUCLEAN,
		    "%s %s/%s failed, and so did taking it back: until the "
		    "disk works again, it can't be told which of both a "
		    "restart would find", doing, p->path, p->name);
}

int disk_write(const struct place *p, const struct buf *text, bool replace,
	       struct error *err)
{
	char temp[NAME_MAX + 1];
	int rc;

	if (text->failed)
		return fail_at(err, text->failed, p, "writing");
	disk_temp_name(p->name, temp);
	rc = write_temp(p, temp, text, err);
	if (rc == 0) {
		rc = replace ? move(p, temp, p->name, RENAME_EXCHANGE)
			     : -ENOENT;
		/* New, or somebody has removed it by hand. */
		if (rc == -ENOENT)
			rc = move(p, temp, p->name, RENAME_NOREPLACE);
		if (rc < 0)
			fail_move(err, rc, p, "replacing");
	}
	/* The old content now, or the new one when it was not to be; unless the
	   old one is to be put back. */
	if (!p->undo || p->undo->dir < 0)
		unlinkat(p->dir, temp, 0);
	return rc;
}

int disk_rename(const struct place *p, const char *to, struct error *err)
{
	int rc = move(p, p->name, to, RENAME_NOREPLACE);

	return rc < 0 ? fail_move(err, rc, p, "renaming") : 0;
}

int disk_remove(const struct place *p, struct error *err)
{
	char temp[NAME_MAX + 1];
	int rc;

	disk_temp_name(p->name, temp);
	unlinkat(p->dir, temp, 0);
	rc = move(p, p->name, temp, RENAME_NOREPLACE);
	if (rc == -ENOENT)
		rc = fsync(p->dir) < 0 ? -errno : 0;
	if (rc < 0)
		return fail_move(err, rc, p, "removing");
	unlinkat(p->dir, temp, 0);
	return 0;
}
