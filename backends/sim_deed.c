/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing down what an act decided, so that kill -9 at any instruction leaves
 * either nothing, or something that the same act finishes when it is made
 * again: the other end first, then the volume's mode, then the record with the
 * serial, then the journal.  It may never be made again, so a mode that the
 * record does not know of yet is taken back (deed_take_back).
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

/* What the journal says of an act, but for the time. */
static void journal_tail(const struct deed *d, char *out, size_t size)
{
	const struct end *e = &d->bond->end[d->at];

	snprintf(out, size, " %s %s/%s %s %" PRIu64 "\n", e->site->name,
		 e->namespace, e->volume, act_text(d->act), d->serial);
}

static void journal_add(const struct deed *d)
{
	char tail[SIM_PATH_MAX + 64], line[SIM_PATH_MAX + 128];
	char stamp[TIME_TEXT_MAX];
	int fd, n;

	journal_tail(d, tail, sizeof tail);
	n = snprintf(line, sizeof line, "%s%s",
		     time_text_ms(clock_wall(), stamp), tail);
	fd = openat(d->sim->root, "journal",
		    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	/* One write: lines of several threads don't mix. */
	if (write(fd, line, (size_t)n) != n)
		dprintf(fd, "\n");
	close(fd);
}

static bool journal_has(const struct deed *d)
{
	char tail[SIM_PATH_MAX + 64];
	struct stat st;
	bool has = false;
	void *map;
	int fd;

	journal_tail(d, tail, sizeof tail);
	fd = openat(d->sim->root, "journal", O_RDONLY | O_CLOEXEC);
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

bool deed_is_done(struct deed *d)
{
	const struct belief *b = &d->sight.belief[d->at];

	if (d->sight.rc[d->at] || !belief_has_done(b, d->serial, d->act))
		return false;
	/* Killed between the record and the journal? */
	if (d->serial == b->done[0].serial && b->done[0].effect &&
	    !journal_has(d))
		journal_add(d);
	return true;
}

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
	int rc = 0;

	/* No record will tell: the line comes before, and only once. */
	if (!d->lie && !journal_has(d))
		journal_add(d);
	if (!d->sight.rc[1 - d->at])
		rc = belief_remove(&other, d->err);
	if (!rc && !d->sight.rc[d->at])
		rc = belief_remove(&at, d->err);
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
	int rc = 0;

	if (d->save_other)
		rc = save(d, 1 - d->at);
	if (rc)
		return rc;
	/* What did not happen is not noted as done. */
	if (!d->lie)
		belief_add_done(b, &(struct done){d->serial, d->act,
						  d->effect});
	rc = save(d, d->at);
	if (!rc && d->effect && !d->lie)
		journal_add(d);
	return rc;
}

int deed_commit(struct deed *d)
{
	int rc;

	if (!d->effect && d->sight.rc[d->at])
		return 0;
	if (d->effect)
		crash_if(d, FAULT_CRASH_BEFORE);
	rc = d->remove ? remove_both(d) : save_both(d);
	if (!rc && d->effect)
		crash_if(d, FAULT_CRASH_AFTER);
	return rc;
}

int deed_take_back(struct sim *sim, struct bond *p)
{
	struct glance s;
	struct error err;
	struct place place;
	int i, rc = 0;

	bond_lock(sim, p);
	bond_read_locked(sim, p, &s);
	for (i = 0; i < 2 && !rc; i++) {
		if (s.rc[i] || !s.belief[i].turning)
			continue;
		place = end_place(sim, &p->end[i]);
		if (s.has_file[i])
			rc = volume_set_writable(
				&place, s.belief[i].role == ROLE_SOURCE, false,
				&err);
		s.belief[i].turning = false;
		if (!rc)
			rc = belief_write(&place, &s.belief[i], &err);
	}
	bond_unlock(sim, p);
	return rc;
}
