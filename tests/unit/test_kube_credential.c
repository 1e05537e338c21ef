/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials: tokens in files, plugins (shell scripts in the test's own
 * directory), what becomes of their failures, and many threads at once.
 */
#include "clock.h"
#include "kube_credential.h"
#include "kube_exec.h"
#include "kubeconfig_text.h"
#include "kube_files.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <time.h>

#define V1 "client.authentication.k8s.io/v1"
#define LONG 60000

/* What the plugin writes: an ExecCredential with @status in it. */
#define SAYS(status)                                                          \
	"cat <<'END'\n{\"apiVersion\": \"" V1 "\", \"kind\": "               \
	"\"ExecCredential\", \"status\": {" status "}}\nEND\n"
#define NEVER "\"expirationTimestamp\": \"2126-01-31T12:00:00Z\""

static char server[] = "https://k";
static char *no_strings[] = {NULL};
static struct kube_exec exec_template = {
	.command = (char[]){"./plugin"},
	.args = no_strings,
	.env = no_strings,
	.api_version = (char[]){V1},
	.dir = dir,
};

static struct kube_exec exec;
static struct kube_access access_;
static struct kube_credential *credential;
static struct error err;

static void set_up(void)
{
	files_make();
	exec = exec_template;
	access_ = (struct kube_access){.server = server, .exec = &exec};
	credential = kube_credential_new(&access_);
	ck_assert_ptr_nonnull(credential);
}

static void tear_down(void)
{
	kube_credential_free(credential);
	files_remove();
}

static void put_plugin(const char *body)
{
	char *text = NULL;

	/* Each run leaves a letter. */
	ck_assert_int_gt(asprintf(&text, "#!/bin/sh\nprintf x >>%s/runs\n%s",
				  dir, body), 0);
	files_put("plugin.new", text, 0700);
	ck_assert_int_eq(rename("plugin.new", "plugin"), 0);
	free(text);
}

static int runs(void)
{
	struct stat st;

	return stat("runs", &st) == 0 ? (int)st.st_size : 0;
}

static int get_within(bool refresh, int timeout, struct kube_secret *out)
{
	err = (struct error){0};
	*out = (struct kube_secret){0};
	return kube_credential_get(credential, refresh, timeout, out, &err);
}

/* The token, for a moment, and its version. */
static const char *token(bool refresh, uint64_t *version)
{
	static char room[64];
	auto_kube_secret s = {0};

	ck_assert_msg(get_within(refresh, LONG, &s) == 0, "%s", err.msg);
	snprintf(room, sizeof room, "%s", s.token ? s.token : "none");
	if (version)
		*version = s.version;
	return room;
}

/* Until a second after the plugin's last end has passed. */
static void pass_pause(void)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int64_t until = clock_monotonic() + 1001;
	pthread_cond_t never;

	clock_cond_init(&never);
	pthread_mutex_lock(&lock);
	while (clock_cond_wait(&never, &lock, until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&lock);
	pthread_cond_destroy(&never);
}

static void refused(int rc, const char *says)
{
	struct kube_secret s;

	ck_assert_int_eq(get_within(false, LONG, &s), rc);
	ck_assert_msg(strstr(err.msg, says), "%s", err.msg);
	ck_assert_int_eq(err.code, -rc);
	ck_assert_ptr_null(s.token);
}

/* ---- without a plugin ---- */

START_TEST(given)
{
	auto_kube_secret s = {0};
	uint64_t version;

	access_.exec = NULL;
	ck_assert_str_eq(token(false, NULL), "none");
	kube_credential_free(credential);
	access_.token = (char[]){"t"};
	access_.cert = (char[]){"c"};
	access_.key = (char[]){"k"};
	credential = kube_credential_new(&access_);
	ck_assert_int_eq(get_within(false, 0, &s), 0);
	ck_assert_str_eq(s.token, "t");
	ck_assert_str_eq(s.cert, "c");
	ck_assert_str_eq(s.key, "k");
	ck_assert_str_eq(token(true, &version), "t");
	ck_assert_uint_eq(version, s.version);
	kube_credential_free(NULL);
}
END_TEST

