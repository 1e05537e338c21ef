/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two clusters with Trident and the volumes behind them, by what is known of
 * Trident's source: when it writes a status, when it says nothing, and when what
 * it says is not so.  A volume's data is a number that a write makes greater.
 */
#ifndef UVRFS_FAKE_TRIDENT_H
#define UVRFS_FAKE_TRIDENT_H

#include "fake_csi.h"
#include "trident.h"

enum { A, B };

struct fake_volume {
	bool exists;
	bool writable;
	int data;
	bool mirrored;		/* from the other side */
};

struct fake_trident {
	bool off;		/* its controller does nothing */
	bool ontap_down;
	bool broken;		/* the mirror, behind Trident's back */
	const char *fails;	/* updates, with this message */
	const char *stuck;	/* states are told, and this instead of done */
	int64_t seen[2];	/* generations that were handled */
};

static struct fake_volume fake_volumes[2];
static struct fake_trident fake_tridents[2];

static inline void fake_trident_setup(void)
{
	memset(fake_volumes, 0, sizeof fake_volumes);
	memset(fake_tridents, 0, sizeof fake_tridents);
	fake_kinds = csi_trident.kinds;
	fake_volumes[A] = (struct fake_volume){true, true, 1, false};
}

static inline json_t *fake_tmr(int site)
{
	return fake_find(site, TRIDENT_TMR, "db");
}

static inline const char *fake_handle_of(int site)
{
	return site == A ? "svm_a:vol" : "svm_b:vol";
}

static inline json_t *fake_mapping(int site)
{
	return json_array_get(json_object_get(json_object_get(fake_tmr(site),
							      "spec"),
					      "volumeMappings"), 0);
}

static inline const char *fake_text(const json_t *map, const char *key)
{
	const char *text = json_string_value(json_object_get(map, key));

	return text ? text : "";
}

/* Trident's way: nothing is written when the state is the same. */
static inline void fake_tell(int site, const char *state, const char *message)
{
	json_t *told = json_array_get(json_object_get(csi_status(fake_tmr(site)),
						      "conditions"), 0);
	char stamp[TIME_TEXT_MAX];
	json_t *patch;

	if (strcmp(fake_text(told, "state"), state) == 0)
		return;
	patch = json_pack(
		"{s:{s:[{s:s, s:s, s:s, s:s, s:s}]}}", "status", "conditions",
		"state", state, "message", message, "lastTransitionTime",
		fake_stamp(stamp), "localVolumeHandle", fake_handle_of(site),
		"remoteVolumeHandle",
		fake_text(fake_mapping(site), "remoteVolumeHandle"));
	ck_assert_ptr_nonnull(patch);
	fake_change(fake_tmr(site), patch);
	json_decref(patch);
}

/* The data in the snapshot that a handle names, at either side; -1: none. */
static inline int fake_data_of(const char *handle)
{
	const char *name = strchr(handle, '/');
	json_t *snap = NULL;
	int site;

	for (site = A; site <= B && name && !snap; site++)
		snap = fake_find(site, CSI_SNAPSHOT, name + 1);
	return snap ? (int)json_integer_value(json_object_get(snap, "_data"))
		    : -1;
}

/* ---- what Trident does for each kind ---- */

static inline void fake_promote(int site)
{
	struct fake_volume *v = &fake_volumes[site];
	const char *handle = fake_text(fake_mapping(site),
				       "promotedSnapshotHandle");
	int data = fake_data_of(handle);

	if (fake_tridents[site].ontap_down || !v->mirrored) {
		/* An error of ONTAP is taken for a mirror that is gone. */
		fake_tell(site, "promoted", "");
		return;
	}
	if (*handle && (data < 0 || data > v->data)) {
		fake_tell(site, "failed", "Could not promote mirror");
		return;
	}
	if (*handle)
		v->data = data;
	v->mirrored = false;
	v->writable = true;
	fake_tell(site, "promoted", "");
}

static inline void fake_follow(int site, const char *state)
{
	struct fake_volume *v = &fake_volumes[site];
	bool anew = strcmp(state, "reestablished") == 0;

	if (fake_tridents[site].ontap_down || (!anew && v->writable)) {
		fake_tell(site, "failed",
			  anew ? "Could not reestablish mirror"
			       : "Could not establish mirror");
		return;
	}
	if (!v->mirrored)
		v->data = fake_volumes[1 - site].data;
	v->mirrored = true;
	v->writable = false;
	fake_tell(site, state, "");
}

