/* SPDX-License-Identifier: Apache-2.0 */
/* Kubeconfigs: what is read, what is merged, what is refused and how. */
#include "kubeconfig.h"
#include "kubeconfig_text.h"
#include "kube_files.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V1 "client.authentication.k8s.io/v1"

static int load(const char *paths, const char *context,
		struct kube_access *out, struct error *err)
{
	*err = (struct error){0};
	*out = (struct kube_access){0};
	return kubeconfig_load(paths, context, out, err);
}

static void accept(const char *paths, const char *context,
		   struct kube_access *out)
{
	struct error err;

	ck_assert_msg(load(paths, context, out, &err) == 0, "refused: %s",
		      err.msg);
}

/* A kubeconfig of one context "c", with what is in its cluster and user. */
static void put_config(const char *name, const char *cluster,
		       const char *user)
{
	char *text = NULL;

	ck_assert_int_gt(asprintf(&text,
		"apiVersion: v1\n"
		"kind: Config\n"
		"preferences: {colors: true}\n"
		"current-context: c\n"
		"contexts: [{name: c, context: {cluster: k, user: u}}]\n"
		"clusters: [{name: k, cluster: {%s}}]\n"
		"users: [{name: u, user: {%s}}]\n", cluster, user), 0);
	files_put(name, text, 0600);
	free(text);
}

static const char everything[] =
	"apiVersion: v1\n"
	"kind: Config\n"
	"current-context: other\n"
	"extensions: [{name: a, extension: {b: c}}]\n"
	"contexts:\n"
	"- name: other\n"
	"  context: {cluster: files, user: files}\n"
	"- name: data\n"
	"  context: {cluster: data, user: data, namespace: db,\n"
	"            extensions: [{name: x, extension: 1}]}\n"
	"- name: exec\n"
	"  context: {cluster: data, user: exec}\n"
	"- name: anonymous\n"
	"  context: {cluster: plain, user: ''}\n"
	"- name: basic\n"
	"  context: {cluster: plain, user: basic}\n"
	"clusters:\n"
	"- name: files\n"
	"  cluster:\n"
	"    server: https://files:6443/prefix//\n"
	"    certificate-authority: pki/ca.crt\n"
	"    proxy-url: socks5://user:word@proxy:1080\n"
	"    tls-server-name: api.files\n"
	"    insecure-skip-tls-verify: no\n"
	"- name: data\n"
	"  cluster:\n"
	"    server: https://[::1]:6443\n"
	"    certificate-authority-data: Y2E=\n"
	"    certificate-authority: ca.crt\n"
	"- name: plain\n"
	"  cluster: {server: 'http://plain', insecure-skip-tls-verify: On,\n"
	"            proxy-url: null}\n"
	"users:\n"
	"- name: files\n"
	"  user: {client-certificate: /pki/crt, client-key: key.pem,\n"
	"         token: old, tokenFile: token}\n"
	"- name: data\n"
	"  user:\n"
	"    client-certificate-data: Y2VydA==\n"
	"    client-certificate: crt\n"
	"    client-key-data: |\n"
	"      a2\n"
	"      V5\n"
	"    client-key: key\n"
	"    token: 12345\n"
	"    auth-provider: null\n"
	"- name: basic\n"
	"  user: {username: me, password: \"word\"}\n"
	"- name: exec\n"
	"  user:\n"
	"    exec:\n"
	"      apiVersion: " V1 "\n"
	"      command: aws\n"
	"      args: [eks, get-token, '']\n"
	"      env:\n"
	"      - {name: AWS_PROFILE, value: prod}\n"
	"      - {name: EMPTY}\n"
	"      interactiveMode: Never\n"
	"      provideClusterInfo: true\n"
	"      installHint: install aws\n";

static void check_path(const char *path, const char *name)
{
	ck_assert_ptr_nonnull(path);
	ck_assert_int_eq(strncmp(path, dir, strlen(dir)), 0);
	ck_assert_str_eq(path + strlen(dir), name);
}

