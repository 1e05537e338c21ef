/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uvrfs: options, configuration, then the daemon is put together, runs, and is
 * taken apart in the opposite order.
 */
#include "attach.h"
#include "audit_chain.h"
#include "config.h"
#include "server.h"
#include "mountpoint.h"
#include "notify.h"
#include "options.h"
#include "rights.h"
#include "state_dir.h"
#include "store_kube.h"
#include "text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define EXIT_LEFT 75	/* the mount, to the next daemon: EX_TEMPFAIL */

/* What a server said must do nothing to the terminal. */
static int complain(const struct error *err)
{
	auto_buf line;

	buf_init(&line, 4 * ERROR_MSG_MAX);
	buf_escape(&line, err->msg);
	fprintf(stderr, "uvrfs: %s\n", buf_str(&line));
	return EXIT_FAILURE;
}

/* A watch or a waiter each take a descriptor: as many as we may have. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* The daemon would wait for itself whenever it used them. */
static int refuse_inside(const struct server *s, struct error *err)
{
	const struct config *c = &s->config;
	size_t i;

	if (mountpoint_covers(s->mountpoint, s->state_dir))
		return fail(err, EINVAL, "the state directory %s must not be "
			    "at or below %s", s->state_dir, s->mountpoint);
	if (mountpoint_covers(s->mountpoint, s->config_path))
		return fail(err, EINVAL, "the configuration %s must not be "
			    "below %s", s->config_path, s->mountpoint);
	for (i = 0; i < c->backend_count; i++)
		if (c->backends[i].path &&
		    mountpoint_covers(s->mountpoint, c->backends[i].path))
			return fail(err, EINVAL, "backend %s: %s must not be "
				    "at or below %s", c->backends[i].name,
				    c->backends[i].path, s->mountpoint);
	return 0;
}

/* With the mount of a former daemon, if that is where we are to mount. */
static char *find_mountpoint(struct server *s, struct error *err)
{
	const char *path = s->options->mountpoint;
	dev_t device = 0;
	char *found = s->keep.fd >= 0 ? mountpoint_find(path, &device) : NULL;

	if (found && keep_fits(&s->keep, device, s->store_id))
		return found;
	if (found)
		mountpoint_end(found);
	free(found);
	keep_drop(&s->keep);
	/* Whoever mounts for us sees to what is there; we may have no right to. */
	return s->options->await_mount ? mountpoint_resolve(path, err)
				       : mountpoint_prepare(path, err);
}

/* Everything that is found by a relative path; from then on we are at /. */
static int find_places(struct server *s, struct error *err)
{
	const char *dir = s->options->state_dir;
	bool mounts = !s->options->controller;

	s->state_dir = state_dir_open(dir ? dir : s->config.store_path, err);
	if (!s->state_dir || server_identify(s, err) < 0)
		return -err->code;
	if (mounts)
		s->mountpoint = find_mountpoint(s, err);
	if (mounts && (!s->mountpoint || refuse_inside(s, err) < 0))
		return -err->code;
	if (chdir("/") < 0)
		return fail(err, errno, "can't go to /: %m");
	return 0;
}

/* Whoever waits hears of a failure only when everything has been undone. */
static int serve(struct server *s, struct notify *n, struct error *err)
{
	int rc = server_start(s, err);

	if (rc < 0) {
		server_stop(s);
		if (!notify_failed(n, err->msg))
			complain(err);
		return EXIT_FAILURE;
	}
	if (notify_ready(n))
		log_detach(&s->log);
	rc = server_run(s, err);
	server_stop(s);
	if (rc < 0)
		return EXIT_FAILURE;
	return s->leaves ? EXIT_LEFT : EXIT_SUCCESS;
}

