/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses: copies, words, and both of their texts. */
#include "status.h"
#include "emit.h"
#include "manifest.h"
#include "node.h"
#include "sample_spec.h"
#include "status_codec.h"
#include "status_fields.h"
#include "suite.h"
#include "text.h"

#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Strings that some reader or other takes for something else. */
static const char *const odd[] = {
	"", " ", "plain words", "yes", "no", "null", "~", "true", "1", "-1",
	"0x1f", "1e3", ".5", "2026-01-01", "12:30:45", "a: b", "a #b", "# c",
	"- item", "-", "?", ":", "key:", "[x]", "{x: y}", "&a", "*a", "!t",
	"|", ">", "%TAG", "@at", "`tick`", "'single'", "\"double\"", "back\\",
	" lead", "trail ", "tab\there", "line\nbreak", "\n", "\n\n", "end\n",
	"end\n\n", "\nstart", " \n", "  two\n spaces\n", "a\n  b\n", "cr\rlf\r\n",
	"bell\a", "esc\x1b[31m", "del\x7f", "nel\xc2\x85", "nbsp\xc2\xa0",
	"ls\xe2\x80\xa8ps\xe2\x80\xa9", "bom\xef\xbb\xbf", "nonchar\xef\xbf\xbe",
	"nonchar\xef\xbf\xbf", "umlaut \xc3\xa4", "emoji \xf0\x9f\x98\x80",
	"...", "---", "...\n", "---\n", "status:\n  id: 7\n", "<<", "=",
	"a\tb\n\tc\n", "#\n#\n", "x\n...\ny\n", "'", "\"", "\\", "a\x01\nb",
};

#define ODD_COUNT (sizeof odd / sizeof *odd)

/* Every field set, all numbers different, every string from @text. */
static struct status full_status(struct transition *history,
				 const char *(*text)(void *ctx), void *ctx)
{
	struct status s = {
		.id = 7,
		.uid = "0f9b7f5e-0000-4000-8000-000000000001",
		.created = 1700000000123,
		.updated = 1700000001456,
		.spec_changed = 1700000001234,
		.generation = 5,
		.resource_version = 99,
		.site = text(ctx),
		.holds_pvc = true,
		.failed = true,
		.failure = text(ctx),
		.failure_at = 1700000002789,
		.hold = text(ctx),
		.request = {11, WORD_PROMOTING, STATE_REPLICA, true, 5,
			    FAILOVER_UNPLANNED, true, OUTCOME_FAILED,
			    1700000003001, 1700000004002, 1700000005003,
			    {4294967295u, 2147483647, text(ctx)}},
		.intent = {ACT_FORCE_PROMOTE, 11, 12, 1700000006004},
		.last_serial = INT64_MAX,
		.attempts = 3,
		.data_time = 1700000007005,
		.history = history,
		.history_count = 3,
	};
	int i;

	for (i = 0; i < CONDITION_COUNT; i++)
		s.conditions[i] = (struct condition){
			(enum condition_status)(i % 3), text(ctx), text(ctx),
			1700000010000 + i, i + 1};
	for (i = 0; i < 3; i++)
		history[i] = (struct transition){
			(uint64_t)i + 20, (enum state)i, WORD_SWAP, i == 1,
			(enum failover)i, (enum outcome)i, 1700000020000 + i,
			1700000030000 + i,
			{(unsigned)i, i + 1, text(ctx), (uint64_t)i},
			i ? text(ctx) : NULL};
	return s;
}

static const char *next_odd(void *ctx)
{
	size_t *i = ctx;

	return odd[(*i)++ % ODD_COUNT];
}

static const char *one_text(void *ctx)
{
	return ctx;
}

static void same_text(const char *a, const char *b)
{
	if (!a || !b)
		ck_assert_ptr_eq(a, b);
	else
		ck_assert_str_eq(a, b);
}

static void same_fields(const struct field_table *t, const void *a,
			const void *b)
{
	const struct field *f;

	for (f = t->rows; f < t->rows + t->count; f++)
		if (f->kind == FIELD_TEXT)
			same_text(field_text(f, a), field_text(f, b));
		else
			ck_assert_msg(field_number(f, a) == field_number(f, b),
				      "%s differs", f->key);
}

