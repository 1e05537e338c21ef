/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: one table makes the parser and the usage. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <string.h>

#define FUSE_OPTIONS_MAX 4096

enum kind { KIND_STRING, KIND_FLAG, KIND_ACTION, KIND_MOUNT };

static const struct row {
	char letter;		/* '\0': only the long form */
	const char *name;	/* NULL: only the letter */
	const char *arg;	/* NULL: takes none */
	enum kind kind;
	size_t offset;		/* where a string or a flag goes */
	enum action action;
	const char *means;
} rows[] = {
	{'c', "config", "FILE", KIND_STRING, offsetof(struct options, config),
	 0, "the configuration, instead of /etc/uvrfs/uvrfs.yaml"},
	{'\0', "state-dir", "DIR", KIND_STRING,
	 offsetof(struct options, state_dir), 0,
	 "where the local store and the simulated sites are"},
	{'f', "foreground", NULL, KIND_FLAG,
	 offsetof(struct options, foreground), 0,
	 "stay, log to stderr, notify systemd"},
	{'d', "debug", NULL, KIND_FLAG, offsetof(struct options, debug), 0,
	 "the same, and show every request of the kernel"},
	{'\0', "controller", NULL, KIND_FLAG,
	 offsetof(struct options, controller), 0,
	 "mount nothing: only act on what the cluster asks for"},
	{'\0', "await-mount", NULL, KIND_FLAG,
	 offsetof(struct options, await_mount), 0,
	 "stay, and be mounted by --mount-for: needs no rights"},
	{'\0', "mount-for", "PID", KIND_STRING,
	 offsetof(struct options, mount_for), 0,
	 "as root: mount for the process that waits so, and end"},
	{'\0', "print", NULL, KIND_FLAG, offsetof(struct options, print), 0,
	 "of install-crd: print it instead"},
	{'o', NULL, "OPTIONS", KIND_MOUNT, 0, 0,
	 "mount options: ro, basic, and those of fuse(8)"},
	{'\0', "check-config", NULL, KIND_ACTION, 0, ACTION_CHECK,
	 "say ok, or what is wrong in the configuration"},
	{'\0', "check-audit", "DIR", KIND_STRING,
	 offsetof(struct options, check_audit), 0,
	 "say ok, or where the audit in there was changed"},
	{'V', "version", NULL, KIND_ACTION, 0, ACTION_VERSION,
	 "print the version"},
	{'h', "help", NULL, KIND_ACTION, 0, ACTION_HELP, "print this"},
};

#define ROWS (sizeof rows / sizeof *rows)

/* What getopt_long returns for a row: never '?' or ':'. */
#define ROW_VALUE 256

struct getopt_tables {
	struct option longs[ROWS + 1];
	char letters[2 * ROWS + 2];
};

static void make_tables(struct getopt_tables *t)
{
	size_t i, n = 0, k = 0;

	*t = (struct getopt_tables){.letters = ""};
	t->letters[n++] = ':';	/* tells a missing argument from the rest */
	for (i = 0; i < ROWS; i++) {
		if (rows[i].letter) {
			t->letters[n++] = rows[i].letter;
			if (rows[i].arg)
				t->letters[n++] = ':';
		}
		if (rows[i].name)
			t->longs[k++] = (struct option){
				.name = rows[i].name,
				.has_arg = rows[i].arg != NULL,
				.val = ROW_VALUE + (int)i,
			};
	}
}

/* getopt_long returns nothing that is not in the table. */
static const struct row *find_row(int value)
{
	size_t i = 0;

	if (value >= ROW_VALUE)
		return &rows[value - ROW_VALUE];
	while (rows[i].letter != value)
		i++;
	return &rows[i];
}

/*
 * Takes out what is ours: libfuse would make the superblock read-only for `ro`,
 * and then nobody could be told of changes.
 */
