/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptor store's protocol: sd_listen_fds(3) and sd_notify(3). */
#include "keep.h"

#include "attach.h"
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_FD 3
#define MOUNT_NAME "uvrfs-mount"
#define MEMORY_NAME "uvrfs-memory"

/*
 * The next daemon may be of another version.  New fields go to the end, where a
 * daemon that did not have them left zeros; when one that is there comes to mean
 * something else, LAYOUT counts up, and a mount that was left by another layout
 * is not gone on with.  The same goes for the inode numbers and handles that the
 * kernel remembers: rows of tables (file.h) are only added at the end.
 */
#define LAYOUT 1
#define ROOM (512 * 1024)	/* what is behind it is the store's */

struct keep_memory {
	uint64_t layout;
	uint64_t device;
	uint64_t store;
	struct fs_kept fs;
};

_Static_assert(sizeof(struct keep_memory) <= ROOM, "no room for what is kept");

static bool is_fuse(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && attach_is_device(&st);
}

/* What is shorter than we think would kill us. */
static bool is_memory(int fd)
{
	struct stat st;
	uint64_t layout;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size >= ROOM &&
	       pread(fd, &layout, sizeof layout, 0) == sizeof layout &&
	       layout == LAYOUT;
}

static struct keep_memory *map(int fd)
{
	void *at = mmap(NULL, sizeof(struct keep_memory),
			PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

static long number(const char *variable)
{
	const char *text = getenv(variable);

	return text ? strtol(text, NULL, 10) : 0;
}

/* False: there is no such descriptor, and no more of them. */
static bool take(struct keep *k, int fd)
{
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return false;
	if (k->fd < 0 && is_fuse(fd))
		k->fd = fd;
	else if (k->memory < 0 && is_memory(fd))
		k->memory = fd;
	else
		close(fd);
	return true;
}

void keep_take(struct keep *k)
{
	long i, count = number("LISTEN_FDS");

	*k = (struct keep){.fd = -1, .memory = -1};
	if (number("LISTEN_PID") != getpid())
		count = 0;
	for (i = 0; i < count && take(k, FIRST_FD + (int)i); i++)
		;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (k->memory >= 0)
		k->shared = map(k->memory);
}

bool keep_fits(const struct keep *k, dev_t device, uint64_t store)
{
	return k->fd >= 0 && k->shared && k->shared->device == device &&
	       k->shared->store == store;
}

void keep_drop(struct keep *k)
{
	if (k->fd >= 0)
		close(k->fd);
	if (k->memory >= 0)
		close(k->memory);
	if (k->shared)
		munmap(k->shared, sizeof *k->shared);
	if (k->fd >= 0 || k->memory >= 0)
		keep_end(k);
	*k = (struct keep){.fd = -1, .memory = -1};
}

static int make_memory(struct keep *k)
{
	k->memory = memfd_create(MEMORY_NAME, MFD_CLOEXEC);
	return k->memory < 0 ? -errno
			     : ftruncate(k->memory, ROOM);
}

struct fs_kept *keep_memory(struct keep *k)
{
	if (!k->shared && make_memory(k) == 0)
		k->shared = map(k->memory);
	if (!k->shared)
		return NULL;
	k->shared->layout = LAYOUT;
	return &k->shared->fs;
}

off_t keep_used(void)
{
	return ROOM;
}

void keep_give(struct keep *k, int fd, dev_t device, uint64_t store)
{
	k->shared->device = device;
	k->shared->store = store;
	k->kept = notify_descriptor("FDSTORE=1\nFDNAME=" MEMORY_NAME,
				    k->memory) &&
		  notify_descriptor("FDSTORE=1\nFDNAME=" MOUNT_NAME, fd);
}

void keep_end(struct keep *k)
{
	notify_systemd("FDSTOREREMOVE=1\nFDNAME=" MOUNT_NAME);
	notify_systemd("FDSTOREREMOVE=1\nFDNAME=" MEMORY_NAME);
	k->kept = false;
}
