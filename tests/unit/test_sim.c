/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated backend through its table of operations: real files, real
 * copies, real threads.  Waiting is for a condition at the sink, never for a
 * time.
 */
#include "sim.h"

#include "ear.h"
#include "suite.h"
#include "text.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
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

static void put(const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof full, "%s/%s", t.dir, path);
	f = fopen(full, "w");
	ck_assert_msg(f != NULL, "%s: errno %d", full, errno);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void make_dir(const char *path)
{
	char full[512];

	snprintf(full, sizeof full, "%s/%s", t.dir, path);
	ck_assert(mkdir(full, 0755) == 0 || errno == EEXIST);
}

/* The file's text, "" when it is not there; valid until the next call. */
static const char *get(const char *path)
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

static bool exists(const char *path)
{
	char full[512];

	snprintf(full, sizeof full, "%s/%s", t.dir, path);
	return access(full, F_OK) == 0;
}

static mode_t mode_of(const char *path)
{
	char full[512];
	struct stat st;

	snprintf(full, sizeof full, "%s/%s", t.dir, path);
	ck_assert_int_eq(stat(full, &st), 0);
	return st.st_mode & 0777;
}

static int count_lines(const char *path, const char *with)
{
	const char *p = get(path);
	int n = 0;

	for (; (p = strstr(p, with)); p++)
		n++;
	return n;
}

