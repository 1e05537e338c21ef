/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known about a replication and kept: the request that is current, the
 * intent of the act under way, conditions, history.  Immutable and counted, as
 * a spec is.  Times are milliseconds since the epoch, 0 for never.
 */
#ifndef UVRFS_STATUS_H
#define UVRFS_STATUS_H

#include "act.h"
#include "state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As metav1.Condition. */
enum condition_status { CONDITION_FALSE, CONDITION_TRUE, CONDITION_UNKNOWN };

enum condition_type {
	CONDITION_READY,
	CONDITION_SYNCED,
	CONDITION_PROGRESSING,
	CONDITION_DEGRADED,
	CONDITION_DRIFTED,
	CONDITION_COUNT
};

struct condition {
	enum condition_status status;
	const char *reason;		/* CamelCase, never empty */
	const char *message;		/* may be empty, what to do */
	int64_t since;			/* lastTransitionTime: moves only when
					   `status` flips */
	int64_t generation;		/* observedGeneration */
};

/* Who asked: as the kernel told at the time of the request. */
struct who {
	unsigned uid;
	int pid;
	const char *command;		/* comm of the task; "" for the daemon */
	uint64_t call;			/* which system call of whose; 0: none */
};

/* Whether the source side takes part in a failover; decided once. */
enum failover { FAILOVER_NONE, FAILOVER_PLANNED, FAILOVER_UNPLANNED };

enum outcome {
	OUTCOME_NONE,
	OUTCOME_PENDING,
	OUTCOME_VERIFIED,
	OUTCOME_FAILED,
	OUTCOME_REPLACED,		/* by a later request */
};

/* An accepted request.  There is one that is current; id 0: none yet. */
struct request {
	uint64_t id;			/* counts up per replication */
	enum word word;
	enum state from;
	bool force;
	unsigned overrides;		/* enum override of plan.h: what force
					   was given for */
	enum failover failover;
	bool asked_peer;		/* the peer was asked to step down for
					   this failover (kept by a retry and a
					   roll back, so that they give back) */
	enum outcome outcome;
	int64_t accepted;
	int64_t deadline;		/* 0: none */
	int64_t finished;
	struct who who;
};

/* The act that was decided and may have reached the storage. */
struct intent {
	enum act act;			/* ACT_NONE: there is none */
	uint64_t request;		/* for which request */
	uint64_t serial;		/* counts up per replication: names this
					   one act for ever */
	int64_t at;
};

/* One line of `history`. */
struct transition {
	uint64_t request;
	enum state from;
	enum word word;
	bool force;
	enum failover failover;
	enum outcome outcome;
	int64_t at;
	int64_t finished;
	struct who who;
	const char *note;		/* why it failed; may be NULL */
};

/* The oldest are dropped beyond this. */
#define HISTORY_MAX 32

struct status {
	unsigned refs;			/* atomic; status_ref, status_unref */
	uint64_t id;			/* of the replication: never reused */
	const char *uid;		/* metadata.uid, a UUID */
	int64_t created;
	int64_t updated;		/* of this version */
	int64_t spec_changed;		/* the spec, its state aside; 0: not
					   known */
	int64_t generation;		/* counts changes of spec */
	uint64_t resource_version;	/* counts versions of both */
	const char *version;		/* what the store calls this version, when
					   it has names of its own, or NULL */
	const char *site;		/* the cluster whose volume `state`
					   speaks of; set once */
	bool holds_pvc;			/* of volumeMapping, here has the PVC
					   and the peer the volumeHandle; set
					   once, a swap does not change it */
	bool failed;			/* `state` reads failed, and the state
					   that failed is the spec's */
	const char *failure;		/* standing failure, NULL when none */
	int64_t failure_at;
	const char *hold;		/* NULL when not held */
	const char *refused;		/* why what the store's object asks for
					   is not done; NULL: it is */
	const char *refused_reason;	/* CamelCase, with it */
	struct request request;
	struct intent intent;
	uint64_t last_serial;		/* greatest intent serial ever used */
	unsigned attempts;		/* failures in a row of this request */
	int64_t data_time;		/* newest known time of the replica's
					   data, kept when a source is lost */
	struct condition conditions[CONDITION_COUNT];
	struct transition *history;	/* oldest first */
	size_t history_count;
};

/*
 * Copies @from with all it points to; one reference, NULL without memory.
 * Keeps only the newest HISTORY_MAX transitions.
 */
struct status *status_new(const struct status *from);
struct status *status_ref(const struct status *status);
void status_unref(const struct status *status);

/* But for when they came to be so. */
bool status_conditions_equal(const struct status *a, const struct status *b);

/* Has the request that this call made been accepted?  Among the last ones. */
bool status_has_call(const struct status *status, uint64_t call);

/* metadata.resourceVersion: the store's name of this version, or its number. */
#define STATUS_VERSION_MAX 64
const char *status_version(const struct status *status,
			   char room[static STATUS_VERSION_MAX]);

const char *condition_type_text(enum condition_type type);
const char *condition_status_text(enum condition_status status);
const char *failover_text(enum failover failover);
const char *outcome_text(enum outcome outcome);

/* The way back; -1 when @text is no such word. */
int condition_type_parse(const char *text);
int condition_status_parse(const char *text);
int failover_parse(const char *text);
int outcome_parse(const char *text);

void status_unref_cleanup(struct status **status);
#define auto_status __attribute__((cleanup(status_unref_cleanup))) struct status *

#endif
