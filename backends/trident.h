/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TridentMirrorRelationships (TMR), one on each side.  Private to trident*.c.
 * Facts about Trident in these files: read in its source; docs/backend-trident.md
 * says what they lead to.
 */
#ifndef UVRFS_TRIDENT_H
#define UVRFS_TRIDENT_H

#include "csi_probe.h"

#define TRIDENT_VERSION "trident.netapp.io/v1"
#define TRIDENT_API "/apis/" TRIDENT_VERSION

enum trident_kind { TRIDENT_TMR = CSI_COMMON, TRIDENT_TAMU, TRIDENT_TSI };

enum trident_part {
	TRIDENT_PART_TMR,
	TRIDENT_PART_SECOND,	/* another TMR of the same claim */
	TRIDENT_PART_PROBE,
	TRIDENT_PART_FINAL,	/* the newest final snapshot of ours, and its
				   TridentSnapshotInfo once there is one */
	TRIDENT_PART_MADE,	/* the newest TridentActionMirrorUpdate of ours */
	TRIDENT_PART_DONE,	/* the newest of others' that succeeded */
};

/* The notes that are kept on a TMR, and the label of a final snapshot. */
#define TRIDENT_WRITTEN "uvrfs/written"
#define TRIDENT_STEPPED "uvrfs/stepped-down"
#define TRIDENT_COPIED "uvrfs/transferred"
#define TRIDENT_FAILURE "uvrfs/failure"
#define TRIDENT_FINAL "uvrfs/final"

#define TRIDENT_WORD_MAX 40
#define TRIDENT_REQUEST_MAX 32

/* What the two states of a TMR, asked for and told, come to. */
enum tmr_phase {
	TMR_NONE,		/* there is no TMR */
	TMR_UNCLEAR,		/* there are two, or it is going away */
	TMR_PENDING,		/* asked for, and not answered yet */
	TMR_STUCK,		/* the same for longer than Trident ever takes */
	TMR_COPYING,		/* establishing, reestablishing */
	TMR_FOLLOWS,		/* established, reestablished */
	TMR_SOURCE,		/* promoted */
	TMR_FAILED,		/* failed, invalid: for ever, as it is */
};

/* What it was when it last was one or the other. */
enum tmr_past { TMR_WAS_UNKNOWN, TMR_WAS_MIRROR, TMR_WAS_SOURCE };

/* The last change of spec that we made. */
struct tmr_written {
	bool known;
	bool last;				/* nobody has changed it since */
	int64_t at;				/* ms */
	char request[TRIDENT_REQUEST_MAX];	/* whose it was */
	char state[TRIDENT_WORD_MAX];		/* what Trident told until then, */
	char since[TRIDENT_WORD_MAX];		/* and since when */
	enum tmr_past past;
};

/* It has been told that nobody uses it any more: see trident_hand.c. */
struct tmr_stepped {
	bool valid;				/* nothing else was asked of it since */
	int64_t at;
	char label[TRIDENT_REQUEST_MAX];	/* of the final snapshot */
	char handle[CSI_NAME_MAX];		/* that snapshot; "": none */
};

/* A copy that is known to have arrived. */
struct tmr_copied {
	bool valid;				/* nothing was asked of it since */
	bool before;				/* it was, until the last change */
	int64_t at;				/* when its data was current */
	char handle[CSI_NAME_MAX];		/* the final snapshot in it; "" */
};

/* A TMR, read. */
struct tmr {
	const json_t *object;			/* NULL: none */
	const json_t *mapping;			/* spec.volumeMappings[0] */
	const char *name;
	const char *asked;			/* spec.state */
	const char *says;			/* status.conditions[0].state */
	const char *message;
	const char *handle;			/* of the volume here; "" */
	const char *remote;			/* that it copies from; "" */
	const char *since_text;			/* of `says', as it is told */
	int64_t since;				/* ms; 0: can't be told */
	struct tmr_written written;
	struct tmr_stepped stepped;
	struct tmr_copied copied;
	enum tmr_phase phase;
	enum tmr_past past;
};

void tmr_read(const struct csi_view *v, struct tmr *t);

/* What it is asked for and what it says: see struct csi_view. */
uint64_t tmr_stand(const json_t *object);

