/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local store: what it wrote it reads, what a person did to it is made
 * good, and what fails changes nothing.
 */
#include "store.h"
#include "manifest.h"
#include "suite.h"
#include "text.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The n-th call from now on fails with EIO; 0: none does. */
static int fsync_fails_at, renameat2_fails_at;
static int renameat2_errno = EIO;
static bool renameat2_fails_on;		/* all later ones, too */

int fsync(int fd)
{
	if (fsync_fails_at && --fsync_fails_at == 0) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to,
	      unsigned flags)
{
	if (renameat2_fails_at && --renameat2_fails_at == 0) {
		if (renameat2_fails_on)
			renameat2_fails_at = 1;
		errno = renameat2_errno;
		return -1;
	}
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

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

static int take_namespace(struct store_visitor *v, const char *name,
			  uint64_t id)
{
	found.namespaces[found.namespace_count++] = id;
	return 0;
}

static int take(struct store_visitor *v, const char *namespace,
		const char *name, struct spec *spec, struct status *status)
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

static void complain(struct store_visitor *v, const char *sentence)
{
	size_t n = strlen(found.complaints);

	snprintf(found.complaints + n, sizeof found.complaints - n, "%s\n",
		 sentence);
}

static void take_line(struct store_visitor *v, const char *line)
{
	found.lines++;
	snprintf(found.last_line, sizeof found.last_line, "%s", line);
}

static void forget(void)
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

static void open_site(const char *site)
{
	store = store_local_open(dir, site, &err);
	ck_assert_msg(store != NULL, "%s", err.msg);
}

static int try_load(void)
{
	forget();
	return store->ops->load(store, &found.visitor, &err);
}

static void load(void)
{
	ck_assert_msg(try_load() == 0, "%s", err.msg);
}

static void close_store(void)
{
	if (store)
		store->ops->close(store);
	store = NULL;
}

static void again(void)
{
	close_store();
	open_site("");
	load();
}

static void set_up(void)
{
	snprintf(dir, sizeof dir, "/tmp/test_store_local.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	open_site("");
	load();
}

static void tear_down(void)
{
	char command[128];

	close_store();
	forget();
	snprintf(command, sizeof command, "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static const char *path_of(const char *rest)
{
	static char path[4][512];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof *path, "%s/%s", dir, rest);
	return p;
}

static const char *file_of(const char *rest)
{
	char inside[400];

	snprintf(inside, sizeof inside, "replications/%s", rest);
	return path_of(inside);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void put(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_msg(fd >= 0, "%s: %m", path);
	ck_assert_int_eq(write(fd, text, len), len);
	close(fd);
}

static void put_text(const char *path, const char *text)
{
	put(path, text, strlen(text));
}

/* The content, malloc'ed. */
static char *get(const char *path, size_t *len)
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
static void edit(const char *path, const char *from, const char *to)
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

static int count_entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static struct spec sample_spec(void)
{
	return (struct spec){
		.source = {"prod", "us-east-1", "ceph-rbd"},
		.destination = {"dr", "us-west-2", "ceph-rbd"},
		.pvc_name = "db",
		.pvc_namespace = "database",
		.volume_handle = "vol-1",
		.volume_namespace = "database",
		.state = STATE_REPLICA,
		.mode = MODE_ASYNCHRONOUS,
		.schedule = SCHEDULE_INTERVAL,
		.rpo = "15m",
		.rto = "5m",
	};
}

static struct status sample_status(uint64_t id)
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

static int try_save(const char *ns, const char *name, const struct spec *spec,
		    const struct status *status, uint64_t expected)
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

static int try_remove(const char *name)
{
	return store->ops->remove(store, "database", name, NULL, &err);
}

static void save(const char *ns, const char *name, const struct spec *spec,
		 const struct status *status, uint64_t expected)
{
	ck_assert_msg(try_save(ns, name, spec, status, expected) == 0, "%s",
		      err.msg);
}

static uint64_t new_id(void)
{
	uint64_t id = store->ops->new_id(store, &err);

	ck_assert_msg(id != 0, "%s", err.msg);
	return id;
}

static uint64_t make_namespace(const char *name)
{
	uint64_t id = new_id();

	ck_assert_msg(store->ops->mkdir(store, name, id, &err) == 0, "%s",
		      err.msg);
	return id;
}

/* database/NAME as it is after its birth; its id. */
static uint64_t make_replication(const char *name)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(new_id());

	if (!exists(file_of("database")))
		make_namespace("database");
	save("database", name, &spec, &status, 0);
	return status.id;
}

static const struct item *only(void)
{
	ck_assert_msg(found.count == 1, "%zu found: %s", found.count,
		      found.complaints);
	return &found.items[0];
}

static bool complained(const char *part)
{
	return strstr(found.complaints, part) != NULL;
}

#define ck_complained(part) \
	ck_assert_msg(complained(part), "no '%s' in: %s", part, \
		      found.complaints)

START_TEST(round_trip)
{
	static struct pair labels[] = {{"app", "db"}, {"b", "yes"}};
	static struct pair notes[] = {{"x/y", "a: b\n# c\n"}, {"z", " "}};
	struct transition history[] = {
		{1, STATE_NONE, WORD_REPLICA, true, FAILOVER_PLANNED,
		 OUTCOME_VERIFIED, 1700000000001, 1700000000002,
		 {1, 2, "a: b"}, "it\nbroke"}};
	struct spec spec = sample_spec();
	struct status status;
	const struct item *item;
	uint64_t ns = make_namespace("database");

	spec.labels = labels;
	spec.label_count = 2;
	spec.annotations = notes;
	spec.annotation_count = 2;
	spec.extensions = EXTENSION_CEPH | EXTENSION_PRESENT;
	spec.mirroring = MIRRORING_SNAPSHOT;
	status = sample_status(new_id());
	status.hold = "don't: touch #1";
	status.failure = "\x1b[31mred\nline";
	status.failed = true;
	status.holds_pvc = true;
	status.intent = (struct intent){ACT_PROMOTE, 1, 5, 1700000000999};
	status.last_serial = 5;
	status.history = history;
	status.history_count = 1;
	save("database", "production-db", &spec, &status, 0);
	again();
	item = only();
	ck_assert_str_eq(found.complaints, "");
	ck_assert_uint_eq(found.namespace_count, 1);
	ck_assert_uint_eq(found.namespaces[0], ns);
	ck_assert_str_eq(item->name, "database/production-db");
	ck_assert(spec_equal(item->spec, &spec));
	ck_assert_ptr_null(item->spec->written);
	ck_assert_uint_eq(item->status->id, status.id);
	ck_assert_str_eq(item->status->uid, status.uid);
	ck_assert_str_eq(item->status->hold, status.hold);
	ck_assert_str_eq(item->status->failure, status.failure);
	ck_assert(item->status->failed && item->status->holds_pvc);
	ck_assert(item->status->created == status.created);
	ck_assert_int_eq(item->status->intent.act, ACT_PROMOTE);
	ck_assert_uint_eq(item->status->intent.serial, 5);
	ck_assert_str_eq(item->status->history[0].note, "it\nbroke");
	ck_assert_str_eq(item->status->request.who.command, "bash");
	ck_assert_int_eq(item->status->request.outcome, OUTCOME_PENDING);
}
END_TEST

static void check_mode(const char *path, mode_t mode)
{
	struct stat st;

	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, mode);
}

START_TEST(modes_and_names)
{
	static const char *const files[] = {"lock", "uvrfs.yaml", "audit",
					    "replications/database/.namespace",
					    "replications/database/db.yaml"};
	size_t i;

	umask(0);
	make_replication("db");
	for (i = 0; i < sizeof files / sizeof *files; i++)
		check_mode(path_of(files[i]), 0600);
	check_mode(path_of("replications"), 0700);
	check_mode(file_of("database"), 0700);
	ck_assert_int_eq(count_entries(file_of("database")), 2);
	ck_assert_int_eq(count_entries(dir), 4);
}
END_TEST

START_TEST(versions_are_compared)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(new_id());

	make_namespace("database");
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 3),
			 -ECANCELED);
	save("database", "db", &spec, &status, 0);
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 0),
			 -ECANCELED);
	status.resource_version = 2;
	save("database", "db", &spec, &status, 1);
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 1),
			 -ECANCELED);
	ck_assert_ptr_nonnull(strstr(err.msg, "version 2, not 1"));
	again();
	ck_assert_uint_eq(only()->status->resource_version, 2);
	status.resource_version = 3;
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 1),
			 -ECANCELED);
	save("database", "db", &spec, &status, 2);
}
END_TEST

