/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a bond: what the array's records claim, what the volumes' modes
 * and bytes say.  Nothing here changes anything.
 */
#include "sim_model.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file that changed this recently may change again within its time stamp. */
#define YOUNG_NS ((int64_t)20 * 1000000)

static void read_end(struct sim *sim, struct bond *p, int i, struct glance *s)
{
	struct place place = end_place(sim, &p->end[i]);
	struct place other = end_place(sim, &p->end[1 - i]);
	char path[SIM_PATH_MAX], peer[SIM_PATH_MAX];
	struct error err;
	struct stat st;

	s->rc[i] = belief_read(&place, &s->belief[i], &err);
	if (!s->rc[i] &&
	    (strcmp(s->belief[i].peer,
		    place_path(&other, VOLUME_PATH, peer)) != 0 ||
	     s->belief[i].pvc_side != (i == 0)))
		s->rc[i] = -EEXIST;
	if (fstatat(sim->root, place_path(&place, VOLUME_PATH, path), &st,
		    AT_SYMLINK_NOFOLLOW) ||
	    !S_ISREG(st.st_mode))
		return;
	s->has_file[i] = true;
	s->writable[i] = st.st_mode & S_IWUSR;
	stamp_from(&s->stamp[i], &st);
}

void bond_read_locked(struct sim *sim, struct bond *p, struct glance *out)
{
	int i;

	memset(out, 0, sizeof *out);
	for (i = 0; i < 2; i++)
		read_end(sim, p, i, out);
}

/* With the lock held.  One a millisecond, so that it is known which is newer. */
static bool was_looked_at_now(const struct bond *p)
{
	return p->looked_at == clock_wall();
}

void bond_read(struct sim *sim, struct bond *p, struct glance *out)
{
	int64_t at;

	bond_lock(sim, p);
	pthread_mutex_lock(&sim->lock);
	while (was_looked_at_now(p))
		clock_cond_wait(&sim->changed, &sim->lock,
				clock_monotonic() + 1);
	at = clock_stamp(&p->looked_at);
	pthread_mutex_unlock(&sim->lock);
	bond_read_locked(sim, p, out);
	out->at = at;
	bond_unlock(sim, p);
}

bool bond_can_be_read(struct sim *sim, const struct bond *p)
{
	bool can;

	pthread_mutex_lock(&sim->lock);
	can = !was_looked_at_now(p);
	pthread_mutex_unlock(&sim->lock);
	return can;
}

static int hash_file(struct sim *sim, int fd, uint64_t *out)
{
	auto_free char *chunk = malloc(DIGEST_CHUNK);
	struct digest d;
	ssize_t n;

	if (!chunk)
		return -ENOMEM;
	digest_init(&d);
	do {
		n = volume_read(fd, chunk, DIGEST_CHUNK);
		if (n < 0)
			return (int)n;
		digest_add(&d, chunk, (size_t)n);
		if (__atomic_load_n(&sim->stopping, __ATOMIC_RELAXED))
			return -ECANCELED;
	} while ((size_t)n == DIGEST_CHUNK);
	*out = digest_value(&d);
	return 0;
}

static bool recall(struct sim *sim, struct end *e, const struct stamp *stamp,
		   uint64_t *out)
{
	bool known;

	pthread_mutex_lock(&sim->lock);
	known = stamp_equal(&e->stamp, stamp);
	*out = e->content;
	pthread_mutex_unlock(&sim->lock);
	return known;
}

void end_remember(struct sim *sim, struct end *e, const struct stamp *stamp,
		  uint64_t content)
{
	pthread_mutex_lock(&sim->lock);
	e->stamp = *stamp;
	e->content = content;
	pthread_mutex_unlock(&sim->lock);
}

int end_content(struct sim *sim, struct end *e, uint64_t *out)
{
	struct place place = end_place(sim, e);
	struct stamp before, after;
	char path[SIM_PATH_MAX];
	struct stat st;
	int fd, rc;

	fd = openat(sim->root, place_path(&place, VOLUME_PATH, path),
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		close(fd);
		return -EIO;
	}
	stamp_from(&before, &st);
	rc = 0;
	if (!recall(sim, e, &before, out)) {
		rc = hash_file(sim, fd, out);
		if (!rc && fstat(fd, &st) == 0) {
			stamp_from(&after, &st);
			if (stamp_equal(&before, &after) &&
			    clock_wall() * 1000000 - after.changed > YOUNG_NS)
				end_remember(sim, e, &before, *out);
		}
	}
	close(fd);
	return rc;
}

uint64_t sight_next_id(const struct glance *s)
{
	uint64_t id = 0;
	int i;

	for (i = 0; i < 2; i++) {
		const struct belief *b = &s->belief[i];

		id = b->base.id > id ? b->base.id : id;
		id = b->next.id > id ? b->next.id : id;
		id = b->final > id ? b->final : id;
	}
	return id + 1;
}