/* A token and a name go before a plugin, which is not run. */
START_TEST(given_with_a_plugin)
{
	put_plugin("exit 1\n");
	access_.token = (char[]){"t"};
	ck_assert_str_eq(token(false, NULL), "t");
	access_.token = NULL;
	access_.username = (char[]){"u"};
	kube_credential_free(credential);
	credential = kube_credential_new(&access_);
	ck_assert_str_eq(token(false, NULL), "none");
	ck_assert_int_eq(runs(), 0);
}
END_TEST

START_TEST(token_file)
{
	uint64_t first, second;

	access_.token_file = (char[]){"token"};
	access_.cert = (char[]){"c"};
	access_.key = (char[]){"k"};
	refused(-ENOENT, "can't open token: No such file or directory");
	files_put("token", "\n", 0600);
	refused(-EINVAL, "token holds no token");
	files_put("token", "a b\n", 0600);
	refused(-EINVAL, "token holds no token");
	files_put("token", "one \r\n", 0600);
	ck_assert_str_eq(token(false, &first), "one");

	/* For a minute it is not looked at, unless it was refused. */
	files_put("token", "two", 0600);
	ck_assert_str_eq(token(false, &second), "one");
	ck_assert_uint_eq(first, second);
	ck_assert_str_eq(token(true, &second), "two");
	ck_assert_uint_ne(first, second);
	ck_assert_str_eq(token(true, &first), "two");
	ck_assert_uint_eq(first, second);

	/* What can't be read leaves the last one. */
	unlink("token");
	ck_assert_str_eq(token(true, NULL), "two");
	files_put("token", "three", 0600);
	ck_assert_str_eq(token(true, NULL), "three");
	ck_assert_int_eq(truncate("token", 64 * 1024 + 1), 0);
	ck_assert_str_eq(token(true, NULL), "three");
}
END_TEST

START_TEST(token_file_too_long)
{
	access_.token_file = (char[]){"token"};
	files_put("token", "t", 0600);
	ck_assert_int_eq(truncate("token", 64 * 1024 + 1), 0);
	refused(-EFBIG, "token is longer than 65536 bytes");
}
END_TEST

/* ---- what a plugin answers ---- */

START_TEST(answers_a_token)
{
	auto_kube_secret s = {0};
	uint64_t version;

	put_plugin(SAYS("\"token\": \"t\", " NEVER));
	access_.cert = (char[]){"c"};
	access_.key = (char[]){"k"};
	ck_assert_int_eq(get_within(false, LONG, &s), 0);
	ck_assert_str_eq(s.token, "t");
	ck_assert_str_eq(s.cert, "c");
	ck_assert_str_eq(s.key, "k");
	pass_pause();
	ck_assert_str_eq(token(false, &version), "t");
	ck_assert_uint_eq(version, s.version);
	ck_assert_int_eq(runs(), 1);

	/* Another run with the same answer is the same credential. */
	ck_assert_str_eq(token(true, &version), "t");
	ck_assert_uint_eq(version, s.version);
	ck_assert_int_eq(runs(), 2);
}
END_TEST