static int mount_it(struct server *s, struct error *err)
{
	struct notify n = {.pipe = -1};
	int rc;

	keep_take(&s->keep);
	if (s->options->controller || !s->options->foreground)
		keep_drop(&s->keep);
	if (s->options->controller && !s->config.kube.cluster) {
		fail(err, EINVAL, "--controller needs store.kubernetes in the "
				  "configuration: a local store has no other "
				  "users");
		return complain(err);
	}
	if (find_places(s, err) < 0)
		return complain(err);
	signal(SIGPIPE, SIG_IGN);
	raise_limits();
	if (!s->options->foreground) {
		rc = notify_fork(&n, err);
		if (rc)
			return rc < 0 ? complain(err) : EXIT_SUCCESS;
	}
	return serve(s, &n, err);
}

static int check(const struct config *c, struct error *err)
{
	auto_buf warnings;
	size_t i;
	int rc = 0;

	buf_init(&warnings, 4096);
	config_list_warnings(c, &warnings);
	fputs(buf_str(&warnings), stderr);
	for (i = 0; i < c->cluster_count; i++)
		if (server_check_cluster(c, &c->clusters[i], err) < 0)
			rc = complain(err);
	if (rc == 0)
		puts("ok");
	return rc;
}

static int install(const struct options *o, const struct config *c,
		   struct error *err)
{
	auto_kube_access access = {0};
	const char *what = NULL;

	if (o->print) {
		fputs(kube_crd(), stdout);
		return 0;
	}
	if (!c->kube.cluster)
		return fail(err, EINVAL, "the configuration has no "
					 "store.kubernetes to install it in");
	if (server_open_access(c, c->kube.cluster, &access, err) < 0 ||
	    kube_install_crd(&access, &what, err) < 0)
		return -err->code;
	printf("%s: unifiedvolumereplications.replication.unified.io is %s\n",
	       access.server, what);
	return 0;
}

static int with_config(struct server *s, struct error *err)
{
	const struct options *o = s->options;
	int rc;

	s->config_path = o->config ? realpath(o->config, NULL)
				   : strdup(CONFIG_DEFAULT_PATH);
	if (!s->config_path) {
		fail(err, errno, "can't open %s: %m",
		     o->config ? o->config : CONFIG_DEFAULT_PATH);
		return complain(err);
	}
	rc = config_load(s->config_path, !o->config, &s->config, err);
	if (rc < 0) {
		complain(err);
	} else if (o->action == ACTION_CHECK) {
		rc = check(&s->config, err);
		config_finish(&s->config);
	} else if (o->action == ACTION_INSTALL_CRD) {
		rc = install(o, &s->config, err);
		if (rc < 0)
			complain(err);
		config_finish(&s->config);
	} else {
		rc = mount_it(s, err);
		config_finish(&s->config);
		free(s->mountpoint);
		free(s->state_dir);
	}
	free(s->config_path);
	return rc < 0 ? EXIT_FAILURE : rc;
}

static int print_help(void)
{
	auto_buf text;

	buf_init(&text, 4096);
	options_describe(&text);
	fputs(buf_str(&text), stdout);
	return EXIT_SUCCESS;
}

static int check_audit(const char *dir, struct error *err)
{
	auto_buf text;

	buf_init(&text, 4096);
	if (audit_chain_check(dir, &text, err) < 0)
		return complain(err);
	fputs(buf_str(&text), stdout);
	return EXIT_SUCCESS;
}

static int act(const struct options *o, struct error *err)
{
	struct server s = {.options = o};

	if (o->action == ACTION_HELP)
		return print_help();
	if (o->action == ACTION_VERSION) {
		puts("uvrfs " UVRFS_VERSION);
		return EXIT_SUCCESS;
	}
	if (o->action == ACTION_ATTACH)
		return attach_mount(o->mount_for, o->mountpoint, err) < 0
			       ? complain(err)
			       : EXIT_SUCCESS;
	if (o->action == ACTION_CHECK_AUDIT)
		return check_audit(o->check_audit, err);
	return with_config(&s, err);
}

int main(int argc, char **argv)
{
	struct options options;
	struct error err = {0};
	int status;

	rights_hide_memory();
	if (options_parse(argc, argv, &options, &err) < 0) {
		complain(&err);
		fputs("uvrfs: try: uvrfs --help\n", stderr);
		status = EXIT_USAGE;
	} else {
		status = act(&options, &err);
	}
	options_finish(&options);
	return status;
}
