/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of .uvrfs show. */
#ifndef UVRFS_DAEMON_H
#define UVRFS_DAEMON_H

#include "buf.h"
#include "file.h"

void daemon_help(const struct subject *s, struct buf *out);
void daemon_version(const struct subject *s, struct buf *out);
void daemon_site(const struct subject *s, struct buf *out);
void daemon_health(const struct subject *s, struct buf *out);
void daemon_summary(const struct subject *s, struct buf *out);
void daemon_metrics(const struct subject *s, struct buf *out);

#endif
