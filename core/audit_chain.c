/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes of lines. */
#include "audit_chain.h"

#include <sha2.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define MARK_LEN (sizeof AUDIT_HASH_MARK - 1)
#define HASH_LEN (AUDIT_HASH_MAX - 1)

void audit_chain_hash(const char *before, const char *line, size_t len,
		      char out[static AUDIT_HASH_MAX])
{
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, (const uint8_t *)before, strlen(before));
	SHA256Update(&ctx, (const uint8_t *)line, len);
	SHA256End(&ctx, out);
}

size_t audit_chain_split(const char *line, size_t len,
			 char hash[static AUDIT_HASH_MAX])
{
	const char *mark;

	*hash = '\0';
	if (len < MARK_LEN + HASH_LEN)
		return len;
	mark = line + len - MARK_LEN - HASH_LEN;
	if (memcmp(mark, AUDIT_HASH_MARK, MARK_LEN) != 0)
		return len;
	memcpy(hash, mark + MARK_LEN, HASH_LEN);
	hash[HASH_LEN] = '\0';
	if (strspn(hash, "0123456789abcdef") == HASH_LEN)
		return (size_t)(mark - line);
	*hash = '\0';
	return len;
}

bool audit_chain_begins(const char *line, size_t len)
{
	char hash[AUDIT_HASH_MAX], due[AUDIT_HASH_MAX];

	audit_chain_hash("", line, audit_chain_split(line, len, hash), due);
	return strcmp(hash, due) == 0;
}
