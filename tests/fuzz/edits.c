/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is written to the files of a replication, while its storage changes and
 * fails.  An input is a script, a line a step: `s promoting`, say, or what
 * scene.h has.  What is refused changes nothing, and what is accepted is what
 * the table of edges has.
 */
#include "scene.h"

#include "manifest.h"

/* An edit under way, and what there was before. */
struct asking {
	struct replication *r;
	struct spec *spec;
	struct status *status;
	enum state state;
	bool answered;
};

static void check_unchanged(const struct asking *a, int rc)
{
	const struct replication *r = a->r;

	ck_assert_ptr_eq(r->spec, a->spec);
	ck_assert_ptr_eq(r->status, a->status);
	ck_assert_int_ge(rc, -4095);
	/* What quotes it is escaped where it is shown. */
	ck_assert_ptr_nonnull(r->refusal.sentence);
}

static bool is_exchanged(const struct spec *a, const struct spec *b)
{
	return endpoint_equal(&a->source, &b->destination) &&
	       endpoint_equal(&a->destination, &b->source);
}

/* Another request than before: scene.h has looked at its edge. */
static void check_request(const struct asking *a, const struct edit *e)
{
	const struct request *req = &a->r->status->request;
	const struct edge *edge = edge_find(a->state, req->word);

	ck_assert_int_eq(req->word == WORD_SWAP, e->kind == EDIT_ENDPOINTS ||
			 is_exchanged(a->r->spec, a->spec));
	if (edge && edge->flags & EDGE_UNDO && e->kind == EDIT_SPEC)
		ck_assert_ptr_nonnull(strstr(e->text, "resourceVersion"));
}

/* What each file may change of a spec. */
static void check_spec(const struct asking *a, enum edit_kind kind)
{
	struct spec was = spec_draft(a->spec);
	const struct spec *is = a->r->spec;

	if (is_exchanged(is, &was)) {
		was.source = is->source;
		was.destination = is->destination;
	}
	if (kind == EDIT_STATE || kind == EDIT_SPEC)
		was.state = is->state;
	if (kind == EDIT_MODE || kind == EDIT_SPEC)
		was.mode = is->mode;
	if (kind == EDIT_SCHEDULE || kind == EDIT_SPEC) {
		was.schedule = is->schedule;
		was.rpo = is->rpo;
		was.rto = is->rto;
	}
	if (kind == EDIT_SPEC) {
		was.extensions = is->extensions;
		was.mirroring = is->mirroring;
		was.labels = is->labels;
		was.label_count = is->label_count;
		was.annotations = is->annotations;
		was.annotation_count = is->annotation_count;
	}
	ck_assert(spec_equal(is, &was));
}

static void check_accepted(const struct asking *a, const struct edit *e)
{
	const struct status *now = a->r->status;

	ck_assert(!a->status->hold || e->kind == EDIT_HOLD);
	check_spec(a, e->kind);
	if (now->request.id != a->status->request.id)
		check_request(a, e);
	else
		ck_assert_int_eq((int)replication_state(a->r), (int)a->state);
	ck_assert_uint_eq(now->last_serial, a->status->last_serial);
}

static void decided(struct edit *e, int rc)
{
	struct asking *a = e->ctx;
	bool removed = e->kind == EDIT_REMOVE && rc == 0;

	a->answered = true;
	if (rc < 0)
		check_unchanged(a, rc);
	else if (!removed)
		check_accepted(a, e);
	edit_free(e);
}

/* Only one at a time, so that what was before is known. */
static void ask_and_check(enum edit_kind kind, const char *text)
{
	struct asking a = {.r = the()};
	struct edit *e;

	run_all();
	a.r = the();
	if (!a.r || !a.r->spec)
		return;
	a.spec = spec_ref(a.r->spec);
	a.status = status_ref(a.r->status);
	a.state = replication_state(a.r);
	e = edit_new(kind, text, strlen(text), &me);
	e->done = decided;
	e->ctx = &a;
	world_edit(f->world, a.r, e);
	while (!a.answered)
		ck_assert(run_one());
	spec_unref(a.spec);
	status_unref(a.status);
}

/* '~' stands for the end of a line. */
static void step(struct line *line)
{
	char *p;
	size_t i;

	if (scene_do(line))
		return;
	if (line->text[0] == 'R' && the() && the()->spec) {
		restart();
		world_set_listener(f->world, &scene_listener);
		return;
	}
	for (p = line->text; *p; p++)
		*p = *p == '~' ? '\n' : *p;
	for (i = 0; i < FILE_COUNT; i++)
		if (files[i].letter == line->text[0])
			ask_and_check(files[i].kind, line_rest(line, 1));
}

/* What is shown in plan/ changes nothing, and has an answer. */
static void check_plans(void)
{
	struct replication *r = the();
	struct plan plan;
	int word;

	if (!r || !r->spec)
		return;
	for (word = WORD_SOURCE; word < WORD_COUNT; word++)
		if (world_may_write(f->world, r, (enum word)word)) {
			world_plan(f->world, r, (enum word)word, false, &plan);
			if (plan.verdict != VERDICT_ALLOWED)
				check_sentence(plan_why(&plan));
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct line line;
	int steps = 0;

	scene_begin();
	world_set_listener(f->world, &scene_listener);
	while (steps++ < 100 && line_next(&line, &data, &size)) {
		step(&line);
		check_plans();
	}
	scene_end();
	return 0;
}