static int remove_entry(const char *path, const struct stat *st, int flag,
			struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* ---- the backend ---- */

static void start(void)
{
	t.b = sim_new("sim", t.dir, &t.err);
	ck_assert_ptr_nonnull(t.b);
	ck_assert_int_eq(t.b->ops->start(t.b, &t.ear.sink, &t.err), 0);
	t.b->ops->key(t.b, &t.target, t.key);
}

static void track(void)
{
	ck_assert_int_eq(t.b->ops->track(t.b, &t.target, &t.err), 0);
}

static void stop(void)
{
	t.b->ops->stop(t.b);
	t.b->ops->free(t.b);
	t.b = NULL;
}

static void setup(void)
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

static void teardown(void)
{
	if (t.b)
		stop();
	nftw(t.dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static int act_again(enum act act, uint64_t serial, int timeout_ms)
{
	struct order o = {act, serial, timeout_ms};

	return t.b->ops->act(t.b, &t.target, &o, &t.err);
}

static int act(enum act what)
{
	return act_again(what, ++t.serial, 10000);
}

#define ACT(what) \
	ck_assert_msg(act(what) == 0, "%s: %s", act_text(what), t.err.msg)

static struct observation look(void)
{
	struct observation o;

	ck_assert_int_eq(t.b->ops->observe(t.b, &t.target, 10000, &o, &t.err),
			 0);
	return o;
}

/* ---- conditions ---- */

static bool is_any(const struct observation *o)
{
	return o->at > 0;
}

static bool is_absent(const struct observation *o)
{
	return o->here.claim == ROLE_ABSENT && o->here.fact == ROLE_ABSENT &&
	       o->peer.claim == ROLE_ABSENT && o->peer.fact == ROLE_ABSENT;
}

static bool is_protected(const struct observation *o)
{
	return o->here.claim == ROLE_REPLICA && o->here.fact == ROLE_REPLICA &&
	       o->here.complete && o->here.following && !o->here.diverged &&
	       o->peer.claim == ROLE_SOURCE && o->peer.fact == ROLE_SOURCE &&
	       !o->peer.diverged && o->peer_alive && o->here.progress < 0;
}

static bool has_new_data(const struct observation *o)
{
	return is_protected(o) &&
	       strcmp(get(SOURCE_FILE), get(REPLICA_FILE)) == 0;
}

static bool is_caught_up(const struct observation *o)
{
	return o->here.caught_up && o->here.claim == ROLE_REPLICA &&
	       o->peer.claim == ROLE_REPLICA && o->peer.fact == ROLE_REPLICA;
}

static bool is_peer_caught_up(const struct observation *o)
{
	return o->peer.caught_up && o->here.claim == ROLE_REPLICA;
}

static bool is_promoted(const struct observation *o)
{
	return o->here.claim == ROLE_SOURCE && o->here.fact == ROLE_SOURCE;
}

static bool is_reversed(const struct observation *o)
{
	return is_promoted(o) && o->peer.claim == ROLE_REPLICA &&
	       o->peer.fact == ROLE_REPLICA && o->peer.following &&
	       o->peer.complete && !o->peer.diverged && !o->here.diverged;
}

static bool is_peer_silent(const struct observation *o)
{
	return o->peer.reach == REACH_SILENT &&
	       o->peer.claim == ROLE_UNKNOWN && o->peer.fact == ROLE_UNKNOWN;
}

static bool is_here_silent(const struct observation *o)
{
	return o->here.reach == REACH_SILENT;
}

static bool is_peer_ok(const struct observation *o)
{
	return o->peer.reach == REACH_OK;
}

static bool is_split(const struct observation *o)
{
	return is_promoted(o) && o->peer.claim == ROLE_SOURCE &&
	       o->peer.fact == ROLE_SOURCE;
}

static bool is_here_diverged(const struct observation *o)
{
	return o->here.diverged;
}

/* A source at PROD with data, replicated to DR. */
static void begin(const char *data)
{
	make_dir(PROD "/database");
	put(SOURCE_FILE, data);
	track();
	AWAIT(is_absent);
	ACT(ACT_CREATE);
	AWAIT(has_new_data);
	ck_assert_str_eq(get(REPLICA_FILE), data);
}

/* ---- tests ---- */

START_TEST(test_key)
{
	char key[BACKEND_KEY_MAX], other[BACKEND_KEY_MAX];
	struct target at_source = {&t.spec, PROD, DR, false};
	struct spec swapped = t.spec;
	char longest[300];

	ck_assert_str_eq(t.key, PROD "/database/db <-> " DR
				     "/database/db-replica");
	t.b->ops->key(t.b, &at_source, key);
	ck_assert_str_eq(key, t.key);
	swapped.source = t.spec.destination;
	swapped.destination = t.spec.source;
	t.target.spec = &swapped;
	t.b->ops->key(t.b, &t.target, key);
	ck_assert_str_eq(key, t.key);

	/* Names that are no file names, and that no name may collide with. */
	swapped.volume_handle = "../a/b";
	t.b->ops->key(t.b, &t.target, key);
	ck_assert_ptr_nonnull(strstr(key, "/%2E.%2Fa%2Fb"));
	swapped.pvc_namespace = "faults";
	t.b->ops->key(t.b, &t.target, key);
	ck_assert_ptr_nonnull(strstr(key, "/%66aults/"));
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	swapped.volume_handle = longest;
	t.b->ops->key(t.b, &t.target, key);
	longest[298] = 'y';
	t.b->ops->key(t.b, &t.target, other);
	ck_assert_str_ne(key, other);
	swapped.pvc_name = longest;
	t.b->ops->key(t.b, &t.target, key);
	longest[298] = 'x';
	t.b->ops->key(t.b, &t.target, other);
	ck_assert_str_ne(key, other);
	longest[250] = '\0';
	ACT(ACT_CREATE);
	ck_assert_int_eq(look().here.claim, ROLE_REPLICA);
}
END_TEST

START_TEST(test_create_and_copy)
{
	struct observation o;

	begin("one\n");
	o = look();
	ck_assert(is_protected(&o));
	ck_assert_int_gt(o.here.data_time, 0);
	ck_assert_int_eq(o.peer.data_time, 0);
	ck_assert_int_eq(o.here.in_use, TRI_NO);
	ck_assert_int_eq(mode_of(SOURCE_FILE), 0644);
	ck_assert_int_eq(mode_of(REPLICA_FILE), 0444);
	ck_assert_str_eq(o.peer.native, "Promoted");
	put(SOURCE_FILE, "two\n");
	AWAIT(has_new_data);
	ck_assert_str_eq(get(REPLICA_FILE), "two\n");

	/* A relationship that exists is not made again. */
	ck_assert_int_eq(act(ACT_CREATE), -EPERM);
	ACT(ACT_DELETE);
	AWAIT(is_absent);
	ck_assert_str_eq(get(REPLICA_FILE), "two\n");
	ck_assert_str_eq(get(SOURCE_FILE), "two\n");
	/* What holds the same bytes may be a replica again, */
	ACT(ACT_CREATE);
	AWAIT(has_new_data);
	ACT(ACT_DELETE);
	/* but other data is not overwritten unasked. */
	put(REPLICA_FILE, "precious\n");
	ck_assert_int_eq(act(ACT_CREATE), -EPERM);
	ck_assert_str_eq(get(REPLICA_FILE), "precious\n");
	ck_assert_int_eq(act(ACT_PROMOTE), -ENOENT);
	ck_assert_int_eq(act(ACT_AWAIT_FINAL_COPY), -EINVAL);
}
END_TEST

START_TEST(test_create_provisions)
{
	t.spec.state = STATE_SOURCE;	/* here, the volume handle's side */
	track();
	ACT(ACT_CREATE);
	AWAIT(is_reversed);
	ck_assert_int_eq(mode_of(REPLICA_FILE), 0644);
	ck_assert_int_eq(mode_of(SOURCE_FILE), 0444);
	t.spec.state = STATE_PROMOTING;
	ck_assert_int_eq(act(ACT_DELETE), 0);
	ck_assert_int_eq(act(ACT_CREATE), -EINVAL);
}
END_TEST

START_TEST(test_synchronous)
{
	t.spec.mode = MODE_SYNCHRONOUS;
	begin("one\n");
	put(SOURCE_FILE, "two\n");
	AWAIT(has_new_data);
	put(SOURCE_FILE, "three\n");
	AWAIT(has_new_data);
}
END_TEST

static bool is_synced_by_interval(const struct observation *o)
{
	return has_new_data(o) && strcmp(get(REPLICA_FILE), "new\n") == 0;
}

START_TEST(test_interval)
{
	struct observation first, second;

	t.spec.schedule = SCHEDULE_INTERVAL;
	t.spec.rpo = "1s";
	begin("old\n");
	first = look();
	put(SOURCE_FILE, "new\n");
	second = AWAIT(is_synced_by_interval);
	ck_assert_int_ge(second.here.data_time - first.here.data_time, 900);

	/* Long intervals are not started early. */
	t.spec.rpo = "1h";
	track();
	put(SOURCE_FILE, "newer\n");
	AWAIT(is_any);
	look();
	ck_assert_str_eq(get(REPLICA_FILE), "new\n");
}
END_TEST

static bool is_later(const struct observation *o)
{
	return is_protected(o) && o->here.data_time > (int64_t)t.serial;
}

START_TEST(test_empty_snapshots_are_current)
{
	t.spec.schedule = SCHEDULE_INTERVAL;
	t.spec.rpo = "1s";
	begin("same\n");
	t.serial = (uint64_t)look().here.data_time;
	AWAIT(is_later);
}
END_TEST

START_TEST(test_planned_failover_and_swap)
{
	begin("before\n");
	put(SOURCE_FILE, "last words\n");
	ck_assert_int_eq(act(ACT_PROMOTE), -EBUSY);
	ACT(ACT_DEMOTE_PEER);
	AWAIT(is_caught_up);
	ck_assert_int_eq(mode_of(SOURCE_FILE), 0444);
	ck_assert_str_eq(get(REPLICA_FILE), "last words\n");
	ACT(ACT_PROMOTE);
	AWAIT(is_promoted);
	ck_assert_int_eq(mode_of(REPLICA_FILE), 0644);
	ck_assert(!look().here.diverged);
	ck_assert(!look().peer.diverged);
	put(REPLICA_FILE, "after\n");
	AWAIT(is_here_diverged);
	ck_assert(!look().peer.diverged);

	/* Reverse the direction, and go back the same way. */
	ACT(ACT_RESYNC_PEER);
	AWAIT(is_reversed);
	ck_assert_str_eq(get(SOURCE_FILE), "after\n");
	put(REPLICA_FILE, "more\n");
	ACT(ACT_DEMOTE);
	AWAIT(is_peer_caught_up);
	ck_assert_str_eq(get(SOURCE_FILE), "more\n");
	/* Taking it back loses nothing: nobody was promoted. */
	ACT(ACT_PROMOTE);
	AWAIT(is_reversed);
	ck_assert_int_eq(count_lines("journal", "\n"), t.serial - 1);
}
END_TEST

START_TEST(test_roll_back)
{
	begin("data\n");
	ACT(ACT_DEMOTE_PEER);
	AWAIT(is_caught_up);
	ACT(ACT_PROMOTE_PEER);
	AWAIT(is_protected);
	ck_assert_int_eq(mode_of(SOURCE_FILE), 0644);
	put(SOURCE_FILE, "goes on\n");
	AWAIT(has_new_data);
	/* Not while here is writable. */
	ACT(ACT_DEMOTE_PEER);
	AWAIT(is_caught_up);
	ACT(ACT_PROMOTE);
	ck_assert_int_eq(act(ACT_PROMOTE_PEER), -EBUSY);
	/* Nor when here has stepped down and the peer lacks its data. */
	put(REPLICA_FILE, "newest\n");
	ACT(ACT_DEMOTE);
	ck_assert_int_eq(act(ACT_PROMOTE_PEER), -EAGAIN);
	ACT(ACT_PROMOTE);
}
END_TEST

static bool is_split_and_both_diverged(const struct observation *o)
{
	return is_split(o) && o->here.diverged && o->peer.diverged;
}

START_TEST(test_unplanned_failover)
{
	begin("common\n");
	put(PROD "/faults", "down\n");
	AWAIT(is_peer_silent);
	ck_assert(!look().peer_alive);
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -EHOSTUNREACH);
	ck_assert_int_eq(act(ACT_PROMOTE), -EAGAIN);
	ck_assert_int_eq(act(ACT_RESYNC), -EHOSTUNREACH);
	put(SOURCE_FILE, "written while apart\n");
	ck_assert(look().here.has_last_copy);
	ACT(ACT_FORCE_PROMOTE);
	AWAIT(is_promoted);
	ck_assert_str_eq(get(REPLICA_FILE), "common\n");
	put(REPLICA_FILE, "written here\n");
	AWAIT(is_here_diverged);
	unlink(SOURCE_FILE);
	put(PROD "/faults", "");
	AWAIT(is_split_and_both_diverged);
	ck_assert_str_eq(get(SOURCE_FILE), "written while apart\n");

	/* A rebuild needs a source, discards, and is incomplete until whole. */
	put(DR "/faults", "rate 1\n");
	ACT(ACT_DEMOTE_PEER);
	ck_assert_int_eq(act(ACT_RESYNC), -EINVAL);
	ck_assert(look().peer.diverged);
	ACT(ACT_RESYNC_PEER);
	ck_assert(!look().peer.complete);
	ck_assert(!look().peer.diverged);
	ck_assert(look().here.has_last_copy);
	ck_assert_str_eq(get(SOURCE_FILE), "written while apart\n");
	t.target = (struct target){&t.spec, PROD, DR, false};
	ck_assert_int_eq(act(ACT_FORCE_PROMOTE), -EINVAL);
	t.target = (struct target){&t.spec, DR, PROD, true};
	put(DR "/faults", "# rate 1\n");
	AWAIT(is_reversed);
	ck_assert_str_eq(get(SOURCE_FILE), "written here\n");
	ck_assert_int_eq(mode_of(SOURCE_FILE), 0444);
}
END_TEST

START_TEST(test_unplanned_without_writes)
{
	begin("common\n");
	put(PROD "/faults", "down\n");
	AWAIT(is_peer_silent);
	ACT(ACT_FORCE_PROMOTE);
	put(PROD "/faults", "");
	AWAIT(is_split);
	ck_assert(!look().here.diverged);
	ck_assert(!look().peer.diverged);
	ACT(ACT_DEMOTE_PEER);
	ACT(ACT_RESYNC_PEER);
	AWAIT(is_reversed);
}
END_TEST

START_TEST(test_resync_here)
{
	begin("common\n");
	put(PROD "/faults", "down\n");
	AWAIT(is_peer_silent);
	ACT(ACT_FORCE_PROMOTE);
	put(REPLICA_FILE, "to be given up\n");
	put(PROD "/faults", "");
	AWAIT(is_split);
	ACT(ACT_DEMOTE);
	ck_assert(look().here.diverged);
	ACT(ACT_RESYNC);
	AWAIT(has_new_data);
	ck_assert_str_eq(get(REPLICA_FILE), "common\n");
}
END_TEST

/* Somebody writes to a replica behind everybody's back. */
START_TEST(test_tampered_replica)
{
	begin("common\n");
	t.spec.schedule = SCHEDULE_INTERVAL;
	t.spec.rpo = "1h";
	track();
	put(REPLICA_FILE, "tampered\n");	/* root may */
	AWAIT(is_here_diverged);
}
END_TEST

static bool is_lie(const struct observation *o)
{
	return o->peer.claim == ROLE_REPLICA && o->peer.fact == ROLE_SOURCE;
}

static bool is_lie_here(const struct observation *o)
{
	return o->here.claim == ROLE_SOURCE && o->here.fact == ROLE_REPLICA;
}

START_TEST(test_lie)
{
	uint64_t serial;

	begin("truth\n");
	put(PROD "/faults", "lie demote\n");
	ACT(ACT_DEMOTE_PEER);
	serial = t.serial;
	AWAIT(is_lie);
	ck_assert_int_eq(count_lines("journal", "demote"), 0);
	ck_assert_int_eq(act(ACT_PROMOTE), -EBUSY);
	put(SOURCE_FILE, "written all the same\n");
	/* The same act again does what it did not. */
	put(PROD "/faults", "");
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, serial, 1000), 0);
	AWAIT(is_caught_up);
	ck_assert_str_eq(get(REPLICA_FILE), "written all the same\n");
	ck_assert_int_eq(count_lines("journal", "demote"), 1);

	put(DR "/faults", "lie promote\n");
	ACT(ACT_PROMOTE);
	AWAIT(is_lie_here);
	put(DR "/faults", "no-second-fact\n");
	ck_assert_int_eq(look().here.fact, ROLE_UNKNOWN);
	put(DR "/faults", "");
	ACT(ACT_PROMOTE);
	AWAIT(is_promoted);
}
END_TEST

