/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words are written at any moment of what is under way, calls fail for a while,
 * and the daemon dies: when the storage is well, whatever was asked comes to an
 * end by itself, and nobody is left without a source who had not stepped down.
 */
#include "fake_world.h"
#include "suite.h"

#define WALKS 2500
#define STEPS 24

static unsigned seed;
static struct job *held;	/* has run, and nobody has heard of it yet */
static uint64_t began;		/* the walk: its last request before */
static char trace[4096];
static size_t traced;

static unsigned any(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return seed / 65536 % n;
}

static void note(const char *text)
{
	traced += (size_t)snprintf(trace + traced, sizeof trace - traced, "%s; ",
				   text);
	ck_assert_uint_lt(traced, sizeof trace);
}

/* Most often one that is allowed from here. */
static void write_any_word(void)
{
	static const enum word words[] = {WORD_REPLICA, WORD_PROMOTING,
					  WORD_SOURCE, WORD_DEMOTING,
					  WORD_SYNCING, WORD_SWAP};
	enum word word;
	int tries = 0;

	do
		word = words[any(6)];
	while (!world_may_write(f->world, the(), word) && tries++ < 5);
	note(word_text(word));
	ask(word == WORD_SWAP ? EDIT_ENDPOINTS : EDIT_STATE, word_text(word));
}

/* kill -9: of what was in hand only what has reached the storage is true. */
static void die(void)
{
	note("kill");
	f->dead = true;
	if (held)
		held->done(held);
	held = NULL;
	restart();
}

static void step(void)
{
	static const int troubles[] = {0, -EAGAIN, -ETIMEDOUT};
	struct job *job;

	switch (any(10)) {
	case 0:
	case 1:
		write_any_word();
		break;
	case 2:
	case 3:
	case 4:
		if ((job = take_job(false))) {
			note("store");
			finish_job(job);
		}
		break;
	case 5:
		if (!held && (job = take_job(true))) {
			note("call");
			finish_job(job);
		}
		break;
	case 6:
		if (!held && (held = take_job(true))) {
			note("call...");
			held->run(held);
		} else if (held) {
			note("...done");
			held->done(held);
			held = NULL;
		}
		break;
	case 7:
		if (any(4) == 0)
			die();
		break;
	case 8:
		f->act_rc = troubles[any(3)];
		note(f->act_rc ? "trouble" : "no trouble");
		break;
	default:
		f->now += any(300);
		world_tick(f->world, f->now);
	}
}

static void settle(void)
{
	int i;

	if (held)
		held->done(held);
	held = NULL;
	run_all();
	f->act_rc = 0;
	for (i = 0; i < 60; i++) {
		f->acts = 0;
		advance(1000);
	}
}

/* Then it is left to somebody else to be the source. */
static bool has_stepped_down(const struct status *s)
{
	size_t i;

	for (i = 0; i < s->history_count; i++)
		if (s->history[i].request > began &&
		    s->history[i].word == WORD_DEMOTING &&
		    s->history[i].outcome == OUTCOME_VERIFIED)
			return true;
	return false;
}

static bool is_source(const struct side *s)
{
	return s->claim == ROLE_SOURCE && s->fact == ROLE_SOURCE;
}

static void check(void)
{
	const struct replication *r = the();
	bool here = is_source(&f->truth.here), peer = is_source(&f->truth.peer);
	enum state state = replication_state(r);

	ck_assert_msg(outcome() == OUTCOME_VERIFIED, "%s%s is %s: %s", trace,
		      state_text(state), outcome_text(outcome()),
		      condition(CONDITION_READY)->message);
	ck_assert_msg(!here || !peer, "%sboth are writable", trace);
	ck_assert_msg(here || peer || has_stepped_down(r->status),
		      "%s%s, and nobody is the source", trace,
		      state_text(state));
	ck_assert_msg(here == (state == STATE_SOURCE ||
			       state == STATE_PROMOTING),
		      "%s%s, and writable: %d", trace, state_text(state), here);
}

START_TEST(all_comes_to_an_end)
{
	int i, k;

	for (i = 0; i < WALKS; i++) {
		seed = (unsigned)(_i * WALKS + i);
		traced = 0;
		*trace = '\0';
		setup();
		if (any(2))
			become_source();
		began = the()->status->request.id;
		for (k = 0; k < STEPS; k++)
			step();
		settle();
		check();
		teardown();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("liveness");
	TCase *c = tcase_create("liveness");

	tcase_add_loop_test(c, all_comes_to_an_end, 0, 4);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
