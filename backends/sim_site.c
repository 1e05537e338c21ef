/* SPDX-License-Identifier: Apache-2.0 */
/* Names, paths, volume files and content hashes of a simulated site. */
#include "sim_site.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void stamp_from(struct stamp *stamp, const struct stat *st)
{
	stamp->inode = st->st_ino;
	stamp->size = st->st_size;
	stamp->changed = (int64_t)st->st_ctim.tv_sec * 1000000000 +
			 st->st_ctim.tv_nsec;
}

bool stamp_equal(const struct stamp *a, const struct stamp *b)
{
	return a->inode == b->inode && a->size == b->size &&
	       a->changed == b->changed;
}

void digest_init(struct digest *h)
{
	*h = (struct digest){.state = 0xcbf29ce484222325};
}

static uint64_t mix(uint64_t state, uint64_t word)
{
	state = (state ^ word) * 0x9e3779b97f4a7c15;
	return state ^ state >> 29;
}

void digest_add(struct digest *h, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t word;

	h->length += n;
	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&word, p, 8);
		h->state = mix(h->state, word);
	}
	for (; n; p++, n--)
		h->state = mix(h->state, *p);
}

uint64_t digest_value(const struct digest *h)
{
	return mix(h->state, h->length);
}

ssize_t volume_read(int fd, void *data, size_t n)
{
	size_t got = 0;
	ssize_t rc;

	while (got < n) {
		rc = read(fd, (char *)data + got, n - got);
		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0)
			return -errno;
		if (rc == 0)
			break;
		got += (size_t)rc;
	}
	return (ssize_t)got;
}

int volume_write(int fd, const void *data, size_t n)
{
	const char *p = data;
	ssize_t rc;

	while (n) {
		rc = write(fd, p, n);
		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0)
			return -errno;
		p += rc;
		n -= (size_t)rc;
	}
	return 0;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* Room for %XX, and below the limit of names with their decorations. */
#define ESCAPE_CUT (SIM_NAME_MAX - 1 - 17)

void place_escape(const char *name, const char *reserved,
		  char out[static SIM_NAME_MAX])
{
	bool first_too = *name == '.' || strcmp(name, reserved) == 0;
	size_t len = 0, total = 0, cut = 0;
	struct digest h;
	const char *p;

	for (p = name; *p; p++) {
		bool plain = is_plain(*p) && !(p == name && first_too);
		size_t step = plain ? 1 : 3;

		total += step;
		if (len + step >= SIM_NAME_MAX)
			continue;
		len += (size_t)snprintf(out + len, SIM_NAME_MAX - len,
					plain ? "%c" : "%%%02X",
					(unsigned char)*p);
		if (len <= ESCAPE_CUT)
			cut = len;
	}
	if (total == 0)
		strcpy(out, "%");
	if (total < SIM_NAME_MAX)
		return;
	/* Too long for a file's name: what is cut off is told by its hash. */
	digest_init(&h);
	digest_add(&h, name, strlen(name));
	snprintf(out + cut, SIM_NAME_MAX - cut, "~%016" PRIx64, digest_value(&h));
}

const char *place_path(const struct place *p, const char *pre, const char *post,
		       char out[static SIM_PATH_MAX])
{
	snprintf(out, SIM_PATH_MAX, "%s/%s/%s%s%s", p->cluster, p->namespace,
		 pre, p->volume, post);
	return out;
}

int place_make(const struct place *p, struct error *err)
{
	char path[SIM_PATH_MAX];

	if (mkdirat(p->root, p->cluster, 0755) && errno != EEXIST)
		return fail(err, EIO, "can't make %s: %s", p->cluster,
			    strerrordesc_np(errno));
	snprintf(path, sizeof path, "%s/%s", p->cluster, p->namespace);
	if (mkdirat(p->root, path, 0755) && errno != EEXIST)
		return fail(err, EIO, "can't make %s: %s", path,
			    strerrordesc_np(errno));
	return 0;
}

int volume_set_writable(const struct place *p, bool writable, bool create,
			struct error *err)
{
	char path[SIM_PATH_MAX];
	int fd, rc = 0;

	/* O_PATH would not do: it can't be chmod'ed without /proc. */
	fd = openat(p->root, place_path(p, VOLUME_PATH, path),
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
			    (create ? O_CREAT : 0),
		    0600);
	if (fd < 0)
		return fail(err, EIO, "%s: can't open the volume: %s", path,
			    strerrordesc_np(errno));
	if (fchmod(fd, writable ? 0644 : 0444))
		rc = fail(err, EIO, "%s: can't change its mode: %s", path,
			  strerrordesc_np(errno));
	close(fd);
	return rc;
}