START_TEST(removes)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(1);

	make_replication("db");
	ck_assert_int_eq(store->ops->rmdir(store, "database", &err),
			 -ENOTEMPTY);
	ck_assert_ptr_nonnull(strstr(err.msg, "db.yaml"));
	ck_assert_int_eq(try_remove("db"), 0);
	ck_assert_int_eq(try_remove("db"),
			 -ENOENT);
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 1),
			 -ECANCELED);
	again();
	ck_assert_uint_eq(found.count, 0);
	ck_assert_uint_eq(found.namespace_count, 1);
	ck_assert_int_eq(store->ops->rmdir(store, "database", &err), 0);
	ck_assert_int_eq(store->ops->rmdir(store, "database", &err), -ENOENT);
	again();
	ck_assert_uint_eq(found.namespace_count, 0);
	ck_assert_int_eq(count_entries(path_of("replications")), 0);
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 0),
			 -ENOENT);
	make_namespace("database");
	ck_assert_int_eq(store->ops->mkdir(store, "database", 9, &err),
			 -EEXIST);
	ck_assert_int_eq(count_entries(path_of("replications")), 1);
}
END_TEST

START_TEST(file_removed_while_running)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(make_replication("db"));

	unlink(file_of("database/db.yaml"));
	status.resource_version = 2;
	save("database", "db", &spec, &status, 1);
	again();
	ck_assert_uint_eq(only()->status->resource_version, 2);
	unlink(file_of("database/db.yaml"));
	ck_assert_int_eq(try_remove("db"), 0);
}
END_TEST

/* The one replication, as somebody has written it: head, manifest, and @end. */
static void save_by_hand(const char *head, const char *end, struct buf *text)
{
	struct spec spec = sample_spec(), *parsed;
	struct status status = sample_status(new_id());

	make_namespace("database");
	buf_puts(text, head);
	manifest_render("database", "db", &spec, &status, text);
	buf_puts(text, end);
	parsed = manifest_parse(text->data, text->len, NULL, &err);
	ck_assert_msg(parsed != NULL, "%s", err.msg);
	save("database", "db", parsed, &status, 0);
	spec_unref(parsed);
}

/* What was written by hand is kept byte for byte, while it says the same. */
START_TEST(written_bytes)
{
	auto_buf text;

	buf_init(&text, 1 << 20);
	save_by_hand("# mine\n", "\n\n# end\t ", &text);
	again();
	ck_assert_uint_eq(only()->spec->written_len, text.len);
	ck_assert_mem_eq(only()->spec->written, text.data, text.len);
	edit(file_of("database/db.yaml"), "rpo: 15m", "rpo: 25m");
	again();
	ck_assert_ptr_null(only()->spec->written);
	ck_assert_str_eq(only()->spec->rpo, "25m");
}
END_TEST

