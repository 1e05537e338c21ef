/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the world share. */
#ifndef UVRFS_WORLD_PRIVATE_H
#define UVRFS_WORLD_PRIVATE_H

#include "job.h"
#include "timers.h"
#include "world.h"

#include <stdatomic.h>

#define LOG_MAX (16 * 1024)		/* of one replication */
#define WORLD_LOG_MAX (1024 * 1024)
#define AUDIT_MAX (1024 * 1024)

/* What was seen of one relationship, whether a replication is bound or not. */
struct sighting {
	struct backend *backend;
	char *key;
	struct replication *r;		/* who is bound to it, or NULL */
	char *here;			/* the cluster of whoever was bound to it when
					   `seen' was; NULL: the backend told of it
					   by itself */
	struct sight *seen;		/* until somebody is bound, or NULL */
};

struct world_sink {
	struct sink sink;
	struct world *world;
	struct backend *backend;
	struct backend_counts counts;
	/* Something that it told is lost, as there was no memory: */
	struct job lost;		/* on its way to the loop, */
	atomic_bool is_lost;		/* while this is true; */
	int64_t again_at;		/* when it is asked to tell anew, or 0 */
};

/* What a shared store tells, on its way to the loop. */
struct store_listener {
	struct store_sink sink;
	struct world *world;
};

/* Lines of the audit that could not be written yet. */
struct record {
	struct audit_job *first, **last;
	size_t waiting;
	size_t retried;			/* and may come back */
	bool troubled;			/* it was said that there are some */
	int64_t retry_at;
	char *why;
};

struct world {
	const struct world_config *config;
	struct store *store;
	struct jobs *jobs;
	struct world_listener *listener;
	int64_t now;
	int64_t loaded_at;
	size_t observed;		/* so many of `all` have been looked at */
	struct world_sink **sinks;	/* one per backend */
	size_t backend_count;
	struct namespace **namespaces;	/* by id */
	size_t namespace_count, namespace_cap;
	size_t namespaces_coming;	/* have their room already */
	struct replication **all;	/* by id */
	size_t count, cap;
	void *by_name;			/* tsearch: struct replication, */
	size_t hidden;			/* without so many of `all` */
	void *by_claim;			/* tsearch: struct claim */
	struct removed *removed;	/* by us, and the store's news are late */
	void *by_key;			/* tsearch: struct sighting */
	void *groups;			/* tsearch: struct group */
	struct cluster **clusters;	/* by id */
	size_t cluster_count;
	struct timers timers;
	struct lines log;
	struct lines audit;
	struct record record;
	struct counts counts;
	struct error load_err;		/* of a visitor, while loading */
	bool loading;

	struct store_listener store_listener;
	bool shared;			/* others write to the store as well */
	bool leads;			/* and we act: always, unless shared */
	char leader[128];
	bool away;			/* the store gives no answer, and why */
	char away_why[256];
	bool stopping;			/* atomic; world_stop */
};

/* What came of an act, until it can be written down. */
struct act_result {
	enum act act;
	uint64_t request;
	int rc;
	char sentence[PLAN_TEXT_MAX];
};

/* What is in flight for one replication. */
struct work {
	struct replication *r;
	struct timer timer;
	struct edit *first;		/* asked, not yet looked at */
	struct edit **last;
	bool committing;		/* a version is on its way to the store */
	bool acting;			/* a call to the backend is under way */
	bool confirmed;			/* a shared store has just taken a version
					   of ours: nobody has asked anew */
	bool unsure;			/* the store may hold another version than
					   this one: to be written again */
	bool hidden;			/* removed for users; the storage's
					   relationship is still to be deleted */
	bool gone;			/* removed; freed when nothing is left */
	struct commit *commit;		/* that version, while committing */
	const struct spec *coming;	/* a draft's, on its way to the store */
	struct act_result *result;	/* NULL: none */
	int64_t trust_after;		/* observations before this prove nothing
					   about an act that may have run since */
	int64_t retry_at;		/* no act before */
	int64_t look_at;		/* no asking without an act before */
	int64_t peer_since;		/* when the peer last began to answer */
	int64_t store_retry_at;		/* the store failed, or there was no
					   memory: nothing before */
	struct sighting *sighting;
	struct group *group;		/* what its storage moves with it; NULL:
					   nothing */
	struct cluster *here, *peer;	/* while it is tracked */
	struct shared_part *shared;	/* NULL: the store is ours alone, or has
					   no object of it */
};