/* A rebuild that is only claimed never overwrites a writable volume. */
START_TEST(test_lying_resync)
{
	begin("common\n");
	put(PROD "/faults", "down\n");
	AWAIT(is_peer_silent);
	ACT(ACT_FORCE_PROMOTE);
	put(REPLICA_FILE, "written here\n");
	put(PROD "/faults", "lie resync\n");
	AWAIT(is_split);
	ACT(ACT_RESYNC_PEER);
	AWAIT(is_lie);
	ck_assert_str_eq(get(SOURCE_FILE), "common\n");
	ck_assert_int_eq(mode_of(SOURCE_FILE), 0644);
	put(PROD "/faults", "");
	ACT(ACT_RESYNC_PEER);
	AWAIT(is_reversed);
	ck_assert_str_eq(get(SOURCE_FILE), "written here\n");
}
END_TEST

START_TEST(test_hang)
{
	struct observation o;

	begin("data\n");
	put(PROD "/faults", "hang 600000\n");
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, ++t.serial, 50),
			 -ETIMEDOUT);
	/* A call has found out: the watch need not wait longer. */
	AWAIT(is_peer_silent);
	ck_assert_int_eq(t.b->ops->observe(t.b, &t.target, 50, &o, &t.err), 0);
	ck_assert(is_peer_silent(&o));
	put(PROD "/faults", "");
	AWAIT(is_peer_ok);
	put(DR "/faults", "hang 1\n");
	AWAIT(is_here_silent);
}
END_TEST