/* It is not believed to be what it was when somebody has had a hand in it. */
START_TEST(written_bytes_that_were_edited)
{
	auto_buf text;

	buf_init(&text, 1 << 20);
	save_by_hand("# mine\n", "", &text);
	/* It says the same, by another way of looking. */
	edit(file_of("database/db.yaml"), "# mine", "# ours");
	again();
	ck_assert(strncmp(only()->spec->written, "# ours", 6) == 0);
	edit(file_of("database/db.yaml"), "# ours\n    apiVersion",
	     "# ours\n    apiversion");
	again();
	ck_assert_ptr_null(only()->spec->written);
}
END_TEST

/* The greatest manifest that may be written is read again. */
START_TEST(large_manifests)
{
	struct spec spec = sample_spec(), *parsed;
	struct status status = sample_status(new_id());
	auto_buf text;

	make_namespace("database");
	buf_init(&text, 1 << 20);
	manifest_render("database", "db", &spec, &status, &text);
	while (text.len < MANIFEST_MAX - 2)
		buf_puts(&text, text.len % 2 ? "\n" : "#");
	parsed = manifest_parse(text.data, text.len, NULL, &err);
	ck_assert_msg(parsed != NULL, "%s", err.msg);
	save("database", "db", parsed, &status, 0);
	again();
	ck_assert_uint_eq(only()->spec->written_len, text.len);
	spec_unref(parsed);
}
END_TEST

START_TEST(too_large_to_be_read_again)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(new_id());
	auto_free char *value = malloc(MANIFEST_MAX + 1);
	struct pair note = {"a", value};

	make_namespace("database");
	memset(value, 'x', MANIFEST_MAX);
	value[MANIFEST_MAX] = '\0';
	spec.annotations = &note;
	spec.annotation_count = 1;
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 0),
			 -EFBIG);
	ck_assert_int_eq(count_entries(file_of("database")), 1);
}
END_TEST

/* Nothing is written that the next start would set aside. */
START_TEST(what_could_not_be_read_again)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(make_replication("db"));
	uint64_t id = status.id;

	status.resource_version = 2;
	spec.rpo = "soon";
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 1),
			 -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "database/db can't be stored"));
	spec.rpo = "1m";
	status.id = 0;
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 1),
			 -EINVAL);
	status.id = id;
	ck_assert_int_eq(try_save("database", "../up", &spec, &status, 0),
			 -EINVAL);
	ck_assert_int_eq(count_entries(file_of("database")), 2);
	again();
	ck_assert_str_eq(only()->spec->rpo, "15m");
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 1), 0);
}
END_TEST

START_TEST(second_daemon)
{
	char pid[32];

	ck_assert_ptr_null(store_local_open(dir, "", &err));
	ck_assert_int_eq(err.code, EBUSY);
	snprintf(pid, sizeof pid, "process %d", (int)getpid());
	ck_assert_ptr_nonnull(strstr(err.msg, pid));
	ck_assert_ptr_nonnull(strstr(err.msg, dir));
	again();
}
END_TEST

/* What a file says reaches a terminal as one harmless line. */
START_TEST(a_site_of_several_lines)
{
	close_store();
	put_text(path_of("uvrfs.yaml"), "site: \"a\\n\\e[2J\"\nnextId: 4\n");
	ck_assert_ptr_null(store_local_open(dir, "", &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "'a\\x0a\\x1b[2J'"));
	put_text(path_of("uvrfs.yaml"), "site: ''\nnextId: 4\n");
	open_site("");
}
END_TEST

START_TEST(site_never_changes)
{
	close_store();
	ck_assert_ptr_null(store_local_open(dir, "dr", &err));
	ck_assert_int_eq(err.code, EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "'dr'"));
	open_site("");
}
END_TEST

START_TEST(damaged_uvrfs_yaml)
{
	static const char *const texts[] = {
		"", "{", "7\n", "site: ''\n", "nextId: 4\n",
		"site: ''\nnextId: x\n", "site: ''\nnextId: 0\n",
		"site: [a]\nnextId: 4\n",
		"site: ''\nnextId: 99999999999999999999\n",
	};
	size_t i;

	close_store();
	for (i = 0; i < sizeof texts / sizeof *texts; i++) {
		put_text(path_of("uvrfs.yaml"), texts[i]);
		ck_assert_msg(!store_local_open(dir, "", &err), "took: %s",
			      texts[i]);
		ck_assert_int_eq(err.code, EINVAL);
		ck_assert_ptr_nonnull(strstr(err.msg, "uvrfs.yaml"));
	}
	put_text(path_of("uvrfs.yaml"), "site: ''\nnextId: 1125899906842623\n");
	open_site("");
	ck_assert_uint_eq(store->ops->new_id(store, &err), 0);
	ck_assert_int_eq(err.code, EOVERFLOW);
}
END_TEST

START_TEST(makes_its_directories)
{
	char path[128];

	snprintf(path, sizeof path, "%s/a/b//c/", dir);
	close_store();
	store = store_local_open(path, "dr", &err);
	ck_assert_msg(store != NULL, "%s", err.msg);
	ck_assert(exists(path_of("a/b/c/uvrfs.yaml")));
	close_store();
	put_text(path_of("file"), "x");
	snprintf(path, sizeof path, "%s/file/x", dir);
	ck_assert_ptr_null(store_local_open(path, "", &err));
	ck_assert_int_eq(err.code, ENOTDIR);
	ck_assert_ptr_null(store_local_open("", "", &err));
	ck_assert_int_eq(err.code, EINVAL);
}
END_TEST