/* The object that a shared store has of a replication. */
struct shared_part {
	struct object *object;		/* as last seen */
	struct object *later;		/* seen during a commit, not yet taken */
	bool asking;			/* an EDIT_ASK is on its way */
	int64_t ask_at;			/* not before: its writer may accept it */
	int64_t refused;		/* generation that was refused while
					   nothing was accepted yet, 0: none */
	uint64_t told;			/* what was told of the question that
					   the store does not have yet, 0:
					   nothing */
	struct claim *claim;		/* that it is for, NULL: not known (or
					   no memory: it hears of no change) */
	struct replication *claim_next;	/* for the same one */
	struct status *stored;		/* while conditions are shown that the
					   store can't be given */
	int64_t published;		/* when we last wrote it */
	bool witnessed;			/* others were seen to have the status */
	bool untold;			/* others have made it, and no watcher
					   was told of that */
	uint64_t request;		/* the one that is current, and */
	int64_t request_at;		/* since when it is, by our own clock */
	int64_t conflict_since;		/* others are first with what nobody has
					   asked for; 0: they are not */
	struct unheard *unheard;	/* the last write that the store gave no
					   answer to, or NULL */
};

/* A version on its way to the store. */
struct commit {
	struct job job;
	struct world *world;
	struct replication *r;
	struct spec *spec;
	struct status *status;
	uint64_t expected;
	bool remove;
	bool derived;			/* holds nothing but conditions, */
	bool again;			/* and those that are shown already */
	bool skipped;			/* since the daemon is about to end */
	bool takes_result;		/* holds what came of an act */
	const struct object *object;	/* as known; stays while we are committing */
	bool asks;			/* it is to be changed as well, */
	struct spec *base;		/* by what differs from this */
	bool undecided;			/* what it asks beside that */
	struct object *kept;		/* as it is afterwards */
	bool drop_force;
	bool moves;			/* its request is another, or ended */
	struct backend *backend;
	char unheard[OBJECT_WRITER_MAX];	/* of store_write */
	const char *event;		/* to be logged when it is kept, or NULL */
	struct edit *edit;		/* who waits for it, or NULL */
	char audit[PLAN_TEXT_MAX + 64];		/* what to audit when it is done */
	int rc;
	struct error err;
};

/* --- world.c: the set --- */
/* One without a spec, which is in the set.  NULL: no memory. */
struct replication *world_make(struct world *w, struct namespace *ns,
			       const char *name, uint64_t id);
void world_withdraw(struct world *w, struct replication *r);
void world_hide(struct world *w, struct replication *r);
void replication_free(struct replication *r);
void replication_free_when_idle(struct replication *r);
/* The next by id, hidden ones too. */
struct replication *world_after(struct world *w, uint64_t id);
void world_change(struct world *w, struct replication *r,
		  const struct replication *before, unsigned facets);
struct namespace *world_add_namespace(struct world *w, const char *name,
				      uint64_t id);
/* The same in two steps, of which the second can't fail. */
struct namespace *namespace_new(struct world *w, const char *name, uint64_t id);
void namespace_add(struct namespace *ns);
void namespace_drop(struct namespace *ns);	/* it was not to be */

/* --- counts.c; NULL: no backend serves @r --- */
struct backend_counts *counts_of(struct world *w, const struct replication *r);

