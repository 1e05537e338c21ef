/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: every key, every fault, the defaults. */
#include "config.h"
#include "rbd.h"
#include "suite.h"
#include "trust.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int parse(const char *text, struct config *c, struct error *err)
{
	*err = (struct error){0};
	return config_parse(text, strlen(text), c, err);
}

static void accept(const char *text, struct config *c)
{
	struct error err;

	ck_assert_msg(parse(text, c, &err) == 0, "refused: %s", err.msg);
}

START_TEST(says_nothing)
{
	static const char *const texts[] = {
		"", "\n \n", "# only\n  # comments", "#", "\t\n#x\n",
	};
	struct config c;
	size_t i;

	for (i = 0; i < sizeof texts / sizeof *texts; i++) {
		accept(texts[i], &c);
		ck_assert_str_eq(c.site, "");
		ck_assert_ptr_null(c.store_path);
		ck_assert_uint_eq(c.backend_count, 1);
		ck_assert_str_eq(c.backends[0].name, "sim");
		ck_assert_str_eq(c.backends[0].type, "sim");
		ck_assert_ptr_null(c.backends[0].path);
		ck_assert_uint_eq(c.select_count, 1);
		ck_assert_str_eq(c.select[0].storage_class, "*");
		ck_assert_str_eq(c.select[0].backend, "sim");
		ck_assert_uint_eq(c.access_count, 0);
		ck_assert(!c.unreachable_needs_force);
		ck_assert_int_eq(c.timeouts.act, 30000);
		ck_assert_int_eq(c.timeouts.retry_first, 1000);
		ck_assert_int_eq(c.timeouts.retry_max, 300000);
		ck_assert_int_eq(c.timeouts.min_deadline, 900000);
		config_finish(&c);
	}
}
END_TEST

static const char everything[] =
	"site: dr-cluster\n"
	"store:\n"
	"  local: {path: /srv/uvrfs}\n"
	"clusters:\n"
	"  dr-cluster: {kubeconfig: /etc/uvrfs/dr.kubeconfig}\n"
	"  prod-cluster: {kubeconfig: /etc/uvrfs/prod, context: admin}\n"
	"  ceph-a: {ceph: {conf: /etc/ceph/a.conf, user: uvrfs,\n"
	"                  keyring: /etc/ceph/a.keyring}}\n"
	"  ceph-b: {ceph: {conf: /etc/ceph/b.conf}}\n"
	"backends:\n"
	"  lab: {type: sim}\n"
	"  attic: {type: sim, path: /srv/attic}\n"
	"select:\n"
	"  - {storageClass: \"ceph-*\", backend: lab}\n"
	"  - {storageClass: \"*\", backend: attic}\n"
	"failover: {peerUnreachable: force}\n"
	"access:\n"
	"  - {namespace: database, owner: root, group: \"0\",\n"
	"     directoryMode: \"0750\", fileMode: 0640}\n"
	"  - {owner: 1234, group: 5678}\n"
	"timeouts: {act: 250ms, retryFirst: 2s, retryMax: 1m, minDeadline: 1h}\n";