static void *hanging_call(void *ctx)
{
	struct order o = {ACT_DEMOTE_PEER, 77, 600000};
	struct error err;
	int *rc = ctx;

	*rc = t.b->ops->act(t.b, &t.target, &o, &err);
	return NULL;
}

static bool is_peer_busy(const struct observation *o)
{
	return o->peer.busy;
}

START_TEST(test_stop_cuts_a_hang_short)
{
	pthread_t thread;
	int rc = 1;

	begin("data\n");
	/* slow, not hang: then the watch goes on and shows the call */
	put(PROD "/faults", "slow 600000\n");
	ck_assert_int_eq(pthread_create(&thread, NULL, hanging_call, &rc), 0);
	AWAIT(is_peer_busy);
	t.b->ops->stop(t.b);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(rc, -ECANCELED);
	ck_assert_int_eq(count_lines("journal", "demote"), 0);
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -ECANCELED);
}
END_TEST

START_TEST(test_hang_that_ends)
{
	pthread_t thread;
	int rc = 1;

	begin("data\n");
	put(PROD "/faults", "database/db hang 1\n");
	ck_assert_int_eq(pthread_create(&thread, NULL, hanging_call, &rc), 0);
	AWAIT(is_peer_silent);
	put(PROD "/faults", "database/other hang\n");
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(rc, 0);
	AWAIT(is_caught_up);
}
END_TEST

START_TEST(test_answer_lost)
{
	begin("data\n");
	put(PROD "/faults", "slow 100\n");
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 50, 10), -ETIMEDOUT);
	AWAIT(is_caught_up);
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 50, 1000), 0);
	ck_assert_int_eq(count_lines("journal", "demote-peer 50\n"), 1);
}
END_TEST

START_TEST(test_fail_and_final)
{
	begin("data\n");
	put(PROD "/faults", "fail demote 2\n");
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -EIO);
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -EIO);
	ck_assert_int_eq(look().peer.fact, ROLE_SOURCE);
	ACT(ACT_DEMOTE_PEER);
	AWAIT(is_caught_up);
	put(DR "/faults", "final promote\n");
	ck_assert_int_eq(act(ACT_PROMOTE), -EPERM);
	put(DR "/faults", "database/db-replica fail promote 1\n"
			  "database/other final promote\n");
	ck_assert_int_eq(act(ACT_PROMOTE), -EIO);
	/* The same order given again counts anew. */
	put(DR "/faults", "database/db-replica fail promote 1\n"
			  "database/other final promote\n");
	ck_assert_int_eq(act(ACT_PROMOTE), -EIO);
	ACT(ACT_PROMOTE);
}
END_TEST

static const struct {
	const char *fault;
	enum reach reach;
	int rc;
	bool alive;
} answers[] = {
	{"down", REACH_SILENT, -EHOSTUNREACH, false},
	{"mute", REACH_SILENT, -EHOSTUNREACH, true},
	{"refuse", REACH_REFUSED, -EACCES, true},
	{"unconfigured", REACH_UNCONFIGURED, -EHOSTUNREACH, true},
};