START_TEST(as_files)
{
	struct kube_access a;

	files_put("config", everything, 0600);
	accept("config", NULL, &a);
	ck_assert_str_eq(a.server, "https://files:6443/prefix");
	check_path(a.ca_file, "/pki/ca.crt");
	ck_assert_ptr_null(a.ca);
	ck_assert_str_eq(a.proxy_url, "socks5://user:word@proxy:1080");
	ck_assert_str_eq(a.tls_server_name, "api.files");
	ck_assert(!a.insecure);
	ck_assert_ptr_null(a.namespace);
	ck_assert_str_eq(a.cert_file, "/pki/crt");
	check_path(a.key_file, "/key.pem");
	ck_assert_ptr_null(a.cert);
	ck_assert_ptr_null(a.token);
	check_path(a.token_file, "/token");
	ck_assert_ptr_null(a.exec);
	kube_access_finish(&a);
	ck_assert_ptr_null(a.server);
	kube_access_finish(&a);
}
END_TEST

START_TEST(as_data)
{
	struct kube_access a;

	files_put("config", everything, 0600);
	accept("config", "data", &a);
	ck_assert_str_eq(a.server, "https://[::1]:6443");
	ck_assert_str_eq(a.ca, "ca");
	ck_assert_ptr_null(a.ca_file);
	ck_assert_str_eq(a.cert, "cert");
	ck_assert_ptr_null(a.cert_file);
	ck_assert_str_eq(a.key, "key");
	ck_assert_ptr_null(a.key_file);
	ck_assert_str_eq(a.token, "12345");
	ck_assert_str_eq(a.namespace, "db");
	kube_access_finish(&a);
}
END_TEST

START_TEST(without_a_credential)
{
	struct kube_access a;

	files_put("config", everything, 0600);
	accept("config", "anonymous", &a);
	ck_assert_str_eq(a.server, "http://plain");
	ck_assert(a.insecure);
	ck_assert_ptr_null(a.proxy_url);
	ck_assert_ptr_null(a.token);
	ck_assert_ptr_null(a.username);
	kube_access_finish(&a);
	accept("config", "basic", &a);
	ck_assert_str_eq(a.username, "me");
	ck_assert_str_eq(a.password, "word");
	kube_access_finish(&a);
}
END_TEST

START_TEST(as_a_plugin)
{
	struct kube_access a;

	files_put("config", everything, 0600);
	accept("config", "exec", &a);
	ck_assert_str_eq(a.exec->command, "aws");
	ck_assert_str_eq(a.exec->args[0], "eks");
	ck_assert_str_eq(a.exec->args[1], "get-token");
	ck_assert_str_eq(a.exec->args[2], "");
	ck_assert_ptr_null(a.exec->args[3]);
	ck_assert_str_eq(a.exec->env[0], "AWS_PROFILE=prod");
	ck_assert_str_eq(a.exec->env[1], "EMPTY=");
	ck_assert_ptr_null(a.exec->env[2]);
	ck_assert_str_eq(a.exec->api_version, V1);
	ck_assert(a.exec->provide_cluster_info);
	ck_assert_str_eq(a.exec->install_hint, "install aws");
	ck_assert_str_eq(a.exec->dir, dir);
	ck_assert_int_eq(a.exec->interactive, KUBE_INTERACTIVE_NEVER);
	kube_access_finish(&a);

	put_config("config", "server: 'https://k'",
		   "exec: {apiVersion: " V1 "beta1, command: x, args: null}");
	accept("config", NULL, &a);
	ck_assert_ptr_null(a.exec->args[0]);
	ck_assert_ptr_null(a.exec->env[0]);
	ck_assert(!a.exec->provide_cluster_info);
	ck_assert_ptr_null(a.exec->install_hint);
	ck_assert_int_eq(a.exec->interactive, KUBE_INTERACTIVE_IF_AVAILABLE);
	kube_access_finish(&a);
}
END_TEST

