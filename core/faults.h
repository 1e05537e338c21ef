/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects all that is wrong with a text into one error, joined by "; ", each
 * with its field path and line:
 *
 *   spec.schedule.rpo (line 21): '5x' does not match ^[0-9]+(s|m|h|d)$
 */
#ifndef UVRFS_FAULTS_H
#define UVRFS_FAULTS_H

#include "error.h"

#include <stddef.h>

/* A place in a tree, linked from the inside out on the callers' stacks. */
struct path {
	const struct path *up;		/* NULL at the top */
	const char *key;		/* NULL: a list's element, or the whole */
	size_t index;
	unsigned line;			/* 0: there is no text */
};

struct faults {
	struct error *err;
	size_t len;
	unsigned count;
	unsigned unsaid;		/* for which there was no room */
};

/* @err is left alone until there is a fault. */
void faults_init(struct faults *f, struct error *err);
void faults_add(struct faults *f, const struct path *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* 0, or -EINVAL with all faults in the error. */
int faults_result(struct faults *f);

/* @value for a sentence: in quotes, control bytes escaped, the end cut. */
#define QUOTE_MAX 96
const char *fault_quote(const char *value, char out[static QUOTE_MAX]);

#endif
