/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. */
#ifndef UVRFS_OPTIONS_H
#define UVRFS_OPTIONS_H

#include "buf.h"
#include "error.h"

#include <stdbool.h>

enum action {
	ACTION_MOUNT,
	ACTION_CHECK,
	ACTION_INSTALL_CRD,
	ACTION_ATTACH,
	ACTION_CHECK_AUDIT,
	ACTION_VERSION,
	ACTION_HELP
};

struct options {
	enum action action;
	const char *config;	/* NULL: CONFIG_DEFAULT_PATH if it is there */
	const char *state_dir;	/* NULL: not given */
	bool foreground;
	bool controller;	/* without a mount */
	bool await_mount;	/* which somebody else makes: attach.h */
	const char *mount_for;	/* the process that waits so, or NULL */
	const char *check_audit;	/* of which state directory, or NULL */
	bool print;		/* what would be installed */
	bool debug;
	bool read_only;		/* -o ro */
	bool basic;		/* -o basic */
	struct buf fuse;	/* the -o options that are left for libfuse */
	const char *mountpoint;	/* given for ACTION_MOUNT */
};

/*
 * Reads the command line; the strings stay argv's.  Returns -EINVAL with a
 * sentence for what is no use of uvrfs.  options_finish frees in any case.
 */
int options_parse(int argc, char **argv, struct options *o, struct error *err);
void options_finish(struct options *o);

/* Appends what -h prints. */
void options_describe(struct buf *out);

#endif
