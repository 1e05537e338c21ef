/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replication engine's copies.  A copy reads the source as it is at one
 * moment into a file beside the replica, is held back as long as the line would
 * take, and is put in place by a rename, so a replica is always a whole and
 * consistent snapshot.  Called by the engine's thread only.
 */
#include "sim_model.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TORN_RETRY_MS 50		/* it changed while it was read */
#define TICK_MS 100			/* of a progress that is shown */
#define CHUNKS_PER_STEP 8		/* before others have their turn */

enum phase {
	PHASE_READING,
	PHASE_READ,			/* whole, if nobody wrote meanwhile */
	PHASE_HELD,			/* a snapshot; on its way */
};

struct copy {
	struct copy *next;
	struct bond *bond;
	int from;
	bool final;
	enum phase phase;
	int in, out;
	uint64_t id;
	struct stamp stamp;		/* of the source */
	int64_t taken;			/* wall ms: when it was begun */
	int64_t started;		/* monotonic ms, and */
	int64_t due;			/* when it has work to do again */
	int64_t size;
	struct digest digest;
};

static struct place place_of(const struct sim *sim, const struct copy *c,
			     int i)
{
	return end_place(sim, &c->bond->end[i]);
}

bool copy_is_ready(const struct copy *c)
{
	return c->phase != PHASE_HELD || c->due <= clock_monotonic();
}

int64_t copy_due(const struct copy *c)
{
	return c->phase == PHASE_HELD ? c->due : 0;
}

struct copy *copy_next(const struct copy *c)
{
	return c->next;
}

static void set_progress(struct sim *sim, struct bond *p, int percent)
{
	pthread_mutex_lock(&sim->lock);
	if (p->progress != percent) {
		p->progress = percent;
		bond_mark(sim, p);
	}
	pthread_mutex_unlock(&sim->lock);
}

/* Takes the copy out of the engine's hands. */
static void finish(struct sim *sim, struct copy *c)
{
	struct copy **link;

	for (link = &sim->copies; *link != c; link = &(*link)->next)
		;
	*link = c->next;
	c->bond->copy = NULL;
	set_progress(sim, c->bond, -1);
	close(c->in);
	close(c->out);
	free(c);
}

void copy_abandon(struct sim *sim, struct copy *c)
{
	struct place to = place_of(sim, c, 1 - c->from);
	char path[SIM_PATH_MAX];

	unlinkat(sim->root, place_path(&to, INCOMING_PATH, path), 0);
	finish(sim, c);
}

/* Gives it up for now; the bond is scheduled anew. */
static void retry(struct sim *sim, struct copy *c, int after_ms)
{
	struct bond *p = c->bond;

	p->not_before = clock_monotonic() + after_ms;
	copy_abandon(sim, c);
	pthread_mutex_lock(&sim->lock);
	bond_mark(sim, p);
	pthread_mutex_unlock(&sim->lock);
}

static bool take_touched(struct sim *sim, struct end *e)
{
	bool touched;

	pthread_mutex_lock(&sim->lock);
	touched = e->touched;
	e->touched = false;
	pthread_mutex_unlock(&sim->lock);
	return touched;
}

static bool is_touched(struct sim *sim, const struct end *e)
{
	bool touched;

	pthread_mutex_lock(&sim->lock);
	touched = e->touched;
	pthread_mutex_unlock(&sim->lock);
	return touched;
}

