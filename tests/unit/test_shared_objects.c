/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of a shared store come and go: removed, made anew with the same name,
 * and known by the ids that they had.
 */
#include "shared_looks.h"

START_TEST(removed_elsewhere)
{
	cluster->sink->vanished(cluster->sink, "database", "db", "another");
	run_all();
	ck_assert_ptr_nonnull(the());
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	run_all();
	ck_assert_ptr_null(the());
}
END_TEST

/* What was looked up before its end was told comes after that. */
START_TEST(a_late_look_brings_nothing_back)
{
	struct error err;
	struct object *o = object_read(cluster->object, &err);

	o->looked_up = true;
	o->as_of = f->now;
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	cluster->sink->changed(cluster->sink, o);
	run_all();
	ck_assert_ptr_null(the());
}
END_TEST

START_TEST(removed_during_a_write)
{
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	ask(EDIT_STATE, "promoting");
	run_all();
	ck_assert_int_eq(answer, -ENOENT);
	ck_assert_ptr_null(the());
}
END_TEST

/* The write finds it out, before the watch tells. */
START_TEST(a_write_brings_nothing_back)
{
	json_decref(cluster->object);
	cluster->object = NULL;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), -ENOENT);
	ck_assert_ptr_null(cluster->object);
	ck_assert_ptr_null(the());
}
END_TEST

/* A removal is of what it was decided on, as any write is. */
START_TEST(a_removal_is_of_one_version)
{
	patch_silently("{\"status\": {\"hold\": \"an audit\"}}");
	ck_assert_int_eq(put(EDIT_REMOVE, ""), -EPERM);
	ck_assert_ptr_nonnull(cluster->object);
	ck_assert_str_eq(the()->status->hold, "an audit");
}
END_TEST

static void made_anew(const char *uid)
{
	apply("replica");
	json_object_set_new(at("metadata"), "uid", json_string(uid));
	tell();
	run_all();
}

START_TEST(made_anew_with_the_same_name)
{
	uint64_t id = the()->id;

	made_anew("u2");
	ck_assert_uint_ne(the()->id, id);
	ck_assert_str_eq(the()->status->uid, "u2");
}
END_TEST

/* What was written before it was removed is told after that. */
START_TEST(late_news_of_what_was_removed)
{
	json_t *before = json_deep_copy(cluster->object);
	struct replication *r;

	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	cluster->object = json_deep_copy(before);
	tell();
	run_all();
	ck_assert_ptr_null(the());
	/* Also when there is another one by now. */
	json_object_set_new(at("metadata"), "uid", json_string("u2"));
	tell();
	run_all();
	r = the();
	ck_assert_str_eq(r->status->uid, "u2");
	json_decref(cluster->object);
	cluster->object = before;
	tell();
	run_all();
	ck_assert_ptr_eq(the(), r);
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	run_all();
	ck_assert_ptr_eq(the(), r);
}
END_TEST

START_TEST(kubectl_delete)
{
	f->no_final = true;
	patch_state("promoting");
	patch("{\"metadata\": {\"deletionTimestamp\": "
	      "\"2026-01-01T00:00:00Z\"}}");
	/* It waits for what is under way. */
	ck_assert_ptr_nonnull(cluster->object);
	f->truth.here.caught_up = true;
	look();
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	advance(6000);
	ck_assert_ptr_null(cluster->object);
	ck_assert_ptr_null(the());
	ck_assert(!did(ACT_DELETE));
}
END_TEST

static const char *noted(const struct replication *r, const char *uid)
{
	static char text[64];

	snprintf(text, sizeof text, "%s %u ", uid, (unsigned)r->id);
	return strstr(cluster->noted, text);
}

