/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's own log: a line each, TIME LEVEL TEXT on stderr, <N>TEXT when
 * stderr is the journal, syslog once the daemon has left its terminal.  Only
 * mount/ logs; everybody else returns errors.
 */
#ifndef UVRFS_LOG_H
#define UVRFS_LOG_H

#include <syslog.h>

struct log {
	enum log_target { TO_STDERR, TO_JOURNAL, TO_SYSLOG } target;
};

/* stderr, or the journal where systemd says that stderr is one. */
void log_init(struct log *log);

/* From now on syslog: stderr is about to be closed. */
void log_detach(struct log *log);

/* @level is LOG_ERR, LOG_WARNING or LOG_INFO.  Event loop. */
void log_print(const struct log *log, int level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