START_TEST(test_answers)
{
	struct observation o;

	begin("data\n");
	put(PROD "/faults", answers[_i].fault);
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), answers[_i].rc);
	o = look();
	ck_assert_int_eq(o.peer.reach, answers[_i].reach);
	ck_assert_int_eq(o.peer.claim, ROLE_UNKNOWN);
	ck_assert_int_ne(o.peer.why[0], '\0');
	ck_assert_int_eq(o.peer_alive, answers[_i].alive);
	ck_assert_int_eq(o.here.claim, ROLE_REPLICA);
	ck_assert(o.here.has_last_copy);
	/* Data goes on where only the management is away. */
	put(SOURCE_FILE, "newer\n");
	unlink(PROD "/faults");
	put(PROD "/faults", "");
	AWAIT(has_new_data);
}
END_TEST

START_TEST(test_in_use)
{
	struct observation o;

	begin("data\n");
	put(PROD "/faults", "in-use pod web-0\n");
	o = look();
	ck_assert_int_eq(o.peer.in_use, TRI_YES);
	ck_assert_str_eq(o.peer.in_use_by, "pod web-0");
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -EBUSY);
	put(PROD "/faults", "in-use-unknown\n");
	ck_assert_int_eq(look().peer.in_use, TRI_UNKNOWN);
	put(PROD "/faults", "in-use\nin-use-ignored\n");
	ck_assert_str_eq(look().peer.in_use_by, "somebody");
	ACT(ACT_DEMOTE_PEER);
}
END_TEST

static bool is_stuck(const struct observation *o)
{
	return o->here.progress == 99 && !o->here.caught_up &&
	       strcmp(o->here.native, "FinalSync 99%") == 0;
}

START_TEST(test_final_sync_that_does_not_end)
{
	begin("data\n");
	put(DR "/faults", "no-final-sync-end\n");
	put(SOURCE_FILE, "final\n");
	ACT(ACT_DEMOTE_PEER);
	AWAIT(is_stuck);
	ck_assert_int_eq(act(ACT_PROMOTE), -EAGAIN);
	/* By force: what the final sync would have brought is not here. */
	ACT(ACT_FORCE_PROMOTE);
	AWAIT(is_promoted);
	ck_assert_str_eq(get(REPLICA_FILE), "data\n");
	ck_assert(look().peer.diverged);
	put(DR "/faults", "");
	ck_assert_str_eq(get(REPLICA_FILE), "data\n");
}
END_TEST

static bool is_under_way(const struct observation *o)
{
	return o->here.progress > 0 && o->here.progress < 100;
}

START_TEST(test_rate_and_progress)
{
	char big[4001];

	memset(big, 'b', 4000);
	big[4000] = '\0';
	begin("small\n");
	put(PROD "/faults", "rate 8000\n");
	put(SOURCE_FILE, big);
	AWAIT(is_under_way);
	/* The old copy stays whole and readable meanwhile; what is written
	   after the snapshot is in the next one. */
	ck_assert_str_eq(get(REPLICA_FILE), "small\n");
	put(SOURCE_FILE, "tiny\n");
	AWAIT(has_new_data);
	ck_assert_int_lt(t.ear.progress_min, t.ear.progress_max);
}
END_TEST

static bool is_suspended(const struct observation *o)
{
	return strcmp(o->here.native, "Suspended") == 0 && !o->peer_alive;
}

START_TEST(test_no_copy)
{
	begin("data\n");
	put(DR "/faults", "no-copy\n");
	AWAIT(is_suspended);
	put(SOURCE_FILE, "newer\n");
	look();
	ck_assert_str_eq(get(REPLICA_FILE), "data\n");
	put(DR "/faults", "\n");
	AWAIT(has_new_data);
}
END_TEST

static bool is_complaining(const struct observation *o)
{
	return strstr(o->peer.why, "line 2") && o->peer.reach == REACH_OK;
}

static bool is_content(const struct observation *o)
{
	return !*o->peer.why;
}

START_TEST(test_wrong_faults)
{
	begin("data\n");
	put(PROD "/faults", "# a comment\nfrobnicate 7\nslow many\n");
	AWAIT(is_complaining);
	ck_assert_str_eq(get(PROD "/faults.error"),
			 "faults line 2 is not understood: frobnicate 7\n");
	put(PROD "/faults", "slow 1\n");
	AWAIT(is_content);
	ck_assert(!exists(PROD "/faults.error"));
}
END_TEST

/* A faults file and a folder that appear later, also by rename. */
START_TEST(test_late_folders)
{
	char from[128], to[128];

	t.target.peer = "late";
	t.spec.source.cluster = "late";
	t.b->ops->key(t.b, &t.target, t.key);
	track();
	AWAIT(is_absent);
	make_dir("late");
	put("late/new-faults", "refuse\n");
	snprintf(from, sizeof from, "%s/late/new-faults", t.dir);
	snprintf(to, sizeof to, "%s/late/faults", t.dir);
	ck_assert_int_eq(rename(from, to), 0);
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -EACCES);
	ck_assert_int_eq(unlink(to), 0);
	AWAIT(is_absent);
	make_dir("late/database");
	put("late/database/db", "late data\n");
	ACT(ACT_CREATE);
	AWAIT(is_protected);
	ck_assert_str_eq(get(REPLICA_FILE), "late data\n");
}
END_TEST

