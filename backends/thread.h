/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of backends. */
#ifndef UVRFS_THREAD_H
#define UVRFS_THREAD_H

#include <pthread.h>

/*
 * Starts one with every signal blocked: the daemon's are the loop's.  0, or a
 * positive errno, as pthread_create(3).
 */
int thread_start(pthread_t *thread, void *(*run)(void *ctx), void *ctx);

#endif