START_TEST(damaged_files_are_set_aside)
{
	static const struct {
		const char *name, *text, *why;
	} bad[] = {
		{"empty", "", "it is empty"},
		{"syntax", "a: [\n", "line"},
		{"invalid", "apiVersion: v1\nkind: Pod\n", ""},
		{"anchor", "a: &x 1\nb: *x\n", ""},
		{"binary", "\x01\x02\xff", ""},
		{"list", "- a\n", ""},
	};
	char path[300];
	size_t i;

	make_replication("good");
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(path, sizeof path, "database/%s.yaml", bad[i].name);
		put_text(file_of(path), bad[i].text);
	}
	put_text(file_of("database/empty.yaml.damaged"), "before");
	again();
	ck_assert_str_eq(only()->name, "database/good");
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(path, sizeof path, "database/%s.yaml", bad[i].name);
		ck_assert(!exists(file_of(path)));
		snprintf(path, sizeof path, "database/%s.yaml.damaged%s",
			 bad[i].name, i ? "" : "-1");
		ck_assert(exists(file_of(path)));
		ck_complained(path + strlen("database/"));
		ck_complained(bad[i].why);
	}
	again();
	ck_assert_str_eq(found.complaints, "");
	ck_assert_int_eq(try_remove("good"),
			 0);
	ck_assert_int_eq(store->ops->rmdir(store, "database", &err),
			 -ENOTEMPTY);
	ck_assert_ptr_nonnull(strstr(err.msg, ".damaged"));
	ck_assert(exists(file_of("database/.namespace")));
}
END_TEST

/* Any torn or changed file: no crash, and the others are there. */
START_TEST(random_damage)
{
	static char damaged[64];
	size_t len, at, i;
	auto_free char *whole = NULL, *text = NULL;
	unsigned seed = 7;

	make_replication("a");
	make_replication("b");
	make_replication("c");
	whole = get(file_of("database/b.yaml"), &len);
	text = malloc(len);
	for (i = 0; i < 250; i++) {
		seed = seed * 1103515245u + 12345u;
		at = (seed >> 8) % len;
		memcpy(text, whole, len);
		if (i % 2)
			text[at] = (char)(seed >> 24);
		put(file_of("database/b.yaml"), text, i % 2 ? len : at);
		again();
		ck_assert_msg(found.count == 2 || found.count == 3, "%s",
			      found.complaints);
		ck_assert_str_eq(found.items[0].name, "database/a");
		ck_assert_str_eq(found.items[found.count - 1].name,
				 "database/c");
		/* Of a torn one nothing is taken over, but for its newline. */
		if (i % 2 == 0 && at < len - 1) {
			ck_assert_uint_eq(found.count, 2);
			ck_complained("b.yaml.damaged");
		}
		snprintf(damaged, sizeof damaged, "database/b.yaml.damaged");
		unlink(file_of(damaged));
	}
}
END_TEST

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

START_TEST(put_there_by_hand)
{
	uint64_t id, ns;
	char uid[64];

	close_store();
	ck_assert_int_eq(mkdir(file_of("database"), 0755), 0);
	put_text(file_of("database/db.yaml"), dump);
	open_site("");
	load();
	id = only()->status->id;
	ns = found.namespaces[0];
	snprintf(uid, sizeof uid, "%s", only()->status->uid);
	ck_complained("db.yaml has no status of ours");
	ck_assert(id && ns && id != ns);
	ck_assert_str_ne(uid, "11111111-2222-3333-4444-555555555555");
	ck_assert_uint_eq(strlen(uid), 36);
	ck_assert_uint_eq(only()->status->request.id, 0);
	ck_assert_int_eq(only()->status->generation, 1);
	ck_assert(only()->status->created > 1700000000000);
	ck_assert_int_eq(only()->spec->state, STATE_SOURCE);
	/* It stays the one that it has become. */
	again();
	ck_assert_str_eq(found.complaints, "");
	ck_assert_uint_eq(only()->status->id, id);
	ck_assert_str_eq(only()->status->uid, uid);
	ck_assert_uint_eq(found.namespaces[0], ns);
}
END_TEST

START_TEST(edited_by_hand)
{
	const char *path = file_of("database/db.yaml");
	uint64_t id = make_replication("db");
	struct spec spec = sample_spec();
	struct status status = sample_status(id);

	edit(path, "rpo: 15m", "rpo: 30m");
	again();
	ck_complained("db.yaml was edited by hand: this is generation 2");
	ck_assert_str_eq(only()->spec->rpo, "30m");
	ck_assert_uint_eq(only()->status->id, id);
	ck_assert_int_eq(only()->status->generation, 2);
	ck_assert_uint_eq(only()->status->resource_version, 2);
	ck_assert_int_eq(only()->status->request.outcome, OUTCOME_PENDING);
	ck_assert(only()->status->updated > 1700000000123);
	again();
	ck_assert_str_eq(found.complaints, "");
	ck_assert_int_eq(only()->status->generation, 2);
	/* Comments and blanks alone are no edit. */
	edit(path, "spec:", "# a remark\n\nspec:");
	again();
	ck_assert_str_eq(found.complaints, "");
	status.resource_version = 3;
	save("database", "db", &spec, &status, 2);
}
END_TEST