START_TEST(answers_a_certificate)
{
	auto_kube_secret s = {0};
	auto_kube_secret other = {0};

	put_plugin(SAYS("\"token\": \"\", \"expirationTimestamp\": null, "
			"\"clientCertificateData\": \"c\\n\", "
			"\"clientKeyData\": \"k\""));
	ck_assert_int_eq(get_within(false, LONG, &s), 0);
	ck_assert_ptr_null(s.token);
	ck_assert_str_eq(s.cert, "c\n");
	ck_assert_str_eq(s.key, "k");
	put_plugin(SAYS("\"clientCertificateData\": \"c\\n\", "
			"\"clientKeyData\": \"l\""));

	/* No expiry: until it is refused; and no storm. */
	ck_assert_int_eq(get_within(true, LONG, &other), 0);
	ck_assert_str_eq(other.key, "k");
	kube_secret_finish(&other);
	ck_assert_int_eq(runs(), 1);
	pass_pause();
	ck_assert_int_eq(get_within(false, LONG, &other), 0);
	ck_assert_uint_eq(other.version, s.version);
	kube_secret_finish(&other);
	ck_assert_int_eq(get_within(true, LONG, &other), 0);
	ck_assert_str_eq(other.key, "l");
	ck_assert_uint_ne(other.version, s.version);
	ck_assert_int_eq(runs(), 2);
}
END_TEST

/* An expiry that is over: again, but not within the second. */
START_TEST(expires)
{
	put_plugin(SAYS("\"token\": \"one\", "
			"\"expirationTimestamp\": \"2001-01-01T00:00:00Z\""));
	ck_assert_str_eq(token(false, NULL), "one");
	ck_assert_str_eq(token(false, NULL), "one");
	ck_assert_int_eq(runs(), 1);
	put_plugin(SAYS("\"token\": \"two\""));
	pass_pause();
	ck_assert_str_eq(token(false, NULL), "two");
	ck_assert_int_eq(runs(), 2);
}
END_TEST

/* Near its expiry a credential still does when there is no other. */
START_TEST(expires_soon)
{
	char soon[32], body[512];
	time_t then = time(NULL) + 9;
	struct tm tm;

	gmtime_r(&then, &tm);
	strftime(soon, sizeof soon, "%FT%TZ", &tm);
	snprintf(body, sizeof body, SAYS("\"token\": \"one\", "
		 "\"expirationTimestamp\": \"%s\""), soon);
	put_plugin(body);
	ck_assert_str_eq(token(false, NULL), "one");
	put_plugin("exit 1\n");
	pass_pause();
	ck_assert_str_eq(token(false, NULL), "one");
	ck_assert_int_eq(runs(), 2);
	put_plugin(SAYS("\"token\": \"two\", " NEVER));
	pass_pause();
	ck_assert_str_eq(token(false, NULL), "two");
}
END_TEST

/* How it failed stands for a second, then it is tried again. */
START_TEST(fails_then_works)
{
	put_plugin("exit 3\n");
	refused(-EACCES, "the exec plugin './plugin' ended with status 3");
	put_plugin(SAYS("\"token\": \"t\""));
	refused(-EACCES, "the exec plugin './plugin' ended with status 3");
	ck_assert_int_eq(runs(), 1);
	pass_pause();
	ck_assert_str_eq(token(false, NULL), "t");
	put_plugin("exit 4\n");
	pass_pause();
	ck_assert_str_eq(token(false, NULL), "t");
	ck_assert_int_eq(runs(), 2);
	{
		struct kube_secret s;

		ck_assert_int_eq(get_within(true, LONG, &s), -EACCES);
	}
	refused(-EACCES, "ended with status 4");
	ck_assert_int_eq(runs(), 3);
}
END_TEST

