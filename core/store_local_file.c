/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of one replication: its manifest, status included.  It ends with
 * the YAML mark of a document's end, so that a torn file is told from one that
 * a person has put there without a status.
 */
#include "store_local.h"

#include "manifest.h"
#include "status_codec.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEAD "# Kept by uvrfs.  It may be edited while uvrfs is stopped.\n"
#define HEAD2 "# The three dots at the end show that the file is whole.\n"
#define TAIL "...\n"

void file_name(const char *name, char out[static NAME_MAX + 1])
{
	snprintf(out, NAME_MAX + 1, "%s.yaml", name);
}

static bool starts_with(const struct buf *text, const char *start)
{
	return strncmp(buf_str(text), start, strlen(start)) == 0;
}

/* One of ours has its end; one by a person need not. */
static int check_whole(const struct buf *text, struct error *err)
{
	size_t n = text->len;

	if (n == 0)
		return fail(err, EINVAL, "it is empty");
	if (!starts_with(text, HEAD))
		return 0;
	while (n && memchr(" \t\r\n", text->data[n - 1], 4))
		n--;
	if (n < 4 || strncmp(text->data + n - 4, "\n...", 4) != 0)
		return fail(err, EINVAL,
			    "it is not whole: the three dots at its end are "
			    "missing");
	return 0;
}

/*
 * How many bytes come before `status:`, when it is the last part and begins a
 * line, as it does unless somebody has written the file in another way.
 */
static size_t manifest_length(const struct buf *text, const struct node *root)
{
	const struct node *status = node_get(root, "status");
	const char *p = text->data;
	unsigned line;

	if (!status || status->next)
		return text->len;
	for (line = 1; p && line < status->key_line; line++) {
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	if (!p || strncmp(p, "status:", 7) != 0)
		return text->len;
	return (size_t)(p - text->data);
}

/* Where a file lies says which replication it is; the manifest agrees. */
static int check_names(const char *namespace, const char *name,
		       const struct manifest_meta *meta, struct error *err)
{
	if (!name_is_dns_subdomain(name) || strlen(name) > 63)
		return fail(err, EINVAL,
			    "'%s' can be no replication's name", name);
	if (*meta->name && strcmp(meta->name, name) != 0)
		return fail(err, EINVAL,
			    "metadata.name is '%s', so it should be named "
			    "%s.yaml",
			    meta->name, meta->name);
	if (*meta->namespace && strcmp(meta->namespace, namespace) != 0)
		return fail(err, EINVAL,
			    "metadata.namespace is '%s', but it lies in %s",
			    meta->namespace, namespace);
	return 0;
}

/* The state that was accepted, and @record's bytes if they still say it. */
static struct spec *take_spec(const struct spec *loaded,
			      const struct status_record *record, bool trusts)
{
	struct spec draft = *loaded;

	if (record->status)
		draft.state = record->accepted;
	/* To read it is what most of a start would be spent on. */
	if (trusts && record->written) {
		draft.written = record->written;
		draft.written_len = strlen(record->written);
		if (record->said == status_written_digest(&draft, draft.written,
							  draft.written_len))
			return spec_new(&draft);
	}
	return manifest_keep_written(&draft, record->written);
}

/* @trusts: that a digest of ours says what `written' says. */
static int read_text(const char *namespace, const char *name,
		     const struct buf *text, bool trusts,
		     struct file_content *out, struct error *err)
{
	struct manifest_meta meta = {{0}};
	struct status_record record = {0};
	struct file_content content = {0};
	auto_spec loaded = NULL;
	auto_node root = NULL;
	int rc;

	rc = check_whole(text, err);
	if (rc < 0)
		return rc;
	root = node_parse(text->data, text->len, err);
	if (!root)
		return -err->code;
	if (manifest_length(text, root) > MANIFEST_MAX)
		return fail(err, EFBIG, "the manifest is larger than %d bytes",
			    MANIFEST_MAX);
	loaded = manifest_from_node(root, &meta, err);
	if (!loaded)
		return -err->code;
	rc = check_names(namespace, name, &meta, err);
	if (rc == 0)
		rc = status_parse(root, &record, err);
	if (rc < 0)
		return rc;
	content.status = record.status;
	content.spec = take_spec(loaded, &record, trusts);
	if (!content.spec) {
		status_unref(record.status);
		return fail(err, ENOMEM, "no memory for a spec");
	}
	if (record.status) {
		content.edited = status_spec_digest(loaded) != record.digest;
		if (loaded->state != record.accepted)
			content.refused = loaded->state;
	}
	*out = content;
	return 0;
}

int file_read(const char *namespace, const char *name, const struct buf *text,
	      struct file_content *out, struct error *err)
{
	return read_text(namespace, name, text, true, out, err);
}

/*
 * What could not be read again would be a replication lost at the next start:
 * better to refuse it now.  Costs a tenth of what the disk does.
 */
static int check_readable(const char *namespace, const char *name,
			  const struct spec *spec, const struct buf *text,
			  struct error *err)
{
	struct file_content content;
	bool same;

	if (text->failed)
		return fail(err, text->failed, "%s/%s is too large", namespace,
			    name);
	if (read_text(namespace, name, text, false, &content, err) < 0)
		return error_prefix(err, "%s/%s can't be stored: ", namespace,
				    name);
	same = spec_equal(content.spec, spec) && content.status &&
	       !content.edited;
	spec_unref(content.spec);
	status_unref(content.status);
	return same ? 0
		    : fail(err, EINVAL, "%s/%s can't be stored unchanged",
			   namespace, name);
}

int file_write(const struct place *p, const char *namespace, const char *name,
	       const struct spec *spec, const struct status *status,
	       bool replace, struct error *err)
{
	auto_buf text;
	int rc;

	buf_init(&text, STORE_FILE_MAX);
	buf_puts(&text, HEAD HEAD2);
	manifest_render(namespace, name, spec, status, &text);
	status_emit(spec, status, &text);
	buf_puts(&text, TAIL);
	rc = check_readable(namespace, name, spec, &text, err);
	return rc < 0 ? rc : disk_write(p, &text, replace, err);
}