START_TEST(state_edited_by_hand)
{
	const char *path = file_of("database/db.yaml");

	make_replication("db");
	edit(path, "replicationState: replica", "replicationState: source");
	again();
	ck_complained("to the state 'source', which was not taken over");
	ck_assert_int_eq(only()->spec->state, STATE_REPLICA);
	ck_assert_int_eq(only()->status->generation, 1);
	again();
	ck_assert_str_eq(found.complaints, "");
	ck_assert_int_eq(only()->spec->state, STATE_REPLICA);
	/* With another edit at once. */
	edit(path, "replicationState: replica", "replicationState: promoting");
	edit(path, "rpo: 15m", "rpo: 1m");
	again();
	ck_assert_int_eq(only()->spec->state, STATE_REPLICA);
	ck_assert_str_eq(only()->spec->rpo, "1m");
	ck_assert_int_eq(only()->status->generation, 2);
}
END_TEST

/* The status first, no head and no dots: an order that we don't write. */
START_TEST(rewritten_by_hand)
{
	const char *path = file_of("database/db.yaml");
	uint64_t id = make_replication("db");
	size_t len;
	auto_free char *text = get(path, &len);
	char *body = strstr(text, "apiVersion"), *status, *end;
	auto_buf out;

	status = strstr(text, "\nstatus:") + 1;
	end = strstr(status, "\n...") + 1;
	buf_init(&out, 1 << 20);
	buf_add(&out, status, (size_t)(end - status));
	buf_add(&out, body, (size_t)(status - body));
	put(path, out.data, out.len);
	again();
	ck_assert_str_eq(found.complaints, "");
	ck_assert_uint_eq(only()->status->id, id);
}
END_TEST

START_TEST(metadata_removed_by_hand)
{
	const char *path = file_of("database/db.yaml");
	uint64_t id = make_replication("db");

	edit(path, "uid: 0f9b7f5e-0000-4000-8000-000000000001", "");
	again();
	ck_assert_uint_eq(only()->status->id, id);
	ck_assert_uint_eq(strlen(only()->status->uid), 36);
	ck_assert_int_eq(only()->status->request.outcome, OUTCOME_PENDING);
}
END_TEST

/* cp a.yaml b.yaml: nothing that was asked of a is asked of the copy. */
START_TEST(copied_by_hand)
{
	size_t len;
	auto_free char *text = NULL;
	uint64_t id = make_replication("a");

	text = get(file_of("database/a.yaml"), &len);
	put(file_of("database/b.yaml"), text, len);
	again();
	ck_complained("metadata.name is 'a', so it should be named a.yaml");
	ck_assert_str_eq(only()->name, "database/a");
	put(file_of("database/b.yaml"), text, len);
	edit(file_of("database/b.yaml"), "name: a", "name: b");
	again();
	ck_complained("b.yaml has the id of another");
	ck_assert_uint_eq(found.count, 2);
	ck_assert_uint_eq(found.items[0].status->id, id);
	ck_assert(found.items[1].status->id > id);
	ck_assert_str_ne(found.items[1].status->uid,
			 found.items[0].status->uid);
	ck_assert_uint_eq(found.items[1].status->request.id, 0);
	ck_assert_str_eq(found.items[1].status->site, "dr");
	again();
	ck_assert_str_eq(found.complaints, "");
	make_namespace("other");
	put(file_of("other/a.yaml"), text, len);
	again();
	ck_complained("metadata.namespace is 'database', but it lies in other");
	ck_assert_uint_eq(found.count, 2);
}
END_TEST

START_TEST(namespace_copied_by_hand)
{
	char command[300];

	make_replication("a");
	snprintf(command, sizeof command, "cp -r %s %s", file_of("database"),
		 file_of("copy"));
	ck_assert_int_eq(system(command), 0);
	again();
	ck_assert_uint_eq(found.namespace_count, 2);
	ck_assert(found.namespaces[0] != found.namespaces[1]);
	/* The copy comes first by name; who was first can't be told. */
	ck_complained("has the id of another: it was given a new one");
	put_text(file_of("database/.namespace"), "id: none\n");
	again();
	ck_complained(".namespace holds no id");
	again();
	ck_assert_str_eq(found.complaints, "");
}
END_TEST

START_TEST(strange_entries)
{
	make_replication("a");
	put_text(file_of("database/.a.yaml.tmp"), "x");
	put_text(file_of("database/.a.yaml.swp"), "x");
	put_text(file_of("database/README"), "x");
	put_text(file_of("stray.yaml"), "x");
	put_text(file_of(".hidden"), "x");
	ck_assert_int_eq(mkdir(file_of("Bad_Name"), 0700), 0);
	ck_assert_int_eq(mkdir(file_of("database/dir.yaml"), 0700), 0);
	ck_assert_int_eq(mkfifo(file_of("database/fifo.yaml"), 0600), 0);
	ck_assert_int_eq(symlink("a.yaml", file_of("database/link.yaml")), 0);
	ck_assert_int_eq(mkdir(file_of(".gone.tmp"), 0700), 0);
	put_text(file_of(".gone.tmp/.namespace"), "id: 7\n");
	again();
	ck_assert_str_eq(only()->name, "database/a");
	ck_assert(!exists(file_of("database/.a.yaml.tmp")));
	ck_assert(exists(file_of("database/.a.yaml.swp")));
	ck_assert(!exists(file_of(".gone.tmp")));
	ck_complained("README is no NAME.yaml");
	ck_complained("Bad_Name can be no namespace");
	ck_complained("stray.yaml");
	ck_complained("dir.yaml");
	ck_complained("fifo.yaml");
	ck_complained("link.yaml");
	ck_assert(!complained("swp") && !complained("hidden"));
	ck_assert(exists(file_of("database/fifo.yaml")));
}
END_TEST

START_TEST(visitor_says_no)
{
	make_replication("a");
	close_store();
	open_site("");
	forget();
	found.answer = -ENOMEM;
	ck_assert_int_eq(store->ops->load(store, &found.visitor, &err),
			 -ENOMEM);
	ck_assert_int_eq(err.code, ENOMEM);
}
END_TEST

