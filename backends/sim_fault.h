/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults on demand: the lines of DIR/CLUSTER/faults as a value.  Pure; who
 * reads the file and when is the model's business.
 */
#ifndef UVRFS_SIM_FAULT_H
#define UVRFS_SIM_FAULT_H

#include "act.h"

#include <stddef.h>
#include <stdint.h>

enum fault_kind {
	FAULT_DOWN,
	FAULT_MUTE,
	FAULT_HANG,
	FAULT_REFUSE,
	FAULT_UNCONFIGURED,
	FAULT_SLOW,
	FAULT_FAIL,
	FAULT_FINAL,
	FAULT_LIE,
	FAULT_CRASH_BEFORE,
	FAULT_CRASH_AFTER,
	FAULT_IN_USE,
	FAULT_IN_USE_UNKNOWN,
	FAULT_IN_USE_IGNORED,
	FAULT_NO_SECOND_FACT,
	FAULT_NO_FINAL_SYNC_END,
	FAULT_RATE,
	FAULT_NO_COPY,
	FAULT_COUNT
};

struct fault {
	enum fault_kind kind;
	char *volume;			/* NAMESPACE/VOLUME, NULL: every one */
	enum act act;			/* of the kinds that name one */
	int64_t number;			/* milliseconds, calls, bytes */
	char *text;			/* who uses it; may be NULL */
};

struct sim_faults {
	struct fault *list;
	size_t count;
	char wrong[128];		/* what is wrong with the first line
					   that can't be used, "" when fine */
};

/* Greater files are cut. */
#define FAULTS_MAX (64 * 1024)

/* Reads the @len bytes at @text.  -ENOMEM leaves @out alone. */
int faults_parse(const char *text, size_t len, struct sim_faults *out);
void faults_finish(struct sim_faults *f);

/*
 * The first of @kind for the volume @namespace/@volume, NULL when there is
 * none.  For kinds that name an act: only for @act, where `demote` stands for
 * what either side's daemon asks of this cluster.
 */
struct fault *faults_find(const struct sim_faults *f, enum fault_kind kind,
			  const char *namespace, const char *volume,
			  enum act act);

const char *fault_text(enum fault_kind kind);

#endif
