/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptor store's protocol: sd_listen_fds(3) and sd_notify(3). */
#include "keep.h"

#include "fs.h"
#include "notify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_FD 3
#define NAME_MAX_LEN 64
#define MEMORY_NAME "uvrfs-polled"
#define MEMORY_SIZE (FS_POLLED_MAX * sizeof(uint64_t))

/* Which mount it is of: all that the next daemon has to know. */
static void write_name(const struct keep *k, char out[static NAME_MAX_LEN])
{
	snprintf(out, NAME_MAX_LEN, "uvrfs-mount-%" PRIx64 "-%" PRIx64,
		 (uint64_t)k->device, k->mount_id);
}

static bool read_name(const char *name, struct keep *k)
{
	uint64_t device, id;

	if (sscanf(name, "uvrfs-mount-%" SCNx64 "-%" SCNx64, &device, &id) != 2)
		return false;
	k->device = (dev_t)device;
	k->mount_id = id;
	return true;
}

static bool is_memory(const char *name)
{
	return strncmp(name, MEMORY_NAME, sizeof MEMORY_NAME - 1) == 0;
}

static long number(const char *variable)
{
	const char *text = getenv(variable);

	return text ? strtol(text, NULL, 10) : 0;
}

void keep_take(struct keep *k)
{
	const char *names = getenv("LISTEN_FDNAMES");
	long i, count = number("LISTEN_FDS");

	*k = (struct keep){.fd = -1, .memory = -1};
	if (number("LISTEN_PID") != getpid())
		count = 0;
	for (i = 0; i < count; i++) {
		int fd = FIRST_FD + (int)i;

		fcntl(fd, F_SETFD, FD_CLOEXEC);
		if (k->fd < 0 && names && read_name(names, k))
			k->fd = fd;
		else if (k->memory < 0 && names && is_memory(names))
			k->memory = fd;
		else
			close(fd);
		names = names ? strchr(names, ':') : NULL;
		names = names ? names + 1 : NULL;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

/* What is shorter than it says would kill us. */
static bool is_whole(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size == (off_t)MEMORY_SIZE;
}

uint64_t *keep_memory(struct keep *k)
{
	bool is_new = k->memory < 0;
	void *at;

	if (is_new)
		k->memory = memfd_create(MEMORY_NAME, MFD_CLOEXEC);
	if (k->memory < 0 || (is_new && ftruncate(k->memory, MEMORY_SIZE) < 0) ||
	    !is_whole(k->memory))
		return NULL;
	at = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		  k->memory, 0);
	return at == MAP_FAILED ? NULL : at;
}

void keep_give(struct keep *k, int fd)
{
	char name[NAME_MAX_LEN], text[NAME_MAX_LEN + 32];

	write_name(k, name);
	snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%s", name);
	k->kept = notify_descriptor(text, fd);
	if (k->kept && k->memory >= 0)
		notify_descriptor("FDSTORE=1\nFDNAME=" MEMORY_NAME, k->memory);
}

void keep_drop(struct keep *k)
{
	if (k->fd >= 0)
		close(k->fd);
	if (k->memory >= 0)
		close(k->memory);
	keep_end(k);
	k->fd = k->memory = -1;
}

void keep_end(struct keep *k)
{
	char name[NAME_MAX_LEN], text[NAME_MAX_LEN + 32];

	if (!k->kept && k->fd < 0)
		return;
	write_name(k, name);
	snprintf(text, sizeof text, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	notify_systemd(text);
	notify_systemd("FDSTOREREMOVE=1\nFDNAME=" MEMORY_NAME);
	k->kept = false;
}