START_TEST(test_serials)
{
	begin("data\n");
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 100, 1000), 0);
	AWAIT(is_caught_up);
	ck_assert_int_eq(act_again(ACT_PROMOTE_PEER, 101, 1000), 0);
	AWAIT(is_protected);
	/* The same act again is not a second one. */
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 100, 1000), 0);
	ck_assert_int_eq(look().peer.fact, ROLE_SOURCE);
	ck_assert_int_eq(count_lines("journal", "demote-peer 100\n"), 1);
	/* Nor is one that found nothing to do. */
	ck_assert_int_eq(act_again(ACT_PROMOTE_PEER, 102, 1000), 0);
	ck_assert_int_eq(count_lines("journal", "promote-peer 102\n"), 0);
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 103, 1000), 0);
	ck_assert_int_eq(act_again(ACT_PROMOTE_PEER, 102, 1000), 0);
	ck_assert_int_eq(look().peer.fact, ROLE_REPLICA);
}
END_TEST

/* A daemon that dies in the middle of an act; the next one repeats it. */
static void crash(const char *fault, enum act what)
{
	int status;
	pid_t pid;

	stop();
	put(PROD "/faults", fault);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		start();
		act_again(what, 500, 10000);
		_exit(1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 137);
	put(PROD "/faults", "");
	start();
}

START_TEST(test_crash)
{
	const char *fault = _i ? "crash-after demote" : "crash-before demote";

	begin("data\n");
	crash(fault, ACT_DEMOTE_PEER);
	while (_i && !count_lines("journal", "demote-peer 500\n"))
		usleep(1000);
	ck_assert_int_eq(count_lines("journal", "demote-peer 500\n"), _i);
	ck_assert_int_eq(look().peer.fact,
			 _i ? ROLE_REPLICA : ROLE_SOURCE);
	track();
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 500, 1000), 0);
	AWAIT(is_caught_up);
	ck_assert_int_eq(count_lines("journal", "demote-peer 500\n"), 1);
}
END_TEST

/* Killed in the middle of a final sync: it is taken up without being asked. */
START_TEST(test_crash_resumes_final_sync)
{
	begin("data\n");
	put(DR "/faults", "no-final-sync-end\n");
	put(SOURCE_FILE, "final\n");
	crash("crash-after demote", ACT_DEMOTE_PEER);
	put(DR "/database/.db-replica.incoming", "half a co");
	stop();
	put(DR "/faults", "");
	start();
	AWAIT(is_caught_up);	/* not tracked: found on the disk */
	ck_assert_str_eq(get(REPLICA_FILE), "final\n");
	ck_assert(!exists(DR "/database/.db-replica.incoming"));
}
END_TEST

/* kill -9 between the rename of a snapshot and its record. */
START_TEST(test_snapshot_in_place_but_not_noted)
{
	const char *record = DR "/database/.db-replica.json";
	char text[4096], *at;

	begin("data\n");
	put(PROD "/faults", "down\n");
	AWAIT(is_peer_silent);
	stop();
	/* As it stands then: `next` is what lies there, `base` is older. */
	strcpy(text, get(record));
	at = strstr(text, "\"base\"");
	ck_assert_ptr_nonnull(at);
	memcpy(at, "\"next\"", 6);
	at = strstr(at + 6, "\"next\"");
	ck_assert_ptr_nonnull(at);
	memcpy(at, "\"base\"", 6);
	at = strstr(at, "\"id\": 0");
	ck_assert_ptr_nonnull(at);
	memcpy(at, "\"id\": 9", 7);
	put(record, text);
	start();
	track();
	AWAIT(is_peer_silent);
	ck_assert(!look().here.diverged);
}
END_TEST

/* Killed between the record and the journal: the line is made up for, whether
   the act is asked for again, or another one, or none. */
START_TEST(test_journal_is_made_up_for)
{
	begin("data\n");
	crash("crash-after demote", ACT_DEMOTE_PEER);
	if (_i == 0) {
		ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 500, 1000), 0);
	} else if (_i == 1) {
		ck_assert_int_eq(act_again(ACT_RESYNC, 501, 1000), -EINVAL);
	} else {
		while (!count_lines("journal", "demote-peer 500\n"))
			usleep(1000);
	}
	ck_assert_int_eq(count_lines("journal", "\n"), 2);
	ck_assert_int_eq(count_lines("journal", "demote-peer 500\n"), 1);
}
END_TEST

/* Killed between the journal and the note that it has the line. */
START_TEST(test_journal_has_it_already)
{
	const char *record = PROD "/database/.db.json";
	char text[4096], *at;

	begin("data\n");
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 500, 1000), 0);
	stop();
	strcpy(text, get(record));
	at = strstr(text, "\"unlisted\": false");
	ck_assert_ptr_nonnull(at);
	memcpy(at, "\"unlisted\": true ", 17);
	put(record, text);
	start();
	while (strstr(get(record), "\"unlisted\": true"))
		usleep(1000);
	ck_assert_int_eq(count_lines("journal", "demote-peer 500\n"), 1);
}
END_TEST

/* What was done is told so, and nothing more is done before it is listed. */
START_TEST(test_journal_that_can_not_be_written)
{
	char path[128], aside[128];

	begin("data\n");
	snprintf(path, sizeof path, "%s/journal", t.dir);
	snprintf(aside, sizeof aside, "%s/aside", t.dir);
	ck_assert_int_eq(rename(path, aside), 0);
	ck_assert_int_eq(symlink("nowhere/journal", path), 0);
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 500, 1000), 0);
	AWAIT(is_caught_up);
	ck_assert_int_eq(act_again(ACT_PROMOTE, 501, 1000), -EIO);
	ck_assert_ptr_nonnull(strstr(t.err.msg, "journal: can't write"));
	ck_assert_int_eq(look().here.fact, ROLE_REPLICA);
	/* In one step: the engine tries, too. */
	ck_assert_int_eq(rename(aside, path), 0);
	ck_assert_int_eq(act_again(ACT_PROMOTE, 501, 1000), 0);
	ck_assert_int_eq(count_lines("journal", "\n"), 3);
	ck_assert_ptr_nonnull(strstr(strstr(get("journal"), "demote-peer 500\n"),
				     "promote 501\n"));
}
END_TEST

