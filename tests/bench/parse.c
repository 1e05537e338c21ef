/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the files whose names it is given, parses each as YAML, and forgets it:
 * the least that anybody does who wants to know what is in them.  Prints
 * nothing.
 *
 *     parse < PATHS
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

static bool parse(const unsigned char *text, size_t size)
{
	yaml_parser_t parser;
	yaml_event_t event;
	bool ok = true, ended = false;

	yaml_parser_initialize(&parser);
	yaml_parser_set_input_string(&parser, text, size);
	while (ok && !ended) {
		ok = yaml_parser_parse(&parser, &event);
		ended = ok && event.type == YAML_STREAM_END_EVENT;
		if (ok)
			yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return ok;
}

int main(void)
{
	static unsigned char text[2 * 1024 * 1024];
	char *path = NULL;
	size_t size = 0, n;
	ssize_t len;
	FILE *f;

	while ((len = getline(&path, &size, stdin)) > 0) {
		path[len - 1] = '\0';
		f = fopen(path, "re");
		if (!f) {
			perror(path);
			return 1;
		}
		n = fread(text, 1, sizeof text, f);
		fclose(f);
		if (!parse(text, n)) {
			fprintf(stderr, "%s: no YAML\n", path);
			return 1;
		}
	}
	free(path);
	return 0;
}