static void same_status(const struct status *a, const struct status *b)
{
	size_t i;

	same_fields(&status_fields, a, b);
	same_fields(&request_fields, &a->request, &b->request);
	same_fields(&intent_fields, &a->intent, &b->intent);
	for (i = 0; i < CONDITION_COUNT; i++)
		same_fields(&condition_fields, &a->conditions[i],
			    &b->conditions[i]);
	ck_assert_uint_eq(a->history_count, b->history_count);
	for (i = 0; i < a->history_count; i++)
		same_fields(&transition_fields, &a->history[i],
			    &b->history[i]);
	same_text(a->uid, b->uid);
	ck_assert_int_eq(a->generation, b->generation);
	ck_assert_uint_eq(a->resource_version, b->resource_version);
}

START_TEST(copies_everything)
{
	struct transition history[3];
	size_t i = 0;
	struct status from = full_status(history, next_odd, &i);
	struct status *s = status_new(&from);

	ck_assert_uint_eq(s->refs, 1);
	same_status(&from, s);
	ck_assert_ptr_ne(from.hold, s->hold);
	ck_assert_ptr_ne(from.history, s->history);
	memset(history, 0xee, sizeof history);
	ck_assert_uint_eq(s->history[2].request, 22);
	ck_assert_ptr_eq(status_ref(s), s);
	status_unref(s);
	ck_assert_uint_eq(s->refs, 1);
	status_unref(s);
	status_unref(NULL);
}
END_TEST

START_TEST(copies_nothing)
{
	struct status from = {0};
	auto_status s = status_new(&from);

	ck_assert_ptr_null(s->history);
	ck_assert_ptr_null(s->uid);
	ck_assert_ptr_null(s->conditions[0].reason);
}
END_TEST

START_TEST(keeps_newest_history)
{
	struct transition history[HISTORY_MAX + 5] = {{0}};
	struct status from = {.history = history,
			      .history_count = HISTORY_MAX + 5};
	auto_status s = NULL;
	size_t i;

	for (i = 0; i < HISTORY_MAX + 5; i++) {
		history[i].request = i;
		history[i].note = "note";
	}
	s = status_new(&from);
	ck_assert_uint_eq(s->history_count, HISTORY_MAX);
	ck_assert_uint_eq(s->history[0].request, 5);
	ck_assert_uint_eq(s->history[HISTORY_MAX - 1].request,
			  HISTORY_MAX + 4);
	ck_assert_str_eq(s->history[0].note, "note");
}
END_TEST

START_TEST(words_go_both_ways)
{
	int i;

	for (i = 0; i < CONDITION_COUNT; i++)
		ck_assert_int_eq(condition_type_parse(condition_type_text(
					 (enum condition_type)i)), i);
	for (i = CONDITION_FALSE; i <= CONDITION_UNKNOWN; i++)
		ck_assert_int_eq(condition_status_parse(condition_status_text(
					 (enum condition_status)i)), i);
	for (i = FAILOVER_NONE; i <= FAILOVER_UNPLANNED; i++)
		ck_assert_int_eq(failover_parse(failover_text(
					 (enum failover)i)), i);
	for (i = OUTCOME_NONE; i <= OUTCOME_REPLACED; i++)
		ck_assert_int_eq(outcome_parse(outcome_text(
					 (enum outcome)i)), i);
	ck_assert_int_eq(condition_type_parse("ready"), -1);
	ck_assert_int_eq(condition_status_parse(""), -1);
	ck_assert_int_eq(failover_parse("x"), -1);
	ck_assert_int_eq(outcome_parse("x"), -1);
	ck_assert_int_eq(field_word_parse(FIELD_STATE, "swap"), -1);
	ck_assert_int_eq(field_word_parse(FIELD_STATE, ""), -1);
	ck_assert_int_eq(field_word_parse(FIELD_WORD, "swap"), WORD_SWAP);
}
END_TEST

/* Writes both to YAML as the store does and reads it again. */
static void render(const struct spec *spec, const struct status *s,
		   struct buf *out)
{
	buf_init(out, 1 << 20);
	emit_map(out, 0, "metadata");
	emit_str(out, 1, "uid", s->uid);
	emit_int(out, 1, "generation", s->generation);
	if (s->resource_version) {
		char text[24];

		snprintf(text, sizeof text, "%llu",
			 (unsigned long long)s->resource_version);
		emit_str(out, 1, "resourceVersion", text);
	}
	status_emit(spec, s, out);
	ck_assert_int_eq(out->failed, 0);
}