/* The next daemon is to know objects and namespaces by the same ids. */
START_TEST(ids_are_noted)
{
	struct namespace *ns = world_namespace(f->world, "database");
	struct namespace_edit remove = {.name = "web", .done = made,
					.remove = true};
	struct namespace_edit make = {.name = "web", .done = made};
	char text[64];

	snprintf(text, sizeof text, "database %u u %u ", (unsigned)ns->id,
		 (unsigned)the()->id);
	ck_assert_str_eq(cluster->noted, text);
	/* Once. */
	patch_state("promoting");
	ck_assert_str_eq(cluster->noted, text);
	*cluster->noted = '\0';
	world_edit_namespace(f->world, &make);
	run_all();
	ns = world_namespace(f->world, "web");
	snprintf(text, sizeof text, "web %u gone %u ", (unsigned)ns->id,
		 (unsigned)ns->id);
	world_edit_namespace(f->world, &remove);
	run_all();
	ck_assert_str_eq(cluster->noted, text);
}
END_TEST

/* A draft keeps its id when it becomes an object, ours or another's. */
START_TEST(a_drafts_id_is_noted_when_it_has_an_object)
{
	struct replication *r;
	char text[64];

	json_decref(cluster->object);
	cluster->object = NULL;
	*cluster->noted = '\0';
	snprintf(text, sizeof text, "gone %u ", (unsigned)the()->id);
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	run_all();
	ck_assert_str_eq(cluster->noted, text);
	*cluster->noted = '\0';
	r = draft("db");
	ck_assert_str_eq(cluster->noted, "");
	apply("replica");
	tell();
	run_all();
	ck_assert_ptr_eq(the(), r);
	ck_assert_ptr_nonnull(noted(r, "u"));
	/* Whoever made it here knows. */
	ck_assert_ptr_nonnull(noted(r, "told"));
	ck_assert(!world_is_untold(r));
}
END_TEST

START_TEST(an_object_has_the_id_that_it_had)
{
	cluster->known = 77;
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	run_all();
	tell();
	run_all();
	ck_assert_uint_eq(the()->id, 77);
	made_anew("u2");
	ck_assert_uint_ne(the()->id, 77);
}
END_TEST

START_TEST(what_others_made_is_told_of_once)
{
	ck_assert(world_is_untold(the()));
	ck_assert_ptr_null(noted(the(), "told"));
	world_told(f->world, the()->id);
	ck_assert(!world_is_untold(the()));
	ck_assert_ptr_nonnull(noted(the(), "told"));
	/* A former daemon has. */
	cluster->known = 77;
	cluster->known_told = true;
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	run_all();
	tell();
	run_all();
	ck_assert(!world_is_untold(the()));
}
END_TEST

static unsigned volumes_changed;

static void count_volumes(struct world_listener *l, struct replication *r,
			  const struct replication *before, unsigned facets)
{
	volumes_changed += facets == FACET_VOLUME;
}

static void not_heard(struct world_listener *l, struct replication *r)
{
}

static void no_line(struct world_listener *l)
{
}

static void tell_of_claim(const char *namespace, const char *name)
{
	cluster->sink->volume(cluster->sink, namespace, name);
	run_all();
}

START_TEST(news_of_a_claim_is_for_whom_it_is)
{
	struct world_listener listener = {count_volumes, not_heard, not_heard,
					  no_line};
	const struct spec *s = the()->spec;

	volumes_changed = 0;
	world_set_listener(f->world, &listener);
	tell_of_claim(s->pvc_namespace, s->pvc_name);
	ck_assert_uint_eq(volumes_changed, 1);
	tell_of_claim("another", s->pvc_name);
	tell_of_claim(s->pvc_namespace, "another");
	ck_assert_uint_eq(volumes_changed, 1);
	/* And for one that has come later, when the first is gone. */
	made_anew("u2");
	volumes_changed = 0;
	s = the()->spec;
	tell_of_claim(s->pvc_namespace, s->pvc_name);
	ck_assert_uint_eq(volumes_changed, 1);
	world_set_listener(f->world, NULL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		removed_elsewhere, a_late_look_brings_nothing_back,
		removed_during_a_write, a_write_brings_nothing_back,
		a_removal_is_of_one_version,
		made_anew_with_the_same_name,
		late_news_of_what_was_removed, kubectl_delete, ids_are_noted,
		a_drafts_id_is_noted_when_it_has_an_object,
		an_object_has_the_id_that_it_had,
		what_others_made_is_told_of_once,
		news_of_a_claim_is_for_whom_it_is,
	};

	return run_shared_tests("shared_objects", tests,
				sizeof tests / sizeof *tests);
}