START_TEST(every_key)
{
	struct config c;

	accept(everything, &c);
	ck_assert_str_eq(c.site, "dr-cluster");
	ck_assert_str_eq(c.store_path, "/srv/uvrfs");
	ck_assert_uint_eq(c.cluster_count, 4);
	ck_assert_str_eq(c.clusters[0].kubeconfig, "/etc/uvrfs/dr.kubeconfig");
	ck_assert_ptr_null(c.clusters[0].ceph_conf);
	ck_assert_ptr_null(c.clusters[0].context);
	ck_assert_str_eq(c.clusters[1].name, "prod-cluster");
	ck_assert_str_eq(c.clusters[1].context, "admin");
	ck_assert_str_eq(c.clusters[2].ceph_conf, "/etc/ceph/a.conf");
	ck_assert_str_eq(c.clusters[2].ceph_user, "uvrfs");
	ck_assert_str_eq(c.clusters[2].ceph_keyring, "/etc/ceph/a.keyring");
	ck_assert_str_eq(c.clusters[3].ceph_conf, "/etc/ceph/b.conf");
	ck_assert_ptr_null(c.clusters[3].ceph_user);
	ck_assert_ptr_null(c.clusters[3].ceph_keyring);
	ck_assert_uint_eq(c.backend_count, 2);
	ck_assert_str_eq(c.backends[1].name, "attic");
	ck_assert_str_eq(c.backends[1].path, "/srv/attic");
	ck_assert_uint_eq(c.select_count, 2);
	ck_assert_str_eq(c.select[0].storage_class, "ceph-*");
	ck_assert_str_eq(c.select[1].backend, "attic");
	ck_assert(c.unreachable_needs_force);
	ck_assert_int_eq(c.timeouts.act, 250);
	ck_assert_int_eq(c.timeouts.retry_first, 2000);
	ck_assert_int_eq(c.timeouts.retry_max, 60000);
	ck_assert_int_eq(c.timeouts.min_deadline, 3600000);
	config_finish(&c);
}
END_TEST

/* Whether librbd was there decides what is said, at --check-config already. */
START_TEST(ceph_rbd)
{
	static const char text[] = "backends: {a: {type: ceph-rbd}}\n";
	struct config c;
	struct error err;

	if (!rbd_is_built()) {
		ck_assert_int_eq(parse(text, &c, &err), -EINVAL);
		ck_assert_ptr_nonnull(strstr(err.msg, "built without librbd"));
		return;
	}
	accept(text, &c);
	ck_assert_str_eq(c.backends[0].type, "ceph-rbd");
	config_finish(&c);
}
END_TEST

START_TEST(access_rules)
{
	struct config c;

	accept(everything, &c);
	ck_assert_uint_eq(c.access_count, 2);
	ck_assert_str_eq(c.access[0].namespace, "database");
	ck_assert_uint_eq(c.access[0].owner, 0);
	ck_assert_uint_eq(c.access[0].group, 0);
	ck_assert_uint_eq(c.access[0].directory_mode, 0750);
	ck_assert_uint_eq(c.access[0].file_mode, 0640);
	ck_assert_str_eq(c.access[1].namespace, "");
	ck_assert_uint_eq(c.access[1].owner, 1234);
	ck_assert_uint_eq(c.access[1].group, 5678);
	ck_assert_uint_eq(c.access[1].directory_mode, 0755);
	ck_assert_uint_eq(c.access[1].file_mode, 0644);
	config_finish(&c);
}
END_TEST

