/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls by which the store changes a disk, and opens what is on it.  Each
 * asks disk_fault() first, which whoever includes this defines.  For one file of
 * a program, or of a library that is loaded before others.
 */
#ifndef UVRFS_DISK_FAILS_H
#define UVRFS_DISK_FAILS_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In the place of an errno: half of it is written. */
#define DISK_SHORT (-1)

/*
 * What @call is to come to: an errno, or 0 when it is to be made.  It is about
 * @path below the directory @at, or about the open file @at when that is NULL.
 */
static int disk_fault(const char *call, int at, const char *path);

#define DISK_MAY_FAIL(...)                                                     \
	do {                                                                   \
		int code_ = disk_fault(__func__, __VA_ARGS__);                 \
		if (code_) {                                                   \
			errno = code_;                                         \
			return -1;                                             \
		}                                                              \
	} while (0)

int openat(int at, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	DISK_MAY_FAIL(at, path);
	return (int)syscall(SYS_openat, at, path, flags, mode);
}

ssize_t write(int fd, const void *data, size_t size)
{
	int code = disk_fault(__func__, fd, NULL);

	if (code > 0) {
		errno = code;
		return -1;
	}
	if (code == DISK_SHORT)
		size = (size + 1) / 2;
	return syscall(SYS_write, fd, data, size);
}

int fsync(int fd)
{
	DISK_MAY_FAIL(fd, NULL);
	return (int)syscall(SYS_fsync, fd);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	DISK_MAY_FAIL(to_dir, to);
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to,
	      unsigned flags)
{
	DISK_MAY_FAIL(to_dir, to);
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

int unlinkat(int at, const char *path, int flags)
{
	DISK_MAY_FAIL(at, path);
	return (int)syscall(SYS_unlinkat, at, path, flags);
}

int mkdirat(int at, const char *path, mode_t mode)
{
	DISK_MAY_FAIL(at, path);
	return (int)syscall(SYS_mkdirat, at, path, mode);
}

#endif