static const struct {
	const char *body;
	int rc;
	const char *says;
} failures[] = {
	{"exit 1\n", -EACCES,
	 "the exec plugin './plugin' ended with status 1"},
	{"echo log in first >&2\nexit 7\n", -EACCES,
	 "ended with status 7: log in first"},
	{"printf 'a\\033[31m\\nb\\0c \\n\\r\\n' >&2\nexit 1\n", -EACCES,
	 "status 1: a\\x1b[31m\\x0ab c"},
	{"echo secret\nexit 1\n", -EACCES, "status 1"},
	{"kill -KILL $$\n", -EACCES, "ended with signal 9"},
	{"head -c 1048577 /dev/zero\n", -EFBIG,
	 "wrote more than 1048576 bytes"},
	{"exec cat /dev/zero\n", -EFBIG, "wrote more than 1048576 bytes"},
	{"printf 'a\\0b'\n", -EPROTO, "the exec plugin './plugin' wrote a NUL"},
	{"", -EPROTO, "what the exec plugin './plugin' wrote is no credential: "
		      "it is no JSON at line 1"},
	{"echo; echo \\{ secret\n", -EPROTO, "it is no JSON at line 2"},
	{"echo '[]'\n", -EPROTO, "its kind is not ExecCredential"},
	{"echo '{\"kind\": \"ExecCredential\"}'\n", -EPROTO,
	 "is not of apiVersion " V1 ", as the kubeconfig has it"},
	{"echo '{\"kind\": \"ExecCredential\", \"apiVersion\": \"" V1
	 "beta1\"}'\n", -EPROTO, "is not of apiVersion " V1 ","},
	{"echo '{\"kind\": \"ExecCredential\", \"apiVersion\": \"" V1
	 "\"}'\n", -EPROTO, "it has neither a token nor a certificate"},
	{SAYS(""), -EPROTO, "it has neither a token nor a certificate"},
	{SAYS("\"token\": 1"), -EPROTO, "status holds what is not a string"},
	{SAYS("\"token\": \"a b\""), -EPROTO,
	 "status.token holds a blank or a byte that is not ASCII"},
	{SAYS("\"clientKeyData\": {}"), -EPROTO,
	 "status holds what is not a string"},
	{SAYS("\"clientKeyData\": \"k\""), -EPROTO,
	 "of status.clientCertificateData and status.clientKeyData there is "
	 "one only"},
	{SAYS("\"clientCertificateData\": \"k\""), -EPROTO,
	 "there is one only"},
	{SAYS("\"token\": \"t\", \"expirationTimestamp\": 1"), -EPROTO,
	 "status.expirationTimestamp is no time of RFC 3339"},
	{SAYS("\"token\": \"t\", \"expirationTimestamp\": \"soon\""), -EPROTO,
	 "status.expirationTimestamp is no time of RFC 3339"},
};

START_TEST(plugin_fails)
{
	put_plugin(failures[_i].body);
	refused(failures[_i].rc, failures[_i].says);
	ck_assert_ptr_null(strstr(err.msg, "secret"));
	ck_assert_int_eq(runs(), 1);
}
END_TEST

/* Of what it says the begin is told, however much it is. */
START_TEST(says_much)
{
	const char *at;

	put_plugin("head -c 300000 /dev/zero | tr '\\0' e >&2\nexit 1\n");
	refused(-EACCES, "status 1: eeee");
	at = strstr(err.msg, ": e") + 2;
	ck_assert_uint_eq(strspn(at, "e"), 200);
	ck_assert_uint_eq(strlen(at), 200);
}
END_TEST

START_TEST(answers_much)
{
	put_plugin(SAYS("\"token\": \"t\"") "head -c 900000 /dev/zero |"
		   "tr '\\0' ' '\n");
	ck_assert_str_eq(token(false, NULL), "t");
}
END_TEST

/* In valgrind's vfork(2) the child's memory is its own, and with it the reason
   why it could not exec. */
static bool is_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

START_TEST(cannot_be_started)
{
	if (is_valgrind())
		return;
	refused(-ENOENT, "can't start the exec plugin './plugin': No such "
		"file or directory");
	ck_assert_ptr_null(strstr(err.msg, "directory:"));
	kube_credential_free(credential);
	credential = kube_credential_new(&access_);
	exec.install_hint = (char[]){"install\nit"};
	refused(-ENOENT, "No such file or directory: install\\x0ait");
	kube_credential_free(credential);
	credential = kube_credential_new(&access_);
	files_put("plugin", "", 0600);
	refused(-EACCES, "can't start the exec plugin './plugin': Permission "
		"denied");
	ck_assert_ptr_null(strstr(err.msg, "install"));
	kube_credential_free(credential);
	credential = kube_credential_new(&access_);
	/* No shell takes over what is no program. */
	files_put("plugin", "echo\n", 0700);
	refused(-ENOEXEC, "can't start the exec plugin");
	kube_credential_free(credential);
	credential = kube_credential_new(&access_);
	exec.command = (char[]){"uvrfs-no-such-plugin"};
	refused(-ENOENT, "can't start the exec plugin 'uvrfs-no-such-plugin'");
}
END_TEST

