/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An allocator that fails when a test says so.  CAN_FAIL is defined where it
 * can be replaced at all (not under the thread sanitizer; memory_can_fail() is
 * false under valgrind).  For one file of a program.
 */
#ifndef UVRFS_MEMORY_FAILS_H
#define UVRFS_MEMORY_FAILS_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define CANNOT_FAIL 1
#endif
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define CANNOT_FAIL 1
#endif

/* Under the address sanitizer it is that one's, which sees every mistake and
   every leak; but its strdup, for one, calls none of ours. */
#ifdef __SANITIZE_ADDRESS__
#define REAL(name) __interceptor_##name
#define MEMORY_COUNTS 0
#else
#define REAL(name) __libc_##name
#define MEMORY_COUNTS 1
#endif

#if defined(__GLIBC__) && !defined(CANNOT_FAIL)
#define CAN_FAIL 1

void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t n, size_t size);
void *REAL(realloc)(void *p, size_t size);
void REAL(free)(void *p);

/* How many allocations still succeed; negative: all.  Volatile, as compilers
   know that malloc changes no variable of ours. */
static volatile long memory_left = -1;

/* How many blocks there are: always 0 where MEMORY_COUNTS is 0. */
static volatile long memory_live;

/* Only one fails, not all from then on. */
static volatile bool memory_fails_once;
static volatile bool memory_failed;

/* Told of each allocation before it is made; its own are not counted. */
static void (*volatile memory_watch)(void);

static void memory_tell(void)
{
	void (*watch)(void) = memory_watch;

	if (!watch)
		return;
	memory_watch = NULL;
	watch();
	memory_watch = watch;
}

static bool memory_is_out(void)
{
	memory_tell();
	if (memory_left != 0) {
		memory_left -= memory_left > 0;
		return false;
	}
	memory_failed = true;
	errno = ENOMEM;
	memory_left -= memory_fails_once;
	return true;
}

static void *memory_count(void *p)
{
	memory_live += MEMORY_COUNTS && p;
	return p;
}

void *malloc(size_t size)
{
	return memory_is_out() ? NULL : memory_count(REAL(malloc)(size));
}

void *calloc(size_t n, size_t size)
{
	return memory_is_out() ? NULL : memory_count(REAL(calloc)(n, size));
}

void *realloc(void *p, size_t size)
{
	if (!p)
		return malloc(size);
	return memory_is_out() ? NULL : REAL(realloc)(p, size);
}

void free(void *p)
{
	memory_live -= MEMORY_COUNTS && p;
	REAL(free)(p);
}

static bool memory_can_fail(void)
{
	/* Not inlined: valgrind has its own in the place of ours. */
	void *(*volatile allocate)(size_t) = malloc;
	void *volatile p;

	memory_left = 0;
	p = allocate(1);
	memory_left = -1;
	free(p);
	return !p;
}
#endif

#endif
