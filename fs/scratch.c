/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch files: their names, contents, quotas and age. */
#include "scratch.h"

#include "tree.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

bool scratch_name_fits(const char *name, bool exclusive)
{
	unsigned i;

	if (exclusive || *name == '.')
		return true;
	for (i = 1; i <= attribute_files.count; i++) {
		const struct file *f = file_row(&attribute_files, i);
		size_t n = strlen(f->name);

		/* state.tmp, state~, state20261122; but not states */
		if (strncmp(name, f->name, n) == 0 && name[n] &&
		    !(name[n] >= 'a' && name[n] <= 'z'))
			return true;
	}
	return false;
}

static struct scratch *next_of_all(const struct fs *fs, const struct scratch *s)
{
	return (struct scratch *)map_next(&fs->scratches.by_id,
					  s ? &s->link : NULL);
}

static void destroy(struct fs *fs, struct scratch *s)
{
	map_remove(&fs->scratches.by_id, &s->link);
	free(s->name);
	free(s->data);
	free(s);
}

static bool is_old(const struct fs *fs, const struct scratch *s)
{
	return !s->opens &&
	       world_now(fs->world) - s->touched >= SCRATCH_AGE_MS;
}

/*
 * Nothing runs by the clock: what is too old goes when somebody looks into its
 * directory, or when it stands in somebody's way.
 */
static struct note *swept(struct fs *fs, struct inode dir)
{
	struct note *note = note_find(fs, dir);
	struct scratch *s, *next;

	for (s = note ? note->scratch : NULL; s; s = next) {
		next = s->next;
		if (is_old(fs, s))
			scratch_unlink(fs, s);
	}
	return note;
}

static void sweep_all(struct fs *fs)
{
	struct scratch *s = next_of_all(fs, NULL), *next;

	for (; s; s = next) {
		next = next_of_all(fs, s);
		if (s->name && is_old(fs, s))
			scratch_unlink(fs, s);
	}
}

/* What there is of @uid's, and of everybody's. */
struct usage {
	size_t names;
	size_t bytes;
	size_t all_bytes;
};

static struct usage usage_of(const struct fs *fs, uid_t uid)
{
	struct usage u = {0};
	const struct scratch *s = NULL;

	while ((s = next_of_all(fs, s))) {
		u.all_bytes += s->len;
		if (s->uid != uid)
			continue;
		u.names++;
		u.bytes += s->len;
	}
	return u;
}

static int check_names(struct fs *fs, struct inode dir,
		       const struct scratch_wish *wish, struct error *err)
{
	const struct note *note = swept(fs, dir);
	const struct scratch *s;
	unsigned here = 0;

	if (strlen(wish->name) > NAME_MAX)
		return fail(err, ENAMETOOLONG, "a name of %zu bytes is too long",
			    strlen(wish->name));
	for (s = note ? note->scratch : NULL; s; s = s->next)
		here++;
	if (here >= SCRATCH_HERE_MAX)
		return fail(err, ENOSPC,
			    "there are %u scratch files here already: remove "
			    "those that nobody needs", here);
	if (usage_of(fs, wish->uid).names < SCRATCH_USER_MAX)
		return 0;
	sweep_all(fs);
	if (usage_of(fs, wish->uid).names < SCRATCH_USER_MAX)
		return 0;
	return fail(err, EDQUOT,
		    "uid %u has %u scratch files already: remove those that "
		    "nobody needs", (unsigned)wish->uid, SCRATCH_USER_MAX);
}

static struct scratch *allocate(const struct scratch_wish *wish)
{
	struct scratch *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->name = strdup(wish->name);
	s->mode = wish->mode;
	s->uid = wish->uid;
	s->gid = wish->gid;
	if (s->name)
		return s;
	free(s);
	return NULL;
}

struct scratch *scratch_new(struct fs *fs, struct inode dir,
			    const struct scratch_wish *wish, struct error *err)
{
	struct scratch *s, **at;
	struct note *note;

	if (check_names(fs, dir, wish, err))
		return NULL;
	note = note_get(fs, dir);
	s = note ? allocate(wish) : NULL;
	if (s) {
		s->link.key = ++fs->scratches.last_id;
		if (map_add(&fs->scratches.by_id, &s->link)) {
			free(s->name);
			free(s);
			s = NULL;
		}
	}
	if (!s) {
		fail(err, ENOMEM, "no memory for a scratch file");
		return NULL;
	}
	s->directory = dir.id;
	s->mtime = s->touched = world_now(fs->world);
	for (at = &note->scratch; *at; at = &(*at)->next)
		;
	*at = s;
	return s;
}