static int reread(const struct buf *text, struct status_record *record,
		  struct error *err)
{
	auto_node root = node_parse(buf_str(text), text->len, err);

	ck_assert_msg(root != NULL, "%s in\n%s", err->msg, buf_str(text));
	*record = (struct status_record){0};
	return status_parse(root, record, err);
}

static void round_trip(const struct spec *spec, const struct status *s)
{
	struct status_record record;
	struct error err;
	auto_buf text;

	render(spec, s, &text);
	ck_assert_msg(reread(&text, &record, &err) == 0, "%s in\n%s", err.msg,
		      buf_str(&text));
	ck_assert_ptr_nonnull(record.status);
	same_status(s, record.status);
	ck_assert(record.accepted == spec->state);
	ck_assert(record.digest == status_spec_digest(spec));
	status_unref(record.status);
}

START_TEST(yaml_round_trip)
{
	struct spec spec = sample_spec();
	struct transition history[3];
	struct status s;
	size_t i, at;

	for (i = 0; i < ODD_COUNT; i++) {
		at = i;
		s = full_status(history, next_odd, &at);
		round_trip(&spec, &s);
		s = full_status(history, one_text, (void *)odd[i]);
		round_trip(&spec, &s);
	}
}
END_TEST

START_TEST(yaml_round_trip_of_little)
{
	struct spec spec = sample_spec();
	struct status s = {.id = 1, .uid = "u", .generation = 1,
			   .resource_version = 1};
	int i;

	for (i = 0; i < CONDITION_COUNT; i++)
		s.conditions[i] = (struct condition){CONDITION_FALSE, "A", "",
						     0, 0};
	round_trip(&spec, &s);
	s.intent.serial = 3;
	round_trip(&spec, &s);
}
END_TEST

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 8;
}

static const char *random_bytes(void *ctx)
{
	static char room[64][40];
	unsigned *seed = ctx;
	char *text = room[next_random(seed) % 64];
	size_t i, n = next_random(seed) % 39;

	for (i = 0; i < n; i++)
		text[i] = (char)(next_random(seed) % 255 + 1);
	text[n] = '\0';
	return text;
}

/* A task may call itself anything: the file must stay readable. */
START_TEST(yaml_takes_any_bytes)
{
	struct spec spec = sample_spec();
	struct transition history[3];
	struct status_record record;
	struct status s;
	struct error err;
	unsigned seed = 1;
	int i;

	for (i = 0; i < 300; i++) {
		auto_buf text;

		s = full_status(history, random_bytes, &seed);
		render(&spec, &s, &text);
		ck_assert_msg(reread(&text, &record, &err) == 0, "%s",
			      err.msg);
		ck_assert_uint_eq(record.status->last_serial, INT64_MAX);
		status_unref(record.status);
	}
	s = full_status(history, one_text, (void *)"a\xff" "b");
	ck_assert_str_eq(s.hold, "a\xff" "b");
	auto_buf text;
	render(&spec, &s, &text);
	ck_assert_int_eq(reread(&text, &record, &err), 0);
	ck_assert_str_eq(record.status->hold, "a\\xffb");
	status_unref(record.status);
}
END_TEST

START_TEST(yaml_keeps_written)
{
	struct spec spec = sample_spec();
	struct status s = {.id = 1};
	size_t i;

	for (i = 0; i < ODD_COUNT; i++) {
		struct error err;
		auto_node root = NULL;
		struct status_record record;
		auto_buf text;

		spec.written = odd[i];
		spec.written_len = strlen(odd[i]);
		render(&spec, &s, &text);
		root = node_parse(buf_str(&text), text.len, &err);
		ck_assert_msg(root != NULL, "%s", err.msg);
		ck_assert_int_eq(status_parse(root, &record, &err), 0);
		same_text(record.written, odd[i]);
		status_unref(record.status);
	}
}
END_TEST

