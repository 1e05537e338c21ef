/* SPDX-License-Identifier: Apache-2.0 */
/* A look at all lines of the audit: whether one was changed, or is missing. */
#include "audit_chain.h"
#include "buf.h"
#include "text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

struct look {
	const char *dir;
	const char *name;		/* of the file that is read */
	uint64_t number;		/* of the line in it */
	uint64_t count;			/* of those with a hash, in all files */
	uint64_t bare;			/* without one, from an older uvrfs */
	bool may_follow_any;		/* what it follows has been dropped */
	bool is_torn;
	char last[AUDIT_HASH_MAX];
	struct error *err;
};

static int refuse(const struct look *l, const char *why)
{
	return fail(l->err, EBADMSG, "%s/%s:%ju %s", l->dir, l->name,
		    (uintmax_t)l->number, why);
}

static int look_at_line(struct look *l, const char *line, size_t len)
{
	char hash[AUDIT_HASH_MAX], due[AUDIT_HASH_MAX];
	size_t text = audit_chain_split(line, len, hash);

	if (l->is_torn)
		return refuse(l, "comes after a line without an end");
	if (!*hash && l->count)
		return refuse(l, "has no hash, and those before it have");
	l->bare += !*hash;
	audit_chain_hash(l->last, line, text, due);
	if (*hash && strcmp(hash, due) != 0 && !l->may_follow_any)
		return refuse(l, "does not follow the line before it: one of "
				 "them was changed, or others removed or put "
				 "between");
	if (*hash) {
		memcpy(l->last, hash, sizeof l->last);
		l->may_follow_any = false;
		l->count++;
	}
	return 0;
}

static int look_at_lines(struct look *l, FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int rc = 0;

	while (rc == 0 && (len = getline(&line, &size, f)) > 0) {
		l->number++;
		if (line[len - 1] == '\n')
			rc = look_at_line(l, line, (size_t)len - 1);
		else
			l->is_torn = true;
	}
	free(line);
	if (rc == 0 && ferror(f))
		rc = fail(l->err, EIO, "can't read %s/%s", l->dir, l->name);
	return rc;
}

static int look_at_file(struct look *l, const char *name)
{
	auto_free char *path = NULL;
	FILE *f;
	int rc;

	l->name = name;
	l->number = 0;
	if (asprintf(&path, "%s/%s", l->dir, name) < 0) {
		path = NULL;
		return fail(l->err, ENOMEM, "not enough memory");
	}
	f = fopen(path, "re");
	if (!f)
		return fail(l->err, errno, "can't open %s: %m", path);
	rc = look_at_lines(l, f);
	fclose(f);
	return rc;
}

static void describe(const struct look *l, struct buf *out)
{
	if (l->bare)
		buf_printf(out, "%ju lines of an older uvrfs have no hash\n",
			   (uintmax_t)l->bare);
	if (l->is_torn)
		buf_puts(out, "the last line is torn, as by a crash\n");
	buf_printf(out, "ok: %ju lines%s%s\n", (uintmax_t)l->count,
		   l->count ? ", the last with" AUDIT_HASH_MARK : "", l->last);
}

int audit_chain_check(const char *dir, struct buf *out, struct error *err)
{
	/* The beginning goes when an older file is dropped. */
	struct look l = {.dir = dir, .err = err, .may_follow_any = true};
	int rc = look_at_file(&l, AUDIT_OLD);

	if (rc == 0 || rc == -ENOENT) {
		if (rc == -ENOENT)
			l.may_follow_any = false;
		rc = look_at_file(&l, AUDIT_FILE);
	}
	if (rc == 0)
		describe(&l, out);
	return rc;
}