/* What is written, and a piece of the sentence that it gets. */
static const struct {
	const char *text;
	const char *sentence;
} faults[] = {
	{"sight: x\n", "sight (line 1): unknown key; known here: site, store"},
	{"site: a\nsite: b\n", "line 2"},
	{"site: 1\n", "site (line 1): must be a string, not"},
	{"site:\n", "site (line 1): must be a string, not"},
	{"- site\n", "must be a mapping"},
	{"site: [a\n", "line "},
	{"site: &x a\n", "site (line 1)"},
	{"site: a\n---\nsite: b\n", "document"},
	{"store: {local: {path: var/lib}}\n",
	 "store.local.path (line 1): 'var/lib' is not an absolute path"},
	{"store: {local: {path: \"\"}}\n", "must not be empty"},
	{"store: {local: {}}\n", "store.local (line 1): path is missing"},
	{"store:\n  kubernetes: {cluster: a}\n",
	 "store.kubernetes (line 2): there is no cluster 'a'"},
	{"store: {kubernetes: {}}\n",
	 "store.kubernetes (line 1): cluster is missing"},
	{"store: {kubernetes: {cluster: a}}\nclusters: {a: {}}\n",
	 "cluster 'a' must have either kubeconfig or inCluster: true"},
	{"store: {kubernetes: {cluster: a}}\n"
	 "clusters: {a: {kubeconfig: /k, inCluster: true}}\n",
	 "cluster 'a' must have either kubeconfig or inCluster: true"},
	{"store: {kubernetes: {cluster: a, leaseDuration: 1500ms}}\n"
	 "clusters: {a: {kubeconfig: /k}}\n",
	 "leaseDuration is whole seconds, 3s at least"},
	{"store: {kubernetes: {cluster: a}, local: {path: /x}}\n"
	 "clusters: {a: {kubeconfig: /k}}\n",
	 "there is one store: local or kubernetes"},
	{"store: {kubernetes: {cluster: a, lead: \"yes\"}}\n",
	 "store.kubernetes.lead (line 1): must be true or false, not a string"},
	{"store: {kubernetes: {cluster: a, lease: UP}}\n",
	 "store.kubernetes.lease (line 1): 'UP' is no name of 1 to 63"},
	{"clusters: {a: {kubeconfig: ./a}}\n",
	 "clusters.a.kubeconfig (line 1): './a' is not an absolute path"},
	{"clusters: {a: {token: x}}\n", "clusters.a.token (line 1): unknown"},
	{"clusters: {a: {ceph: {user: x}}}\n",
	 "clusters.a.ceph (line 1): conf is missing"},
	{"clusters: {a: {ceph: {conf: ceph.conf}}}\n",
	 "clusters.a.ceph.conf (line 1): 'ceph.conf' is not an absolute path"},
	{"clusters: {a: {ceph: {conf: /c, keyring: k}}}\n",
	 "clusters.a.ceph.keyring (line 1): 'k' is not an absolute path"},
	{"clusters: {a: {ceph: {conf: /c, key: k}}}\n",
	 "clusters.a.ceph.key (line 1): unknown"},
	{"clusters: [a]\n", "clusters (line 1): must be a mapping, not"},
	{"backends: {a: {type: ontap}}\n",
	 "backend type 'ontap' is not built into this uvrfs"},
	{"backends: {a: {type: \"a\\nb\"}}\n", "backend type 'a\\x0ab' is not"},
	{"backends: {\"a\\nb\": {type: sim}, b: {type: sim}}\n",
	 "other than that of 'a\\x0ab'"},
	{"*backends:\n  a: {type: sim}\n  b: {type: sim}\n",
	 "backends (line 1): aliases are not allowed"},
	{"*select:\n  - {storageClass: a, backend: x}\n"
	 "  - {storageClass: b, backend: y}\n",
	 "select (line 1): aliases are not allowed"},
	{"backends: {a: {}}\n", "backends.a (line 1): type is missing"},
	{"backends: {a: sim}\n", "backends.a (line 1): must be a mapping"},
	{"backends: {a: {type: trident}}\n",
	 "backends.a (line 1): no cluster has a kubeconfig"},
	{"backends: {A/b: {type: sim}}\n", "a backend's name is"},
	{"backends:\n  a: {type: sim}\n  b: {type: sim}\n",
	 "backends.b (line 3): needs a path other than that of 'a'"},
	{"select: {storageClass: a, backend: b}\nbackends: {a: {type: sim}}\n",
	 "select (line 1): must be a list"},
	{"select: [{backend: sim}]\n",
	 "select[0] (line 1): storageClass is missing"},
	{"select:\n- {storageClass: a, backend: sim}\n"
	 "- {storageClass: a, backend: \"ab\\tc\"}\n",
	 "select[1].backend (line 3): there is no backend 'ab\\x09c'"},
	{"failover: {peerUnreachable: maybe}\n",
	 "failover.peerUnreachable (line 1): 'maybe' is neither allow nor"},
	{"failover: {peerUnreachable: {a: b}}\n", "must be a string, not"},
	{"access: [{namespace: A_b}]\n", "'A_b' is no name of 1 to 63 of a-z, 0-9 and -"},
	{"access: [{owner: no-such-user-here}]\n",
	 "access[0].owner (line 1): 'no-such-user-here' is no user"},
	{"access: [{group: no-such-group-here}]\n", "is no group"},
	{"access: [{owner: 4294967295}]\n", "is no user"},
	{"access: [{owner: [a]}]\n", "must be one value, not"},
	{"access: [{directoryMode: 0788}]\n", "is not an octal mode"},
	{"access: [{fileMode: \"10000\"}]\n", "is not an octal mode"},
	{"timeouts: {act: 30}\n", "timeouts.act (line 1): '30' is not a dur"},
	{"timeouts: {act: 0s}\n", "'0s' is not a duration"},
	{"timeouts: {act: ms}\n", "'ms' is not a duration"},
	{"timeouts: {act: 1.5ms}\n", "'1.5ms' is not a duration"},
	{"timeouts: {act: 99999999999999ms}\n", "is not a duration"},
	{"timeouts: {minDeadline: 30d}\n", "'30d' is more than 24 days"},
	{"timeouts:\n  retryFirst: 10m\n",
	 "timeouts (line 1): retryFirst is longer than retryMax"},
	{"timeouts: 30s\n", "timeouts (line 1): must be a mapping"},
};