/* Killed in the middle of a create. */
START_TEST(test_half_made)
{
	char path[128];

	track();
	ACT(ACT_CREATE);
	stop();
	snprintf(path, sizeof path, "%s/%s", t.dir,
		 DR "/database/.db-replica.json");
	ck_assert_int_eq(unlink(path), 0);
	start();
	track();
	/* With a common snapshot it is more than half: not touched. */
	if (strstr(get(PROD "/database/.db.json"), "\"id\": 1"))
		ck_assert_int_eq(act(ACT_CREATE), -EPERM);
	else
		ck_assert_int_eq(act(ACT_CREATE), 0);
}
END_TEST

static void edit(const char *path, const char *old, const char *new)
{
	char text[4096], *at;

	strcpy(text, get(path));
	at = strstr(text, old);
	ck_assert_ptr_nonnull(at);
	ck_assert_uint_eq(strlen(old), strlen(new));
	memcpy(at, new, strlen(new));
	put(path, text);
}

/* Killed when the volume had its new mode, and its record did not say so. */
START_TEST(test_half_demoted)
{
	char path[128];

	begin("data\n");
	AWAIT(is_protected);
	stop();
	t.ear.keys = 0;
	edit(PROD "/database/.db.json", "\"turning\": false",
	     "\"turning\": true ");
	snprintf(path, sizeof path, "%s/%s", t.dir, SOURCE_FILE);
	ck_assert_int_eq(chmod(path, 0444), 0);
	start();
	track();
	AWAIT(is_protected);
	ck_assert_int_eq(mode_of(SOURCE_FILE), 0644);
	ck_assert_ptr_nonnull(strstr(get(PROD "/database/.db.json"),
				     "\"turning\": false"));
}
END_TEST

/* A record of before that flag. */
START_TEST(test_older_record)
{
	begin("data\n");
	AWAIT(is_protected);
	stop();
	t.ear.keys = 0;
	edit(PROD "/database/.db.json", "\"turning\"", "\"formerl\"");
	start();
	track();
	AWAIT(is_protected);
}
END_TEST

/* Killed when the role was given back at one of the two ends only. */
START_TEST(test_half_given_back)
{
	begin("data\n");
	ACT(ACT_DEMOTE_PEER);
	AWAIT(is_caught_up);
	ACT(ACT_PROMOTE);
	ACT(ACT_RESYNC_PEER);
	AWAIT(is_reversed);
	ACT(ACT_DEMOTE);
	AWAIT(is_peer_caught_up);
	stop();
	edit(DR "/database/.db-replica.json", "\"following\": false",
	     "\"following\":  true");
	start();
	track();
	ACT(ACT_PROMOTE_PEER);
	AWAIT(is_protected);
}
END_TEST

static bool is_damaged(const struct observation *o)
{
	return o->here.claim == ROLE_UNKNOWN && o->here.fact == ROLE_UNKNOWN;
}

START_TEST(test_damaged_record)
{
	begin("data\n");
	put(DR "/database/.db-replica.json", "{\"role\": \"sou");
	AWAIT(is_damaged);
	ck_assert_int_eq(act(ACT_PROMOTE), -EIO);
	ck_assert_int_eq(act(ACT_FORCE_PROMOTE), -EIO);
	ck_assert_int_eq(act(ACT_DELETE), -EIO);
	ck_assert_int_eq(act(ACT_CREATE), -EPERM);
	ck_assert_str_eq(get(REPLICA_FILE), "data\n");
}
END_TEST

static bool is_without_volume(const struct observation *o)
{
	return o->peer.fact == ROLE_ABSENT && o->peer.claim == ROLE_SOURCE;
}

START_TEST(test_missing_volume)
{
	char path[128];

	begin("data\n");
	snprintf(path, sizeof path, "%s/%s", t.dir, SOURCE_FILE);
	ck_assert_int_eq(unlink(path), 0);
	AWAIT(is_without_volume);
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -EIO);
	ck_assert_str_eq(get(REPLICA_FILE), "data\n");
}
END_TEST

/* Somebody changes the array behind our back. */
START_TEST(test_change_from_outside)
{
	char path[128];

	begin("data\n");
	snprintf(path, sizeof path, "%s/%s", t.dir, REPLICA_FILE);
	ck_assert_int_eq(chmod(path, 0644), 0);
	ear_await(&t.ear, t.key, is_peer_ok, "ok");
	ck_assert_int_eq(look().here.fact, ROLE_SOURCE);
	/* A writable volume is not overwritten. */
	put(REPLICA_FILE, "mine\n");
	put(SOURCE_FILE, "theirs\n");
	look();
	ck_assert_str_eq(get(REPLICA_FILE), "mine\n");
	AWAIT(is_here_diverged);
}
END_TEST

START_TEST(test_bulk_start)
{
	struct target here = t.target;
	struct spec second = t.spec;
	char key[BACKEND_KEY_MAX];

	begin("data\n");
	second.pvc_name = "other";
	second.volume_handle = "other";
	t.target.spec = &second;
	ACT(ACT_CREATE);
	t.b->ops->key(t.b, &t.target, key);
	stop();
	t.ear.keys = 0;
	t.target = here;
	start();
	ear_await(&t.ear, t.key, is_protected, "first");
	ear_await(&t.ear, key, is_any, "second");
	ck_assert_uint_eq(t.ear.keys, 2);
}
END_TEST

