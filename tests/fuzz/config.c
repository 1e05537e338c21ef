/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: read twice it says the same. */
#include "fuzz.h"

#include "config.h"

#include <string.h>

static bool parse(const uint8_t *data, size_t size, struct config *c)
{
	char *copy = malloc(size);
	struct error err = {0};
	int rc;

	memcpy(copy, data, size);
	rc = config_parse(copy, size, c, &err);
	free(copy);
	if (rc)
		check_sentence(err.msg);
	return rc == 0;
}

static void check_config(const struct config *c, const struct config *same)
{
	auto_buf out;
	size_t i;

	buf_init(&out, 1 << 20);
	config_list_warnings(c, &out);
	buf_reset(&out);
	config_list_fixed_changes(c, same, &out);
	ck_assert_str_eq(buf_str(&out), "");
	ck_assert_uint_ne(c->backend_count, 0);
	for (i = 0; i < c->cluster_count; i++)
		ck_assert_str_eq(config_find_cluster(c, c->clusters[i].name)
					 ->name, c->clusters[i].name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config first, second;

	if (!parse(data, size, &first))
		return 0;
	ck_assert(parse(data, size, &second));
	check_config(&first, &second);
	config_finish(&first);
	config_finish(&second);
	return 0;
}
