/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dell PowerStore, through the replication groups of Container Storage Modules:
 * which objects there are, and how a volume finds its group.
 * docs/backend-powerstore.md says what is done and verified how.
 */
#include "powerstore.h"

#include <stdio.h>

static const struct csi_kind kinds[] = {
	{
		.plural = "dellcsireplicationgroups",
		.api = "/apis/replication.storage.dell.com/v1",
		/* Before csm-replication 1.4.0. */
		.older = "/apis/replication.storage.dell.com/v1alpha1",
		.cluster_wide = true,
	},
	{.plural = NULL},
};

/*
 * At the target there is often no claim, and there the volume that the
 * controller has made is reserved for the claim's namesake.
 */
static const char *find_group(struct csi_look *l)
{
	const struct csi_view *v = csi_look_view(l);
	const char *group = csi_label(v->claim, CSI_RG_LABEL);
	const json_t *volume = NULL;

	if (!*group)
		group = csi_label(v->volume, CSI_RG_LABEL);
	while (!*group && !v->volume &&
	       (volume = csi_next(l, CSI_VOLUME, volume, "claim %s/%s",
				  v->namespace, v->claim_name)))
		group = csi_label(volume, CSI_RG_LABEL);
	return group;
}

static void gather(struct csi_look *l)
{
	const char *group = find_group(l);
	char text[SIDE_TEXT_MAX];

	if (!*group)
		return;
	csi_take(l, RG_PART, RG_KIND, csi_get(l, RG_KIND, "", group));
	snprintf(text, sizeof text, "replication group %.100s", group);
	csi_take_group(l, text, "group %s", group);
}

const struct csi_product csi_powerstore = {
	.type = "powerstore",
	.capabilities = CAP_STEP_DOWN_PEER | CAP_SECOND_FACT,
	.installed_as = "Dell CSM replication",
	.kinds = kinds,
	.ages = true,
	.gather = gather,
	.judge = powerstore_judge,
	.act = powerstore_act,
	.describe = powerstore_describe,
};