START_TEST(ids_are_never_used_twice)
{
	uint64_t last = 0, id, i;

	for (i = 0; i < 1500; i++) {
		id = new_id();
		ck_assert(id > last);
		last = id;
	}
	again();
	id = new_id();
	ck_assert(id > last);
	/* Also past what was reserved at once. */
	for (i = 0; i < 1100000; i++)
		last = store->ops->new_id(store, &err);
	ck_assert(last > id);
	again();
	ck_assert(new_id() > last);
}
END_TEST

START_TEST(ids_survive_kill)
{
	uint64_t last = 0, id;
	int fds[2], i, status;
	pid_t pid;

	close_store();
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(pipe(fds), 0);
		pid = fork();
		if (pid == 0) {
			store = store_local_open(dir, "", &err);
			for (;;) {
				id = store->ops->new_id(store, &err);
				if (write(fds[1], &id, sizeof id) < 0)
					_exit(1);
			}
		}
		close(fds[1]);
		for (int k = 0; k < 1 + i * 7; k++) {
			ck_assert_int_eq(read(fds[0], &id, sizeof id),
					 sizeof id);
			ck_assert_msg(id > last, "%" PRIu64 " again", id);
			last = id;
		}
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		while (read(fds[0], &id, sizeof id) == sizeof id)
			last = id;
		close(fds[0]);
	}
	open_site("");
	ck_assert(new_id() > last);
}
END_TEST

START_TEST(ids_of_files_push_on)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(50000000);

	make_namespace("database");
	save("database", "db", &spec, &status, 0);
	again();
	ck_assert(new_id() > 50000000);
	again();
	ck_assert_int_eq(try_remove("db"), 0);
	again();
	ck_assert(new_id() > 50000000);
	status.id = UINT64_C(1) << 55;
	save("database", "big", &spec, &status, 0);
	again();
	ck_assert(only()->status->id < UINT64_C(1) << 50);
}
END_TEST

/* Its loss must not bring back the ids of what was removed. */
START_TEST(lost_uvrfs_yaml)
{
	uint64_t id = make_replication("db");

	close_store();
	unlink(path_of("uvrfs.yaml"));
	open_site("");
	load();
	ck_assert_uint_eq(only()->status->id, id);
	ck_assert(new_id() > UINT64_C(1000000000000));
}
END_TEST

/* A save that fails at its @step-th call leaves the old one and no rest. */
static void save_fails(const char *name, uint64_t expected)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(77);
	int before = count_entries(file_of("database"));

	status.resource_version = expected + 1;
	status.hold = "new";
	ck_assert_int_eq(try_save("database", name, &spec, &status, expected),
			 -EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "replications/database/"));
	ck_assert_ptr_nonnull(strstr(err.msg, "Input/output error"));
	ck_assert_int_eq(count_entries(file_of("database")), before);
	fsync_fails_at = renameat2_fails_at = 0;
}

START_TEST(save_that_fails)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(make_replication("db"));
	int step;

	for (step = 1; step <= 2; step++) {
		fsync_fails_at = step;
		save_fails("db", 1);
		fsync_fails_at = step;
		save_fails("new", 0);
	}
	renameat2_fails_at = 1;
	save_fails("db", 1);
	renameat2_fails_at = 1;
	save_fails("new", 0);
	again();
	ck_assert_str_eq(only()->name, "database/db");
	ck_assert_ptr_null(only()->status->hold);
	ck_assert_uint_eq(only()->status->resource_version, 1);
	status.resource_version = 2;
	save("database", "db", &spec, &status, 1);
	save("database", "new", &spec, &status, 0);
}
END_TEST

START_TEST(remove_that_fails)
{
	int step;

	make_replication("db");
	for (step = 0; step <= 1; step++) {
		*(step ? &fsync_fails_at : &renameat2_fails_at) = 1;
		ck_assert_int_eq(try_remove("db"), -EIO);
		ck_assert(exists(file_of("database/db.yaml")));
		ck_assert_int_eq(count_entries(file_of("database")), 2);
	}
	ck_assert_int_eq(try_remove("db"), 0);
}
END_TEST

START_TEST(namespace_that_fails)
{
	int step;

	for (step = 1; step <= 3; step++) {
		fsync_fails_at = step;
		ck_assert_int_eq(store->ops->mkdir(store, "n", 5, &err), -EIO);
		ck_assert_int_eq(count_entries(path_of("replications")), 0);
	}
	make_namespace("n");
	fsync_fails_at = 1;
	ck_assert_int_eq(store->ops->rmdir(store, "n", &err), -EIO);
	ck_assert(exists(file_of("n/.namespace")));
	ck_assert_int_eq(count_entries(path_of("replications")), 1);
	ck_assert_int_eq(store->ops->rmdir(store, "n", &err), 0);
}
END_TEST

START_TEST(open_that_fails)
{
	int step;

	close_store();
	unlink(path_of("uvrfs.yaml"));
	rmdir(path_of("replications"));
	for (step = 1; step <= 3; step++) {
		fsync_fails_at = step;
		ck_assert_ptr_null(store_local_open(dir, "", &err));
		ck_assert_int_eq(err.code, EIO);
		rmdir(path_of("replications"));
		if (step < 3)
			ck_assert(!exists(path_of("uvrfs.yaml")));
	}
	fsync_fails_at = 0;
	open_site("");
	fsync_fails_at = 1;
	ck_assert_uint_eq(store->ops->new_id(store, &err), 0);
	ck_assert_int_eq(err.code, EIO);
	new_id();
}
END_TEST