START_TEST(as_json)
{
	struct kube_access a;

	files_put("config",
		  "{\"current-context\": \"c\", \"contexts\": [{\"name\": \"c\","
		  " \"context\": {\"cluster\": \"k\"}}],\n"
		  "\t\"clusters\": [{\"name\": \"k\", \"cluster\":"
		  " {\"server\": \"https:\\/\\/k\","
		  "\"insecure-skip-tls-verify\": true}}]}", 0600);
	accept("config", NULL, &a);
	ck_assert_str_eq(a.server, "https://k");
	ck_assert(a.insecure);
	kube_access_finish(&a);
}
END_TEST

/* The first file with the name wins, and paths are relative to theirs. */
START_TEST(several_files)
{
	struct kube_access a;

	ck_assert_int_eq(mkdir("one", 0700), 0);
	ck_assert_int_eq(mkdir("two", 0700), 0);
	files_put("one/config",
		  "current-context: ''\n"
		  "clusters: null\n"
		  "users: [{name: u, user: {tokenFile: t}}]\n", 0600);
	put_config("two/config",
		   "server: 'https://two', certificate-authority: ca",
		   "token: second");
	files_put("three",
		  "current-context: never\n"
		  "contexts: [{name: only, context: {cluster: k, user: v}}]\n"
		  "clusters: [{name: k, cluster: {server: 'https://three'}}]\n"
		  "users: [{name: v, user: {tokenFile: t}}, 7, {user: {}}]\n",
		  0600);
	accept(":one/config:absent:two/config::./three:", NULL, &a);
	ck_assert_str_eq(a.server, "https://two");
	check_path(a.ca_file, "/two/ca");
	check_path(a.token_file, "/one/t");
	ck_assert_ptr_null(a.token);
	kube_access_finish(&a);
	accept("one/config:two/config:three", "only", &a);
	ck_assert_str_eq(a.server, "https://two");
	check_path(a.token_file, "/t");
	kube_access_finish(&a);
}
END_TEST

START_TEST(where_it_is)
{
	struct kube_access a;
	struct error err;

	unsetenv("KUBECONFIG");
	unsetenv("HOME");
	ck_assert_int_eq(load(NULL, NULL, &a, &err), -ENOENT);
	ck_assert_str_eq(err.msg, "there is no kubeconfig: neither KUBECONFIG "
			 "nor HOME is set");
	setenv("KUBECONFIG", "", 1);
	setenv("HOME", "", 1);
	ck_assert_int_eq(load(NULL, NULL, &a, &err), -ENOENT);
	setenv("HOME", dir, 1);
	ck_assert_int_eq(load(NULL, NULL, &a, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "/.kube/config"));
	ck_assert_int_eq(mkdir(".kube", 0700), 0);
	put_config(".kube/config", "server: 'https://home'", "tokenFile: t");
	accept(NULL, NULL, &a);
	ck_assert_str_eq(a.server, "https://home");
	check_path(a.token_file, "/.kube/t");
	kube_access_finish(&a);
	put_config("other", "server: 'https://other'", "");
	setenv("KUBECONFIG", "absent:other", 1);
	accept(NULL, NULL, &a);
	ck_assert_str_eq(a.server, "https://other");
	kube_access_finish(&a);
	ck_assert_int_eq(load("no:nothing", NULL, &a, &err), -ENOENT);
	ck_assert_str_eq(err.msg, "there is no kubeconfig no:nothing");
}
END_TEST

#define OK "server: 'https://k'"
#define EXEC "exec: {apiVersion: " V1 ", command: x, "

