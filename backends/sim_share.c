/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several processes over the same simulated arrays: of daemons that share a
 * store, each sees them, one moves the data, and any may order something.  As
 * with real arrays, whose data moves while hosts come and go: whoever has come
 * first is the array, and when it goes another one is.
 *
 * Locks of open file descriptions on DIR/.lock: byte 0 for being the array, a
 * byte for each bond while its records are read or changed.
 */
#include "sim.h"

#include "sim_model.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define BONDS ((off_t)1 << 40)

/*
 * A host that was stopped must not stop the array: so long a bond is waited
 * for, then it is taken from it.
 */
#define WAIT_MS 3000
#define TRY_MS 2

static int set_lock(const struct sim *sim, short type, off_t byte)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1,
	};

	return fcntl(sim->share, F_OFD_SETLK, &lock);
}

int sim_share(struct backend *b, struct error *err)
{
	struct sim *sim = sim_of(b);

	sim->share = openat(sim->root, ".lock",
			    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (sim->share < 0)
		return fail(err, errno, "can't use %s/.lock: %m", sim->dir);
	sim->shared = true;
	sim->is_array = false;
	return 0;
}

bool sim_becomes_array(struct sim *sim)
{
	if (!sim->is_array)
		sim->is_array = set_lock(sim, F_WRLCK, 0) == 0;
	return sim->is_array;
}

static off_t byte_of(const struct bond *p)
{
	struct digest d;

	digest_init(&d);
	digest_add(&d, p->key, strlen(p->key));
	return 1 + (off_t)(digest_value(&d) % (uint64_t)BONDS);
}

void bond_lock(struct sim *sim, struct bond *p)
{
	int64_t end;

	pthread_mutex_lock(&p->disk);
	if (!sim->shared)
		return;
	end = clock_monotonic() + WAIT_MS;
	while (set_lock(sim, F_WRLCK, byte_of(p)) < 0 &&
	       clock_monotonic() < end)
		poll(NULL, 0, TRY_MS);
}

void bond_unlock(struct sim *sim, struct bond *p)
{
	if (sim->shared)
		set_lock(sim, F_UNLCK, byte_of(p));
	pthread_mutex_unlock(&p->disk);
}
