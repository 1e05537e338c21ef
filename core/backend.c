/* SPDX-License-Identifier: Apache-2.0 */
/* What is the same for every backend. */
#include "backend.h"

#include <errno.h>

const struct capability_name capability_names[] = {
	{CAP_STEP_DOWN_PEER, "step-down-peer", "StepDownPeer"},
	{CAP_SECOND_FACT, "second-fact", "SecondFact"},
	{CAP_GIVE_BACK, "give-back", "GiveBack"},
	{CAP_LAG, "lag", "Lag"},
	{CAP_PROGRESS, "progress", "Progress"},
	{CAP_MODE_IN_PLACE, "mode-in-place", "ModeInPlace"},
	{CAP_SCHEDULE_IN_PLACE, "schedule-in-place", "ScheduleInPlace"},
	{CAP_DELETE, "delete", "Delete"},
	{CAP_VERIFY, "verify", "Verify"},
	{0, NULL, NULL},
};

int backend_check(struct backend *b, const struct spec *spec, struct error *err)
{
	return b->ops->check ? b->ops->check(b, spec, err) : 0;
}

bool backend_error_is_final(int rc)
{
	return rc == -EPERM || rc == -EINVAL || rc == -ENOENT ||
	       rc == -EOPNOTSUPP;
}
