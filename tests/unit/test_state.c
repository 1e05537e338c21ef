/* SPDX-License-Identifier: Apache-2.0 */
/* The words, and the one table of edges: walked, and held to the contract. */
#include "state.h"
#include "suite.h"

#include <check.h>
#include <string.h>

START_TEST(every_word_reads_back)
{
	int i, k;

	for (i = WORD_NONE + 1; i < WORD_COUNT; i++) {
		const char *text = word_text((enum word)i);

		ck_assert_str_ne(text, "");
		ck_assert_int_eq(word_parse(text), i);
		for (k = WORD_NONE + 1; k < i; k++)
			ck_assert_str_ne(text, word_text((enum word)k));
	}
	for (i = STATE_NONE; i < STATE_COUNT; i++)
		ck_assert_str_eq(state_text((enum state)i),
				 word_text((enum word)i));
	ck_assert_str_eq(word_text(WORD_NONE), "");
	ck_assert_int_eq(word_parse(""), WORD_NONE);
	ck_assert_int_eq(word_parse("Source"), WORD_NONE);
	ck_assert_int_eq(word_parse("source "), WORD_NONE);
}
END_TEST

START_TEST(every_edge_is_there_once_and_means_something)
{
	size_t i;

	for (i = 0; i < edge_count; i++) {
		const struct edge *e = &edges[i];

		/* The first that is found is this one: there is no other. */
		ck_assert_ptr_eq(edge_find(e->from, e->to), e);
		ck_assert_int_lt(e->from, STATE_COUNT);
		ck_assert_int_gt(e->to, WORD_NONE);
		ck_assert_int_lt(e->to, WORD_SWAP);
		ck_assert_int_ne((int)e->from, (int)e->to);
		ck_assert(e->flags & (EDGE_USER | EDGE_BACKEND));
		ck_assert_str_ne(e->means, "");
		/* Only what a user writes can be a retry or undo anything. */
		if (e->flags & (EDGE_UNDO | EDGE_RETRY))
			ck_assert(e->flags & EDGE_USER);
		if (e->flags & EDGE_RETRY)
			ck_assert_int_eq(e->from, STATE_FAILED);
	}
}
END_TEST

/* What may be written, from where; the second is the state that failed. */
static const struct {
	enum state from, failed_in;
	const char *allowed;
} contract[] = {
	{STATE_NONE, STATE_NONE, "source, replica"},
	{STATE_REPLICA, STATE_NONE, "promoting, syncing"},
	{STATE_PROMOTING, STATE_NONE, "source, replica"},
	{STATE_SOURCE, STATE_NONE, "demoting"},
	{STATE_DEMOTING, STATE_NONE, "replica, source"},
	{STATE_SYNCING, STATE_NONE, "replica"},
	{STATE_FAILED, STATE_SYNCING, "syncing, replica, source"},
	{STATE_FAILED, STATE_PROMOTING,
	 "syncing, replica, source, promoting"},
	{STATE_FAILED, STATE_DEMOTING, "syncing, replica, source, demoting"},
};

START_TEST(users_may_write_what_the_contract_says)
{
	char text[128];

	edge_list_allowed(contract[_i].from, contract[_i].failed_in, text,
			  sizeof text);
	ck_assert_str_eq(text, contract[_i].allowed);
}
END_TEST

START_TEST(a_list_of_words_is_cut_to_its_room)
{
	char text[8];

	memset(text, 'x', sizeof text);
	edge_list_allowed(STATE_REPLICA, STATE_NONE, text, 7);
	ck_assert_str_eq(text, "promot");
	ck_assert_int_eq(text[7], 'x');
	edge_list_allowed(STATE_COUNT, STATE_NONE, text, sizeof text);
	ck_assert_str_eq(text, "nothing");
}
END_TEST

START_TEST(failed_is_never_written)
{
	int from;

	for (from = STATE_NONE; from < STATE_COUNT; from++) {
		const struct edge *e = edge_find((enum state)from, WORD_FAILED);
		bool moves = from == STATE_PROMOTING ||
			     from == STATE_DEMOTING || from == STATE_SYNCING;

		ck_assert_int_eq(e != NULL, moves);
		ck_assert_ptr_null(edge_for_user((enum state)from, WORD_FAILED,
						 STATE_FAILED));
		/* Nothing else becomes writable by what was observed. */
		e = edge_find((enum state)from, WORD_SOURCE);
		ck_assert(!e || !(e->flags & EDGE_BACKEND));
	}
}
END_TEST

START_TEST(transitions_are_completed_once_verified_only)
{
	static const struct edge completions[] = {
		{STATE_PROMOTING, WORD_SOURCE, 0, NULL},
		{STATE_DEMOTING, WORD_REPLICA, 0, NULL},
		{STATE_SYNCING, WORD_REPLICA, 0, NULL},
	};
	size_t i, n = 0;

	for (i = 0; i < sizeof completions / sizeof *completions; i++)
		ck_assert(edge_find(completions[i].from, completions[i].to)
				  ->flags & EDGE_VERIFIED);
	for (i = 0; i < edge_count; i++)
		n += (edges[i].flags & EDGE_VERIFIED) != 0;
	ck_assert_uint_eq(n, sizeof completions / sizeof *completions);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state");
	TCase *c = tcase_create("state");

	tcase_add_test(c, every_word_reads_back);
	tcase_add_test(c, every_edge_is_there_once_and_means_something);
	tcase_add_loop_test(c, users_may_write_what_the_contract_says, 0,
			    sizeof contract / sizeof *contract);
	tcase_add_test(c, a_list_of_words_is_cut_to_its_room);
	tcase_add_test(c, failed_is_never_written);
	tcase_add_test(c, transitions_are_completed_once_verified_only);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
