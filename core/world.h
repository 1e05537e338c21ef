/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set of replications, and what may be asked of it.  Owned by the event
 * loop: every function here is called on it and none blocks.  Changes are made
 * durable by the store's worker and published only then, so readers always see
 * the last durable truth at once.
 */
#ifndef UVRFS_WORLD_H
#define UVRFS_WORLD_H

#include "backend.h"
#include "counts.h"
#include "job.h"
#include "lines.h"
#include "plan.h"
#include "sight.h"
#include "store.h"

struct world;

struct namespace {
	uint64_t id;
	char name[64];
	struct world *world;
	struct replication **list;	/* by id, ascending */
	size_t count;
	size_t cap;
	unsigned busy;			/* requests in flight that need it */
	bool going;			/* rmdir is on its way to the store */
};

/* What somebody last tried here and was refused. */
struct refusal {
	char *sentence;			/* NULL: none */
	int64_t at;
	struct who who;			/* its command is owned here */
};

struct replication {
	uint64_t id;
	struct namespace *ns;
	char *name;
	struct spec *spec;		/* NULL: a draft */
	struct status *status;		/* NULL: a draft */
	struct sight *seen;		/* NULL: nothing yet */
	struct backend *backend;	/* NULL: none serves it */
	const char *backend_why;	/* why this one, or why none */
	struct refusal refusal;
	struct lines log;
	struct work *work;		/* private to core: what is in flight */
};

/* What of a replication may have changed. */
enum facet {
	FACET_SPEC = 1,
	FACET_STATUS = 2,
	FACET_SEEN = 4,
	FACET_LOG = 8,
	FACET_REFUSAL = 16,
	FACET_VOLUME = 32,		/* what the store knows of its PVC */
};

/* Told on the loop, after the fact. */
struct world_listener {
	/* @before is @r as it was (its log and work aside), valid during the
	   call only. */
	void (*changed)(struct world_listener *l, struct replication *r,
			const struct replication *before, unsigned facets);
	/* A draft became real, or a replication is about to be freed. */
	void (*appeared)(struct world_listener *l, struct replication *r);
	void (*vanishing)(struct world_listener *l, struct replication *r);
	/* world_log has a new line. */
	void (*logged)(struct world_listener *l);
};

/* Which backend serves a storage class: a glob and a name; first match wins. */
struct select_rule {
	const char *storage_class;
	const char *backend;
};

struct world_config {
	const char *site;		/* "" : each manifest's destination */
	struct policy policy;
	const struct select_rule *select;
	size_t select_count;
	int act_timeout_ms;		/* one call to a backend, 30,000 */
	int64_t min_deadline_ms;	/* of a request: 900,000; the schedule's
					   rto when that is longer */
	int retry_first_ms;		/* backoff: 1,000 doubling to 300,000 */
	int retry_max_ms;
};

/* A cluster that endpoints name, and how it answers. */
struct cluster {
	uint64_t id;			/* by its name: the same in every daemon */
	char *name;
	size_t users;			/* replications that have an end there */
	enum reach reach;
	char why[SIDE_TEXT_MAX];
	int64_t since;
	unsigned failures;		/* the circuit breaker: in a row */
	unsigned successes;		/* in a row while half open */
	int64_t open_until;		/* see circuit_state() */
	unsigned running;		/* acts in flight */
};

enum circuit { CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_HALF_OPEN };

enum circuit circuit_state(const struct cluster *c, int64_t now);
const char *circuit_text(const struct cluster *c, int64_t now);

/*
 * @config and what it points to, @store, @jobs and the backends outlive the
 * world.  NULL without memory.
 */
struct world *world_new(const struct world_config *config, struct store *store,
			struct jobs *jobs);
void world_free(struct world *w);	/* after the jobs have ended */

/*
 * The daemon is about to end: conditions, which the next one derives anew, are
 * not stored any more, however many of them still wait for that.
 */
void world_stop(struct world *w);

/* Before world_load. */
int world_add_backend(struct world *w, struct backend *b, struct error *err);
void world_set_listener(struct world *w, struct world_listener *l);

/* Loads the store, starts the backends, takes up what was under way.  Blocks. */
int world_load(struct world *w, int64_t now, struct error *err);

/*
 * True once every replication that the store held has been looked at by its
 * backend.  Cheap to ask again: it goes on where it stopped.
 */
bool world_is_observed(struct world *w);

/* The time by which world_tick wants to be called again; INT64_MAX: never. */
int64_t world_due(const struct world *w);

/*
 * Of a store that several daemons share: who leads, "" for nobody; and why the
 * store gives no answer, "" when it does.  Both are NULL for a store of ours
 * alone.
 */
const char *world_leader(const struct world *w);
bool world_leads(const struct world *w);	/* it is us, or nobody else could */
const char *world_store_silence(const struct world *w);

/* Sets the time and does what is due. */
void world_tick(struct world *w, int64_t now);
int64_t world_now(const struct world *w);

/* No id that was ever given out is above this; nothing is written for it. */
uint64_t world_last_id(const struct world *w);

/*
 * The next that a former daemon gave to a directory that is gone now; each once,
 * then 0.  @path is what watchers are to be told of, NAMESPACE/NAME or "" for
 * nothing, and lasts until the next call.  Of a store of ours alone there are
 * none.
 */
uint64_t world_lost_id(struct world *w, const char **path);
/* Others have made it, and no watcher was told of that. */
bool world_is_untold(const struct replication *r);
/*
 * Why the audit can't be written, and how many lines are kept until it can be;
 * NULL, and none, when all of it is.
 */
