/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets share.  A target is one function, which libFuzzer calls
 * with input after input; whatever it allocates is freed when it returns.  The
 * promises that it checks are ck_assert's, as in the unit tests, whose scenes
 * it uses: here a broken one aborts.
 */
#ifndef UVRFS_FUZZ_H
#define UVRFS_FUZZ_H

#include <check.h>
#undef fail /* ours, not that of Check */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One line of an input that is a script. */
struct line {
	char text[4096];	/* NUL-terminated; a longer one is cut */
	size_t len;
};

/* Takes the next line off *@data; false at the end. */
bool line_next(struct line *line, const uint8_t **data, size_t *size);

/* The number of the byte at @i of @line, below @n; 0 beyond the line's end. */
unsigned line_pick(const struct line *line, size_t i, unsigned n);

/* What follows the first @skip bytes. */
char *line_rest(struct line *line, size_t skip);

/*
 * A sentence that quotes nothing but texts of ours and of users: not empty, UTF-8,
 * in one line.  What others say is escaped where it is shown.
 */
void check_sentence(const char *text);

#endif