static inline void fake_do_tmr(int site)
{
	struct fake_trident *t = &fake_tridents[site];
	json_t *o = fake_tmr(site);
	const char *asked = csi_spec(o, "state");

	/* Only a change of spec wakes it, and only a volume can be one. */
	if (!o || t->seen[0] == csi_generation(o) || fake_sites[site].no_claim)
		return;
	if (t->stuck) {
		fake_tell(site, t->stuck, "");
		return;
	}
	t->seen[0] = csi_generation(o);
	fake_volumes[site].exists = true;
	if (strcmp(asked, "promoted") == 0)
		fake_promote(site);
	else
		fake_follow(site, asked);
}

static inline void fake_do_snapshot(int site, json_t *o)
{
	struct fake_volume *v = &fake_volumes[site];
	json_t *patch;

	if (csi_status(o))
		return;
	if (v->writable && !fake_tridents[site].ontap_down)
		patch = fake_parse("{\"status\": {\"readyToUse\": true, "
				   "\"creationTime\": "
				   "\"2026-09-21T14:13:21Z\"}}");
	else
		patch = fake_parse("{\"status\": {\"readyToUse\": false, "
				   "\"error\": {\"message\": \"the volume is "
				   "read-only\"}}}");
	json_object_set_new(o, "_data", json_integer(v->data));
	fake_change(o, patch);
	json_decref(patch);
}

static inline void fake_do_info(int site, json_t *o)
{
	json_t *patch;
	char handle[300];

	(void)site;
	if (csi_status(o))
		return;
	snprintf(handle, sizeof handle, "pvc-%c/%s", 'a' + site,
		 csi_spec(o, "snapshotName"));
	patch = json_pack("{s:{s:s}}", "status", "snapshotHandle", handle);
	fake_change(o, patch);
	json_decref(patch);
}

static inline void fake_do_update(int site, json_t *o)
{
	const json_t *told = json_array_get(
		json_object_get(csi_status(fake_tmr(site)), "conditions"), 0);
	struct fake_volume *v = &fake_volumes[site];
	const char *handle = csi_spec(o, "snapshotHandle");
	const char *why = fake_tridents[site].fails;
	char stamp[TIME_TEXT_MAX];
	json_t *patch;

	if (csi_status(o))
		return;
	if (strcmp(fake_text(told, "state"), "established") != 0 &&
	    strcmp(fake_text(told, "state"), "reestablished") != 0)
		why = "the relationship is not established";
	else if (fake_tridents[site].broken || !v->mirrored)
		why = "the mirror is broken off";
	if (!why)
		v->data = *handle ? fake_data_of(handle)
				  : fake_volumes[1 - site].data;
	patch = json_pack("{s:{s:s, s:s, s:s, s:s}}", "status", "state",
			  why ? "Failed" : "Succeeded", "message",
			  why ? why : "", "completionTime", fake_stamp(stamp),
			  "remoteVolumeHandle",
			  fake_text(fake_mapping(site), "remoteVolumeHandle"));
	fake_change(o, patch);
	json_decref(patch);
}

/* One round of all controllers of a cluster. */
static inline void fake_controllers(int site)
{
	json_t *o;
	size_t i;

	if (fake_tridents[site].off)
		return;
	fake_do_tmr(site);
	json_array_foreach(fake_sites[site].objects, i, o) {
		switch (json_integer_value(json_object_get(o, "_kind"))) {
		case CSI_SNAPSHOT:
			fake_do_snapshot(site, o);
			break;
		case TRIDENT_TSI:
			fake_do_info(site, o);
			break;
		case TRIDENT_TAMU:
			fake_do_update(site, o);
			break;
		}
	}
}

static inline json_t *fake_add_tmr(int site, const char *state, bool remote)
{
	return fake_add(site, TRIDENT_TMR,
			json_pack("{s:{s:s}, s:{s:s, s:[{s:s, s:s*}]}}",
				  "metadata", "name", "db", "spec", "state",
				  state, "volumeMappings", "localPVCName", "db",
				  "remoteVolumeHandle",
				  remote ? fake_handle_of(1 - site) : NULL));
}

/* A is the source, and B follows it: by its word. */
static inline void fake_pair(void)
{
	fake_add_tmr(A, "promoted", false);
	fake_add_tmr(B, "established", true);
	fake_controllers(A);
	fake_controllers(B);
	fake_now += 60000;
}

#endif
