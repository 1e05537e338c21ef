/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A local store in a directory of its own, what loading it finds, and a
 * replication to save in it.
 */
#ifndef UVRFS_STORE_LOCAL_SCENE_H
#define UVRFS_STORE_LOCAL_SCENE_H

#include "sample_spec.h"
#include "store.h"
#include "suite.h"
#include "text.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One replication as load found it. */
struct item {
	char name[320];			/* NAMESPACE/NAME */
	struct spec *spec;
	struct status *status;
};

struct found {
	struct store_visitor visitor;
	struct item items[300];
	size_t count;
	uint64_t namespaces[16];
	size_t namespace_count;
	char complaints[64 * 1024];
	char last_line[256];
	size_t lines;
	int answer;			/* of found */
};

static char dir[64];
static struct store *store;
static struct error err;
static struct found found;

static inline int take_namespace(struct store_visitor *v, const char *name,
				 uint64_t id)
{
	found.namespaces[found.namespace_count++] = id;
	return 0;
}

static inline int take(struct store_visitor *v, const char *namespace,
		       const char *name, struct spec *spec,
		       struct status *status)
{
	struct item *item = &found.items[found.count];

	if (found.answer)
		return found.answer;
	found.count++;
	snprintf(item->name, sizeof item->name, "%s/%s", namespace, name);
	item->spec = spec_ref(spec);
	item->status = status_ref(status);
	return 0;
}

static inline void complain(struct store_visitor *v, const char *sentence)
{
	size_t n = strlen(found.complaints);

	snprintf(found.complaints + n, sizeof found.complaints - n, "%s\n",
		 sentence);
}

static inline void take_line(struct store_visitor *v, const char *line)
{
	found.lines++;
	snprintf(found.last_line, sizeof found.last_line, "%s", line);
}

static inline void forget(void)
{
	while (found.count) {
		spec_unref(found.items[--found.count].spec);
		status_unref(found.items[found.count].status);
	}
	memset(&found, 0, sizeof found);
	found.visitor = (struct store_visitor){
		.found_namespace = take_namespace,
		.found = take,
		.complain = complain,
		.audit_line = take_line,
	};
}

static inline void open_site(const char *site)
{
	store = store_local_open(dir, site, &err);
	ck_assert_msg(store != NULL, "%s", err.msg);
}

static inline int try_load(void)
{
	forget();
	return store->ops->load(store, &found.visitor, &err);
}

static inline void load(void)
{
	ck_assert_msg(try_load() == 0, "%s", err.msg);
}

static inline void close_store(void)
{
	if (store)
		store->ops->close(store);
	store = NULL;
}

static inline void again(void)
{
	close_store();
	open_site("");
	load();
}

