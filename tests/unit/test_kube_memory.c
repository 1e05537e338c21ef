/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation on the way to a credential fails once: ENOMEM comes back and
 * nothing leaks.  Skipped where the allocator can't be replaced.
 */
#include "kube_credential.h"
#include "kube_exec.h"
#include "kube_files.h"
#include "memory_fails.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#ifdef CAN_FAIL
static const char config[] =
	"current-context: c\n"
	"contexts:\n"
	"- {name: c, context: {cluster: k, user: u, namespace: n}}\n"
	"clusters:\n"
	"- name: k\n"
	"  cluster: {server: 'https://k', certificate-authority: ca.crt,\n"
	"            tls-server-name: t, proxy-url: 'http://p'}\n"
	"users:\n"
	"- name: u\n"
	"  user:\n"
	"    client-certificate-data: Y2VydA==\n"
	"    client-key-data: a2V5\n"
	"    exec:\n"
	"      apiVersion: client.authentication.k8s.io/v1\n"
	"      command: ./plugin\n"
	"      interactiveMode: Never\n"
	"      provideClusterInfo: true\n"
	"      installHint: get it\n"
	"      args: [a, b]\n"
	"      env: [{name: A, value: b}]\n"
	"- name: t\n"
	"  user: {tokenFile: token}\n";

static const char answer[] =
	"#!/bin/sh\n"
	"echo '{\"apiVersion\": \"client.authentication.k8s.io/v1\",'\n"
	"echo '\"kind\": \"ExecCredential\", \"status\": {\"token\": \"t\",'\n"
	"echo '\"expirationTimestamp\": \"2126-01-31T12:00:00Z\"}}'\n";

static void set_up(void)
{
	files_make();
	files_put("config", config, 0600);
	files_put("plugin", answer, 0700);
	files_put("ca.crt", "ca", 0600);
	files_put("token", "token\n", 0600);
	files_put("namespace", "n\n", 0600);
	setenv("KUBERNETES_SERVICE_HOST", "::1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
}

static struct kube_access loaded;

static int load(struct error *err)
{
	auto_kube_access a = {0};

	return kubeconfig_load("config", NULL, &a, err);
}

static int load_from_home(struct error *err)
{
	auto_kube_access a = {0};

	unsetenv("KUBECONFIG");
	return kubeconfig_load(NULL, NULL, &a, err);
}

static int in_cluster(struct error *err)
{
	auto_kube_access a = {0};

	return kubeconfig_in_cluster(dir, &a, err);
}

static int tell(struct error *err)
{
	char *info = kube_exec_info(&loaded, err);

	if (!info)
		return -err->code;
	free(info);
	return 0;
}

static int run(struct error *err)
{
	char *text = kube_exec_run(loaded.exec, "A=b", 10000, err);

	if (!text)
		return -err->code;
	free(text);
	return 0;
}

static int parse(struct error *err)
{
	struct kube_exec_answer a = {0};
	int rc = kube_exec_parse(
		loaded.exec,
		"{\"apiVersion\": \"client.authentication.k8s.io/v1\","
		" \"kind\": \"ExecCredential\","
		" \"status\": {\"token\": \"t\","
		"  \"clientCertificateData\": \"c\","
		"  \"clientKeyData\": \"k\","
		"  \"expirationTimestamp\": \"2126-01-31T12:00:00Z\"}}",
		&a, err);

	kube_secret_finish(&a.secret);
	return rc;
}

static int get(struct error *err)
{
	struct kube_credential *c = kube_credential_new(&loaded);
	auto_kube_secret s = {0};
	int rc;

	if (!c)
		return -ENOMEM;
	rc = kube_credential_get(c, false, 10000, &s, err);
	kube_credential_free(c);
	return rc;
}

static const struct {
	int (*run)(struct error *err);
	const char *token;	/* instead of the plugin */
	long least;
} tries[] = {
	{load, NULL, 30},
	{load_from_home, NULL, 30},
	{in_cluster, NULL, 5},
	{tell, NULL, 10},
	{run, NULL, 3},
	{parse, NULL, 10},
	{get, NULL, 10},
	{get, "given", 5},
	{get, "file", 5},
};

/* Another credential than the plugin's. */
static void change(const char *token)
{
	if (!token)
		return;
	if (strcmp(token, "file") == 0)
		loaded.token_file = strdup("token");
	else
		loaded.token = strdup(token);
}

START_TEST(each_allocation_fails_once)
{
	struct error err = {0};
	long n, before, after;
	int rc = -1;

	ck_assert_int_eq(kubeconfig_load("config", NULL, &loaded, &err), 0);
	change(tries[_i].token);
	ck_assert_int_eq(mkdir(".kube", 0700), 0);
	ck_assert_int_eq(symlink("../config", ".kube/config"), 0);
	setenv("HOME", dir, 1);
	for (n = 0; rc < 0 && n < 10000; n++) {
		err.code = 0;
		before = memory_live;
		memory_left = n;
		rc = tries[_i].run(&err);
		memory_left = -1;
		after = memory_live;
		ck_assert_int_eq(after, before);
		/* jansson calls some lack of memory an invalid token. */
		ck_assert_msg(rc == 0 || rc == -ENOMEM ||
			      (rc == -EPROTO && strstr(err.msg, "no JSON")),
			      "after %ld: %d %s", n, rc, err.msg);
	}
	ck_assert_int_eq(rc, 0);
	ck_assert(!MEMORY_COUNTS || n > tries[_i].least);
	kube_access_finish(&loaded);
}
END_TEST
#endif

int main(void)
{
#ifdef CAN_FAIL
	Suite *suite;
	TCase *tc;

	if (!memory_can_fail())
		return 77;
	suite = suite_create("kube_memory");
	tc = tcase_create("kube_memory");
	tcase_add_checked_fixture(tc, set_up, files_remove);
	tcase_add_loop_test(tc, each_allocation_fails_once, 0,
			    sizeof tries / sizeof *tries);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
#else
	return 77;
#endif
}
