/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading files of a mount that may hang: done by a child process, so that the
 * screen never waits for it.  A thread would not do: a process can't end while
 * one of its threads waits for a daemon that has taken the request.
 */
#ifndef UVRFS_TOP_READER_H
#define UVRFS_TOP_READER_H

#include "buf.h"

/* NAMESPACE/NAME. */
#define TOP_ID_MAX 320

enum top_what {
	TOP_SUMMARY,	/* .uvrfs/summary */
	TOP_HEALTH,	/* .uvrfs/health */
	TOP_DETAIL,	/* of a replication, for people */
	TOP_ROW,	/* of a replication, for row_take */
	TOP_NEWS,	/* never asked for: the last line of .uvrfs/events */
};

struct top_ask {
	enum top_what what;
	char id[TOP_ID_MAX];	/* of a replication */
	char backend[TOP_ID_MAX];	/* of the same; for TOP_ROW */
};

/* Answers come in the order of what was asked, news in between. */
struct top_answer {
	enum top_what what;
	int error;	/* an errno, and maybe some text */
	size_t len;
};

/*
 * Reads what is asked for in the mount at @root, now and here; control
 * characters are escaped.  Blocks.  Returns 0 or an errno.
 */
int reader_read(const char *root, const struct top_ask *ask, struct buf *out);

/* Starts the child, which ends with us.  A socket to it, or -1 with errno. */
int reader_start(const char *root);

/* Blocks no longer than our own child needs to be scheduled. */
bool reader_ask(int fd, const struct top_ask *ask);

/* An answer that poll(2) has told of; false when the child is dead. */
bool reader_receive(int fd, struct top_answer *answer, struct buf *text);

#endif
