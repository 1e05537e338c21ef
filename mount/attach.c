/* SPDX-License-Identifier: Apache-2.0 */
/* Both sides of a mount that is made from outside of the daemon. */
#include "attach.h"

#include "mountpoint.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define DEVICE "/dev/fuse"

/* For how long one that is to be mounted for may need to begin, and how often
   that is looked for: nothing tells of it. */
#define AWAIT_MS 30000
#define LOOK_MS 100

/* Documentation/admin-guide/devices.txt. */
#define DEVICE_NUMBER makedev(10, 229)

bool attach_is_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == DEVICE_NUMBER;
}

int attach_open_device(struct error *err)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno != EACCES && errno != EPERM)
		return fail(err, errno, "can't open " DEVICE ": %m; as root: "
			    "modprobe fuse");
	return fd < 0 ? fail(err, errno, "can't open " DEVICE ": %m") : fd;
}

/* A second descriptor can be made only of what is mounted. */
static bool is_mounted(int fd)
{
	int clone = open(DEVICE, O_RDWR | O_CLOEXEC);
	uint32_t source = (uint32_t)fd;
	bool mounted = clone >= 0 &&
		       ioctl(clone, FUSE_DEV_IOC_CLONE, &source) == 0;

	if (clone >= 0)
		close(clone);
	return mounted;
}

/* It is mounted first, when what was dead there is gone, and then seen here. */
static bool is_there(int fd, const char *mountpoint)
{
	return is_mounted(fd) && mountpoint_device(mountpoint);
}

int attach_await(int fd, const char *mountpoint, struct error *err)
{
	/* It has a POLLPRI for each change since it was opened. */
	struct pollfd mounts = {.events = POLLPRI};
	sigset_t none;
	int rc = 0;

	mounts.fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (mounts.fd < 0)
		return fail(err, errno, "can't read what is mounted: %m");
	sigemptyset(&none);
	while (rc == 0 && !is_there(fd, mountpoint))
		if (ppoll(&mounts, 1, NULL, &none) < 0 && errno != EINTR)
			rc = fail(err, errno, "can't wait for the mount: %m");
	close(mounts.fd);
	return rc;
}

/* The number of @pid's descriptor that is the device, or a negative errno. */
static int find_device(const char *pid)
{
	auto_free char *path = NULL;
	struct dirent *entry;
	struct stat st;
	DIR *dir;
	int found = -ENOENT;

	if (asprintf(&path, "/proc/%s/fd", pid) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (found < 0 && (entry = readdir(dir)))
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
		    attach_is_device(&st))
			found = (int)strtol(entry->d_name, NULL, 10);
	closedir(dir);
	return found;
}

/* One that was just started opens its store first. */
static int await_device(int process, const char *pid)
{
	struct pollfd end = {.fd = process, .events = POLLIN};
	int left = AWAIT_MS, device = find_device(pid);

	while (device == -ENOENT && left > 0 && poll(&end, 1, LOOK_MS) == 0) {
		left -= LOOK_MS;
		device = find_device(pid);
	}
	return device;
}

static int take_device(const char *pid, struct error *err)
{
	int process = (int)syscall(SYS_pidfd_open, strtol(pid, NULL, 10), 0);
	int device, fd = -1;

	if (process < 0)
		return fail(err, errno, "there is no process %s", pid);
	device = await_device(process, pid);
	errno = -device;
	if (device >= 0)
		fd = (int)syscall(SYS_pidfd_getfd, process, device, 0);
	if (device == -ENOENT)
		fail(err, ENOENT, "process %s does not wait for a mount", pid);
	else if (fd < 0)
		fail(err, errno, "can't mount for process %s: %m", pid);
	close(process);
	return fd < 0 ? -err->code : fd;
}

static int mount_device(int fd, const char *path, struct error *err)
{
	char options[128];

	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,"
		 "group_id=0,default_permissions,allow_other", fd);
	if (mount("uvrfs", path, "fuse.uvrfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  options) < 0)
		return fail(err, errno, "can't mount at %s: %m", path);
	return 0;
}

static int mount_at(int fd, const char *mountpoint, struct error *err)
{
	auto_free char *path = mountpoint_prepare(mountpoint, err);

	return path ? mount_device(fd, path, err) : -err->code;
}

/* It may go on with the mount of a former daemon: that one must be there. */
static int check_mounted(const char *mountpoint, struct error *err)
{
	dev_t device;
	auto_free char *path = mountpoint_find(mountpoint, &device);

	return path ? 0 : fail(err, EBUSY, "what it serves is mounted already, "
			       "and not at %s", mountpoint);
}

int attach_mount(const char *pid, const char *mountpoint, struct error *err)
{
	int fd = take_device(pid, err), rc;
	struct statfs fs;

	if (fd < 0)
		return fd;
	rc = is_mounted(fd) ? check_mounted(mountpoint, err)
			    : mount_at(fd, mountpoint, err);
	/* From here on it ends with the daemon, whom we are about to ask. */
	close(fd);
	if (rc == 0 && statfs(mountpoint, &fs) < 0)
		rc = fail(err, errno, "process %s does not serve %s: %m", pid,
			  mountpoint);
	return rc;
}