/* ---- what a plugin is given ---- */

START_TEST(is_given)
{
	char *args[] = {(char[]){"a b"}, (char[]){"$HOME;`x`"}, NULL};
	char *env[] = {(char[]){"KC_ONE=first"}, (char[]){"KC_ONE=two 2"},
		       (char[]){"KC_PARENT=user"},
		       (char[]){"KUBERNETES_EXEC_INFO=no"}, NULL};
	auto_secret text = NULL;
	json_t *info;

	setenv("KC_PARENT", "parent", 1);
	setenv("KC_KEPT", "kept", 1);
	setenv("KUBERNETES_EXEC_INFO", "never", 1);
	exec.args = args;
	exec.env = env;
	put_plugin("printf '%s|' \"$0\" \"$@\" \"$KC_ONE\" \"$KC_PARENT\" "
		   "\"$KC_KEPT\" \"$(cat)\" >given\n"
		   "printf %s \"$KUBERNETES_EXEC_INFO\" >info\n"
		   "env | grep -c -e ^KC_ -e ^KUBERNETES_EXEC_INFO >count\n"
		   SAYS("\"token\": \"t\""));
	ck_assert_str_eq(token(false, NULL), "t");
	ck_assert_int_eq(secret_read_file("given", 4096, &text, &err), 0);
	ck_assert_ptr_nonnull(strstr(text, "/./plugin|a b|$HOME;`x`|two 2|user|"
				     "kept||"));
	secret_free(text);
	ck_assert_int_eq(secret_read_file("count", 4096, &text, &err), 0);
	ck_assert_str_eq(text, "4\n");
	info = json_load_file("info", 0, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(info, "kind")),
			 "ExecCredential");
	ck_assert_str_eq(json_string_value(json_object_get(info,
							   "apiVersion")), V1);
	ck_assert(json_is_false(json_object_get(json_object_get(info, "spec"),
						"interactive")));
	ck_assert_ptr_null(json_object_get(json_object_get(info, "spec"),
					   "cluster"));
	json_decref(info);
}
END_TEST

static void check_info(const char *want)
{
	char *text = kube_exec_info(&access_, &err);

	ck_assert_ptr_nonnull(text);
	ck_assert_str_eq(text, want);
	secret_free(text);
}

START_TEST(is_told_of_the_cluster)
{
#define FRONT "KUBERNETES_EXEC_INFO={\"apiVersion\":\"" V1 "\",\"kind\":"     \
	"\"ExecCredential\",\"spec\":{\"interactive\":false,\"cluster\":{"    \
	"\"server\":\"https://k\""
	exec.provide_cluster_info = true;
	check_info(FRONT "}}}");
	access_.tls_server_name = (char[]){"n"};
	access_.proxy_url = (char[]){"http://p"};
	access_.insecure = true;
	check_info(FRONT ",\"tls-server-name\":\"n\",\"proxy-url\":"
		   "\"http://p\",\"insecure-skip-tls-verify\":true}}}");
	access_ = (struct kube_access){.server = server, .exec = &exec,
				       .ca_file = (char[]){"ca"}};
	ck_assert_ptr_null(kube_exec_info(&access_, &err));
	ck_assert_str_eq(err.msg, "can't open ca: No such file or directory");
	refused(-ENOENT, "can't open ca: No such file or directory");
	files_put("ca", "file", 0600);
	check_info(FRONT ",\"certificate-authority-data\":\"ZmlsZQ==\"}}}");
	access_.ca = (char[]){"text"};
	check_info(FRONT ",\"certificate-authority-data\":\"dGV4dA==\"}}}");
}
END_TEST

