/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing down what an act decided, so that kill -9 at any instruction leaves
 * either nothing, or something that the same act finishes when it is made
 * again: the other end first, then the volume's mode, then the record with the
 * serial, then the journal.  It may never be made again, so a mode that the
 * record does not know of yet is taken back, and a line that the journal lacks
 * is added (deed_clear_up).
 */
#include "sim_act.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXIT_CRASH 137			/* as after SIGKILL */

/* What the journal says of an act at @e, but for the time. */
static void journal_tail(const struct end *e, const struct done *act, char *out,
			 size_t size)
{
	snprintf(out, size, " %s %s/%s %s %" PRIu64 "\n", e->site->name,
		 e->namespace, e->volume, act_text(act->act), act->serial);
}

static bool journal_add(struct sim *sim, const struct end *e,
			const struct done *act)
{
	char tail[SIM_PATH_MAX + 64], line[SIM_PATH_MAX + 128];
	char stamp[TIME_TEXT_MAX];
	bool whole;
	int fd, n;

	journal_tail(e, act, tail, sizeof tail);
	n = snprintf(line, sizeof line, "%s%s",
		     time_text_ms(clock_wall(), stamp), tail);
	fd = openat(sim->root, "journal",
		    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		return false;
	/* One write: lines of several threads don't mix. */
	whole = write(fd, line, (size_t)n) == n;
	if (!whole)
		dprintf(fd, "\n");
	close(fd);
	return whole;
}

static bool journal_has(struct sim *sim, const struct end *e,
			const struct done *act)
{
	char tail[SIM_PATH_MAX + 64];
	struct stat st;
	bool has = false;
	void *map;
	int fd;

	journal_tail(e, act, tail, sizeof tail);
	fd = openat(sim->root, "journal", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd,
			   0);
		if (map != MAP_FAILED) {
			has = memmem(map, (size_t)st.st_size, tail,
				     strlen(tail));
			munmap(map, (size_t)st.st_size);
		}
	}
	close(fd);
	return has;
}

/* No line twice, also when what came after it was cut short. */
static bool journal_ensure(struct sim *sim, const struct end *e,
			   const struct done *act)
{
	return journal_has(sim, e, act) || journal_add(sim, e, act);
}

static int note_listed(struct sim *sim, struct end *e, struct belief *b,
		       struct error *err)
{
	struct place place = end_place(sim, e);

	b->unlisted = false;
	return belief_note(&place, b, err);
}

int deed_list_late(struct sim *sim, struct bond *p, struct glance *s,
		   struct error *err)
{
	int i, rc = 0;

	for (i = 0; i < 2 && !rc; i++) {
		struct belief *b = &s->belief[i];
		struct end *e = &p->end[i];

		if (s->rc[i] || !b->unlisted)
			continue;
		if (!journal_ensure(sim, e, b->done))
			return fail(err, EIO, "journal: can't write");
		rc = note_listed(sim, e, b, err);
	}
	return rc;
}

bool deed_is_done(const struct deed *d)
{
	return !d->sight.rc[d->at] &&
	       belief_has_done(&d->sight.belief[d->at], d->serial, d->act);
}

/* Right after the effect is before the journal has it. */
static void crash_if(const struct deed *d, enum fault_kind kind)
{
	bool crash;

	pthread_mutex_lock(&d->sim->lock);
	crash = end_fault(&d->bond->end[d->at], kind, d->act);
	pthread_mutex_unlock(&d->sim->lock);
	if (crash)
		_exit(EXIT_CRASH);
}

static int set_mode(struct deed *d, int i)
{
	struct place place = end_place(d->sim, &d->bond->end[i]);

	if (d->mode[i] == MODE_KEEP || d->lie)
		return 0;
	return volume_set_writable(&place, d->mode[i] == MODE_WRITABLE,
				   d->create, d->err);
}

/* Records of both ends away, the called one last: it knows the deed. */
static int remove_both(struct deed *d)
{
	struct place at = end_place(d->sim, &d->bond->end[d->at]);
	struct place other = end_place(d->sim, &d->bond->end[1 - d->at]);
	const struct end *e = &d->bond->end[d->at];
	const struct done act = {d->serial, d->act, true};
	int rc = 0;

	/* No record will tell: the line comes before, and only once. */
	if (!d->lie)
		journal_ensure(d->sim, e, &act);
	if (!d->sight.rc[1 - d->at])
		rc = belief_remove(&other, d->err);
	if (!rc && !d->sight.rc[d->at])
		rc = belief_remove(&at, d->err);
	if (!rc)
		crash_if(d, FAULT_CRASH_AFTER);
	return rc;
}

/* Before the mode is changed: whoever is killed then leaves word of it. */
static int announce(struct deed *d, int i)
{
	struct place place = end_place(d->sim, &d->bond->end[i]);
	struct belief old;
	int rc;

	if (d->mode[i] == MODE_KEEP || d->lie || d->sight.rc[i])
		return 0;
	rc = belief_read(&place, &old, d->err);
	old.turning = true;
	return rc ? rc : belief_write(&place, &old, d->err);
}

static int save(struct deed *d, int i)
{
	struct place place = end_place(d->sim, &d->bond->end[i]);
	int rc = 0;

	if (d->create)
		rc = place_make(&place, d->err);
	if (!rc)
		rc = announce(d, i);
	if (!rc)
		rc = set_mode(d, i);
	return rc ? rc : belief_write(&place, &d->sight.belief[i], d->err);
}

static int save_both(struct deed *d)
{
	struct belief *b = &d->sight.belief[d->at];
	struct end *e = &d->bond->end[d->at];
	struct error ignored;
	int rc = 0;

	if (d->save_other)
		rc = save(d, 1 - d->at);
	if (rc)
		return rc;
	/* What did not happen is not noted as done. */
	if (!d->lie) {
		belief_add_done(b, &(struct done){d->serial, d->act,
						  d->effect});
		b->unlisted = d->effect;
	}
	rc = save(d, d->at);
	if (rc || !d->effect)
		return rc;
	crash_if(d, FAULT_CRASH_AFTER);
	if (d->lie)
		return 0;
	/* It is done, listed or not; what fails here is made up for. */
	if (journal_add(d->sim, e, b->done))
		note_listed(d->sim, e, b, &ignored);
	return 0;
}

int deed_commit(struct deed *d)
{
	if (!d->effect && d->sight.rc[d->at])
		return 0;
	if (d->effect)
		crash_if(d, FAULT_CRASH_BEFORE);
	return d->remove ? remove_both(d) : save_both(d);
}

static int take_back(struct sim *sim, struct bond *p, struct glance *s,
		     struct error *err)
{
	struct place place;
	int i, rc = 0;

	for (i = 0; i < 2 && !rc; i++) {
		if (s->rc[i] || !s->belief[i].turning)
			continue;
		place = end_place(sim, &p->end[i]);
		if (s->has_file[i])
			rc = volume_set_writable(
				&place, s->belief[i].role == ROLE_SOURCE, false,
				err);
		s->belief[i].turning = false;
		if (!rc)
			rc = belief_write(&place, &s->belief[i], err);
	}
	return rc;
}

int deed_clear_up(struct sim *sim, struct bond *p)
{
	struct error err;
	struct glance s;
	int rc;

	bond_lock(sim, p);
	bond_read_locked(sim, p, &s);
	rc = take_back(sim, p, &s, &err);
	if (!rc)
		rc = deed_list_late(sim, p, &s, &err);
	bond_unlock(sim, p);
	return rc;
}