int sight_direction(const struct glance *s, bool *final)
{
	const struct belief *from, *to;
	int i;

	*final = false;
	for (i = 0; i < 2; i++) {
		from = &s->belief[i];
		to = &s->belief[1 - i];
		if (s->rc[i] || s->rc[1 - i] || !s->has_file[i] ||
		    to->role != ROLE_REPLICA || !to->following)
			continue;
		/* Whatever the record says, a writable volume is nobody's
		   replica: it is never overwritten. */
		if (s->has_file[1 - i] && s->writable[1 - i])
			continue;
		if (from->role == ROLE_SOURCE)
			return i;
		if (from->final && from->final != to->base.id) {
			*final = true;
			return i;
		}
	}
	return -1;
}

/* Side @i is the one that the other, a replica, takes its data from. */
static bool is_legitimate(const struct glance *s, int i, bool other_known)
{
	const struct belief *self = &s->belief[i], *other = &s->belief[1 - i];

	if (!other_known)
		return self->role == ROLE_SOURCE && self->followed;
	if (s->rc[1 - i])
		return self->role == ROLE_SOURCE;
	return other->role == ROLE_REPLICA && other->following &&
	       (self->role == ROLE_SOURCE ||
		(self->final && self->final != other->base.id));
}

static bool has_content(const struct belief *b, uint64_t content)
{
	return (b->base.id && b->base.digest == content) ||
	       (b->next.id && b->next.digest == content);
}

/* Compares bytes: does this side hold what the other lacks? */
static bool is_diverged(struct sim *sim, struct bond *p, const struct glance *s,
			int i, bool other_known)
{
	const struct belief *self = &s->belief[i];
	uint64_t content;

	if (s->rc[i] || !s->has_file[i] || is_legitimate(s, i, other_known))
		return false;
	/* Its writes were given up when the rebuild was ordered. */
	if (self->role == ROLE_REPLICA && self->following && !self->complete)
		return false;
	/* What can't be read is not known to be worthless. */
	if (end_content(sim, &p->end[i], &content))
		return true;
	if (!self->base.id)
		return s->stamp[i].size > 0;
	return !has_content(self, content) &&
	       !(other_known && !s->rc[1 - i] &&
		 has_content(&s->belief[1 - i], content));
}

static bool holds_whole_copy(const struct glance *s, int i)
{
	return !s->rc[i] && s->has_file[i] && s->belief[i].complete;
}

struct answer {
	enum fault_kind kind;
	enum reach reach;
	const char *why;
};

/* With the lock held. */
static enum reach reach_of(const struct end *e, struct side *out)
{
	static const struct answer answers[] = {
		{FAULT_DOWN, REACH_SILENT, "connection refused"},
		{FAULT_HANG, REACH_SILENT, "no answer in time"},
		{FAULT_MUTE, REACH_SILENT, "its management gives no answer"},
		{FAULT_REFUSE, REACH_REFUSED, "credentials refused"},
		{FAULT_UNCONFIGURED, REACH_UNCONFIGURED, "no access is set up"},
	};
	size_t i;

	for (i = 0; i < sizeof answers / sizeof *answers; i++)
		if (end_has(e, answers[i].kind)) {
			snprintf(out->why, sizeof out->why, "%s",
				 answers[i].why);
			return answers[i].reach;
		}
	if (*e->site->faults.wrong)
		snprintf(out->why, sizeof out->why, "%.95s",
			 e->site->faults.wrong);
	return REACH_OK;
}

static void fill_use(const struct end *e, struct side *out)
{
	const struct fault *f = end_fault(e, FAULT_IN_USE, ACT_NONE);

	out->in_use = TRI_NO;
	if (end_has(e, FAULT_IN_USE_UNKNOWN))
		out->in_use = TRI_UNKNOWN;
	if (!f)
		return;
	out->in_use = TRI_YES;
	snprintf(out->in_use_by, sizeof out->in_use_by, "%s",
		 f->text ? f->text : "somebody");
}

/* The array's own words. */
static void fill_native(const struct bond *p, const struct glance *s, int i,
			struct side *out)
{
	const struct belief *self = &s->belief[i], *other = &s->belief[1 - i];
	const char *text = "Demoted";
	bool owes = !s->rc[1 - i] && self->final && other->following &&
		    other->base.id != self->final;