/* What is wrong in a cluster or a user, and what the sentence ends in. */
static const struct {
	const char *cluster, *user, *says;
} wrong[] = {
	{"", "", "config: cluster 'k': it has no server"},
	{"server: ''", "", "cluster 'k': it has no server"},
	{"server: null", "", "cluster 'k': it has no server"},
	{"server: [a]", "", "cluster 'k': server (line 6) must be a single "
			    "value, not a list"},
	{"server: k:6443", "", "cluster 'k': server 'k:6443' is not of the "
			       "form https://HOST:PORT"},
	{"server: 'ftp://k'", "", "'ftp://k' is not of the form "
				  "https://HOST:PORT"},
	{"server: 'https://'", "", "is not of the form https://HOST:PORT"},
	{"server: 'https:///a'", "", "is not of the form https://HOST:PORT"},
	{"server: 'https://u@k'", "", "is not of the form https://HOST:PORT"},
	{"server: 'https://k?a'", "", "is not of the form https://HOST:PORT"},
	{"server: 'https://k b'", "", "is not of the form https://HOST:PORT"},
	{"server: \"https://k\\r\\nX: y\"", "",
	 "server 'https://k\\x0d\\x0aX: y' is not of the form "
	 "https://HOST:PORT"},
	{"server: 'https://\u00fc'", "", "is not of the form "
					 "https://HOST:PORT"},
	{OK ", proxy-url: 'ftp://p'", "",
	 "cluster 'k': proxy-url must begin with http://, https:// or "
	 "socks5://, and a host must follow"},
	{OK ", proxy-url: 'http://'", "", "and a host must follow"},
	{OK ", certificate-authority-data: 'Y2E'", "",
	 "certificate-authority-data (line 6) is not the base64 of a text"},
	{OK ", insecure-skip-tls-verify: 'true'", "",
	 "insecure-skip-tls-verify (line 6) must be true or false, not a "
	 "string"},
	{OK ", insecure-skip-tls-verify: 1", "",
	 "must be true or false, not an integer"},
	{OK ", insecure-skip-tls-verify: true, certificate-authority: a", "",
	 "it has a certificate authority and insecure-skip-tls-verify: remove "
	 "one"},
	{OK, "client-certificate: a",
	 "config: user 'u': it has a client certificate without the key of "
	 "it"},
	{OK, "client-key-data: a2V5",
	 "user 'u': it has a client key without the certificate of it"},
	{OK, "client-key-data: '*'",
	 "client-key-data (line 7) is not the base64 of a text"},
	{OK, "token: 'a b'", "user 'u': its token holds a blank or a byte "
			     "that is not ASCII"},
	{OK, "token: {a: b}", "token (line 7) must be a single value, not a "
			      "mapping"},
	{OK, "token: a, username: b", "it has a token and a username: remove "
				      "one"},
	{OK, "tokenFile: a, username: b", "it has a token and a username: "
					  "remove one"},
	{OK, "as: root", "user 'u': as (line 7): impersonation is not "
			 "supported"},
	{OK, "as-groups: [a]", "as-groups (line 7): impersonation is not "
			       "supported"},
	{OK, "auth-provider: {name: gcp}",
	 "auth-provider (line 7): Kubernetes has removed it: use an exec "
	 "plugin"},
	{OK, "exec: x", "exec (line 7) must be a mapping, not a string"},
	{OK, "exec: {command: x}",
	 "exec.apiVersion is absent and is neither " V1 " nor " V1 "beta1"},
	{OK, "exec: {command: x, apiVersion: " V1 "alpha1}",
	 "exec.apiVersion '" V1 "alpha1' is neither " V1 " nor " V1 "beta1"},
	{OK, "exec: {command: x, apiVersion: v1}",
	 "exec.apiVersion 'v1' is neither " V1 " nor " V1 "beta1"},
	{OK, "exec: {apiVersion: " V1 "}", "exec has no command"},
	{OK, "exec: {command: [x]}", "command (line 7) must be a single "
				     "value, not a list"},
	{OK, EXEC "interactiveMode: Always}",
	 "exec.interactiveMode is Always, and a daemon has no terminal"},
	{OK, EXEC "interactiveMode: Maybe}",
	 "exec.interactiveMode is neither Never nor IfAvailable"},
	{OK, EXEC "interactiveMode: [Never]}",
	 "interactiveMode (line 7) must be a single value, not a list"},
	{OK, EXEC "args: x}", "exec.args (line 7) must be a list, not a "
			      "string"},
	{OK, EXEC "args: [[x]]}", "exec.args (line 7) must be a list of "
				  "strings"},
	{OK, EXEC "env: [A=b]}", "exec.env (line 7) must be a list of "
				 "{name, value}, names without ="},
	{OK, EXEC "env: [{name: 'A=b', value: c}]}",
	 "must be a list of {name, value}, names without ="},
	{OK, EXEC "env: [{name: a, value: [b]}]}",
	 "value (line 7) must be a single value, not a list"},
};

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

