/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the plan share. */
#ifndef UVRFS_PLAN_PRIVATE_H
#define UVRFS_PLAN_PRIVATE_H

#include "plan.h"

/* One planning: the input, read once, and the plan that grows. */
struct planning {
	const struct plan_input *in;
	struct plan *out;
	const struct side *here;
	const struct side *peer;
	enum role here_role;	/* what may be planned on: see role_of */
	enum role peer_role;
	enum state state;	/* as `state` reads */
	enum state from;	/* the state that the request leaves, a failed
				   one replaced by the state that failed */
	bool force;		/* of the word that is asked for now */
	bool again;		/* the word of the present state, once more */
	unsigned overrides;	/* what force is good for */
	bool asked_peer;
	enum failover failover;
};

/*
 * The role to plan on: what claim and fact agree on, the claim alone when the
 * backend has no second fact, unknown when they contradict each other.
 */
enum role role_of(const struct side *side);

/* Adds a check that did not pass, and that force does not help. */
void plan_object(struct planning *p, enum verdict verdict, const char *name,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Adds a check that needs force, of this kind. */
void plan_need(struct planning *p, enum override kind, const char *name,
	       const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Adds a check that passed. */
void plan_pass(struct planning *p, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Adds a step; says that the reconcile waits, and why; says that it is done. */
void plan_step(struct planning *p, enum act act);
void plan_wait(struct planning *p, enum reason reason, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* It waits because of what that side is, which its storage says in its own
   words. */
void plan_doubt(struct planning *p, const struct side *side, enum reason reason,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The rows of the words: what is checked and what is left to do. */
struct word_plan {
	void (*checks)(struct planning *p);
	void (*steps)(struct planning *p);
};

extern const struct word_plan plan_promote, plan_demote, plan_resync,
	plan_swap, plan_adopt, plan_complete, plan_roll_back, plan_take_back,
	plan_settle, plan_remove;

/* Checks that several words share. */
bool check_here(struct planning *p);
void check_not_in_use(struct planning *p, const struct side *side,
		      const char *cluster);
void check_second_fact(struct planning *p);
bool peer_is_source(const struct planning *p);
bool peer_is_verified_source(const struct planning *p);
bool peer_may_be_writable(const struct planning *p);
bool peer_is_half_demoted(const struct planning *p);

/* This site steps down, and is made the peer's copy.  False: it waits. */
bool plan_rebuild(struct planning *p);

/* The waits that several words share; true when there is one. */
bool wait_for_site(struct planning *p);
bool wait_for_use(struct planning *p, const struct side *side,
		  const char *cluster);

/* The second fact agrees, or its absence was accepted. */
bool is_fact(const struct planning *p, enum role role);

/* The role at this site that a word stands for. */
enum role role_meant(enum word word);

/* The steps of a side that was made writable, as far as its object says: done
   when the second fact agrees, else a wait that says why not. */
void await_writable(struct planning *p);

/* That act was begun for this request, and has had no answer. */
bool has_begun(const struct planning *p, enum act act);

/* It is asked for once more, and what it tries now has failed. */
bool is_stuck(const struct planning *p);

/* The backend has a second fact, and for this side it can't be told now. */
bool lacks_second_fact(const struct planning *p, const struct side *side);

/* A call would bring the second fact that is missing of this side. */
bool lacks_look(const struct side *side);
/* It is missing here: that call is the step. */
bool verify_here(struct planning *p);

/* What moves as a whole: what is said when somebody asks, and the wait. */
void check_group(struct planning *p);
void wait_for_group(struct planning *p);

/* The phrase for a side that gives no answer that counts. */
const char *side_silence(const struct side *side);
/* And the reason: of this site, and of the peer. */
enum reason site_reason(const struct side *side);
enum reason peer_reason(const struct side *side);

#endif