/* --- record.c: what is written down for people --- */
void world_note(struct world *w, struct replication *r, const struct who *who,
		const char *event, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
void world_audit_line(struct world *w, const char *namespace, const char *name,
		      const struct who *who, const char *event,
		      const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
void replication_set_refusal(struct world *w, struct replication *r,
			     const struct who *who, const char *sentence);
void replication_clear_refusal(struct world *w, struct replication *r);

/* --- binding.c: which backend and which site --- */
int replication_choose_backend(struct world *w, const struct endpoint *here,
			       const struct spec *spec,
			       struct backend **backend, const char **why);
int site_choose(const struct world *w, const struct spec *spec,
		struct status *status, struct error *err);
/* May that backend serve @r with @spec in place of its own? */
int check_backend(struct world *w, const struct replication *r,
		  const struct spec *spec, struct error *err);
int world_bind(struct world *w, struct replication *r, struct error *err);
/* The same; when it can't be, its log says so. */
void world_serve(struct world *w, struct replication *r);
void world_unbind(struct world *w, struct replication *r);
void world_free_sightings(struct world *w);
struct sighting *world_sighting(struct world *w, struct backend *b,
				const char *key);
/* An observation can't be kept now: the backend is asked to tell anew. */
void sight_lost(struct world *w, const struct backend *b);
int64_t sights_due(const struct world *w);
void sights_ask_anew(struct world *w);
/*
 * @r, which is to be served as @t says, takes over what was seen while nobody
 * was, as its side sees it.  Without memory -ENOMEM, and it has seen nothing.
 */
int sighting_take(const struct sighting *s, struct replication *r,
		  const struct target *t);
/* Keeps what was seen, by whoever was served there at the cluster @here, which
   is its own now; or, NULL, when nobody was. */
void sighting_keep(struct sighting *s, struct sight *seen, char *here);
/* Frees it if nobody is bound to it and nothing was seen there. */
void sighting_tidy(struct world *w, struct sighting *s);
void world_track(struct world *w, struct replication *r);
void spec_target(const struct spec *spec, const struct status *status,
		 struct target *t);

/* --- load.c --- */
/* Not when it was put into the store by hand as what can't be adopted: nobody
   has looked at its storage, nor is going to. */
int check_adopted(const struct world *w, const struct replication *r,
		  struct error *err);

/* --- group.c: what moves together --- */
/* As @r's backend has seen it, -ENOMEM: as before; leaves it for good. */
int group_update(struct world *w, struct replication *r);
void group_leave(struct world *w, struct replication *r);
/* Something about @r has changed that others of its group may wait for. */
void group_reconcile(struct world *w, struct replication *r);
/* The members of which @word was not asked: NAMESPACE/NAME, ... or "". */
void group_list_unasked(const struct replication *r, enum word word, char *out,
			size_t size);
void world_free_groups(struct world *w);

/* --- commit.c: making a version durable and public --- */
void plan_input_for(struct world *w, struct replication *r,
		    const struct spec *spec, const struct status *status,
		    struct plan_input *in);
/*
 * Sends @status (a draft on the caller's stack) with @spec to the store, its
 * versions counted up and its conditions derived.  Takes over @edit on success.
 */
int commit_start(struct world *w, struct replication *r,
		 const struct spec *spec, struct status *status,
		 struct edit *edit, const char *audit, struct error *err);
/*
 * The same for what the daemon found out: logged as @event, with @text, once it
 * is kept.  0 or a negative errno.
 */
int commit_outcome(struct world *w, struct replication *r,
		   const struct spec *spec, struct status *status,
		   const char *event, const char *text);
int commit_derived(struct world *w, struct replication *r,
		   struct status *status);
/* Fills the conditions of a draft of @r's status; their strings are in @text. */
void commit_derive(struct world *w, struct replication *r,
		   struct status *draft,
		   struct condition_text text[CONDITION_COUNT]);
/* Takes it out of the store; @audit says how when that is done. */
int commit_remove(struct world *w, struct replication *r, struct edit *edit,
		  const char *audit, struct error *err);

/* --- edit.c, request.c: what users ask --- */
/* Looks at what waits, in order.  False: @r is gone. */
bool world_pump(struct world *w, struct replication *r);
/* Answers one that comes too late: @r is being taken out of the set. */
void edit_find_gone(struct world *w, struct replication *r, struct edit *e);
/*
 * Each looks at an edit and returns 0 when it is answered later, one of these,
 * or a negative errno.
 */
#define NOTHING_TO_DO 1
#define ACCEPTED_BEFORE 2	/* by a daemon that died before it said so */
int edit_apply(struct world *w, struct replication *r, struct edit *edit,
	       struct error *err);
int edit_spec(struct world *w, struct replication *r, struct edit *edit,
	      struct error *err);
/* What may change in place: the backend and the API's own rules decide. */
int check_spec_change(struct world *w, const struct replication *r,
		      const struct spec *spec, struct error *err);
/* A manifest becomes a replication. */
int spec_create(struct world *w, struct replication *r, struct edit *edit,
		const struct spec *spec, struct error *err);
/* A whole spec that is to replace another. */
struct spec_request {
	const struct spec *spec;
	bool versioned;			/* whoever wrote it knew what it was */
	bool force;
};
int spec_change(struct world *w, struct replication *r, struct edit *edit,
		const struct spec_request *q, struct error *err);
/* A change of spec that is no transition. */
int change_spec(struct world *w, struct replication *r, struct edit *edit,
		const struct spec *spec, struct error *err);
int request_word(struct world *w, struct replication *r, struct edit *edit,
		 const struct spec *with, enum word word, bool force,
		 struct error *err);
/* Makes the next version, in which @plan is the request, and sends it. */
int request_accept(struct world *w, struct replication *r, struct edit *edit,
		   const struct spec *spec, const struct plan *plan,
		   struct error *err);
/* A copy of the history with room for one more; the caller frees it.  NULL: no
   memory. */
struct transition *request_copy_history(const struct status *s);
void request_note_history(struct status *s, const struct request *req,
			  enum outcome outcome, const char *note);

/* --- reconcile.c, act.c --- */
void reconcile(struct world *w, struct replication *r);
void look_again(struct world *w, struct replication *r);
int64_t first_word_by(const struct world *w);
void world_observe(struct world *w, struct replication *r,
		   const struct observation *seen);
/* The same; takes a reference of its own. */
void world_take_sight(struct world *w, struct replication *r,
		      struct sight *sight);
/*
 * Keeps the intent before the act; @why: what it is made for, or NULL.  One that
 * is there already is kept again, by whoever was not the last to write: somebody
 * else may have put another request in its place, and the news of it be late.
 */
int act_intend(struct world *w, struct replication *r, enum act act,
	       const char *why);
bool act_is_intended(const struct replication *r, enum act act);
int act_begin(struct world *w, struct replication *r, enum act act);
void result_drop(struct work *work);

/* --- record.c --- */
void record_init(struct world *w);
void record_tick(struct world *w);
void record_retry(struct world *w);	/* now, and not when it is due */
void record_finish(struct world *w);

/* --- shared.c: a store that others write to as well --- */
void shared_init(struct world *w);
/* Takes an object over: it appears, or is as it says from now on. */
void shared_take(struct world *w, struct object *o);
/* Takes what came during the commit that has just ended. */
void shared_catch_up(struct world *w, struct replication *r);
/* What a commit has written is what the object is. */
void shared_published(struct world *w, struct replication *r,
		      struct commit *c);
/* While the store is away: conditions that it can't be given; and back. */
void shared_show(struct world *w, struct replication *r);
void shared_show_stored(struct world *w, struct replication *r);
/* Its waits, when the clock was set back. */
void shared_shift_waits(struct shared_part *part, int64_t by);
/* A call to the storage may be under way at another daemon: the store tells when
   that was about to begin, and when it has failed. */
bool shared_acts_elsewhere(const struct world *w, const struct replication *r);
/* Also one that is being removed, and has no name any more. */
struct replication *shared_find(struct namespace *ns, const char *name);
void shared_forget(struct replication *r);
/* shared_unheard.c: a write has failed that the store may have all the same.  It
   has not failed, when the watch has told of it; else that is noted for when it
   does. */
void shared_find_kept(struct commit *c);
void shared_note_unheard(struct replication *r, const struct commit *c);
void shared_hear(struct world *w, struct replication *r,
		 const struct object *o);
/* shared_claims.c: whose object is for which PVC; with a part. */
void shared_claim(struct replication *r, const struct spec *spec);
void shared_unclaim(struct replication *r);
/* The first of those for a PVC; the next is the part's claim_next. */
struct replication *shared_claimant(const struct world *w,
				    const char *namespace, const char *pvc);
/* The object of @r is removed: what is still told of it is of before. */
void shared_note_removed(struct world *w, const struct replication *r);
/* It has been told that the object @uid is no more; "": not of which. */
void shared_forget_removed(struct world *w, const char *uid);
void shared_finish(struct world *w);
/* For the next daemon. */
void shared_note_namespace(struct world *w, const char *name, uint64_t id);
void shared_note_gone(struct world *w, uint64_t id);
int shared_start(struct world *w, struct error *err);

/* --- ask.c: what objects ask for --- */
/* Sends the question in when there is one.  True: it is on its way. */
bool ask(struct world *w, struct replication *r);
/* When to look again at one that was left to its writer; INT64_MAX: never. */
int64_t ask_due(const struct world *w, const struct replication *r);
/* It is not done, and the object says why; or, when it could not be looked at
   now, it is asked again later.  False: nobody is to be told (again). */
bool ask_refuse(struct world *w, struct replication *r, int rc,
		const char *sentence);
/* Why it is not done, which the store could not be given: was it told of?  From
   now on it was. */
bool ask_is_told(struct replication *r, const char *sentence);
int edit_ask(struct world *w, struct replication *r, struct edit *edit,
	     struct error *err);
int edit_remove(struct world *w, struct replication *r, struct edit *edit,
		struct error *err);
void replication_event(struct world *w, struct replication *r, bool warning,
		       const char *reason, const char *message);

/* --- circuit.c --- */
/* Made when there is none; NULL: no memory. */
struct cluster *world_find_cluster(struct world *w, const char *name);
/* *@end is one's end at @name from now on; NULL: it has none any more. */
void cluster_use(struct world *w, struct cluster **end, const char *name);
/* Nobody uses it, it may be: then it is no more. */
void cluster_tidy(struct world *w, struct cluster *c);
int64_t world_open_until(struct world *w, const char *cluster);
/* Failures that say something about the cluster, not about one volume. */
bool circuit_counts(int rc);
bool circuit_allows(const struct cluster *c, int64_t now);
void circuit_record(struct cluster *c, bool success, int64_t now);
/* Somebody asks for something new: an open circuit may be tried at once. */
void circuit_probe(struct cluster *c, int64_t now);

#endif