/* File systems that know no flags of rename. */
START_TEST(plain_rename)
{
	struct spec spec = sample_spec();
	struct status status;

	renameat2_errno = EINVAL;
	renameat2_fails_on = true;
	renameat2_fails_at = 1;
	status = sample_status(make_replication("db"));
	status.resource_version = 2;
	save("database", "db", &spec, &status, 1);
	put_text(file_of("database/x.yaml"), "not known");
	ck_assert_int_eq(try_save("database", "x", &spec, &status, 0),
			 -EEXIST);
	/* What can't be undone is not made worse. */
	fsync_fails_at = 2;
	status.resource_version = 3;
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 2),
			 -EUCLEAN);
	unlink(file_of("database/x.yaml"));
	again();
	ck_assert(only()->status->resource_version >= 2);
	fsync_fails_at = 1;
	ck_assert_int_eq(try_remove("db"),
			 -EIO);
	ck_assert(exists(file_of("database/db.yaml")));
	ck_assert_int_eq(try_remove("db"), 0);
	ck_assert_int_eq(store->ops->rmdir(store, "database", &err), 0);
}
END_TEST

/* A mend that can't be written is made again at the next start. */
START_TEST(mend_that_fails)
{
	make_replication("db");
	edit(file_of("database/db.yaml"), "rpo: 15m", "rpo: 30m");
	close_store();
	open_site("");
	fsync_fails_at = 1;
	load();
	ck_complained("Input/output error");
	ck_assert_int_eq(only()->status->generation, 2);
	again();
	ck_assert_int_eq(only()->status->generation, 2);
	again();
	ck_assert_str_eq(found.complaints, "");
	put_text(file_of("database/bad.yaml"), "bad");
	close_store();
	open_site("");
	renameat2_fails_at = 1;
	load();
	ck_complained("could not be set aside");
	ck_assert(exists(file_of("database/bad.yaml")));
}
END_TEST

START_TEST(audit_lines)
{
	auto_free char *text = NULL;
	char line[1001];
	size_t len;
	int i;

	ck_assert_int_eq(store->ops->audit(store, "first", &err), 0);
	ck_assert_int_eq(store->ops->audit(store, "second", &err), 0);
	put_text(path_of("audit"), "first\ntorn");
	again();
	ck_assert_uint_eq(found.lines, 2);
	ck_assert_str_eq(found.last_line, "torn (torn)");
	store->ops->audit(store, "third", &err);
	again();
	ck_assert_uint_eq(found.lines, 3);
	ck_assert_str_eq(found.last_line, "third");
	memset(line, 'x', 1000);
	line[1000] = '\0';
	for (i = 0; i < 8400; i++)
		ck_assert_int_eq(store->ops->audit(store, line, &err), 0);
	ck_assert(exists(path_of("audit.1")));
	free(text);
	text = get(path_of("audit"), &len);
	ck_assert(len < 1100 * 1024 && len % (1001 + 72) == 0);
	store->ops->audit(store, "end", &err);
	again();
	ck_assert_str_eq(found.last_line, "end");
	ck_assert(found.lines > 960 && found.lines < 990);
	for (i = 0; i < 8400; i++)
		ck_assert_int_eq(store->ops->audit(store, line, &err), 0);
	ck_assert_int_eq(count_entries(dir), 5);
}
END_TEST

/*
 * Runs @body in a process of its own; 77 from it says that the kernel permits
 * no such thing here.
 */
static void in_child(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		unshare(CLONE_NEWNS);
		mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL);
		_exit(body());
	}
	waitpid(pid, &status, 0);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		fprintf(stderr, "skipped: not permitted here\n");
	else
		ck_assert_msg(WEXITSTATUS(status) == 0, "check %d failed",
			      WEXITSTATUS(status));
}

/* In a child a failed check can only be a number. */
#define CHECK(what) do { if (!(what)) return __COUNTER__ + 1; } while (0)

static int full_disk(void)
{
	struct spec spec = sample_spec();
	struct status status;
	int i, rc = 0;

	if (mount("tmpfs", dir, "tmpfs", 0, "size=256k") < 0)
		return 77;
	open_site("");
	make_replication("db");
	status = sample_status(2);
	status.resource_version = 2;
	for (i = 0; i < 200 && rc == 0; i++) {
		char name[16];

		snprintf(name, sizeof name, "fill%d", i);
		status.id = 1000 + (uint64_t)i;
		rc = try_save("database", name, &spec, &status, 0);
	}
	CHECK(rc == -ENOSPC);
	CHECK(strstr(err.msg, "No space left on device"));
	CHECK(count_entries(file_of("database")) == i + 1);
	CHECK(try_save("database", "db", &spec, &status, 1) == -ENOSPC);
	CHECK(count_entries(file_of("database")) == i + 1);
	CHECK(store->ops->mkdir(store, "n", 9, &err) == -ENOSPC);
	CHECK(count_entries(path_of("replications")) == 1);
	again();
	CHECK(found.count == (size_t)i);
	CHECK(!*found.complaints);
	CHECK(found.items[0].status->resource_version == 1);
	/* One without an id can't be given one now: it is left out. */
	close_store();
	put_text(file_of("database/db.yaml"), dump);
	open_site("");
	load();
	CHECK(found.count == (size_t)i - 1);
	CHECK(complained("uvrfs.yaml: No space left on device"));
	CHECK(complained("it is left out"));
	CHECK(try_remove("fill1") == 0);
	CHECK(try_remove("fill2") == 0);
	again();
	CHECK(found.count == (size_t)i - 2);
	status.id = 1;
	/* Room again: all is well. */
	CHECK(try_remove("fill0") == 0);
	CHECK(try_save("database", "db", &spec, &status, 1) == 0);
	/* The audit writes whole lines or none. */
	for (rc = 0, i = 0; i < 100 && rc == 0; i++) {
		char line[3001];

		memset(line, 'x', 3000);
		line[3000] = '\0';
		rc = store->ops->audit(store, line, &err);
	}
	CHECK(rc == -ENOSPC);
	again();
	CHECK(strlen(found.last_line) == sizeof found.last_line - 1);
	CHECK(found.lines == (size_t)i - 1);
	return 0;
}

