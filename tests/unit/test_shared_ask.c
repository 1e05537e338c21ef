/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked by a patch and not done: it is told of once, nothing else that
 * is under way is lost by it, and what could not be looked at is asked again.
 */
#include "shared_looks.h"

/* How often it was said so. */
static unsigned said(const char *text)
{
	const struct lines *log = world_log(f->world);
	const char *at = log->data, *end = at + log->len;
	unsigned count = 0;

	while ((at = memmem(at, (size_t)(end - at), text, strlen(text)))) {
		at++;
		count++;
	}
	return count;
}

/* What has been told of so far: is it as before? */
struct told {
	unsigned events, audited, refused;
	uint64_t counted;
	int64_t at;
};

static struct told tell_of(void)
{
	return (struct told){
		cluster->events, f->audited, said(" refused: "),
		world_counts(f->world)->edits[EDIT_REFUSED],
		the()->refusal.at,
	};
}

static void nothing_is_told_since(const struct told *before)
{
	struct told now = tell_of();

	ck_assert_uint_eq(now.events, before->events);
	ck_assert_uint_eq(now.audited, before->audited);
	ck_assert_uint_eq(now.refused, before->refused);
	ck_assert_uint_eq(now.counted, before->counted);
	ck_assert_int_eq(now.at, before->at);
}

START_TEST(a_deletion_that_is_held_is_told_once)
{
	struct told once;

	ck_assert_int_eq(put(EDIT_HOLD, "a drill"), 0);
	patch("{\"metadata\": {\"deletionTimestamp\": "
	      "\"2026-01-01T00:00:00Z\"}}");
	once = tell_of();
	ck_assert_uint_eq(once.refused, 1);
	ck_assert_ptr_nonnull(strstr(f->audit, "held: a drill"));
	cluster->writes = 0;
	advance(6000);
	advance(6000);
	look();
	nothing_is_told_since(&once);
	ck_assert_uint_eq(cluster->writes, 0);
	/* But it was asked again. */
	ck_assert_int_eq(put(EDIT_HOLD, ""), 0);
	advance(6000);
	ck_assert_ptr_null(the());
}
END_TEST

START_TEST(a_refusal_that_the_store_does_not_take_is_told_once)
{
	struct told once;

	cluster->away = true;
	patch_state("source");
	once = tell_of();
	ck_assert_uint_eq(once.refused, 1);
	advance(1000);
	advance(1000);
	nothing_is_told_since(&once);
	cluster->away = false;
	advance(1000);
	nothing_is_told_since(&once);
	ck_assert_str_eq(ready_reason(), "InvalidStateTransition");
	/* Asked once more, that is something new. */
	patch_state("replica");
	patch_state("source");
	ck_assert_uint_eq(said(" refused: "), 2);
}
END_TEST

START_TEST(what_the_store_does_not_take_is_told_once)
{
	struct told once;

	cluster->away = true;
	patch_state("promoting");
	ck_assert_ptr_nonnull(strstr(f->audit, " failed: "));
	once = tell_of();
	advance(1000);
	advance(1000);
	nothing_is_told_since(&once);
	cluster->away = false;
	advance(1000);
	ck_assert_str_eq(state(), "promoting");
}
END_TEST

START_TEST(what_is_refused_keeps_our_finalizer_and_status)
{
	struct told once;
	json_t *finalizers;

	patch_state("source");
	once = tell_of();
	patch("{\"metadata\": {\"finalizers\": null}}");
	finalizers = json_object_get(at("metadata"), "finalizers");
	ck_assert_uint_eq(json_array_size(finalizers), 1);
	json_object_del(cluster->object, "status");
	patch("{}");
	ck_assert_str_eq(text_at("status", "state"), "replica");
	ck_assert_str_eq(text_at("spec", "replicationState"), "source");
	ck_assert_str_eq(ready_reason(), "InvalidStateTransition");
	nothing_is_told_since(&once);
	cluster->writes = 0;
	advance(60000);
	ck_assert_uint_eq(cluster->writes, 0);
}
END_TEST

/* Jobs in their order, but for the backend's. */
static void run_all_but_acts(void)
{
	struct job *job;

	while ((job = take_job(false)))
		finish_job(job);
}