	if (s->rc[i])
		text = s->rc[i] == -ENOENT ? "NoRelationship"
		       : s->rc[i] == -EIO  ? "RecordDamaged"
					   : "OtherRelationship";
	else if (!s->has_file[i])
		text = "NoVolume";
	else if (self->role == ROLE_SOURCE)
		text = "Promoted";
	else if (!bond_is_linked(p))
		text = self->following || owes ? "Disconnected" : "Demoted";
	else if (end_has(&p->end[0], FAULT_NO_COPY) ||
		 end_has(&p->end[1], FAULT_NO_COPY))
		text = "Suspended";
	else if (owes || (self->following && other->role == ROLE_REPLICA &&
			  other->final && other->final != self->base.id))
		text = "FinalSync";
	else if (self->following && !self->complete)
		text = self->base.id ? "Resyncing" : "InitialCopy";
	else if (self->following && self->caught_up)
		text = "FinalSynced";
	else if (self->following)
		text = p->mode == MODE_SYNCHRONOUS && p->current &&
				       p->progress < 0 &&
				       !p->end[1 - i].touched
			       ? "InSync"
			       : "Replicating";
	snprintf(out->native, sizeof out->native, "%s", text);
	if (p->progress >= 0 && (owes || self->following))
		snprintf(out->native, sizeof out->native, "%s %d%%", text,
			 p->progress);
}

static void fill_copy(const struct bond *p, const struct glance *s, int i,
		      bool other_known, struct side *out)
{
	const struct belief *self = &s->belief[i], *other = &s->belief[1 - i];

	out->complete = self->complete && s->has_file[i];
	out->following = self->role == ROLE_REPLICA && self->following;
	out->caught_up = self->role == ROLE_REPLICA && self->caught_up;
	/* Where the other can be asked: has it not been source since? */
	if (other_known && !s->rc[1 - i])
		out->caught_up = self->role == ROLE_REPLICA &&
				 belief_has_all(self, other);
	if (out->following)
		out->progress = p->progress;
	if (self->role != ROLE_REPLICA)
		return;
	out->data_time = self->data_time;
	if (out->following && self->complete && p->current > out->data_time)
		out->data_time = p->current;
}

/* What memory knows about side @i; with the lock held. */
static void fill_side(const struct bond *p, const struct glance *s, int i,
		      const enum reach reach[2], struct side *out)
{
	const struct end *e = &p->end[i];

	out->progress = -1;
	out->reach = reach[i];
	if (out->reach != REACH_OK)
		return;
	out->claim = !s->rc[i]		   ? s->belief[i].role
		     : s->rc[i] == -EIO ? ROLE_UNKNOWN
					: ROLE_ABSENT;
	out->fact = s->rc[i] == -EIO		  ? ROLE_UNKNOWN
		    : s->rc[i] || !s->has_file[i] ? ROLE_ABSENT
		    : s->writable[i]		  ? ROLE_SOURCE
						  : ROLE_REPLICA;
	if (end_has(e, FAULT_NO_SECOND_FACT))
		out->fact = ROLE_UNKNOWN;
	fill_use(e, out);
	out->busy = e->acts > 0;
	fill_native(p, s, i, out);
	if (!s->rc[i])
		fill_copy(p, s, i, reach[1 - i] == REACH_OK, out);
}

static bool is_peer_alive(const struct bond *p, const struct glance *s)
{
	bool final;

	return sight_direction(s, &final) >= 0 && bond_is_linked(p) &&
	       !end_has(&p->end[0], FAULT_NO_COPY) &&
	       !end_has(&p->end[1], FAULT_NO_COPY);
}

void bond_observe(struct sim *sim, struct bond *p, const struct glance *s,
		  int here, struct observation *o)
{
	struct side *side[2] = {here ? &o->peer : &o->here,
				here ? &o->here : &o->peer};
	enum reach reach[2];
	int i;

	/* All of it, padding too: it is compared by its bytes. */
	memset(o, 0, sizeof *o);
	pthread_mutex_lock(&sim->lock);
	for (i = 0; i < 2; i++)
		reach[i] = reach_of(&p->end[i], side[i]);
	for (i = 0; i < 2; i++)
		fill_side(p, s, i, reach, side[i]);
	o->peer_alive = is_peer_alive(p, s);
	pthread_mutex_unlock(&sim->lock);
	for (i = 0; i < 2; i++) {
		if (reach[i] != REACH_OK)
			continue;
		side[i]->diverged = is_diverged(sim, p, s, i,
						reach[1 - i] == REACH_OK);
		side[i]->has_last_copy =
			holds_whole_copy(s, i) &&
			!(reach[1 - i] == REACH_OK &&
			  holds_whole_copy(s, 1 - i));
	}
	o->at = s->at;
	o->holds_pvc = !here;
}

uint64_t bond_digest(const struct observation *o)
{
	struct observation seen;
	struct digest d;

	memcpy(&seen, o, sizeof seen);	/* padding, too */
	seen.at = 0;
	digest_init(&d);
	digest_add(&d, &seen, sizeof seen);
	return digest_value(&d) ? digest_value(&d) : 1;
}