struct scratch *scratch_get(const struct fs *fs, struct inode node)
{
	if (node.kind != KIND_SCRATCH && node.kind != KIND_SCRATCH_DIR)
		return NULL;
	return (struct scratch *)map_find(&fs->scratches.by_id, node.id);
}

struct scratch *scratch_find(struct fs *fs, struct inode dir, const char *name)
{
	const struct note *note = swept(fs, dir);
	struct scratch *s;

	for (s = note ? note->scratch : NULL; s; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

struct scratch *scratch_next(struct fs *fs, struct inode dir, uint64_t after)
{
	const struct note *note = swept(fs, dir);
	struct scratch *s;

	for (s = note ? note->scratch : NULL; s; s = s->next)
		if (s->link.key > after)
			return s;
	return NULL;
}

struct inode scratch_inode(const struct scratch *s)
{
	return (struct inode){
		.kind = S_ISDIR(s->mode) ? KIND_SCRATCH_DIR : KIND_SCRATCH,
		.id = s->link.key,
	};
}

void scratch_stat(const struct scratch *s, struct stat *st)
{
	st->st_ino = inode_number(scratch_inode(s));
	st->st_blksize = 4096;
	st->st_mode = s->mode;
	st->st_nlink = !s->name ? 0 : S_ISDIR(s->mode) ? 2 : 1;
	st->st_uid = s->uid;
	st->st_gid = s->gid;
	st->st_size = (off_t)s->len;
	st->st_mtim = (struct timespec){s->mtime / 1000,
					s->mtime % 1000 * 1000000};
	st->st_ctim = st->st_mtim;
	st->st_atim = st->st_mtim;
}

/* May @s have @size bytes? */
static int check_bytes(struct fs *fs, const struct scratch *s, uint64_t size)
{
	struct usage u;

	if (size > SCRATCH_SIZE_MAX)
		return -EFBIG;
	if (size <= s->len)
		return 0;
	u = usage_of(fs, s->uid);
	if (u.all_bytes - s->len + size > SCRATCH_BYTES)
		return -ENOSPC;
	return u.bytes - s->len + size > SCRATCH_USER_BYTES ? -EDQUOT : 0;
}

int scratch_resize(struct fs *fs, struct scratch *s, uint64_t size)
{
	int rc = check_bytes(fs, s, size);
	char *data;

	if (rc) {
		s->touched = world_now(fs->world);	/* is spared */
		sweep_all(fs);
		rc = check_bytes(fs, s, size);
	}
	if (rc)
		return rc;
	data = realloc(s->data, size ? size : 1);
	if (!data)
		return -ENOMEM;
	if (size > s->len)
		memset(data + s->len, 0, size - s->len);
	s->data = data;
	s->len = size;
	s->mtime = s->touched = world_now(fs->world);
	return 0;
}

int scratch_write(struct fs *fs, struct scratch *s, const char *data,
		  size_t size, uint64_t off)
{
	uint64_t end = off + size;
	int rc;

	if (off > SCRATCH_SIZE_MAX)
		return -EFBIG;
	rc = scratch_resize(fs, s, end > s->len ? end : s->len);
	if (rc)
		return rc;
	memcpy(s->data + off, data, size);
	return 0;
}

int scratch_rename(struct fs *fs, struct scratch *s, const char *name)
{
	char *copy = strdup(name);

	if (!copy)
		return -ENOMEM;
	free(s->name);
	s->name = copy;
	s->touched = world_now(fs->world);
	return 0;
}

void scratch_unlink(struct fs *fs, struct scratch *s)
{
	struct note *note = note_find(fs, inode_replication(s->directory));
	struct scratch **at = &note->scratch;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	free(s->name);
	s->name = NULL;
	if (!s->opens)
		destroy(fs, s);
}

void scratch_close(struct fs *fs, struct scratch *s)
{
	if (s->opens)
		s->opens--;
	s->touched = world_now(fs->world);
	if (!s->opens && !s->name)
		destroy(fs, s);
}

void scratch_drop(struct fs *fs, struct note *note)
{
	while (note->scratch)
		scratch_unlink(fs, note->scratch);
}

void scratch_finish(struct fs *fs)
{
	struct scratch *s;

	while ((s = next_of_all(fs, NULL)))
		destroy(fs, s);
	map_finish(&fs->scratches.by_id);
}
