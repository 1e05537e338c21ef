/* SPDX-License-Identifier: Apache-2.0 */
/* What comes and goes between the list and the load, and between that and the
   start. */
#include <check.h>
#undef fail		/* ours is the one of error.h */

#include "store_kube_private.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct store_kube k;
static char told[256];

static void add(const char *what, const char *name, const char *uid)
{
	size_t len = strlen(told);

	snprintf(told + len, sizeof told - len, "%s %.40s %.40s; ", what,
		 name, uid);
}

static int found_object(struct store_visitor *v, struct object *o)
{
	add("found", o->name, o->uid);
	object_free(o);
	/* As the world does when an id can't be kept. */
	store_kube_complain(&k, "late");
	return 0;
}

static void complain(struct store_visitor *v, const char *sentence)
{
	add("complaint", sentence, "");
}

static void changed(struct store_sink *s, struct object *o)
{
	add("changed", o->name, o->uid);
	object_free(o);
}

static void vanished(struct store_sink *s, const char *namespace,
		     const char *name, const char *uid)
{
	ck_assert_str_eq(namespace, "database");
	add("vanished", name, uid);
}

static void sink_complain(struct store_sink *s, const char *sentence)
{
	add("complaint", sentence, "");
}

static struct store_visitor visitor = {
	.found_object = found_object,
	.complain = complain,
};
static struct store_sink sink = {
	.changed = changed,
	.vanished = vanished,
	.complain = sink_complain,
};

static void see(const char *name, const char *uid)
{
	struct error err;
	json_t *value = json_pack("{s:{s:s, s:s, s:s, s:s, s:i}, s:{}}",
				  "metadata", "namespace", "database", "name",
				  name, "uid", uid, "resourceVersion", "1",
				  "generation", 1, "spec");
	struct object *o = object_read(value, &err);

	ck_assert_msg(o, "%s", err.msg);
	json_decref(value);
	store_kube_tell(&k, o);
}

static void lose(const char *name, const char *uid)
{
	pthread_mutex_lock(&k.lock);
	early_keep_gone(&k, "database", name, uid);
	pthread_mutex_unlock(&k.lock);
}

static void start(void)
{
	pthread_mutex_lock(&k.lock);
	k.sink = &sink;
	early_tell(&k);
	pthread_mutex_unlock(&k.lock);
}

static void setup(void)
{
	k = (struct store_kube){.missed = false};
	pthread_mutex_init(&k.lock, NULL);
	*told = '\0';
}

static void teardown(void)
{
	early_finish(&k);
	pthread_mutex_destroy(&k.lock);
}

START_TEST(what_is_there_is_loaded)
{
	see("a", "1");
	see("b", "2");
	store_kube_complain(&k, "early");
	lose("a", "1");
	see("a", "3");
	early_load(&k, &visitor);
	ck_assert_str_eq(told, "complaint early ; found b 2; found a 3; ");
	*told = '\0';
	start();
	ck_assert_str_eq(told, "complaint late ; complaint late ; ");
}
END_TEST

/* Nobody would hear of it again. */
START_TEST(what_goes_after_the_load_is_told_at_the_start)
{
	see("a", "1");
	see("b", "2");
	early_load(&k, &visitor);
	*told = '\0';
	lose("a", "1");
	lose("b", "2");
	see("b", "3");
	see("c", "4");
	lose("c", "4");
	start();
	ck_assert_str_eq(told, "vanished c 4; vanished b 2; vanished a 1; "
			       "changed b 3; complaint late ; complaint late ; ");
	*told = '\0';
	start();
	ck_assert_str_eq(told, "");
	ck_assert(!k.missed);
}
END_TEST

START_TEST(a_daemon_that_does_not_start)
{
	see("a", "1");
	lose("b", "2");
	store_kube_complain(&k, "never heard");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_kube_early");
	TCase *c = tcase_create("early");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, what_is_there_is_loaded);
	tcase_add_test(c, what_goes_after_the_load_is_told_at_the_start);
	tcase_add_test(c, a_daemon_that_does_not_start);
	suite_add_tcase(s, c);
	return run_suite(s);
}
