/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering the text of a YAML file from several writes. */
#include "collect.h"

#include "manifest.h"

#include <errno.h>
#include <inttypes.h>

void collect_init(struct collect *c)
{
	buf_init(&c->text, MANIFEST_MAX);
	c->dirty = c->broken = false;
}

void collect_finish(struct collect *c)
{
	buf_finish(&c->text);
	c->dirty = false;
}

uint64_t collect_end(const struct collect *c)
{
	return c->broken ? UINT64_MAX : c->text.len;
}

void collect_drop(struct collect *c)
{
	c->broken = c->broken || c->text.len;
	collect_finish(c);
}

int collect_add(struct collect *c, uint64_t offset, const void *data, size_t n,
		struct error *err)
{
	uint64_t end = c->text.len;

	if (offset == 0) {
		buf_reset(&c->text);
		c->broken = false;
	} else if (c->broken) {
		return fail(err, EINVAL,
			    "what was written before this was refused: write "
			    "the whole text again from its beginning");
	} else if (offset != end) {
		collect_finish(c);
		c->broken = true;
		return fail(err, EINVAL,
			    "a write at offset %" PRIu64 " where %" PRIu64
			    " was expected: write the whole text in order "
			    "from its beginning",
			    offset, end);
	}
	buf_add(&c->text, data, n);
	if (c->text.failed) {
		int code = c->text.failed;

		collect_finish(c);
		c->broken = true;
		return fail(err, code,
			    code == EFBIG ? "the text is longer than %d bytes"
					  : "no memory for a text of %d bytes",
			    MANIFEST_MAX);
	}
	c->dirty = true;
	return 0;
}

bool collect_take(struct collect *c)
{
	bool dirty = c->dirty;

	c->dirty = false;
	return dirty;
}
