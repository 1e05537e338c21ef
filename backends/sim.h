/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated backend: sites are directories, volumes real files, copied on
 * the schedule.  Faults on demand: docs/backend-sim.md.
 */
#ifndef UVRFS_SIM_H
#define UVRFS_SIM_H

#include "backend.h"

/*
 * A backend named @name whose sites live under @dir (made when absent):
 * @dir/CLUSTER/NAMESPACE/VOLUME.  NULL with a sentence on failure.
 */
struct backend *sim_new(const char *name, const char *dir, struct error *err);

/*
 * Before start: other processes may use the same directory.  Of them one moves
 * the data; all see it and may act.
 */
int sim_share(struct backend *b, struct error *err);

#endif