/* A CA that fits no environment is refused by the kernel. */
START_TEST(is_told_too_much)
{
	char *ca;

	if (is_valgrind())
		return;
	ca = malloc(200000);
	memset(ca, 'a', 200000);
	ca[199999] = '\0';
	access_.ca = ca;
	exec.provide_cluster_info = true;
	put_plugin(SAYS("\"token\": \"t\""));
	refused(-E2BIG, "can't start the exec plugin");
	free(ca);
}
END_TEST

/* Of this process's files and signals it gets none, but for glibc's own two,
   which posix_spawn ignores in it. */
START_TEST(inherits_nothing)
{
	int leak = open("/dev/null", O_RDONLY), high = fcntl(leak, F_DUPFD, 20);
	sigset_t all, old;

	put_plugin("[ -e /proc/self/fd/20 ] && exit 1\n"
		   "[ \"$(ps -o pgid= -p $$)\" -eq $$ ] || exit 4\n"
		   "grep -q '^SigBlk:\t0*$' /proc/self/status || exit 2\n"
		   "grep -q '^SigIgn:\t0*\\(180000000\\)\\?$' "
		   "/proc/self/status || exit 3\n"
		   SAYS("\"token\": \"t\""));
	ck_assert_int_eq(high, 20);
	signal(SIGPIPE, SIG_IGN);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ck_assert_str_eq(token(false, NULL), "t");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	close(high);
	close(leak);
}
END_TEST

/* By its name it is found in PATH. */
START_TEST(is_found)
{
	char path[4096];

	snprintf(path, sizeof path, "%s:%s", dir, getenv("PATH"));
	setenv("PATH", path, 1);
	put_plugin(SAYS("\"token\": \"t\""));
	ck_assert_int_eq(rename("plugin", "uvrfs-plugin"), 0);
	exec.command = (char[]){"uvrfs-plugin"};
	ck_assert_str_eq(token(false, NULL), "t");
	kube_credential_free(credential);
	credential = kube_credential_new(&access_);
	snprintf(path, sizeof path, "%s/uvrfs-plugin", dir);
	exec.command = path;
	exec.dir = (char[]){"/nowhere"};
	ck_assert_str_eq(token(false, NULL), "t");
}
END_TEST

/* ---- time ---- */

/* Its whole group is killed: it and its child held a lock till then. */
START_TEST(is_killed)
{
	struct kube_secret s;
	int fd;

	put_plugin("exec 9>lock\nflock 9\n"
		   "sleep 1000 &\ntrap '' TERM INT HUP\nwait\n");
	ck_assert_int_eq(get_within(false, 500, &s), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(err.msg, "the exec plugin './plugin' had "
				     "no end within "));
	fd = open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	close(fd);
}
END_TEST

/* It closes its output and goes on. */
START_TEST(is_killed_when_silent)
{
	struct kube_secret s;

	put_plugin("exec >&- 2>&-\nsleep 1000\n");
	ck_assert_int_eq(get_within(false, 300, &s), -ETIMEDOUT);
	ck_assert_int_eq(get_within(false, 0, &s), -ETIMEDOUT);
	pass_pause();
	ck_assert_int_eq(get_within(false, 0, &s), -ETIMEDOUT);
	ck_assert_str_eq(err.msg, "the exec plugin './plugin' has given no "
			 "credential within 0 ms");
	ck_assert_int_eq(runs(), 1);
}
END_TEST

/* What it leaves behind holds its output open, and nobody waits for that. */
START_TEST(leaves_a_child)
{
	int64_t begin = clock_monotonic();

	put_plugin("sleep 40 &\necho $! >child\n" SAYS("\"token\": \"t\""));
	ck_assert_str_eq(token(false, NULL), "t");
	ck_assert_int_lt(clock_monotonic() - begin, 30000);
	ck_assert_int_eq(system("kill $(cat child)"), 0);
}
END_TEST