START_TEST(what_is_wrong)
{
	struct kube_access a;
	struct error err;

	put_config("config", wrong[_i].cluster, wrong[_i].user);
	ck_assert_int_eq(load("config", NULL, &a, &err), -EINVAL);
	ck_assert_msg(ends_in(err.msg, wrong[_i].says), "%s", err.msg);
	ck_assert_ptr_null(a.server);
}
END_TEST

/* What is wrong with a whole file. */
static const struct {
	const char *text;
	int rc;
	const char *says;
} broken[] = {
	{"", -EINVAL, "config: the document is empty"},
	{"- a\n", -EINVAL, "config is no kubeconfig, but a list"},
	{"a: [\n", -EINVAL, "expected node content"},
	{"a: &b c\n", -EINVAL, "config: a (line 1): anchors are not allowed"},
	{"clusters: []\n", -ENOENT, "config: there is no current-context, and "
				    "no other is named"},
	{"current-context: [c]\n", -EINVAL,
	 "config: key 'current-context': current-context (line 1) must be a "
	 "single value, not a list"},
	{"current-context: c\n", -ENOENT, "config: there is no context 'c'"},
	{"current-context: c\ncontexts: {c: d}\n", -ENOENT,
	 "config: there is no context 'c'"},
	{"current-context: c\ncontexts: [{name: c}]\n", -EINVAL,
	 "config: context 'c': it names no cluster"},
	{"current-context: c\n"
	 "contexts: [{name: c, context: {cluster: [k]}}]\n", -EINVAL,
	 "context 'c': cluster (line 2) must be a single value, not a list"},
	{"current-context: c\n"
	 "contexts: [{name: c, context: {cluster: k, user: [k]}}]\n", -EINVAL,
	 "context 'c': user (line 2) must be a single value, not a list"},
	{"current-context: c\n"
	 "contexts: [{name: c, context: {cluster: k}}]\n", -ENOENT,
	 "config: context 'c': there is no cluster 'k'"},
	{"current-context: c\n"
	 "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
	 "clusters: [{name: k, cluster: {server: 'http://k'}}]\n", -ENOENT,
	 "config: context 'c': there is no user 'u'"},
	{"current-context: c\n"
	 "contexts: [{name: c, context: {cluster: k, namespace: ../a}}]\n"
	 "clusters: [{name: k, cluster: {server: 'http://k'}}]\n", -EINVAL,
	 "config: context 'c': '../a' is no namespace's name"},
};