/* It says that it has failed, of what it was asked for before. */
bool tmr_has_failed_before(const struct tmr *t);

/* Says `promoted', stands by it, and is not in use any more by its own word. */
bool tmr_has_stepped_down(const struct tmr *t);

/* A mirror that was asked to be promoted, and has not been for all that is told:
   it is any moment, when Trident comes to it or starts anew. */
bool tmr_may_be_promoted(const struct tmr *t);

/* The values of the three notes, for what is written now.  @out is returned. */
#define TRIDENT_NOTE_MAX 512
const char *tmr_note_written(const struct csi_call *c, const struct tmr *t,
			     char out[static TRIDENT_NOTE_MAX]);
const char *tmr_note_stepped(const struct csi_view *v, const struct tmr *t,
			     const struct tmr_stepped *s,
			     char out[static TRIDENT_NOTE_MAX]);
const char *tmr_note_copied(const struct tmr *t, int64_t at, const char *handle,
			    char out[static TRIDENT_NOTE_MAX]);

/* It is made to follow: should that fail, it is still one that has stepped down.
   The same, for the generation that this makes; NULL when it has not. */
const char *tmr_note_still_stepped(const struct tmr *t,
				   char out[static TRIDENT_NOTE_MAX]);

/* A promotion that failed is taken back: the same, for the generation that this
   makes; NULL when nothing was known to have been copied before it. */
const char *tmr_note_kept(const struct tmr *t,
			  char out[static TRIDENT_NOTE_MAX]);

/* What has become of something that we made. */
enum trident_stage {
	STAGE_NONE,
	STAGE_RUNS,
	STAGE_LATE,		/* it runs, for longer than is waited for */
	STAGE_FAILED,
	STAGE_READY,		/* of the final snapshot: it is there, and its
				   handle has not been asked for */
	STAGE_DONE,
};
enum trident_stage trident_final(const struct csi_view *v,
				 char why[static NATIVE_MAX]);
enum trident_stage trident_update(const struct csi_view *v,
				  char why[static NATIVE_MAX]);

/* The handle of the final snapshot, "" as long as there is none. */
const char *trident_final_handle(const struct csi_view *v);

/* An update of this relationship, as it stands, that succeeded: when its data
   was current, or 0. */
int64_t trident_update_time(const struct tmr *t, const json_t *update);

void trident_judge(const struct csi_view *here, const struct csi_view *peer,
		   struct observation *o);

/* ---- acts ---- */

struct trident_deed {
	struct csi_call *call;
	struct tmr at, other;
	bool told;			/* this act has said once what is wrong */
	bool lacking;			/* a final copy is not to be had now */
	const char *failure;		/* what is asked for now takes that back */
	struct error *err;
};

int trident_act(struct csi_call *c, struct error *err);

/*
 * Writes a spec, and what is known now beside it.  @remote, where there is none
 * yet, and @snapshot may be NULL.  That the side has stepped down counts no more,
 * but for one that fails to be made to follow.
 */
int trident_ask(struct trident_deed *d, const char *state, const char *remote,
		const char *snapshot);

/* trident.c: the source's TMR, and then the mirror's. */
int trident_create(struct trident_deed *d);

/* trident_hand.c: a side that steps down, and what it had last. */
int trident_step_down(struct trident_deed *d);
int trident_verify(struct trident_deed *d);

/* A merge patch of the notes of one side: @body is {KEY: VALUE, ...}. */
int trident_note(struct trident_deed *d, bool at, json_t *notes);

/*
 * One stage of getting all that one side has to the other: the source is `at',
 * or, with @to_at, `other'.  1 when it is there, with the handle of its final
 * snapshot; 0 when a stage was begun; else an error.
 */
int trident_final_copy(struct trident_deed *d, bool to_at, const char **handle);

/* What came of that, or 1 when what is lacking may be passed over: somebody has
   said so. */
int trident_pass_over(const struct trident_deed *d, int rc);

/* The label of the final snapshot that this call would take at the source. */
const char *trident_label(const struct csi_call *c, const struct csi_view *source,
			  char out[static TRIDENT_REQUEST_MAX]);

/* ---- as a person would type it: trident_text.c ---- */
void trident_describe(const struct csi_view *at, const struct csi_view *other,
		      enum act act, struct buf *out);

#endif