static void add_mount_options(struct options *o, const char *list)
{
	size_t n;

	for (; *list; list += n + (list[n] == ',')) {
		n = strcspn(list, ",");
		if (n == 2 && strncmp(list, "ro", n) == 0)
			o->read_only = true;
		else if (n == 2 && strncmp(list, "rw", n) == 0)
			o->read_only = false;
		else if (n == 5 && strncmp(list, "basic", n) == 0)
			o->basic = true;
		else if (n) {
			if (o->fuse.len)
				buf_putc(&o->fuse, ',');
			buf_add(&o->fuse, list, n);
		}
	}
}

static void take(struct options *o, const struct row *row)
{
	void *into = (char *)o + row->offset;

	switch (row->kind) {
	case KIND_STRING:
		*(const char **)into = optarg;
		break;
	case KIND_FLAG:
		*(bool *)into = true;
		break;
	case KIND_ACTION:
		o->action = row->action;
		break;
	case KIND_MOUNT:
		add_mount_options(o, optarg);
		break;
	}
}

/* getopt's own words would start with the path that we were called by. */
static int refuse(char **argv, int value, struct error *err)
{
	const char *what = value == ':' ? "needs a value" : "is no option";

	if (optopt > 0 && optopt < ROW_VALUE)
		return fail(err, EINVAL, "-%c %s", optopt, what);
	return fail(err, EINVAL, "%s %s", argv[optind - 1], what);
}

static int take_mountpoint(int argc, char **argv, struct options *o,
			   struct error *err)
{
	if (o->action != ACTION_MOUNT)
		return 0;
	if (o->check_audit) {
		o->action = ACTION_CHECK_AUDIT;
		return 0;
	}
	/* A directory of that name is ./install-crd. */
	if (optind == argc - 1 && strcmp(argv[optind], "install-crd") == 0) {
		o->action = ACTION_INSTALL_CRD;
		return 0;
	}
	if (o->controller)
		return optind == argc
			       ? 0
			       : fail(err, EINVAL, "--controller has no "
						   "MOUNTPOINT");
	if (optind == argc)
		return fail(err, EINVAL, "where to mount? MOUNTPOINT is "
					 "missing");
	if (optind < argc - 1)
		return fail(err, EINVAL, "there is one MOUNTPOINT: '%s' is too "
					 "much", argv[optind + 1]);
	o->mountpoint = argv[optind];
	if (o->mount_for)
		o->action = ACTION_ATTACH;
	return 0;
}

int options_parse(int argc, char **argv, struct options *o, struct error *err)
{
	struct getopt_tables t;
	int value;

	*o = (struct options){.action = ACTION_MOUNT};
	buf_init(&o->fuse, FUSE_OPTIONS_MAX);
	make_tables(&t);
	optind = 0;	/* start afresh, also for a second command line */
	opterr = 0;
	while ((value = getopt_long(argc, argv, t.letters, t.longs, NULL)) >=
	       0) {
		if (value == '?' || value == ':')
			return refuse(argv, value, err);
		take(o, find_row(value));
	}
	if (o->fuse.failed)
		return fail(err, EINVAL, "the mount options are too long");
	if (o->debug || o->await_mount)
		o->foreground = true;
	return take_mountpoint(argc, argv, o, err);
}

void options_finish(struct options *o)
{
	buf_finish(&o->fuse);
}

void options_describe(struct buf *out)
{
	auto_buf form;
	size_t i;

	buf_init(&form, 128);
	buf_puts(out, "usage: uvrfs [OPTION]... MOUNTPOINT\n"
		      "       uvrfs [OPTION]... --controller\n"
		      "       uvrfs [OPTION]... install-crd\n"
		      "Shows storage replications as directories.\n\n");
	for (i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];

		buf_reset(&form);
		if (r->letter)
			buf_printf(&form, "-%c", r->letter);
		if (r->name)
			buf_printf(&form, "%s--%s", r->letter ? ", " : "    ",
				   r->name);
		if (r->arg)
			buf_printf(&form, " %s", r->arg);
		buf_printf(out, "  %-22s %s\n", buf_str(&form), r->means);
	}
	buf_puts(out, "\nEnds with 0, 1 when it fails, 2 for a wrong use.\n");
}
