/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which VolumeReplicationClass a new VolumeReplication is given: that of the
 * volume's driver whose mirroring is the manifest's.  Classes can't be changed
 * afterwards, so where several would do nobody guesses.
 */
#include "ceph.h"

#include "json_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct choice {
	const char *driver;
	const char *mode;		/* mirroringMode */
	const char *interval;		/* the schedule's rpo, or NULL */
};

static const char *parameter(const json_t *class, const char *key)
{
	return json_text_at(json_object_get(json_object_get(class, "spec"),
					    "parameters"), key);
}

/* 0: it does not fit, 1: it does, 2: its interval is the very one asked for. */
static int fits(const json_t *class, const struct choice *want)
{
	const char *mode = parameter(class, "mirroringMode");

	if (!csi_spec_is(class, "provisioner", want->driver) ||
	    strcmp(*mode ? mode : "snapshot", want->mode) != 0)
		return 0;
	return want->interval &&
			       strcmp(parameter(class, "schedulingInterval"),
				      want->interval) == 0
		       ? 2
		       : 1;
}

static int pick(const json_t *classes, const struct choice *want,
		char name[static CSI_NAME_MAX], char *all, size_t size)
{
	const json_t *class;
	int best = 0, count = 0, fit;
	size_t i, len = 0;

	json_array_foreach(classes, i, class) {
		fit = fits(class, want);
		if (!fit || fit < best)
			continue;
		if (fit > best) {
			best = fit;
			count = 0;
			len = 0;
		}
		count++;
		snprintf(name, CSI_NAME_MAX, "%s", csi_meta(class, "name"));
		if (len < size)
			len += (size_t)snprintf(all + len, size - len, "%s%s",
						len ? ", " : "", name);
	}
	return count;
}

int ceph_choose_class(struct csi_call *c, const struct csi_view *v,
		      char name[static CSI_NAME_MAX], struct error *err)
{
	const struct spec *spec = c->target->spec;
	const json_t *volume = json_object_get(v->volume, "spec");
	struct choice want = {
		.driver = json_text_at(json_object_get(volume, "csi"),
				       "driver"),
		.mode = spec->mirroring ? mirroring_text(spec->mirroring)
					: "snapshot",
		.interval = spec->rpo,
	};
	char all[300] = "";
	json_t *classes;
	int count;

	if (!*want.driver)
		return fail(err, EINVAL, "%s: the claim %s/%s has no volume of "
			    "a CSI driver yet", v->cluster, v->namespace,
			    v->claim_name);
	classes = csi_list(c, v, CEPH_VRC, err);
	if (!classes)
		return -err->code;
	count = pick(classes, &want, name, all, sizeof all);
	json_decref(classes);
	if (count == 1)
		return 0;
	if (!count)
		return fail(err, EINVAL, "%s has no VolumeReplicationClass for "
			    "driver %s with mirroringMode %s", v->cluster,
			    want.driver, want.mode);
	return fail(err, EINVAL, "%s has several VolumeReplicationClasses that "
		    "would do (%s): which one can't be told; make the "
		    "VolumeReplication by hand, and it is adopted",
		    v->cluster, all);
}
