/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated backend through its table of operations: real files, real
 * copies, real threads.  Waiting is for a condition at the sink, never for a
 * time.
 */
#ifndef UVRFS_SIM_SCENE_H
#define UVRFS_SIM_SCENE_H

#include "ear.h"
#include "sim.h"
#include "suite.h"
#include "text.h"

#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROD "prod-cluster"
#define DR "dr-cluster"
#define SOURCE_FILE PROD "/database/db"
#define REPLICA_FILE DR "/database/db-replica"

static struct {
	char dir[64];
	struct backend *b;
	struct ear ear;
	struct spec spec;
	struct target target;
	char key[BACKEND_KEY_MAX];
	struct error err;
	uint64_t serial;
} t;

#define AWAIT(is) ear_await(&t.ear, t.key, is, #is)

/* ---- files ---- */

static inline void put(const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof full, "%s/%s", t.dir, path);
	f = fopen(full, "w");
	ck_assert_msg(f != NULL, "%s: errno %d", full, errno);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static inline void make_dir(const char *path)
{
	char full[512];

	snprintf(full, sizeof full, "%s/%s", t.dir, path);
	ck_assert(mkdir(full, 0755) == 0 || errno == EEXIST);
}

/* The file's text, "" when it is not there; valid until the next call. */
static inline const char *get(const char *path)
{
	static char text[4][4096];
	static int turn;
	char full[512];
	char *out = text[turn++ % 4];
	FILE *f;
	size_t n = 0;

	snprintf(full, sizeof full, "%s/%s", t.dir, path);
	f = fopen(full, "r");
	if (f) {
		n = fread(out, 1, sizeof text[0] - 1, f);
		fclose(f);
	}
	out[n] = '\0';
	return out;
}

static inline bool exists(const char *path)
{
	char full[512];

	snprintf(full, sizeof full, "%s/%s", t.dir, path);
	return access(full, F_OK) == 0;
}

static inline mode_t mode_of(const char *path)
{
	char full[512];
	struct stat st;

	snprintf(full, sizeof full, "%s/%s", t.dir, path);
	ck_assert_int_eq(stat(full, &st), 0);
	return st.st_mode & 0777;
}

static inline int count_lines(const char *path, const char *with)
{
	const char *p = get(path);
	int n = 0;

	for (; (p = strstr(p, with)); p++)
		n++;
	return n;
}

static inline int remove_entry(const char *path, const struct stat *st,
			       int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* ---- the backend ---- */

static inline void start(void)
{
	t.b = sim_new("sim", t.dir, &t.err);
	ck_assert_ptr_nonnull(t.b);
	ck_assert_int_eq(t.b->ops->start(t.b, &t.ear.sink, &t.err), 0);
	t.b->ops->key(t.b, &t.target, t.key);
}

static inline void track(void)
{
	ck_assert_int_eq(t.b->ops->track(t.b, &t.target, &t.err), 0);
}

static inline void stop(void)
{
	t.b->ops->stop(t.b);
	t.b->ops->free(t.b);
	t.b = NULL;
}

static inline void setup(void)
{
	memset(&t, 0, sizeof t);
	strcpy(t.dir, "/tmp/uvrfs-sim-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(t.dir));
	ear_init(&t.ear);
	t.spec = (struct spec){.source = {PROD, "east", "fast"},
			       .destination = {DR, "west", "fast"},
			       .pvc_name = "db",
			       .pvc_namespace = "database",
			       .volume_handle = "db-replica",
			       .volume_namespace = "database",
			       .state = STATE_REPLICA,
			       .mode = MODE_ASYNCHRONOUS,
			       .schedule = SCHEDULE_CONTINUOUS,
			       .rpo = "15m"};
	t.target = (struct target){&t.spec, DR, PROD, true};
	make_dir(PROD);
	make_dir(DR);
	start();
}

static inline void teardown(void)
{
	if (t.b)
		stop();
	nftw(t.dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline int act_again(enum act act, uint64_t serial, int timeout_ms)
{
	struct order o = {act, serial, timeout_ms};

	return t.b->ops->act(t.b, &t.target, &o, &t.err);
}

static inline int act(enum act what)
{
	return act_again(what, ++t.serial, 10000);
}

#define ACT(what) \
	ck_assert_msg(act(what) == 0, "%s: %s", act_text(what), t.err.msg)

static inline struct observation look(void)
{
	struct observation o;

	ck_assert_int_eq(t.b->ops->observe(t.b, &t.target, 10000, &o, &t.err),
			 0);
	return o;
}

/* ---- conditions ---- */

static inline bool is_any(const struct observation *o)
{
	return o->at > 0;
}

static inline bool is_absent(const struct observation *o)
{
	return o->here.claim == ROLE_ABSENT && o->here.fact == ROLE_ABSENT &&
	       o->peer.claim == ROLE_ABSENT && o->peer.fact == ROLE_ABSENT;
}

static inline bool is_protected(const struct observation *o)
{
	return o->here.claim == ROLE_REPLICA && o->here.fact == ROLE_REPLICA &&
	       o->here.complete && o->here.following && !o->here.diverged &&
	       o->peer.claim == ROLE_SOURCE && o->peer.fact == ROLE_SOURCE &&
	       !o->peer.diverged && o->peer_alive && o->here.progress < 0;
}

static inline bool has_new_data(const struct observation *o)
{
	return is_protected(o) &&
	       strcmp(get(SOURCE_FILE), get(REPLICA_FILE)) == 0;
}

static inline bool is_caught_up(const struct observation *o)
{
	return o->here.caught_up && o->here.claim == ROLE_REPLICA &&
	       o->peer.claim == ROLE_REPLICA && o->peer.fact == ROLE_REPLICA;
}

static inline bool is_peer_caught_up(const struct observation *o)
{
	return o->peer.caught_up && o->here.claim == ROLE_REPLICA;
}

static inline bool is_promoted(const struct observation *o)
{
	return o->here.claim == ROLE_SOURCE && o->here.fact == ROLE_SOURCE;
}

static inline bool is_reversed(const struct observation *o)
{
	return is_promoted(o) && o->peer.claim == ROLE_REPLICA &&
	       o->peer.fact == ROLE_REPLICA && o->peer.following &&
	       o->peer.complete && !o->peer.diverged && !o->here.diverged;
}

static inline bool is_peer_silent(const struct observation *o)
{
	return o->peer.reach == REACH_SILENT &&
	       o->peer.claim == ROLE_UNKNOWN && o->peer.fact == ROLE_UNKNOWN;
}

static inline bool is_here_silent(const struct observation *o)
{
	return o->here.reach == REACH_SILENT;
}

static inline bool is_peer_ok(const struct observation *o)
{
	return o->peer.reach == REACH_OK;
}

static inline bool is_split(const struct observation *o)
{
	return is_promoted(o) && o->peer.claim == ROLE_SOURCE &&
	       o->peer.fact == ROLE_SOURCE;
}

static inline bool is_here_diverged(const struct observation *o)
{
	return o->here.diverged;
}

/* A source at PROD with data, replicated to DR. */
static inline void begin(const char *data)
{
	make_dir(PROD "/database");
	put(SOURCE_FILE, data);
	track();
	AWAIT(is_absent);
	ACT(ACT_CREATE);
	AWAIT(has_new_data);
	ck_assert_str_eq(get(REPLICA_FILE), data);
}

/* For main(): a suite of one case, with the fixture. */
static inline TCase *sim_case(Suite *suite, const char *name)
{
	TCase *c = tcase_create(name);

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	suite_add_tcase(suite, c);
	return c;
}

#endif
