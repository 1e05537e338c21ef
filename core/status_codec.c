/* SPDX-License-Identifier: Apache-2.0 */
/* Writes and reads the `status:` of a manifest in the store. */
#include "status_codec.h"

#include "emit.h"
#include "status_fields.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A string's share; a sum of these does not depend on the order of labels. */
static uint64_t digest_of(const char *tag, const char *key, const char *value)
{
	const char *parts[] = {tag, key, value};
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	const char *p;
	size_t i;

	if (!value)
		return 0;
	for (i = 0; i < 3; i++) {
		for (p = parts[i]; *p; p++)
			h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
		h = (h ^ 0xff) * UINT64_C(0x100000001b3);
	}
	return h ^ h >> 32;
}

static uint64_t digest_of_pairs(const char *tag, const struct pair *pairs,
				size_t count)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < count; i++)
		sum += digest_of(tag, pairs[i].key, pairs[i].value);
	return sum;
}

uint64_t status_spec_digest(const struct spec *s)
{
	/* What is absent adds nothing, so a new field changes no old digest. */
	const struct pair fields[] = {
		{"source.cluster", s->source.cluster},
		{"source.region", s->source.region},
		{"source.storageClass", s->source.storage_class},
		{"destination.cluster", s->destination.cluster},
		{"destination.region", s->destination.region},
		{"destination.storageClass", s->destination.storage_class},
		{"pvcName", s->pvc_name},
		{"pvcNamespace", s->pvc_namespace},
		{"volumeHandle", s->volume_handle},
		{"volumeNamespace", s->volume_namespace},
		{"mode", mode_text(s->mode)},
		{"schedule", schedule_text(s->schedule)},
		{"rpo", s->rpo},
		{"rto", s->rto},
		{"ceph", s->extensions & EXTENSION_CEPH ? "" : NULL},
		{"trident", s->extensions & EXTENSION_TRIDENT ? "" : NULL},
		{"powerstore", s->extensions & EXTENSION_POWERSTORE ? "" : NULL},
		{"extensions", s->extensions & EXTENSION_PRESENT ? "" : NULL},
		{"mirroring", mirroring_text(s->mirroring)},
	};

	return digest_of_pairs("spec", fields, sizeof fields / sizeof *fields) +
	       digest_of_pairs("label", s->labels, s->label_count) +
	       digest_of_pairs("annotation", s->annotations,
			       s->annotation_count);
}

uint64_t status_written_digest(const struct spec *spec, const char *written,
			       size_t len)
{
	uint64_t h = text_hash_bytes(written, len);

	h = h * 31 + status_spec_digest(spec);
	h = h * 31 + text_hash(state_text(spec->state));
	return h ? h : 1;
}

static void put_text(struct buf *out, int depth, const char *key,
		     const char *text)
{
	auto_buf clean;

	buf_init(&clean, out->max);
	text = field_clean(text, &clean);
	if (clean.failed && !out->failed)
		out->failed = clean.failed;
	emit_text(out, depth, key, text, strlen(text));
}

static void put_field(struct buf *out, int depth, const struct field *f,
		      const void *base)
{
	char stamp[TIME_TEXT_MAX];

	if (!f->always && field_is_unset(f, base))
		return;
	switch ((int)f->kind) {
	case FIELD_TEXT:
		put_text(out, depth, f->key, field_text(f, base));
		break;
	case FIELD_BOOL:
		emit_bool(out, depth, f->key, field_number(f, base) != 0);
		break;
	case FIELD_TIME:
		emit_str(out, depth, f->key,
			 time_text_ms(field_number(f, base), stamp));
		break;
	case FIELD_U64:
	case FIELD_UINT:
	case FIELD_INT:
	case FIELD_COUNTER:
		emit_int(out, depth, f->key, field_number(f, base));
		break;
	default:
		emit_str(out, depth, f->key, field_word(f, base));
	}
}

static void put_fields(struct buf *out, int depth, const struct field_table *t,
		       const void *base)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		put_field(out, depth, &t->rows[i], base);
}

/* `key:` and the fields under it, or nothing when none is set. */
static void put_map(struct buf *out, const char *key,
		    const struct field_table *t, const void *base)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		if (!field_is_unset(&t->rows[i], base))
			break;
	if (i == t->count)
		return;
	emit_map(out, 1, key);
	put_fields(out, 2, t, base);
}

/*
 * Makes what was written since @start, at depth 2, an item of a sequence: its
 * first line gets a dash in its indentation.
 */
static void make_item(struct buf *out, size_t start)
{
	if (!out->failed)
		out->data[start + 2] = '-';
}

static void put_conditions(struct buf *out, const struct status *s)
{
	size_t start;
	int i;

	emit_map(out, 1, "conditions");
	for (i = 0; i < CONDITION_COUNT; i++) {
		start = out->len;
		emit_str(out, 2, "type",
			 condition_type_text((enum condition_type)i));
		make_item(out, start);
		put_fields(out, 2, &condition_fields, &s->conditions[i]);
	}
}

static void put_history(struct buf *out, const struct status *s)
{
	size_t i, start;

	if (s->history_count)
		emit_map(out, 1, "history");
	for (i = 0; i < s->history_count; i++) {
		start = out->len;
		put_fields(out, 2, &transition_fields, &s->history[i]);
		make_item(out, start);
	}
}

void status_emit(const struct spec *spec, const struct status *status,
		 struct buf *out)
{
	char digest[24];

	snprintf(digest, sizeof digest, "%016" PRIx64,
		 status_spec_digest(spec));
	emit_map(out, 0, "status");
	put_conditions(out, status);
	emit_int(out, 1, "observedGeneration",
		 status->conditions[CONDITION_READY].generation);
	put_fields(out, 1, &status_fields, status);
	emit_str(out, 1, "specDigest", digest);
	emit_str(out, 1, "acceptedState", state_text(spec->state));
	put_map(out, "request", &request_fields, &status->request);
	put_map(out, "intent", &intent_fields, &status->intent);
	put_history(out, status);
	if (!spec->written)
		return;
	snprintf(digest, sizeof digest, "%016" PRIx64,
		 status_written_digest(spec, spec->written,
				       spec->written_len));
	emit_str(out, 1, "writtenDigest", digest);
	emit_text(out, 1, "written", spec->written, spec->written_len);
}