START_TEST(one_fault)
{
	struct config c;
	struct error err;

	ck_assert_int_eq(parse(faults[_i].text, &c, &err), -EINVAL);
	ck_assert_msg(strstr(err.msg, faults[_i].sentence), "got: %s",
		      err.msg);
	/* One fault is named once, and nothing is blamed on it. */
	ck_assert_msg(!strstr(err.msg, "; timeouts"), "got: %s", err.msg);
}
END_TEST

START_TEST(all_faults_at_once)
{
	struct config c;
	struct error err;

	ck_assert_int_eq(parse("sight: x\n"
			       "store: {local: {path: a}}\n"
			       "select: [{storageClass: b, backend: c}]\n"
			       "site: 7\n",
			       &c, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "sight (line 1)"));
	ck_assert_ptr_nonnull(strstr(err.msg, "; store.local.path (line 2)"));
	ck_assert_ptr_nonnull(strstr(err.msg, "; site (line 4)"));
	ck_assert_ptr_nonnull(strstr(err.msg, "; select[0].backend (line 3)"));
}
END_TEST

START_TEST(empty_collections)
{
	struct config c;

	accept("backends: {}\nselect: []\naccess: []\nclusters: {}\n"
	       "site: \"\"\n", &c);
	ck_assert_uint_eq(c.backend_count, 1);
	ck_assert_uint_eq(c.select_count, 1);
	ck_assert_str_eq(c.site, "");
	config_finish(&c);
	/* Who has backends says which storage classes are theirs. */
	accept("backends: {lab: {type: sim}}\n", &c);
	ck_assert_uint_eq(c.select_count, 0);
	config_finish(&c);
	accept("select: [{storageClass: a, backend: sim}]\n", &c);
	ck_assert_uint_eq(c.select_count, 1);
	ck_assert_str_eq(c.select[0].storage_class, "a");
	config_finish(&c);
}
END_TEST

/* A file with @text; its name is written to @path. */
static void write_file(char *path, const char *text, size_t len)
{
	int fd;

	strcpy(path, "/tmp/test-config-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
	close(fd);
}

START_TEST(load_from_files)
{
	char path[64];
	struct config c;
	struct error err;

	write_file(path, "site: a\n", 8);
	ck_assert_int_eq(config_load(path, false, &c, &err), 0);
	ck_assert_str_eq(c.site, "a");
	config_finish(&c);
	unlink(path);

	ck_assert_int_eq(config_load(path, true, &c, &err), 0);
	config_finish(&c);
	ck_assert_int_eq(config_load(path, false, &c, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "can't open /tmp/test-config"));
	ck_assert_int_eq(config_load("/tmp", true, &c, &err), -EISDIR);

	write_file(path, "sight: a\n", 9);
	ck_assert_int_eq(config_load(path, true, &c, &err), -EINVAL);
	ck_assert_int_eq(strncmp(err.msg, path, strlen(path)), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, ": sight (line 1)"));
	unlink(path);
}
END_TEST

