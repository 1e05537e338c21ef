/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An allocator that fails when a test says so.  CAN_FAIL is defined where it
 * can be replaced at all (not under sanitizers; memory_can_fail() is false
 * under valgrind).  For one file of a program.
 */
#ifndef UVRFS_MEMORY_FAILS_H
#define UVRFS_MEMORY_FAILS_H

#include <stdbool.h>
#include <stdlib.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#if defined(__GLIBC__) && !defined(SANITIZED)
#define CAN_FAIL 1

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

/* How many allocations still succeed; negative: all.  Volatile, as compilers
   know that malloc changes no variable of ours. */
static volatile long memory_left = -1;

/* How many blocks there are. */
static volatile long memory_live;

static bool memory_is_out(void)
{
	if (memory_left > 0)
		memory_left--;
	else if (memory_left == 0)
		return true;
	return false;
}

static void *memory_count(void *p)
{
	memory_live += p != NULL;
	return p;
}

void *malloc(size_t size)
{
	return memory_is_out() ? NULL : memory_count(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
	return memory_is_out() ? NULL : memory_count(__libc_calloc(n, size));
}

void *realloc(void *p, size_t size)
{
	if (!p)
		return malloc(size);
	return memory_is_out() ? NULL : __libc_realloc(p, size);
}

void free(void *p)
{
	memory_live -= p != NULL;
	__libc_free(p);
}

static bool memory_can_fail(void)
{
	void *volatile p;

	memory_left = 0;
	p = malloc(1);
	memory_left = -1;
	free(p);
	return !p;
}
#endif

#endif