START_TEST(broken_files)
{
	struct kube_access a;
	struct error err;

	files_put("config", broken[_i].text, 0600);
	ck_assert_int_eq(load("config", NULL, &a, &err), broken[_i].rc);
	ck_assert_msg(strstr(err.msg, broken[_i].says), "%s", err.msg);
	ck_assert_int_eq(err.code, -broken[_i].rc);
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
	struct kube_access a;
	struct error err;
	FILE *f;

	ck_assert_int_eq(mkdir("folder", 0700), 0);
	ck_assert_int_eq(load("folder", NULL, &a, &err), -EISDIR);
	ck_assert_str_eq(err.msg, "can't read folder: Is a directory");
	ck_assert_int_eq(symlink("loop", "loop"), 0);
	ck_assert_int_eq(load("absent:loop", NULL, &a, &err), -ELOOP);
	ck_assert_str_eq(err.msg, "can't open loop: Too many levels of "
			 "symbolic links");
	files_put("config", everything, 0600);
	ck_assert_int_eq(truncate("config", KUBECONFIG_MAX), 0);
	ck_assert_int_eq(load("config", NULL, &a, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "config holds a NUL");
	ck_assert_int_eq(truncate("config", KUBECONFIG_MAX + 1), 0);
	ck_assert_int_eq(load("config", NULL, &a, &err), -EFBIG);
	ck_assert_str_eq(err.msg, "config is longer than 1048576 bytes");

	/* The longest that may be. */
	files_put("config", everything, 0600);
	f = fopen("config", "ae");
	ck_assert_ptr_nonnull(f);
	while (ftell(f) < KUBECONFIG_MAX)
		fputs("\n", f);
	fclose(f);
	accept("config", NULL, &a);
	kube_access_finish(&a);
}
END_TEST

START_TEST(absolute_paths)
{
	char path[64];
	struct kube_access a;

	put_config("config", OK, "tokenFile: t");
	snprintf(path, sizeof path, "%s/config", dir);
	ck_assert_int_eq(chdir("/"), 0);
	accept(path, NULL, &a);
	check_path(a.token_file, "/t");
	kube_access_finish(&a);
	/* From the root. */
	snprintf(path, sizeof path, "%s/config", dir + 1);
	accept(path, NULL, &a);
	ck_assert_ptr_nonnull(strstr(a.token_file, dir));
	kube_access_finish(&a);
}
END_TEST

/* What is relative to a directory that is gone has no absolute path. */
START_TEST(directory_gone)
{
	struct kube_access a;
	struct error err;

	put_config("config", OK, "");
	ck_assert_int_eq(mkdir("gone", 0700), 0);
	ck_assert_int_eq(chdir("gone"), 0);
	ck_assert_int_eq(rmdir("../gone"), 0);
	ck_assert_int_eq(load("../config", NULL, &a, &err), -ENOENT);
	ck_assert_str_eq(err.msg, "can't tell the directory of ../config: "
			 "No such file or directory");
}
END_TEST

static int in_cluster(struct kube_access *out, struct error *err)
{
	*err = (struct error){0};
	*out = (struct kube_access){0};
	return kubeconfig_in_cluster(dir, out, err);
}

START_TEST(of_a_pod)
{
	struct kube_access a;
	struct error err;

	unsetenv("KUBERNETES_SERVICE_HOST");
	unsetenv("KUBERNETES_SERVICE_PORT");
	ck_assert_int_eq(in_cluster(&a, &err), -ENOENT);
	ck_assert_str_eq(err.msg, "this is no pod of Kubernetes: "
			 "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT "
			 "are not set");
	setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
	ck_assert_int_eq(in_cluster(&a, &err), -ENOENT);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	ck_assert_int_eq(in_cluster(&a, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "/token: No such file"));
	files_put("token", "t", 0600);
	ck_assert_int_eq(in_cluster(&a, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "/ca.crt: No such file"));
	files_put("ca.crt", "c", 0600);
	ck_assert_int_eq(in_cluster(&a, &err), 0);
	ck_assert_str_eq(a.server, "https://10.0.0.1:443");
	check_path(a.token_file, "/token");
	check_path(a.ca_file, "/ca.crt");
	ck_assert_ptr_null(a.namespace);
	kube_access_finish(&a);

	setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	files_put("namespace", "db\n", 0600);
	ck_assert_int_eq(in_cluster(&a, &err), 0);
	ck_assert_str_eq(a.server, "https://[fd00::1]:443");
	ck_assert_str_eq(a.namespace, "db");
	kube_access_finish(&a);

	files_put("namespace", "\n", 0600);
	ck_assert_int_eq(in_cluster(&a, &err), -EINVAL);
	ck_assert(ends_in(err.msg, "/namespace holds no namespace's name"));
	unlink("namespace");
	ck_assert_int_eq(mkdir("namespace", 0700), 0);
	ck_assert_int_eq(in_cluster(&a, &err), -EISDIR);
	ck_assert_int_lt(kubeconfig_in_cluster(NULL, &a, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "/var/run/secrets/kubernetes.io/"
				     "serviceaccount/token"));
}
END_TEST

static const struct {
	mode_t mode;
	uid_t owner;
	const char *why;	/* NULL: it may be read */
} kept[] = {
	{0600, 0, NULL},
	{0400, 0, NULL},
	{0640, 0, NULL},
	{0644, 0, "others can read"},
	{0604, 0, "others can read"},
	{0620, 0, "others can change"},
	{0602, 0, "others can change"},
	{0600, 4711, "belongs to uid 4711"},
};

/* Of the file itself, and of the key that is named in it. */
START_TEST(secrets_that_others_could_see)
{
	static const char *const files[] = {"config", "key"};
	struct kube_access a;
	struct error err;
	size_t i;

	if (geteuid() != 0)
		return;
	for (i = 0; i < 2; i++) {
		put_config("config", "server: 'https://k'",
			   "client-certificate: crt, client-key: key");
		files_put("key", "k", 0600);
		ck_assert_int_eq(chmod(files[i], kept[_i].mode), 0);
		ck_assert_int_eq(chown(files[i], kept[_i].owner, 0), 0);
		if (!kept[_i].why) {
			accept("config", NULL, &a);
			kube_access_finish(&a);
			continue;
		}
		ck_assert_int_eq(load("config", NULL, &a, &err), -EACCES);
		ck_assert_ptr_nonnull(strstr(err.msg, kept[_i].why));
		ck_assert_ptr_nonnull(strstr(err.msg, files[i]));
		remove("key");
		remove("config");
	}
}
END_TEST

START_TEST(base64)
{
	static const char *const pairs[][2] = {
		{"", ""}, {"f", "Zg=="}, {"of", "b2Y="}, {"foo", "Zm9v"},
		{"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfd", "//79"},
		{"\xfb", "+w=="},
	};
	/* The last two: bits that are not used, and a NUL. */
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zg===", "=", "====", "Zm8", "Zm8==",
		"Zg==Zg==", "Zm9v=", "Z g=", "Zg-_", "Zm9v!", "Zh==", "Zm9=",
		"AA==", "ZgBv",
	};
	char *out = NULL;
	size_t i;

	for (i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		out = base64_encode(pairs[i][0]);
		ck_assert_str_eq(out, pairs[i][1]);
		secret_free(out);
		ck_assert_int_eq(base64_decode(pairs[i][1], &out), 0);
		ck_assert_str_eq(out, pairs[i][0]);
		secret_free(out);
	}
	ck_assert_int_eq(base64_decode("Zm\r\n9v\nYg\n=\n=\n", &out), 0);
	ck_assert_str_eq(out, "foob");
	secret_free(out);
	for (i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(base64_decode(bad[i], &out) == -EINVAL,
			      "taken: %s", bad[i]);
	secret_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kubeconfig");
	TCase *tc = tcase_create("kubeconfig");

	tcase_add_checked_fixture(tc, files_make, files_remove);
	tcase_add_test(tc, as_files);
	tcase_add_test(tc, as_data);
	tcase_add_test(tc, without_a_credential);
	tcase_add_test(tc, as_a_plugin);
	tcase_add_test(tc, as_json);
	tcase_add_test(tc, several_files);
	tcase_add_test(tc, where_it_is);
	tcase_add_loop_test(tc, what_is_wrong, 0,
			    sizeof wrong / sizeof *wrong);
	tcase_add_loop_test(tc, broken_files, 0,
			    sizeof broken / sizeof *broken);
	tcase_add_test(tc, files_that_cannot_be_read);
	tcase_add_loop_test(tc, secrets_that_others_could_see, 0,
			    sizeof kept / sizeof *kept);
	tcase_add_test(tc, absolute_paths);
	tcase_add_test(tc, directory_gone);
	tcase_add_test(tc, of_a_pod);
	tcase_add_test(tc, base64);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