/* What we are told to do leaves us able to read it. */
START_TEST(a_secret_of_root_for_a_user)
{
	char path[64];
	struct error err;

	if (geteuid() != 0)
		return;
	write_file(path, "secret\n", 7);
	chmod(path, 0644);
	ck_assert_int_eq(trust_file(path, true, &err), -EACCES);
	ck_assert_ptr_nonnull(strstr(err.msg, ": chmod 0600 it"));
	ck_assert_int_eq(setegid(4712), 0);
	ck_assert_int_eq(seteuid(4711), 0);
	ck_assert_int_eq(trust_file(path, true, &err), -EACCES);
	ck_assert_ptr_nonnull(strstr(err.msg, ": chgrp it to our group, 4712, "
					      "and chmod 0640 it"));
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(setegid(0), 0);
	chmod(path, 0640);
	ck_assert_int_eq(trust_file(path, true, &err), 0);
	unlink(path);
}
END_TEST

/* It says who may write, and which programs and servers are believed. */
START_TEST(a_file_that_others_could_change)
{
	char path[64];
	struct config c;
	struct error err;

	write_file(path, "site: a\n", 8);
	chmod(path, 0644);
	ck_assert_int_eq(config_load(path, false, &c, &err), 0);
	config_finish(&c);
	/* No configuration at all. */
	ck_assert_int_eq(config_load("/dev/null", false, &c, &err), 0);
	config_finish(&c);
	chmod(path, 0664);
	ck_assert_int_eq(config_load(path, false, &c, &err), -EACCES);
	ck_assert_ptr_nonnull(strstr(err.msg, "chmod go-w"));
	chmod(path, 0602);
	ck_assert_int_eq(config_load(path, false, &c, &err), -EACCES);
	chmod(path, 0600);
	if (geteuid() == 0 && chown(path, 4711, 0) == 0) {
		ck_assert_int_eq(config_load(path, false, &c, &err), -EACCES);
		ck_assert_ptr_nonnull(strstr(err.msg, "uid 4711"));
	}
	unlink(path);
}
END_TEST

START_TEST(too_long_a_file)
{
	char path[64], *text = malloc(CONFIG_MAX + 1);
	struct config c;
	struct error err;

	memset(text, '#', CONFIG_MAX + 1);
	write_file(path, text, CONFIG_MAX + 1);
	ck_assert_int_eq(config_load(path, false, &c, &err), -EFBIG);
	free(text);
	unlink(path);
}
END_TEST

START_TEST(what_needs_a_restart)
{
	static const struct {
		const char *text;
		const char *fixed;
	} rows[] = {
		{"site: a\nselect: [{storageClass: x, backend: sim}]\n", ""},
		{"select:\n- storageClass: \"x\"\n  backend: sim\nsite: a\n",
		 ""},
		{"site: b\nselect: [{storageClass: x, backend: sim}]\n",
		 "site"},
		{"site: a\n", "select"},
		{"site: a\nselect: [{storageClass: z, backend: sim}]\n"
		 "access: [{owner: 0}]\n", "select, access"},
		{"site: a\nselect: [{storageClass: x, backend: sim}]\n"
		 "timeouts: {act: 1s}\nfailover: {peerUnreachable: force}\n",
		 ""},
		{"", "site, select"},
	};
	struct config before, now;
	auto_buf out;
	size_t i;

	buf_init(&out, 256);
	accept(rows[0].text, &before);
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		accept(rows[i].text, &now);
		buf_reset(&out);
		config_list_fixed_changes(&before, &now, &out);
		ck_assert_str_eq(buf_str(&out), rows[i].fixed);
		config_finish(&now);
	}
	config_finish(&before);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *t = tcase_create("config");

	tcase_add_test(t, says_nothing);
	tcase_add_test(t, every_key);
	tcase_add_test(t, ceph_rbd);
	tcase_add_test(t, access_rules);
	tcase_add_loop_test(t, one_fault, 0, sizeof faults / sizeof *faults);
	tcase_add_test(t, all_faults_at_once);
	tcase_add_test(t, empty_collections);
	tcase_add_test(t, load_from_files);
	tcase_add_test(t, a_secret_of_root_for_a_user);
	tcase_add_test(t, a_file_that_others_could_change);
	tcase_add_test(t, too_long_a_file);
	tcase_add_test(t, what_needs_a_restart);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