/* No time is beyond what can be read again. */
START_TEST(yaml_of_a_distant_deadline)
{
	struct spec spec = sample_spec();
	struct status s = {.id = 1, .request = {.deadline = INT64_MAX}};
	struct status_record record;
	struct error err;
	auto_buf text;

	render(&spec, &s, &text);
	ck_assert_int_eq(reread(&text, &record, &err), 0);
	ck_assert(record.status->request.deadline == 253402300799999);
	status_unref(record.status);
}
END_TEST

#define OURS "status:\n  id: 1\n  specDigest: \"0123456789abcdef\"\n" \
	     "  acceptedState: replica\n"

static void refuses(const char *yaml, const char *part)
{
	struct status_record record;
	struct error err = {0};
	auto_buf text;

	buf_init(&text, 4096);
	buf_puts(&text, yaml);
	ck_assert_msg(reread(&text, &record, &err) == -EINVAL,
		      "accepted:\n%s", yaml);
	ck_assert_msg(strstr(err.msg, part) != NULL, "'%s' lacks '%s'",
		      err.msg, part);
	ck_assert_ptr_null(record.status);
}

START_TEST(refuses_with_path_and_line)
{
	refuses(OURS "  odd: 1\n", "status.odd (line 5): unknown field");
	refuses(OURS "  \"a\\nb\": 1\n", "status.a\\x0ab (line 5): unknown");
	refuses(OURS "  request: {word: fly}\n", "status.request.word (line 5)");
	refuses(OURS "  request: {from: swap}\n", "status.request.from");
	refuses(OURS "  request: {odd: 1}\n", "status.request.odd");
	refuses(OURS "  request: 5\n", "not a mapping");
	refuses(OURS "  request: {force: 1}\n", "neither true nor false");
	refuses(OURS "  request: {pid: -1}\n", "not a number");
	refuses(OURS "  request: {pid: 2147483648}\n", "too great");
	refuses(OURS "  request: {uid: 4294967296}\n", "too great");
	refuses(OURS "  request: {id: 9223372036854775808}\n", "too great");
	refuses(OURS "  request: {id: 1x}\n", "not a number");
	refuses(OURS "  request: {accepted: today}\n", "not a time");
	refuses(OURS "  request: {command: [a]}\n", "not a single value");
	refuses(OURS "  request: {outcome: maybe}\n", "status.request.outcome");
	refuses(OURS "  intent: {act: dance}\n", "status.intent.act");
	refuses(OURS "  history: {}\n", "not a sequence");
	refuses(OURS "  history: [{odd: 1}]\n", "status.history.odd");
	refuses(OURS "  conditions: {}\n", "not a sequence");
	refuses(OURS "  conditions: [7]\n", "not a mapping");
	refuses(OURS "  conditions: [{type: Ready, odd: 1}]\n",
		"status.conditions.odd");
	refuses(OURS "  conditions: [{type: Ready, status: Maybe}]\n",
		"status.conditions.status");
	refuses(OURS "  written: [a]\n", "status.written");
	refuses(OURS "  holdsPVC: maybe\n", "status.holdsPVC");
	refuses("status: {id: 1}\n", "specDigest is missing");
	refuses("status: {id: 1, specDigest: \"0123456789abcdef\"}\n",
		"acceptedState is missing");
	refuses("status: {hold: x}\n", "specDigest is missing");
	refuses("status: {id: 0, specDigest: \"0123456789abcdef\", "
		"acceptedState: source}\n", "id is missing");
	refuses("status: {specDigest: xyz}\n", "16 hexadecimal");
	refuses("status: {acceptedState: flying}\n", "not a state");
}
END_TEST

START_TEST(takes_what_others_wrote)
{
	static const char *const texts[] = {
		"spec: {}\n",
		"status:\n",
		"status: {}\n",
		"status: 7\n",
		("status: {conditions: [{type: Ready, status: 'True'}], "
		 "observedGeneration: 3, discoveredBackends: [a]}"),
	};
	struct status_record record;
	struct error err;
	size_t i;

	for (i = 0; i < sizeof texts / sizeof *texts; i++) {
		auto_buf text;

		buf_init(&text, 4096);
		buf_puts(&text, texts[i]);
		ck_assert_int_eq(reread(&text, &record, &err), 0);
		ck_assert_ptr_null(record.status);
	}
}
END_TEST