static int open_both(struct sim *sim, struct copy *c)
{
	struct place from = place_of(sim, c, c->from);
	struct place to = place_of(sim, c, 1 - c->from);
	char path[SIM_PATH_MAX];
	struct stat st;

	c->in = openat(sim->root, place_path(&from, VOLUME_PATH, path),
		       O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (c->in < 0)
		return -errno;
	c->out = openat(sim->root, place_path(&to, INCOMING_PATH, path),
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (c->out < 0 || fstat(c->in, &st))
		return -errno;
	stamp_from(&c->stamp, &st);
	c->size = st.st_size;
	return 0;
}

void copy_begin(struct sim *sim, struct bond *p, const struct glance *s,
		int from)
{
	bool final = s->belief[from].role != ROLE_SOURCE;
	struct copy *c = calloc(1, sizeof *c);

	p->not_before = clock_monotonic() + FAILED_RETRY_MS;
	p->due = p->not_before;
	if (!c)
		return;
	c->bond = p;
	c->from = from;
	c->final = final;
	c->id = final ? s->belief[from].final : sight_next_id(s);
	c->in = c->out = -1;
	c->taken = clock_wall();
	c->started = clock_monotonic();
	digest_init(&c->digest);
	take_touched(sim, &p->end[from]);
	if (open_both(sim, c)) {
		if (c->in >= 0)
			close(c->in);
		if (c->out >= 0)
			close(c->out);
		free(c);
		return;
	}
	p->not_before = 0;
	p->begun = c->started;
	p->due = INT64_MAX;
	p->copy = c;
	c->next = sim->copies;
	sim->copies = c;
}

/* Bytes per second that the line carries, 0: as fast as it goes. */
static int64_t line_rate(struct sim *sim, const struct bond *p)
{
	const struct fault *f;
	int64_t rate = 0;
	int i;

	pthread_mutex_lock(&sim->lock);
	for (i = 0; i < 2; i++) {
		f = end_fault(&p->end[i], FAULT_RATE, ACT_NONE);
		if (f && f->number > 0 && (!rate || f->number < rate))
			rate = f->number;
	}
	pthread_mutex_unlock(&sim->lock);
	return rate;
}

/* How much of the copy has gone over the line, in percent. */
static int arrived(struct sim *sim, const struct copy *c)
{
	int64_t rate = line_rate(sim, c->bond), read = (int64_t)c->digest.length;
	int64_t sent = read;

	if (!c->size)
		return 100;
	if (rate && (clock_monotonic() - c->started) < INT_MAX)
		sent = (int64_t)((double)(clock_monotonic() - c->started) *
				 (double)rate / 1000.0);
	sent = sent < read ? sent : read;
	return sent >= c->size ? 100 : (int)(sent * 100 / c->size);
}

/* Reads on for a while.  1: the end is reached. */
static int read_on(struct copy *c)
{
	char *chunk = malloc(DIGEST_CHUNK);
	ssize_t n = -ENOMEM;
	int i, rc = 0;

	for (i = 0; chunk && i < CHUNKS_PER_STEP; i++) {
		n = volume_read(c->in, chunk, DIGEST_CHUNK);
		if (n < 0)
			break;
		digest_add(&c->digest, chunk, (size_t)n);
		rc = volume_write(c->out, chunk, (size_t)n);
		if (rc || (size_t)n < DIGEST_CHUNK)
			break;
	}
	free(chunk);
	if (rc || n < 0)
		return rc ? rc : (int)n;
	return (size_t)n < DIGEST_CHUNK;
}

/* Has anybody changed the source since the copy began? */
static bool is_torn(struct sim *sim, const struct copy *c)
{
	struct place from = place_of(sim, c, c->from);
	char path[SIM_PATH_MAX];
	struct stamp stamp;
	struct stat st;

	if (is_touched(sim, &c->bond->end[c->from]) ||
	    fstatat(sim->root, place_path(&from, VOLUME_PATH, path), &st,
		    AT_SYMLINK_NOFOLLOW))
		return true;
	stamp_from(&stamp, &st);
	return !stamp_equal(&stamp, &c->stamp);
}

/* Puts the bytes in place.  -EAGAIN: the order of things has changed. */
static int put_in_place(struct sim *sim, struct copy *c, struct glance *s)
{
	struct place to = place_of(sim, c, 1 - c->from);
	struct belief *belief = &s->belief[1 - c->from];
	char incoming[SIM_PATH_MAX], path[SIM_PATH_MAX];
	struct stamp stamp;
	struct error err;
	struct stat st;
	int rc;

	belief->next =
		(struct snapshot){c->id, digest_value(&c->digest)};
	rc = belief_write(&to, belief, &err);
	if (rc)
		return rc;
	place_path(&to, INCOMING_PATH, incoming);
	place_path(&to, VOLUME_PATH, path);
	if (fchmod(c->out, 0444) ||
	    renameat(sim->root, incoming, sim->root, path) ||
	    fstat(c->out, &st))
		return -errno;
	stamp_from(&stamp, &st);
	end_remember(sim, &c->bond->end[1 - c->from], &stamp,
		     belief->next.digest);
	return 0;
}

static int note_arrival(struct sim *sim, const struct copy *c, struct glance *s)
{
	struct place place[2] = {place_of(sim, c, 0), place_of(sim, c, 1)};
	struct belief *from = &s->belief[c->from];
	struct belief *to = &s->belief[1 - c->from];
	struct error err;
	int rc;

	to->base = (struct snapshot){c->id, digest_value(&c->digest)};
	to->next = (struct snapshot){0};
	to->data_time = c->taken;
	to->complete = true;
	to->caught_up = c->final;
	to->final = 0;
	rc = belief_write(&place[1 - c->from], to, &err);
	if (rc)
		return rc;
	from->base = to->base;
	from->followed = true;
	return belief_write(&place[c->from], from, &err);
}

/* The replica holds these very bytes already. */
static bool is_there_already(struct sim *sim, struct copy *c,
			     const struct glance *s)
{
	int to = 1 - c->from;
	uint64_t content;

	return s->belief[to].complete && s->has_file[to] &&
	       end_content(sim, &c->bond->end[to], &content) == 0 &&
	       content == digest_value(&c->digest);
}

/* With the bond's disk lock held. */
static int apply_locked(struct sim *sim, struct copy *c)
{
	struct glance s;
	bool final;
	int rc = 0;

	bond_read_locked(sim, c->bond, &s);
	if (sight_direction(&s, &final) != c->from || final != c->final ||
	    (final && s.belief[c->from].final != c->id))
		return -EAGAIN;
	if (!is_there_already(sim, c, &s))
		rc = put_in_place(sim, c, &s);
	return rc ? rc : note_arrival(sim, c, &s);
}

static void apply(struct sim *sim, struct copy *c)
{
	struct bond *p = c->bond;
	int rc;

	bond_lock(sim, p);
	rc = apply_locked(sim, c);
	bond_unlock(sim, p);
	if (rc) {
		retry(sim, c, rc == -EAGAIN ? 0 : FAILED_RETRY_MS);
		return;
	}
	p->copied = c->stamp;
	pthread_mutex_lock(&sim->lock);
	p->current = c->taken;
	bond_mark(sim, p);
	pthread_mutex_unlock(&sim->lock);
	copy_abandon(sim, c);
}

/* It is whole: holds it back as long as the line takes, then applies it. */
static void deliver(struct sim *sim, struct copy *c)
{
	int percent = arrived(sim, c), i;
	bool stuck = false;

	pthread_mutex_lock(&sim->lock);
	for (i = 0; c->final && i < 2; i++)
		stuck |= end_has(&c->bond->end[i], FAULT_NO_FINAL_SYNC_END);
	pthread_mutex_unlock(&sim->lock);
	if (percent == 100 && !stuck) {
		apply(sim, c);
		return;
	}
	/* A change of the faults comes by bond_schedule. */
	c->due = percent == 100 ? INT64_MAX : clock_monotonic() + TICK_MS;
	set_progress(sim, c->bond, percent < 99 ? percent : 99);
}

void copy_step(struct sim *sim, struct copy *c)
{
	int rc;

	if (c->phase == PHASE_HELD) {
		deliver(sim, c);
	} else if (is_torn(sim, c)) {
		retry(sim, c, TORN_RETRY_MS);
	} else if (c->phase == PHASE_READ) {
		if (fdatasync(c->out)) {
			retry(sim, c, FAILED_RETRY_MS);
			return;
		}
		c->phase = PHASE_HELD;
		deliver(sim, c);
	} else {
		rc = read_on(c);
		if (rc < 0)
			retry(sim, c, FAILED_RETRY_MS);
		else if (rc)
			c->phase = PHASE_READ;
		else
			set_progress(sim, c->bond, arrived(sim, c));
	}
}

bool copy_is(const struct copy *c, int from, bool final)
{
	return c->from == from && c->final == final;
}

void copy_poke(struct copy *c)
{
	c->due = 0;
}
