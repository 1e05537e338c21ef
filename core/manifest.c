/* SPDX-License-Identifier: Apache-2.0 */
/* Whole manifests: from text by way of a draft to a spec. */
#include "manifest.h"

#include "manifest_schema.h"
#include "node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void draft_finish(struct draft *d)
{
	free(d->labels.list);
	free(d->annotations.list);
	*d = (struct draft){0};
}

static int copy_list(struct pairs *to, const struct pair *list, size_t count)
{
	to->list = calloc(count + 1, sizeof *list);
	if (!to->list)
		return -ENOMEM;
	if (count)
		memcpy(to->list, list, count * sizeof *list);
	to->count = count;
	return 0;
}

/* An enum's text in a draft: NULL for none. */
static const char *text_or_null(const char *text)
{
	return *text ? text : NULL;
}

int draft_from_spec(struct draft *d, const struct spec *spec)
{
	*d = (struct draft){
		.source = spec->source,
		.destination = spec->destination,
		.pvc_name = spec->pvc_name,
		.pvc_namespace = spec->pvc_namespace,
		.volume_handle = spec->volume_handle,
		.volume_namespace = spec->volume_namespace,
		.state = text_or_null(state_text(spec->state)),
		.mode = text_or_null(mode_text(spec->mode)),
		.schedule = text_or_null(schedule_text(spec->schedule)),
		.rpo = spec->rpo,
		.rto = spec->rto,
		.mirroring = text_or_null(mirroring_text(spec->mirroring)),
		.extensions = spec->extensions,
	};
	if (copy_list(&d->labels, spec->labels, spec->label_count) < 0)
		return -ENOMEM;
	return copy_list(&d->annotations, spec->annotations,
			 spec->annotation_count);
}

struct spec *draft_to_spec(const struct draft *d, const char *written,
			   size_t len)
{
	const struct spec spec = {
		.source = d->source,
		.destination = d->destination,
		.pvc_name = d->pvc_name,
		.pvc_namespace = d->pvc_namespace,
		.volume_handle = d->volume_handle,
		.volume_namespace = d->volume_namespace,
		.state = (enum state)word_parse(d->state),
		.mode = mode_parse(d->mode),
		.schedule = schedule_parse(d->schedule),
		.rpo = d->rpo,
		.rto = d->rto,
		.mirroring = mirroring_parse(d->mirroring ? d->mirroring : ""),
		.extensions = d->extensions,
		.labels = d->labels.list,
		.label_count = d->labels.count,
		.annotations = d->annotations.list,
		.annotation_count = d->annotations.count,
		.written = written,
		.written_len = len,
	};

	return spec_new(&spec);
}

static void fill_meta(struct manifest_meta *meta, const struct draft *d)
{
	snprintf(meta->name, sizeof meta->name, "%s", d->name ? d->name : "");
	snprintf(meta->namespace, sizeof meta->namespace, "%s",
		 d->namespace ? d->namespace : "");
	snprintf(meta->resource_version, sizeof meta->resource_version, "%s",
		 d->resource_version ? d->resource_version : "");
}

/* A manifest as somebody wrote it. */
struct bytes {
	const char *text;
	size_t len;
};

static struct spec *read_document(const struct node *root,
				  const struct bytes *written,
				  struct manifest_meta *meta,
				  struct error *err)
{
	auto_draft d = {0};
	struct faults f;
	struct spec *spec;

	faults_init(&f, err);
	node_check(root, &f);
	if (manifest_read(&manifest_document, root, &d, &f) < 0) {
		fail(err, ENOMEM, "out of memory");
		return NULL;
	}
	if (faults_result(&f) < 0)
		return NULL;
	spec = draft_to_spec(&d, written ? written->text : NULL,
			     written ? written->len : 0);
	if (!spec)
		fail(err, ENOMEM, "out of memory");
	else if (meta)
		fill_meta(meta, &d);
	return spec;
}

struct spec *manifest_from_node(const struct node *root,
				struct manifest_meta *meta, struct error *err)
{
	return read_document(root, NULL, meta, err);
}

struct spec *manifest_parse(const char *text, size_t len,
			    struct manifest_meta *meta, struct error *err)
{
	const struct bytes written = {text, len};
	auto_node root = NULL;

	if (len > MANIFEST_MAX) {
		fail(err, EFBIG, "%zu bytes are too many, at most %d are "
		     "allowed", len, MANIFEST_MAX);
		return NULL;
	}
	root = node_read(text, len, err);
	return root ? read_document(root, &written, meta, err) : NULL;
}

struct spec *manifest_keep_written(const struct spec *from, const char *written)
{
	struct spec draft = *from;
	struct error ignored;
	auto_spec said = NULL;

	draft.written = NULL;
	draft.written_len = 0;
	if (written)
		said = manifest_parse(written, strlen(written), NULL, &ignored);
	if (said && spec_equal(said, &draft)) {
		draft.written = written;
		draft.written_len = strlen(written);
	}
	return spec_new(&draft);
}

int spec_validate(const struct spec *spec, struct error *err)
{
	auto_draft d = {0};
	struct faults f;

	if (draft_from_spec(&d, spec) < 0)
		return fail(err, ENOMEM, "out of memory");
	faults_init(&f, err);
	manifest_recheck(&manifest_document, &d, &f);
	return faults_result(&f);
}