static inline void set_up(void)
{
	snprintf(dir, sizeof dir, "/tmp/test_store_local.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	open_site("");
	load();
}

static inline void tear_down(void)
{
	char command[128];

	close_store();
	forget();
	snprintf(command, sizeof command, "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static inline const char *path_of(const char *rest)
{
	static char path[4][512];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof *path, "%s/%s", dir, rest);
	return p;
}

static inline const char *file_of(const char *rest)
{
	char inside[400];

	snprintf(inside, sizeof inside, "replications/%s", rest);
	return path_of(inside);
}

static inline bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static inline void put(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_msg(fd >= 0, "%s: %m", path);
	ck_assert_int_eq(write(fd, text, len), len);
	close(fd);
}

static inline void put_text(const char *path, const char *text)
{
	put(path, text, strlen(text));
}

/* The content, malloc'ed. */
static inline char *get(const char *path, size_t *len)
{
	struct stat st;
	char *text;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %m", path);
	fstat(fd, &st);
	text = malloc((size_t)st.st_size + 1);
	*len = (size_t)read(fd, text, (size_t)st.st_size);
	text[*len] = '\0';
	close(fd);
	return text;
}

/* Puts @to in the place of the first @from, as an editor would. */
static inline void edit(const char *path, const char *from, const char *to)
{
	size_t len;
	auto_free char *text = get(path, &len);
	char *at = strstr(text, from);
	auto_buf out;

	ck_assert_msg(at != NULL, "no '%s' in:\n%s", from, text);
	buf_init(&out, 1 << 22);
	buf_add(&out, text, (size_t)(at - text));
	buf_puts(&out, to);
	buf_puts(&out, at + strlen(from));
	put(path, out.data, out.len);
}

static inline int count_entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static inline struct status sample_status(uint64_t id)
{
	struct status s = {
		.id = id,
		.uid = "0f9b7f5e-0000-4000-8000-000000000001",
		.created = 1700000000123,
		.updated = 1700000000123,
		.generation = 1,
		.resource_version = 1,
		.site = "dr",
		.request = {1, WORD_REPLICA, STATE_NONE, false, 0, FAILOVER_NONE,
			    false, OUTCOME_PENDING, 1700000000123, 0, 0,
			    {0, 42, "bash"}},
	};
	int i;

	for (i = 0; i < CONDITION_COUNT; i++)
		s.conditions[i] = (struct condition){
			CONDITION_UNKNOWN, "Pending", "a sentence",
			1700000000123, 1};
	return s;
}

static inline int try_save(const char *ns, const char *name,
			   const struct spec *spec, const struct status *status,
			   uint64_t expected)
{
	struct store_write write = {
		.namespace = ns,
		.name = name,
		.spec = spec,
		.status = status,
		.expected = expected,
	};

	err = (struct error){0};
	return store->ops->save(store, &write, &err);
}

static inline int try_remove(const char *name)
{
	return store->ops->remove(store, "database", name, NULL, &err);
}

static inline void save(const char *ns, const char *name,
			const struct spec *spec, const struct status *status,
			uint64_t expected)
{
	ck_assert_msg(try_save(ns, name, spec, status, expected) == 0, "%s",
		      err.msg);
}

static inline uint64_t new_id(void)
{
	uint64_t id = store->ops->new_id(store, &err);

	ck_assert_msg(id != 0, "%s", err.msg);
	return id;
}

static inline uint64_t make_namespace(const char *name)
{
	uint64_t id = new_id();

	ck_assert_msg(store->ops->mkdir(store, name, id, &err) == 0, "%s",
		      err.msg);
	return id;
}

/* database/NAME as it is after its birth; its id. */
static inline uint64_t make_replication(const char *name)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(new_id());

	if (!exists(file_of("database")))
		make_namespace("database");
	save("database", name, &spec, &status, 0);
	return status.id;
}

static inline const struct item *only(void)
{
	ck_assert_msg(found.count == 1, "%zu found: %s", found.count,
		      found.complaints);
	return &found.items[0];
}

static inline bool complained(const char *part)
{
	return strstr(found.complaints, part) != NULL;
}

#define ck_complained(part) \
	ck_assert_msg(complained(part), "no '%s' in: %s", part, \
		      found.complaints)

/* As `kubectl get -o yaml` prints it, with another program's status. */
static const char dump[] =
	"apiVersion: replication.unified.io/v1alpha1\n"
	"kind: UnifiedVolumeReplication\n"
	"metadata:\n"
	"  name: db\n"
	"  namespace: database\n"
	"  uid: 11111111-2222-3333-4444-555555555555\n"
	"  resourceVersion: \"12345\"\n"
	"  generation: 8\n"
	"  creationTimestamp: \"2025-01-01T00:00:00Z\"\n"
	"spec:\n"
	"  sourceEndpoint: {cluster: prod, region: r1, storageClass: ceph}\n"
	"  destinationEndpoint: {cluster: dr, region: r2, storageClass: ceph}\n"
	"  volumeMapping:\n"
	"    source: {pvcName: db, namespace: database}\n"
	"    destination: {volumeHandle: v, namespace: database}\n"
	"  replicationState: source\n"
	"  replicationMode: asynchronous\n"
	"  schedule: {mode: interval, rpo: 15m, rto: 5m}\n"
	"status:\n"
	"  conditions:\n"
	"  - {type: Ready, status: \"True\", reason: X, message: \"\",\n"
	"     lastTransitionTime: \"2025-01-01T00:00:00Z\"}\n"
	"  observedGeneration: 8\n";

/* For main(): runs these as a suite, each with a store of its own. */
static inline int run_store_tests(const char *name, const TTest *const tests[],
				  size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create("all");
	size_t i;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	for (i = 0; i < count; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

#endif