const char *world_audit_trouble(const struct world *w, size_t *waiting);

/* Watchers were told that the replication @id is there, or is gone. */
void world_told(struct world *w, uint64_t id);

/* Looking. */
struct namespace *world_namespace(struct world *w, const char *name);
struct namespace *world_namespace_by_id(struct world *w, uint64_t id);
struct replication *namespace_find(struct namespace *ns, const char *name);
struct replication *world_by_id(struct world *w, uint64_t id);

/* The next by id after @after (0: the first), NULL at the end. */
struct namespace *world_next_namespace(struct world *w, uint64_t after);
struct replication *namespace_next(struct namespace *ns, uint64_t after);
struct replication *world_next(struct world *w, uint64_t after);

/* What the storage moves with @r: the next after @after (NULL: the first), NULL
   at the end. */
struct replication *world_group_next(const struct replication *r,
				     const struct replication *after);

/* False while more may be found to move with @r: the world was just loaded. */
bool world_group_is_known(const struct replication *r);

/* By index, NULL at the end.  Clusters come and go with the replications that
   have an end there; the next by id. */
struct cluster *world_cluster(struct world *w, size_t index);
struct cluster *world_next_cluster(struct world *w, uint64_t after);
struct backend *world_backend(struct world *w, size_t index);
const char *world_site(const struct world *w);

/* What has happened; of one backend, NULL as for world_backend(). */
const struct counts *world_counts(const struct world *w);
const struct backend_counts *world_backend_counts(const struct world *w,
						  size_t index);
/* All watches, of the store and of the backends. */
void world_visit_watches(struct world *w, struct watch_visitor *v);
struct lines *world_log(struct world *w);
struct lines *world_audit(struct world *w);

/* `state` as it reads: failed, or what was last accepted. */
enum state replication_state(const struct replication *r);

/* Which endpoint is here and which is the peer. */
const struct endpoint *replication_here(const struct replication *r);
const struct endpoint *replication_peer(const struct replication *r);
void replication_target(const struct replication *r, struct target *t);

/* The plan for @word as things are now; what plan/WORD shows. */
void world_plan(struct world *w, struct replication *r, enum word word,
		bool force, struct plan *out);

/* What is known of its PVC beyond the spec, as YAML at @depth. */
void world_describe_volume(struct world *w, const struct replication *r,
			   int depth, struct buf *out);

/* True when plan/ has a file for @word now. */
bool world_may_write(struct world *w, struct replication *r, enum word word);

/*
 * How request @id stands: 0 verified, -EIO failed, -ECANCELED replaced by
 * another, -EINPROGRESS.
 */
int replication_wait_result(const struct replication *r, uint64_t id);

/* Asking for a change. */
enum edit_kind {
	EDIT_STATE,		/* WORD [force] */
	EDIT_ENDPOINTS,		/* swap [force], or YAML */
	EDIT_MODE,		/* a word */
	EDIT_SCHEDULE,		/* YAML */
	EDIT_SPEC,		/* a manifest; makes a draft real */
	EDIT_HOLD,		/* a reason, or nothing */
	EDIT_REMOVE,		/* rmdir; text is not used */
	EDIT_ASK,		/* core's own: what the store's object asks */
};

/*
 * One request.  Answered exactly once by `done`, on the loop, maybe before
 * world_edit returns: 0 when accepted and durable, or a negative errno when
 * nothing was changed; the sentence is in `error` then, the audit has both.
 */
struct edit {
	enum edit_kind kind;
	char *text;		/* malloc'ed; the edit owns it */
	size_t len;
	struct who who;
	char command[32];	/* who.command points here */
	void (*done)(struct edit *edit, int rc);	/* frees with edit_free */
	void *ctx;
	struct edit *next;	/* private to core, as is: */
	int64_t conflict_since;	/* others are first since then; 0: they were not */
};

/*
 * True when @text can only be words (small letters and blanks): what goes to a
 * YAML file as a request and not as the start of a document.
 */
bool edit_is_words(const char *text, size_t len);

/* True when @text is read as `WORD force', by whatever takes words. */
bool edit_is_forced(const char *text, size_t len);

struct edit *edit_new(enum edit_kind kind, const char *text, size_t len,
		      const struct who *who);
void edit_free(struct edit *edit);
void world_edit(struct world *w, struct replication *r, struct edit *edit);

/*
 * mkdir and rmdir of a namespace: `done` as above.  -EEXIST, -ENOTEMPTY,
 * -EINVAL (the name), -ENOENT.
 */
struct namespace_edit {
	char name[64];
	bool remove;
	struct who who;
	char command[32];
	void (*done)(struct namespace_edit *e, int rc);
	void *ctx;
};
void world_edit_namespace(struct world *w, struct namespace_edit *e);

/*
 * mkdir of a replication: a draft in memory.  NULL with EEXIST, EINVAL (not a
 * DNS-1123 name), ENOMEM.
 */
struct replication *world_new_draft(struct world *w, struct namespace *ns,
				    const char *name, const struct who *who,
				    struct error *err);

/*
 * Calls @job's `done` on the loop when every line of the audit until now is in
 * its file: what somebody was told survives the daemon there, too.
 */
void world_after_audit(struct world *w, struct job *job);

/* Notes a refusal that did not come from an edit (a write that is too big). */
void world_refuse(struct world *w, struct replication *r,
		  const struct who *who, const char *sentence);

#endif