START_TEST(no_space)
{
	close_store();
	in_child(full_disk);
}
END_TEST

/* The whole of tmpfs turns read-only under a running store, and back. */
static int freeze(unsigned long flag)
{
	return mount("none", dir, "none", MS_REMOUNT | flag, NULL);
}

static int frozen_disk(void)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(9);

	status.resource_version = 2;
	if (mount("tmpfs", dir, "tmpfs", 0, NULL) < 0)
		return 77;
	open_site("");
	make_replication("db");
	close_store();
	CHECK(freeze(MS_RDONLY) == 0);
	CHECK(!store_local_open(dir, "", &err));
	CHECK(err.code == EROFS);
	CHECK(strstr(err.msg, "Read-only file system"));
	CHECK(freeze(0) == 0);
	put_text(file_of("database/bad.yaml"), "bad");
	open_site("");
	/* What is open for writing would keep it from turning. */
	CHECK(mount(file_of("database"), file_of("database"), "none", MS_BIND,
		    NULL) == 0);
	CHECK(mount("none", file_of("database"), "none",
		    MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
	load();
	CHECK(found.count == 1);
	CHECK(complained("could not be set aside"));
	CHECK(exists(file_of("database/bad.yaml")));
	CHECK(try_save("database", "db", &spec, &status, 1) == -EROFS);
	CHECK(try_save("database", "x", &spec, &status, 0) == -EROFS);
	CHECK(try_remove("db") == -EROFS);
	return 0;
}

START_TEST(read_only)
{
	close_store();
	in_child(frozen_disk);
}
END_TEST

/* A file that can't be read is left alone, also by a later save. */
static int unreadable_file(void)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(99);
	char command[300];

	open_site("");
	make_replication("a");
	make_replication("b");
	make_namespace("other");
	close_store();
	snprintf(command, sizeof command,
		 "chown -R 65534 %s && chown 0 %s && chown 0 %s", dir,
		 file_of("database/b.yaml"), file_of("other"));
	if (geteuid() != 0 || system(command) != 0)
		return 77;
	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 77;
	open_site("");
	load();
	CHECK(found.count == 1);
	CHECK(found.namespace_count == 1);
	CHECK(complained("b.yaml: Permission denied"));
	CHECK(complained("replications/other"));
	CHECK(exists(file_of("database/b.yaml")));
	CHECK(try_save("database", "b", &spec, &status, 0) == -EEXIST);
	CHECK(store->ops->mkdir(store, "other", 5, &err) == -EEXIST);
	return 0;
}

START_TEST(unreadable)
{
	close_store();
	in_child(unreadable_file);
}
END_TEST

/* Killed at any moment, each file is the old one or the new one. */
START_TEST(survives_kill)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(make_replication("db"));
	uint64_t seen = 1, known = 1;
	int fds[2], i, wstatus;
	pid_t pid;

	close_store();
	for (i = 0; i < 40; i++) {
		ck_assert_int_eq(pipe(fds), 0);
		pid = fork();
		if (pid == 0) {
			open_site("");
			load();
			status.resource_version = known;
			for (;;) {
				status.resource_version++;
				if (try_save("database", "db", &spec, &status,
					     status.resource_version - 1) < 0)
					_exit(1);
				if (write(fds[1], &status.resource_version,
					  8) != 8)
					_exit(1);
			}
		}
		close(fds[1]);
		for (int k = 0; k < i % 5 + 1; k++)
			if (read(fds[0], &seen, 8) != 8)
				break;
		usleep((useconds_t)(i * 37 % 900));
		kill(pid, SIGKILL);
		waitpid(pid, &wstatus, 0);
		ck_assert(WIFSIGNALED(wstatus));
		while (read(fds[0], &seen, 8) == 8)
			;
		close(fds[0]);
		open_site("");
		load();
		ck_assert_str_eq(found.complaints, "");
		known = only()->status->resource_version;
		ck_assert(known == seen || known == seen + 1);
		ck_assert_int_eq(count_entries(file_of("database")), 2);
		close_store();
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		round_trip, modes_and_names, versions_are_compared,
		removes, file_removed_while_running, written_bytes,
		written_bytes_that_were_edited, large_manifests,
		too_large_to_be_read_again, what_could_not_be_read_again,
		second_daemon, site_never_changes, a_site_of_several_lines,
		damaged_uvrfs_yaml, makes_its_directories, damaged_files_are_set_aside,
		random_damage, put_there_by_hand, edited_by_hand, state_edited_by_hand,
		rewritten_by_hand, metadata_removed_by_hand, copied_by_hand,
		namespace_copied_by_hand, strange_entries, visitor_says_no,
		ids_are_never_used_twice, ids_survive_kill, ids_of_files_push_on,
		lost_uvrfs_yaml, save_that_fails, remove_that_fails,
		namespace_that_fails, open_that_fails, plain_rename, mend_that_fails,
		audit_lines, no_space, read_only, unreadable, survives_kill,
	};
	Suite *suite = suite_create("store_local");
	TCase *tc = tcase_create("all");
	size_t i;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	for (i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
