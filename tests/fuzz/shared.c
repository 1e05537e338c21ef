/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replication whose object others write to, too.  An input is a script, a line
 * a step: what scene.h has, a write to a file, or
 *
 *   p JSON   a merge patch of the object      q JSON  one that is not told yet
 *   t        the watch tells what it is       D       it is deleted
 *   A STATE  it is applied, when there is none
 *   L a/b    we lead, or not                  W a/b   the server is away, or not
 *   C a/b    another may lead, or not         R       another daemon
 */
#include "scene.h"

#include "fake_cluster.h"

static unsigned asked;

/* What a server takes of a patch: its own fields are not for others. */
static json_t *clean(const char *text)
{
	json_t *patch = json_loads(text, 0, NULL), *meta, *own;
	static const char *const keys[] = {
		"labels", "annotations", "finalizers", "managedFields",
	};
	size_t i;

	meta = json_object();
	own = json_object_get(patch, "metadata");
	for (i = 0; i < sizeof keys / sizeof *keys; i++)
		if (json_object_get(own, keys[i]))
			json_object_set(meta, keys[i],
					json_object_get(own, keys[i]));
	if (!json_is_object(patch)) {
		json_decref(patch);
		patch = json_object();
	}
	json_object_set_new(patch, "metadata", meta);
	json_object_del(patch, "status");
	return patch;
}

/* The last finalizer is gone. */
static void end_object(void)
{
	json_t *meta = at("metadata");

	if (!json_object_get(meta, "deletionTimestamp") ||
	    json_array_size(json_object_get(meta, "finalizers")))
		return;
	cluster->sink->vanished(cluster->sink, "database", "db",
				text_at("metadata", "uid"));
	json_decref(cluster->object);
	cluster->object = NULL;
}

static void delete_object(void)
{
	if (!cluster->object)
		return;
	keep(json_pack("{s:{s:s}}", "metadata", "deletionTimestamp",
		       "2026-11-28T00:00:00Z"));
	tell();
	end_object();
}

static void apply_anew(const char *state)
{
	char uid[32];

	if (cluster->object || strspn(state, "abcdefghijklmnopqrstuvwxyz") !=
				       strlen(state) || strlen(state) > 20)
		return;
	apply(state);
	snprintf(uid, sizeof uid, "u%d", ++cluster->version);
	json_object_set_new(at("metadata"), "uid", json_string(uid));
	tell();
}

static void begin_anew(void)
{
	begin();
	world_set_listener(f->world, &scene_listener);
	lead(true);
}

/* What is no object the server refuses: the key of an annotation, for one. */
static void patch_if_taken(const char *text)
{
	json_t *before = json_deep_copy(cluster->object);
	struct error err;
	struct object *o;

	keep(clean(text));
	o = object_read(cluster->object, &err);
	if (!o) {
		json_decref(cluster->object);
		cluster->object = json_incref(before);
	}
	object_free(o);
	json_decref(before);
}

/* False: it is no line about the object. */
static bool patch_object(struct line *line)
{
	char letter = line->text[0];

	if (letter == 'p' || letter == 'q')
		if (cluster->object)
			patch_if_taken(line_rest(line, 1));
	if (cluster->object && (letter == 'p' || letter == 't'))
		tell();
	if (cluster->object && (letter == 'p' || letter == 't'))
		end_object();
	return letter == 'p' || letter == 'q' || letter == 't';
}

static void turn(struct line *line)
{
	bool is = !line_pick(line, 1, 2);

	switch (line->text[0]) {
	case 'D':
		delete_object();
		break;
	case 'A':
		apply_anew(line_rest(line, 1));
		break;
	case 'L':
		lead(is);
		break;
	case 'C':
		cluster->fenced = is;
		break;
	case 'W':
		cluster->away = is;
		cluster->sink->reached(cluster->sink, is ? "away" : "");
		break;
	case 'R':
		run_all();
		world_free(f->world);
		begin_anew();
		break;
	default:
		break;
	}
}

static void write_file(struct line *line)
{
	char *p;
	size_t i;

	for (p = line->text; *p; p++)
		*p = *p == '~' ? '\n' : *p;
	for (i = 0; i < FILE_COUNT; i++)
		if (files[i].letter == line->text[0] && the()) {
			asked++;
			ask(files[i].kind, line_rest(line, 1));
		}
}

static void step(struct line *line)
{
	if (scene_do(line) || patch_object(line))
		return;
	turn(line);
	write_file(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct line line;
	int steps = 0;

	setup_cluster();
	f->ops.act = checked_act;
	world_set_listener(f->world, &scene_listener);
	asked = f->answers = 0;
	while (steps++ < 100 && line_next(&line, &data, &size))
		step(&line);
	scene_break("");
	run_all();
	ck_assert_uint_eq(f->answers, asked);
	teardown_cluster();
	return 0;
}