/* The act ends while the refusal is being written. */
START_TEST(what_came_of_an_act_is_not_lost_by_a_refusal)
{
	f->act_rc = -EINVAL;		/* final */
	ask(EDIT_STATE, "promoting");
	run_all_but_acts();
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	patch_silently("{\"spec\": {\"replicationState\": \"syncing\"}}");
	tell();
	finish_job(take_job(false));
	finish_job(take_job(true));
	ck_assert_uint_eq(f->acts, 1);
	run_all();
	ck_assert_uint_eq(f->acts, 1);
	ck_assert_int_eq(outcome(), OUTCOME_FAILED);
	ck_assert_ptr_nonnull(the()->status->failure);
	ck_assert_ptr_nonnull(the()->status->refused);
}
END_TEST

/* Between its first look, which somebody else's write has undone, and the next
   one the store went away for a moment. */
START_TEST(no_answer_of_the_store_is_no_decision)
{
	patch_silently("{\"spec\": {\"replicationState\": \"promoting\"}}");
	tell();
	cluster->sink->reached(cluster->sink, "no route to host");
	ck_assert(run_one());
	patch_silently("{\"metadata\": {\"labels\": {\"tier\": \"gold\"}}}");
	run_all();
	ck_assert_str_eq(state(), "replica");
	ck_assert_ptr_null(the()->status->refused);
	ck_assert_uint_eq(said(" refused: "), 0);
	cluster->sink->reached(cluster->sink, "");
	run_all();
	advance(1000);
	ck_assert_str_eq(state(), "promoting");
}
END_TEST

static int put_by(uint64_t call, const char *word)
{
	struct edit *e = edit_new(EDIT_STATE, word, strlen(word),
				  &(struct who){0, 42, "bash", call});

	e->done = answered;
	world_edit(f->world, the(), e);
	run_all();
	return answer;
}

START_TEST(what_the_watch_has_told_needs_no_answer)
{
	struct job *job;

	ask(EDIT_STATE, "promoting");
	cluster->unheard = true;
	job = take_job(false);
	job->run(job);
	cluster->unheard = false;
	tell();
	ck_assert(run_one());
	job->done(job);
	run_all();
	ck_assert_int_eq(answer, 0);
	ck_assert_str_eq(state(), "promoting");
	ck_assert_ptr_null(the()->refusal.sentence);
	ck_assert_uint_eq(said(" failed: "), 0);
}
END_TEST

/* Who asked was told that nobody knows. */
START_TEST(what_the_store_has_without_an_answer_is_accepted)
{
	ck_assert_int_eq(put(EDIT_STATE, "source"), -EPERM);
	cluster->unheard = true;
	ck_assert_int_eq(put_by(7, "promoting"), -EHOSTUNREACH);
	ck_assert_ptr_nonnull(strstr(f->audit, " failed: replica -> promoting"));
	ck_assert_str_eq(the()->refusal.sentence, "no answer");
	cluster->unheard = false;
	f->audited = 0;
	tell();
	run_all();
	ck_assert_ptr_nonnull(strstr(f->audit, " accepted: replica -> promoting"));
	ck_assert_ptr_nonnull(strstr(f->audit, ",pid=42,comm=bash "));
	ck_assert_uint_eq(f->audited, 1);
	ck_assert_str_eq(state(), "promoting");
	ck_assert_ptr_null(the()->refusal.sentence);
	run_all();
	ck_assert_uint_eq(f->audited, 1);
}
END_TEST

/* The newest refusal is shown, and of the old one nothing is taken back. */
START_TEST(and_takes_back_no_other_refusal)
{
	cluster->unheard = true;
	ck_assert_int_eq(put_by(7, "promoting"), -EHOSTUNREACH);
	cluster->unheard = false;
	ck_assert_int_eq(put_by(8, "no word"), -EINVAL);
	tell();
	run_all();
	ck_assert_str_eq(state(), "promoting");
	ck_assert_ptr_nonnull(the()->refusal.sentence);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_deletion_that_is_held_is_told_once,
		a_refusal_that_the_store_does_not_take_is_told_once,
		what_the_store_does_not_take_is_told_once,
		what_is_refused_keeps_our_finalizer_and_status,
		what_came_of_an_act_is_not_lost_by_a_refusal,
		no_answer_of_the_store_is_no_decision,
		what_the_watch_has_told_needs_no_answer,
		what_the_store_has_without_an_answer_is_accepted,
		and_takes_back_no_other_refusal,
	};

	return run_shared_tests("shared_ask", tests,
				sizeof tests / sizeof *tests);
}