START_TEST(takes_what_is_lacking)
{
	struct status_record record;
	struct error err;
	auto_buf text;
	int i;

	buf_init(&text, 8192);
	buf_puts(&text, "metadata: {creationTimestamp: 2026-01-02T03:04:05Z,\n"
			"  generation: many, resourceVersion: '-4'}\n" OURS
			"  hold: null\n  request:\n  intent: ~\n  written:\n"
			"  conditions:\n  - {type: Other, x: 1}\n"
			"  - {type: Ready, status: 'True', reason: R}\n"
			"  history:\n");
	for (i = 0; i < HISTORY_MAX + 3; i++)
		buf_printf(&text, "  - {request: %d}\n", i);
	ck_assert_msg(reread(&text, &record, &err) == 0, "%s", err.msg);
	ck_assert_ptr_null(record.status->uid);
	ck_assert_ptr_null(record.status->hold);
	ck_assert_ptr_null(record.written);
	ck_assert_int_eq(record.status->generation, 1);
	ck_assert_uint_eq(record.status->resource_version, 1);
	ck_assert(record.status->created == time_parse("2026-01-02T03:04:05Z"));
	ck_assert_uint_eq(record.status->history_count, HISTORY_MAX);
	ck_assert_uint_eq(record.status->history[0].request, 3);
	ck_assert_int_eq(record.status->conditions[CONDITION_READY].status,
			 CONDITION_TRUE);
	ck_assert_int_eq(record.status->conditions[CONDITION_SYNCED].status,
			 CONDITION_UNKNOWN);
	status_unref(record.status);
}
END_TEST

START_TEST(digest_tells_specs_apart)
{
	struct spec a = sample_spec(), b = a;
	struct pair ab[] = {{"k", "1"}, {"l", "2"}};
	struct pair ba[] = {{"l", "2"}, {"k", "1"}};

	b.state = STATE_SOURCE;
	b.written = "x";
	ck_assert(status_spec_digest(&a) == status_spec_digest(&b));
	b.rpo = NULL;
	ck_assert(status_spec_digest(&a) != status_spec_digest(&b));
	b = a;
	b.source = a.destination;
	b.destination = a.source;
	ck_assert(status_spec_digest(&a) != status_spec_digest(&b));
	b = a;
	b.extensions = EXTENSION_CEPH;
	ck_assert(status_spec_digest(&a) != status_spec_digest(&b));
	b = a;
	a.labels = ab;
	b.labels = ba;
	a.label_count = b.label_count = 2;
	ck_assert(status_spec_digest(&a) == status_spec_digest(&b));
	b.labels = NULL;
	b.label_count = 0;
	b.annotations = ba;
	b.annotation_count = 2;
	ck_assert(status_spec_digest(&a) != status_spec_digest(&b));
}
END_TEST

static const char *json_text(json_t *o, const char *path)
{
	char part[64];
	size_t n;

	for (;; path += n + 1) {
		n = strcspn(path, ".");
		snprintf(part, sizeof part, "%.*s", (int)n, path);
		o = json_is_array(o) ? json_array_get(o, (size_t)*part - '0')
				     : json_object_get(o, part);
		ck_assert_msg(o != NULL, "no %s", path);
		if (!path[n])
			return json_string_value(o);
	}
}

