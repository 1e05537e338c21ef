/* SPDX-License-Identifier: Apache-2.0 */
/* A look at all lines of the audit: whether one was changed, or is missing. */
#include "audit_begin.h"
#include "audit_chain.h"
#include "buf.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct look {
	const char *dir;
	FILE *files[AUDIT_OLDER + 1];	/* by their age; NULL: not there */
	unsigned age;			/* of the file that is read */
	uint64_t line;			/* the number of the line in it */
	unsigned before;		/* how many files are older */
	bool all_taken;			/* no name is free */
	bool numbered;			/* a file has said which it is */
	uint64_t oldest;		/* the number of the oldest, if it does */
	uint64_t file;			/* the number of this one */
	uint64_t lines;			/* that are counted, dropped ones too */
	uint64_t count;			/* of those with a hash */
	uint64_t bare;			/* without one, from an older uvrfs */
	bool may_follow_any;		/* what it follows has been dropped */
	bool is_torn;
	char last[AUDIT_HASH_MAX];
	struct error *err;
};

__attribute__((format(printf, 2, 3)))
static int refuse(const struct look *l, const char *fmt, ...)
{
	char name[AUDIT_NAME_MAX], why[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	return fail(l->err, EBADMSG, "%s/%s:%" PRIu64 " %s", l->dir,
		    audit_name(l->age, name), l->line, why);
}

/*
 * The first line of a file that does not say which it is: of the very first, or
 * of an older uvrfs, which had two.  Lines are counted from the newest such.
 */
static int look_at_no_begin(struct look *l, bool is_first)
{
	if (l->numbered || l->before > 1)
		return refuse(l, "is not the line that a file begins with: "
				 "lines were removed");
	/* The older uvrfs may have dropped what came before its older one. */
	l->may_follow_any = !l->before && l->age > 0;
	l->file = is_first ? 1 : 2;
	l->lines = 0;
	return 0;
}

static int look_at_begin(struct look *l, const struct audit_begin *begin)
{
	uint64_t due = l->before ? l->file + 1 : 2;

	if (!l->before && begin->number > 1) {
		l->oldest = begin->number;
		l->lines = begin->lines;
		l->may_follow_any = true;
	} else if (begin->number != due) {
		return refuse(l, "begins file %" PRIu64 ", and %" PRIu64
				 " is due: a file was removed, or its "
				 "beginning", begin->number, due);
	} else if (begin->lines != l->lines) {
		return refuse(l, "says that %" PRIu64 " lines came before it, "
				 "and there are %" PRIu64, begin->lines,
			      l->lines);
	}
	l->file = begin->number;
	l->numbered = true;
	return 0;
}

static int look_at_first(struct look *l, const char *line, size_t len)
{
	char hash[AUDIT_HASH_MAX];
	struct audit_begin begin;

	if (audit_begin_parse(line, audit_chain_split(line, len, hash), &begin))
		return look_at_begin(l, &begin);
	return look_at_no_begin(l, audit_chain_begins(line, len));
}

static int look_at_line(struct look *l, const char *line, size_t len)
{
	char hash[AUDIT_HASH_MAX], due[AUDIT_HASH_MAX];
	size_t text = audit_chain_split(line, len, hash);
	int rc;

	if (l->is_torn)
		return refuse(l, "comes after a line without an end");
	if (!*hash && l->count)
		return refuse(l, "has no hash, and those before it have");
	rc = l->line == 1 ? look_at_first(l, line, len) : 0;
	if (rc < 0)
		return rc;
	audit_chain_hash(l->last, line, text, due);
	if (*hash && strcmp(hash, due) != 0 && !l->may_follow_any)
		return refuse(l, "does not follow the line before it: one of "
				 "them was changed, or others removed or put "
				 "between");
	l->lines++;
	l->bare += !*hash;
	if (*hash) {
		memcpy(l->last, hash, sizeof l->last);
		l->may_follow_any = false;
		l->count++;
	}
	return 0;
}

static int look_at_lines(struct look *l, FILE *f)
{
	char name[AUDIT_NAME_MAX];
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int rc = 0;

	while (rc == 0 && (len = getline(&line, &size, f)) > 0) {
		l->line++;
		if (line[len - 1] == '\n')
			rc = look_at_line(l, line, (size_t)len - 1);
		else
			l->is_torn = true;
	}
	free(line);
	if (rc == 0 && !feof(f))
		rc = fail(l->err, EIO, "can't read %s/%s", l->dir,
			  audit_name(l->age, name));
	return rc;
}

/* A crash may have left the newest file empty, and no other. */
static int look_at_file(struct look *l)
{
	FILE *f = l->files[l->age];
	char name[AUDIT_NAME_MAX];
	int rc;

	if (!f)
		return 0;
	l->line = 0;
	rc = look_at_lines(l, f);
	if (rc == 0 && l->age && !l->line)
		rc = fail(l->err, EBADMSG, "%s/%s is empty: its lines were "
			  "removed", l->dir, audit_name(l->age, name));
	l->before++;
	return rc;
}

/*
 * No file goes before all names are taken.  Then it is the oldest, when the
 * newest is about to become an older one: there may be none that has begun yet.
 */
static int look_at_oldest(struct look *l)
{
	char name[AUDIT_NAME_MAX];
	uint64_t due = 1;

	if (l->all_taken && l->file >= AUDIT_OLDER)
		due = l->file + 1 - AUDIT_OLDER;
	if (l->oldest <= due)
		return 0;
	for (l->age = AUDIT_OLDER; !l->files[l->age]; l->age--)
		;
	return fail(l->err, EBADMSG, "%s/%s is file %" PRIu64 " of %" PRIu64
		    ", and the oldest: those from %" PRIu64 " on should be "
		    "there", l->dir, audit_name(l->age, name), l->oldest,
		    l->file, due);
}

static int look_at_all(struct look *l)
{
	int rc = 0;

	for (l->age = AUDIT_OLDER + 1; rc == 0 && l->age--;)
		rc = look_at_file(l);
	return rc == 0 ? look_at_oldest(l) : rc;
}

static bool is_same(FILE *a, FILE *b)
{
	struct stat of_a, of_b;

	return a && b && fstat(fileno(a), &of_a) == 0 &&
	       fstat(fileno(b), &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
	       of_a.st_ino == of_b.st_ino;
}

static int open_file(struct look *l, unsigned age)
{
	auto_free char *path = NULL;
	char name[AUDIT_NAME_MAX];

	if (asprintf(&path, "%s/%s", l->dir, audit_name(age, name)) < 0) {
		path = NULL;
		return fail(l->err, ENOMEM, "not enough memory");
	}
	l->files[age] = fopen(path, "re");
	if (!l->files[age] && (errno != ENOENT || !age))
		return fail(l->err, errno, "can't open %s: %m", path);
	return 0;
}

/* A daemon that moves them meanwhile makes each older: so the newest are opened
   first, and none is missed. */
static int open_all(struct look *l)
{
	FILE **files = l->files;
	unsigned age;
	int rc = 0;

	for (age = 0; rc == 0 && age <= AUDIT_OLDER; age++) {
		rc = open_file(l, age);
		l->all_taken = files[age];
		if (age && is_same(files[age], files[age - 1])) {
			fclose(files[age]);
			files[age] = NULL;
		}
	}
	return rc;
}

static void close_all(struct look *l)
{
	unsigned age;

	for (age = 0; age <= AUDIT_OLDER; age++)
		if (l->files[age])
			fclose(l->files[age]);
}

static void describe(const struct look *l, struct buf *out)
{
	if (l->bare)
		buf_printf(out, "%" PRIu64 " lines of an older uvrfs have no "
			   "hash\n", l->bare);
	if (l->is_torn)
		buf_puts(out, "the last line is torn, as by a crash\n");
	buf_printf(out, "ok: %" PRIu64 " lines%s%s\n", l->count,
		   l->count ? ", the last with" AUDIT_HASH_MARK : "", l->last);
}

int audit_chain_check(const char *dir, struct buf *out, struct error *err)
{
	struct look l = {.dir = dir, .err = err};
	int rc = open_all(&l);

	if (rc == 0)
		rc = look_at_all(&l);
	if (rc == 0)
		describe(&l, out);
	close_all(&l);
	return rc;
}