START_TEST(test_untrack_stops_copies)
{
	begin("data\n");
	t.b->ops->untrack(t.b, t.key);
	t.b->ops->untrack(t.b, "no such key");
	AWAIT(is_protected);
	look();
	put(SOURCE_FILE, "newer\n");
	look();
	ck_assert_str_eq(get(REPLICA_FILE), "data\n");
	track();
	AWAIT(has_new_data);
}
END_TEST

static bool is_heard_again(const struct observation *o)
{
	return is_protected(o) && t.ear.count > t.serial;
}

START_TEST(test_silence_when_nothing_happens)
{
	unsigned before;

	begin("data\n");
	t.spec.schedule = SCHEDULE_INTERVAL;
	t.spec.rpo = "1h";
	pthread_mutex_lock(&t.ear.lock);
	t.serial = t.ear.count;
	pthread_mutex_unlock(&t.ear.lock);
	track();
	AWAIT(is_heard_again);
	look();
	pthread_mutex_lock(&t.ear.lock);
	before = t.ear.count;
	pthread_mutex_unlock(&t.ear.lock);
	/* Touching without changing raises no observation. */
	put(DR "/faults", "# nothing\n");
	look();
	put(DR "/faults", "down\n");
	AWAIT(is_here_silent);
	ck_assert_uint_le(t.ear.count, before + 1);
}
END_TEST

START_TEST(test_describe)
{
	enum act a;
	struct buf out;

	buf_init(&out, 65536);
	t.b->ops->describe(t.b, &t.target, ACT_DEMOTE_PEER, &out);
	ck_assert_str_eq(buf_str(&out), "sim prod-cluster: demote database/db "
					"(final sync to dr-cluster)\n");
	for (a = ACT_CREATE; a < ACT_COUNT; a++) {
		buf_reset(&out);
		t.b->ops->describe(t.b, &t.target, a, &out);
		ck_assert_int_eq(out.len > 0,
				 !act_is_wait(a) && !act_is_look(a));
	}
	buf_finish(&out);
}
END_TEST

START_TEST(test_bad_folder)
{
	char path[128];

	put("file", "x");
	snprintf(path, sizeof path, "%s/file/sim", t.dir);
	ck_assert_ptr_null(sim_new("sim", path, &t.err));
	ck_assert_int_eq(t.err.code, ENOTDIR);
	snprintf(path, sizeof path, "%s/a/b/c", t.dir);
	stop();
	t.b = sim_new("sim", path, &t.err);
	ck_assert_ptr_nonnull(t.b);
}
END_TEST

START_TEST(test_big_file)
{
	char path[512];
	char *data = malloc(1 << 20);
	int fd, i;

	make_dir(PROD "/database");
	snprintf(path, sizeof path, "%s/%s", t.dir, SOURCE_FILE);
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	for (i = 0; i < 33; i++) {
		memset(data, i, 1 << 20);
		ck_assert_int_eq(write(fd, data, 1 << 20), 1 << 20);
	}
	close(fd);
	free(data);
	track();
	ACT(ACT_CREATE);
	AWAIT(is_protected);
	snprintf(path, sizeof path, "cmp %s/%s %s/%s", t.dir, SOURCE_FILE,
		 t.dir, REPLICA_FILE);
	ck_assert_int_eq(system(path), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sim");
	TCase *c = tcase_create("sim");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, test_key);
	tcase_add_test(c, test_create_and_copy);
	tcase_add_test(c, test_create_provisions);
	tcase_add_test(c, test_synchronous);
	tcase_add_test(c, test_interval);
	tcase_add_test(c, test_empty_snapshots_are_current);
	tcase_add_test(c, test_planned_failover_and_swap);
	tcase_add_test(c, test_roll_back);
	tcase_add_test(c, test_unplanned_failover);
	tcase_add_test(c, test_unplanned_without_writes);
	tcase_add_test(c, test_resync_here);
	tcase_add_test(c, test_tampered_replica);
	tcase_add_test(c, test_lie);
	tcase_add_test(c, test_lying_resync);
	tcase_add_test(c, test_hang);
	tcase_add_test(c, test_stop_cuts_a_hang_short);
	tcase_add_test(c, test_hang_that_ends);
	tcase_add_test(c, test_answer_lost);
	tcase_add_test(c, test_fail_and_final);
	tcase_add_loop_test(c, test_answers, 0,
			    sizeof answers / sizeof *answers);
	tcase_add_test(c, test_in_use);
	tcase_add_test(c, test_final_sync_that_does_not_end);
	tcase_add_test(c, test_rate_and_progress);
	tcase_add_test(c, test_no_copy);
	tcase_add_test(c, test_wrong_faults);
	tcase_add_test(c, test_late_folders);
	tcase_add_test(c, test_serials);
	tcase_add_loop_test(c, test_crash, 0, 2);
	tcase_add_test(c, test_crash_resumes_final_sync);
	tcase_add_test(c, test_snapshot_in_place_but_not_noted);
	tcase_add_loop_test(c, test_journal_is_made_up_for, 0, 3);
	tcase_add_test(c, test_journal_has_it_already);
	tcase_add_test(c, test_journal_that_can_not_be_written);
	tcase_add_test(c, test_half_made);
	tcase_add_test(c, test_half_demoted);
	tcase_add_test(c, test_older_record);
	tcase_add_test(c, test_half_given_back);
	tcase_add_test(c, test_damaged_record);
	tcase_add_test(c, test_missing_volume);
	tcase_add_test(c, test_change_from_outside);
	tcase_add_test(c, test_bulk_start);
	tcase_add_test(c, test_untrack_stops_copies);
	tcase_add_test(c, test_silence_when_nothing_happens);
	tcase_add_test(c, test_describe);
	tcase_add_test(c, test_bad_folder);
	tcase_add_test(c, test_big_file);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