/* Who ignores SIGCHLD can't be told how a child ended. */
START_TEST(nobody_can_wait)
{
	signal(SIGCHLD, SIG_IGN);
	put_plugin(SAYS("\"token\": \"t\""));
	refused(-ECHILD, "can't wait for the exec plugin './plugin': No child "
		"processes");
	signal(SIGCHLD, SIG_DFL);
}
END_TEST

/* No file is left for the first pipe, or for the second. */
START_TEST(no_pipes)
{
	struct rlimit few;
	int fds[64], n = 0, i;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &few), 0);
	few.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	put_plugin(SAYS("\"token\": \"t\""));
	while ((fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	for (i = 0; i < 4; i++) {
		kube_credential_free(credential);
		credential = kube_credential_new(&access_);
		refused(-EMFILE, "can't make a pipe: Too many open files");
		close(fds[--n]);
	}
	while (n)
		close(fds[--n]);
	ck_assert_int_eq(runs(), 0);
}
END_TEST

/* ---- the time of an expiry ---- */

static const struct {
	const char *text;
	int64_t ms;		/* -1: none */
} times[] = {
	{"2026-01-31T12:00:00Z", 1769860800000},
	{"2026-01-31t12:00:00Z", -1},
	{"2026-01-31T12:00:00.123456789Z", 1769860800000},
	{"2026-01-31T13:00:00+01:00", 1769860800000},
	{"2026-01-31T06:30:00.5-05:30", 1769860800000},
	{"1970-01-01T00:00:00Z", 1},
	{"1901-01-01T00:00:00Z", 1},
	{"2026-02-30T12:00:00Z", -1},
	{"2026-01-31T12:00:00", -1},
	{"2026-01-31T12:00:00.Z", -1},
	{"2026-01-31T12:00:00+1:000", -1},
	{"2026-01-31T12:00:00+01:00Z", -1},
	{"2026-01-31T12:00:00+24:00", -1},
	{"2026-01-31T12:00:00+01:60", -1},
	{"2026-01-31T12:00:00+0100", -1},
	{" 2026-01-31T12:00:00Z", -1},
	{"2026-01-31", -1},
};

START_TEST(reads_times)
{
	struct kube_exec_answer a = {0};
	char text[256];
	int rc;

	snprintf(text, sizeof text, "{\"apiVersion\": \"" V1 "\", \"kind\": "
		 "\"ExecCredential\", \"status\": {\"token\": \"t\", "
		 "\"expirationTimestamp\": \"%s\"}}", times[_i].text);
	rc = kube_exec_parse(&exec, text, &a, &err);
	ck_assert_int_eq(rc, times[_i].ms < 0 ? -EPROTO : 0);
	if (rc == 0)
		ck_assert_int_eq(a.expires, times[_i].ms);
	kube_secret_finish(&a.secret);
}
END_TEST

/* ---- many at once ---- */

struct caller {
	pthread_t thread;
	bool refresh;
	int timeout;
	struct kube_secret secret;
	struct error err;
	int rc;
};

static void *call(void *arg)
{
	struct caller *me = arg;

	me->rc = kube_credential_get(credential, me->refresh, me->timeout,
				     &me->secret, &me->err);
	return NULL;
}

static void start(struct caller *c, bool refresh, int timeout)
{
	*c = (struct caller){.refresh = refresh, .timeout = timeout};
	ck_assert_int_eq(pthread_create(&c->thread, NULL, call, c), 0);
}

/* Until the plugin has come to where it opens the fifo. */
static void let_go(const char *fifo)
{
	int fd = open(fifo, O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

/* One run serves all; who can't wait that long says so. */
START_TEST(many_threads)
{
	struct caller callers[8], hasty;
	size_t i;

	ck_assert_int_eq(mkfifo("begin", 0600), 0);
	ck_assert_int_eq(mkfifo("end", 0600), 0);
	put_plugin("read x <begin\nread x <end\n" SAYS("\"token\": \"t\""));
	for (i = 0; i < 8; i++)
		start(&callers[i], i % 2, LONG);
	let_go("begin");
	start(&hasty, false, 20);
	pthread_join(hasty.thread, NULL);
	ck_assert_int_eq(hasty.rc, -ETIMEDOUT);
	ck_assert_str_eq(hasty.err.msg, "the exec plugin './plugin' has given "
			 "no credential within 20 ms");
	let_go("end");
	for (i = 0; i < 8; i++) {
		pthread_join(callers[i].thread, NULL);
		ck_assert_int_eq(callers[i].rc, 0);
		ck_assert_str_eq(callers[i].secret.token, "t");
		ck_assert_uint_eq(callers[i].secret.version,
				  callers[0].secret.version);
	}
	for (i = 0; i < 8; i++)
		kube_secret_finish(&callers[i].secret);
	ck_assert_int_eq(runs(), 1);
}
END_TEST

/* While one refreshes, the others go on with what there is. */
START_TEST(others_go_on)
{
	struct caller refresher;

	put_plugin(SAYS("\"token\": \"old\", " NEVER));
	ck_assert_str_eq(token(false, NULL), "old");
	pass_pause();
	ck_assert_int_eq(mkfifo("begin", 0600), 0);
	ck_assert_int_eq(mkfifo("end", 0600), 0);
	put_plugin("read x <begin\nread x <end\n" SAYS("\"token\": \"new\""));
	start(&refresher, true, LONG);
	let_go("begin");
	ck_assert_str_eq(token(false, NULL), "old");
	let_go("end");
	pthread_join(refresher.thread, NULL);
	ck_assert_int_eq(refresher.rc, 0);
	ck_assert_str_eq(refresher.secret.token, "new");
	kube_secret_finish(&refresher.secret);
	ck_assert_str_eq(token(false, NULL), "new");
}
END_TEST

START_TEST(threads_on_a_file)
{
	struct caller callers[8];
	size_t i;

	files_put("token", "t", 0600);
	access_.token_file = (char[]){"token"};
	for (i = 0; i < 8; i++)
		start(&callers[i], i % 2, LONG);
	for (i = 0; i < 8; i++) {
		pthread_join(callers[i].thread, NULL);
		ck_assert_int_eq(callers[i].rc, 0);
		kube_secret_finish(&callers[i].secret);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kube_credential");
	TCase *tc = tcase_create("kube_credential");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, given);
	tcase_add_test(tc, given_with_a_plugin);
	tcase_add_test(tc, token_file);
	tcase_add_test(tc, token_file_too_long);
	tcase_add_test(tc, answers_a_token);
	tcase_add_test(tc, answers_a_certificate);
	tcase_add_test(tc, expires);
	tcase_add_test(tc, expires_soon);
	tcase_add_test(tc, fails_then_works);
	tcase_add_loop_test(tc, plugin_fails, 0,
			    sizeof failures / sizeof *failures);
	tcase_add_test(tc, says_much);
	tcase_add_test(tc, answers_much);
	tcase_add_test(tc, cannot_be_started);
	tcase_add_test(tc, is_given);
	tcase_add_test(tc, is_told_of_the_cluster);
	tcase_add_test(tc, is_told_too_much);
	tcase_add_test(tc, inherits_nothing);
	tcase_add_test(tc, is_found);
	tcase_add_test(tc, is_killed);
	tcase_add_test(tc, is_killed_when_silent);
	tcase_add_test(tc, leaves_a_child);
	tcase_add_test(tc, nobody_can_wait);
	tcase_add_test(tc, no_pipes);
	tcase_add_loop_test(tc, reads_times, 0, sizeof times / sizeof *times);
	tcase_add_test(tc, many_threads);
	tcase_add_test(tc, others_go_on);
	tcase_add_test(tc, threads_on_a_file);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
