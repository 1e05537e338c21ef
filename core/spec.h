/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody wants: the spec of a UnifiedVolumeReplication
 * (replication.unified.io/v1alpha1), immutable and reference-counted.
 *
 * A spec is made whole: fill a struct spec on the stack with pointers to
 * anything, and spec_new copies it into one block of memory.  Nothing in a spec
 * changes afterwards, so any thread may read one that it holds a reference to.
 */
#ifndef UVRFS_SPEC_H
#define UVRFS_SPEC_H

#include "state.h"

#include <stddef.h>
#include <stdint.h>

enum mode { MODE_NONE, MODE_SYNCHRONOUS, MODE_ASYNCHRONOUS };
enum schedule_mode { SCHEDULE_NONE, SCHEDULE_CONTINUOUS, SCHEDULE_INTERVAL };
enum mirroring { MIRRORING_NONE, MIRRORING_JOURNAL, MIRRORING_SNAPSHOT };

enum extension {		/* which keys `extensions` has */
	EXTENSION_CEPH = 1,
	EXTENSION_TRIDENT = 2,
	EXTENSION_POWERSTORE = 4,
	EXTENSION_PRESENT = 8,	/* the key itself, maybe with nothing in it */
};

struct endpoint {
	const char *cluster;
	const char *region;
	const char *storage_class;
};

struct pair {
	const char *key;
	const char *value;
};

struct spec {
	unsigned refs;			/* atomic; use spec_ref, spec_unref */
	struct endpoint source;
	struct endpoint destination;
	const char *pvc_name;		/* volumeMapping.source */
	const char *pvc_namespace;
	const char *volume_handle;	/* volumeMapping.destination */
	const char *volume_namespace;
	enum state state;		/* replicationState: what is asked */
	enum mode mode;			/* replicationMode */
	enum schedule_mode schedule;
	const char *rpo;		/* as written, NULL when absent */
	const char *rto;
	unsigned extensions;
	enum mirroring mirroring;	/* extensions.ceph.mirroringMode */
	struct pair *labels;		/* metadata that users own */
	size_t label_count;
	struct pair *annotations;
	size_t annotation_count;
	const char *written;		/* the bytes last written to spec.yaml
					   while they describe this spec, or
					   NULL; not NUL-terminated text */
	size_t written_len;
};

/*
 * Copies @from, with all it points to, and returns the copy with one reference,
 * or NULL when there is no memory.  @from->refs is ignored.
 */
struct spec *spec_new(const struct spec *from);

/*
 * A draft that shares everything with @spec: change it, then spec_new.  Other
 * threads may count references to @spec meanwhile.
 */
struct spec spec_draft(const struct spec *spec);

/* Takes a reference; returns @spec.  Any thread. */
struct spec *spec_ref(const struct spec *spec);

/* Gives a reference back; the last one frees.  Takes NULL.  Any thread. */
void spec_unref(const struct spec *spec);

/*
 * True when both ask for the same: all of `spec:`, labels and annotations.
 * The bytes as written don't count.
 */
bool spec_equal(const struct spec *a, const struct spec *b);

/* The same without replicationState. */
bool spec_equal_but_state(const struct spec *a, const struct spec *b);

/*
 * All else that differs, for people, as `mode asynchronous -> synchronous,
 * label tier - -> gold': text_quote()d, and what finds no room is counted.
 */
void spec_changes(const struct spec *from, const struct spec *to, char *out,
		  size_t size);

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* Source and destination of both are the same, or each is the other's other. */
bool spec_endpoints_equal(const struct spec *a, const struct spec *b);
bool spec_endpoints_exchanged(const struct spec *a, const struct spec *b);

/* The value of annotation @key, or NULL. */
const char *spec_annotation(const struct spec *spec, const char *key);

/* The words of the API; text is "" for NONE, parse gives NONE for others. */
const char *mode_text(enum mode mode);
enum mode mode_parse(const char *text);
const char *schedule_text(enum schedule_mode mode);
enum schedule_mode schedule_parse(const char *text);
const char *mirroring_text(enum mirroring mode);
enum mirroring mirroring_parse(const char *text);

void spec_unref_cleanup(struct spec **spec);
#define auto_spec __attribute__((cleanup(spec_unref_cleanup))) struct spec *

#endif