START_TEST(json_has_everything)
{
	static struct pair labels[] = {{"b", "2"}, {"a", ""}};
	struct spec spec = sample_spec();
	struct transition history[3];
	struct status s = full_status(history, one_text, (void *)"t\xff\n");
	struct observation seen = {.at = 1700000000123};
	struct status_view view = {"database", "db", &spec, &s, &seen, NULL};
	json_error_t error;
	json_t *o;
	auto_buf out, again;

	spec.labels = labels;
	spec.label_count = 2;
	spec.extensions = EXTENSION_CEPH | EXTENSION_TRIDENT |
			  EXTENSION_POWERSTORE | EXTENSION_PRESENT;
	spec.mirroring = MIRRORING_JOURNAL;
	seen.here.progress = -1;
	seen.here.in_use = TRI_YES;
	snprintf(seen.here.native, sizeof seen.here.native, "cut \xc3");
	buf_init(&out, 1 << 20);
	buf_init(&again, 1 << 20);
	ck_assert_int_eq(status_json(&view, &out), 0);
	ck_assert_int_eq(status_json(&view, &again), 0);
	ck_assert_str_eq(buf_str(&out), buf_str(&again));
	ck_assert_int_eq(out.data[out.len - 1], '\n');
	ck_assert_ptr_nonnull(strstr(out.data, "{\n  \"backend\": null,\n"));
	o = json_loads(out.data, 0, &error);
	ck_assert_ptr_nonnull(o);
	ck_assert_str_eq(json_text(o, "name"), "db");
	ck_assert_str_eq(json_text(o, "namespace"), "database");
	ck_assert_str_eq(json_text(o, "state"), "failed");
	ck_assert_str_eq(json_text(o, "metadata.resourceVersion"), "99");
	ck_assert_str_eq(json_text(o, "metadata.labels.a"), "");
	ck_assert_str_eq(json_text(o, "spec.replicationState"), "replica");
	ck_assert_str_eq(json_text(o, "spec.extensions.ceph.mirroringMode"),
			 "journal");
	ck_assert_str_eq(json_text(o, "spec.volumeMapping.source.pvcName"),
			 "db");
	ck_assert_str_eq(json_text(o, "status.conditions.0.type"), "Ready");
	ck_assert_str_eq(json_text(o, "status.conditions.0.status"), "False");
	ck_assert_str_eq(json_text(o, "status.conditions.0.reason"),
			 "t\\xff\n");
	ck_assert_str_eq(json_text(o, "status.conditions.0.lastTransitionTime"),
			 "2023-11-14T22:13:30Z");
	ck_assert_str_eq(json_text(o, "status.request.word"), "promoting");
	ck_assert_str_eq(json_text(o, "status.intent.act"), "force-promote");
	ck_assert_str_eq(json_text(o, "status.history.2.word"), "swap");
	ck_assert_str_eq(json_text(o, "observation.here.native"), "cut \\xc3");
	ck_assert_ptr_null(json_text(o, "observation.here.progress"));
	json_decref(o);
}
END_TEST

START_TEST(json_of_little)
{
	struct spec spec = sample_spec();
	struct status s = {.id = 1};
	struct observation seen = {0};
	struct status_view view = {"n", "r", &spec, &s, &seen, "sim"};
	auto_buf out;

	buf_init(&out, 1 << 20);
	ck_assert_int_eq(status_json(&view, &out), 0);
	ck_assert_ptr_nonnull(strstr(out.data, "\"request\": null"));
	ck_assert_ptr_nonnull(strstr(out.data, "\"backend\": \"sim\""));
	ck_assert_ptr_nonnull(strstr(out.data, "\"state\": \"replica\""));
	buf_finish(&out);
	buf_init(&out, 10);
	buf_puts(&out, "abc");
	ck_assert_int_eq(status_json(&view, &out), -EFBIG);
	ck_assert_str_eq(buf_str(&out), "abc");
}
END_TEST

/* Keys are unique, and each table is whole. */
START_TEST(tables_have_unique_keys)
{
	const struct field_table *tables[] = {
		&status_fields, &request_fields, &intent_fields,
		&transition_fields, &condition_fields};
	size_t t, i;

	for (t = 0; t < 5; t++)
		for (i = 0; i < tables[t]->count; i++)
			ck_assert_ptr_eq(field_find(tables[t],
						    tables[t]->rows[i].key),
					 &tables[t]->rows[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("status");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, copies_everything);
	tcase_add_test(tc, copies_nothing);
	tcase_add_test(tc, keeps_newest_history);
	tcase_add_test(tc, words_go_both_ways);
	tcase_add_test(tc, yaml_round_trip);
	tcase_add_test(tc, yaml_round_trip_of_little);
	tcase_add_test(tc, yaml_takes_any_bytes);
	tcase_add_test(tc, yaml_keeps_written);
	tcase_add_test(tc, yaml_of_a_distant_deadline);
	tcase_add_test(tc, refuses_with_path_and_line);
	tcase_add_test(tc, takes_what_others_wrote);
	tcase_add_test(tc, takes_what_is_lacking);
	tcase_add_test(tc, digest_tells_specs_apart);
	tcase_add_test(tc, json_has_everything);
	tcase_add_test(tc, json_of_little);
	tcase_add_test(tc, tables_have_unique_keys);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
