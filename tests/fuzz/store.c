/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of the local store, damaged or hostile.  An input is files, each
 * after a line `== PATH`, below replications/ unless they are the store's own.
 * What one start makes of them, the next one finds as it is.
 */
#include "fuzz.h"

#include "status_codec.h"
#include "store_local.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-./"

struct found {
	struct store_visitor visitor;
	struct buf text;	/* all that was found */
	unsigned set_aside;
};

/* ---- the directory ---- */

static int remove_entry(const char *path, const struct stat *st, int flag,
			struct FTW *ftw)
{
	return remove(path);
}

static void remove_all(const char *dir)
{
	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool is_own(const char *name)
{
	return strcmp(name, "uvrfs.yaml") == 0 || strcmp(name, "audit") == 0 ||
	       strcmp(name, "audit.1") == 0;
}

/* Opens it for writing; -1 for a name that can't be. */
static int make_file(const char *dir, const char *name)
{
	char path[PATH_MAX], *slash;

	if (strstr(name, "..") || strlen(name) > 500 ||
	    strspn(name, NAME_CHARS) != strlen(name))
		return -1;
	snprintf(path, sizeof path, "%s/replications", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/%s%s", dir,
		 is_own(name) ? "" : "replications/", name);
	slash = strrchr(path, '/');
	*slash = '\0';
	mkdir(path, 0700);
	*slash = '/';
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static void make_files(const char *dir, const uint8_t *data, size_t size)
{
	struct line line;
	int fd = -1;

	while (line_next(&line, &data, &size)) {
		if (strncmp(line.text, "== ", 3) == 0) {
			if (fd >= 0)
				close(fd);
			fd = make_file(dir, line.text + 3);
		} else if (fd >= 0) {
			ck_assert_int_ge(write(fd, line.text, line.len), 0);
			ck_assert_int_ge(write(fd, "\n", size > 0), 0);
		}
	}
	if (fd >= 0)
		close(fd);
}

/* ---- a start ---- */

static int found_namespace(struct store_visitor *v, const char *name,
			   uint64_t id)
{
	struct found *f = (struct found *)v;

	buf_printf(&f->text, "namespace %s %ju\n", name, (uintmax_t)id);
	return 0;
}

static int found(struct store_visitor *v, const char *namespace,
		 const char *name, struct spec *spec, struct status *status)
{
	struct found *f = (struct found *)v;

	ck_assert_uint_ne(status->id, 0);
	buf_printf(&f->text, "%s/%s %s %jd %ju\n", namespace, name, status->uid,
		   (intmax_t)status->generation,
		   (uintmax_t)status->resource_version);
	status_emit(spec, status, &f->text);
	return 0;
}

static void complain(struct store_visitor *v, const char *sentence)
{
	check_sentence(sentence);
	((struct found *)v)->set_aside +=
		strstr(sentence, "set aside as") != NULL;
}

static void audit_line(struct store_visitor *v, const char *line)
{
}

/* False: the store is not opened at all. */
static bool start(const char *dir, struct found *f)
{
	struct error err = {0};
	struct store *s = store_local_open(dir, "", &err);
	int rc = -1;

	*f = (struct found){.visitor = {
		.found_namespace = found_namespace,
		.found = found,
		.complain = complain,
		.audit_line = audit_line,
	}};
	buf_init(&f->text, 16 << 20);
	if (s) {
		rc = s->ops->load(s, &f->visitor, &err);
		s->ops->close(s);
	}
	if (rc < 0)
		check_sentence(err.msg);
	return rc == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *temp = getenv("TMPDIR");
	struct found first, second;
	char dir[300];

	snprintf(dir, sizeof dir, "%.200s/uvrfs-fuzz.XXXXXX",
		 temp ? temp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	make_files(dir, data, size);
	if (start(dir, &first)) {
		ck_assert(start(dir, &second));
		ck_assert_str_eq(buf_str(&second.text), buf_str(&first.text));
		ck_assert_uint_eq(second.set_aside, 0);
		buf_finish(&second.text);
	}
	buf_finish(&first.text);
	remove_all(dir);
	return 0;
}
