/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that are secret: from files, from and to base64, and cleared. */
#include "kubeconfig_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "abcdefghijklmnopqrstuvwxyz0123456789+/";

void secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

void secret_free_cleanup(char **s)
{
	secret_free(*s);
}

/* Up to @size bytes: how many, or a negative errno. */
static ssize_t read_all(int fd, char *data, size_t size)
{
	size_t len = 0;
	ssize_t did;

	while (len < size) {
		did = read(fd, data + len, size - len);
		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return -errno;
		if (did == 0)
			break;
		len += (size_t)did;
	}
	return (ssize_t)len;
}

static int open_file(const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? fail(err, errno, "can't open %s: %m", path) : fd;
}

/* One block for all that may come: growing would leave copies behind. */
int secret_read_file(const char *path, size_t max, char **out,
		     struct error *err)
{
	auto_secret data = calloc(1, max + 2);
	ssize_t len;
	int fd;

	if (!data)
		return fail(err, ENOMEM, "not enough memory");
	fd = open_file(path, err);
	if (fd < 0)
		return fd;
	len = read_all(fd, data, max + 1);
	close(fd);
	if (len < 0) {
		errno = (int)-len;
		return fail(err, errno, "can't read %s: %m", path);
	}
	if ((size_t)len > max)
		return fail(err, EFBIG, "%s is longer than %zu bytes", path,
			    max);
	if (strlen(data) < (size_t)len) {
		explicit_bzero(data, (size_t)len);
		return fail(err, EINVAL, "%s holds a NUL", path);
	}
	*out = data;
	data = NULL;
	return 0;
}

/* What @n digits that fill no group of four stand for: the bytes, or -1. */
static int tail_bytes(unsigned n, unsigned pads, uint32_t bits)
{
	if (n == 0 && pads == 0)
		return 0;
	if (n == 2 && pads == 2 && !(bits & 0xf))
		return 1;
	if (n == 3 && pads == 1 && !(bits & 0x3))
		return 2;
	return -1;
}

/* Returns how many bytes @text became in @data, or -EINVAL. */
static ssize_t decode(const char *text, char *data)
{
	unsigned n = 0, pads = 0;
	uint32_t bits = 0;
	const char *at;
	size_t len = 0;
	int rest;

	for (; *text; text++) {
		if (*text == '\n' || *text == '\r')
			continue;
		if (*text == '=' && pads++ < 2)
			continue;
		at = strchr(digits, *text);
		if (!at || pads)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)(at - digits);
		if (++n < 4)
			continue;
		data[len++] = (char)(bits >> 16);
		data[len++] = (char)(bits >> 8);
		data[len++] = (char)bits;
		n = bits = 0;
	}
	rest = tail_bytes(n, pads, bits);
	if (rest < 0)
		return -EINVAL;
	bits <<= 6 * (4 - n) % 24;
	if (rest > 0)
		data[len++] = (char)(bits >> 16);
	if (rest > 1)
		data[len++] = (char)(bits >> 8);
	return (ssize_t)len;
}

int base64_decode(const char *text, char **out)
{
	size_t size = strlen(text) / 4 * 3 + 4;
	auto_secret data = calloc(1, size);
	ssize_t len;

	if (!data)
		return -ENOMEM;
	len = decode(text, data);
	if (len < 0 || strlen(data) < (size_t)len) {
		explicit_bzero(data, size);
		return -EINVAL;
	}
	*out = data;
	data = NULL;
	return 0;
}

char *base64_encode(const char *text)
{
	size_t len = strlen(text), i, k, n = 0;
	char *out = malloc((len + 2) / 3 * 4 + 1);
	uint32_t bits;

	if (!out)
		return NULL;
	for (i = 0; i < len; i += 3) {
		for (bits = 0, k = i; k < i + 3; k++)
			bits = bits << 8 |
			       (k < len ? (unsigned char)text[k] : 0);
		for (k = 0; k < 4; k++)
			out[n++] = i + k > len ? '='
				 : digits[bits >> (18 - 6 * k) & 0x3f];
	}
	out[n] = '\0';
	return out;
}

bool secret_is_token(const char *s)
{
	const char *p;

	for (p = s; *p; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return p > s;
}
