/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon put together and taken apart; SIGHUP. */
#include "server.h"

#include "attach.h"
#include "daemon.h"
#include "loop.h"
#include "mountpoint.h"
#include "notify.h"
#include "rights.h"
#include "state_dir.h"
#include "store_kube.h"
#include "text.h"

#include <poll.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* May users who are not root mount for others, too? */
static bool others_are_allowed(void)
{
	bool allowed = false;
	char *line = NULL;
	size_t size = 0;
	FILE *f;

	if (geteuid() == 0)
		return true;
	f = fopen("/etc/fuse.conf", "re");
	while (f && getline(&line, &size, f) > 0)
		if (strncmp(line, "user_allow_other", 16) == 0)
			allowed = true;
	free(line);
	if (f)
		fclose(f);
	return allowed;
}

/* What can change while the daemon runs: the world looks there each time. */
static void configure_world(struct server *s, const struct config *c)
{
	s->world_config.policy.unreachable_needs_force =
		c->unreachable_needs_force;
	s->world_config.act_timeout_ms = c->timeouts.act;
	s->world_config.min_deadline_ms = c->timeouts.min_deadline;
	s->world_config.retry_first_ms = c->timeouts.retry_first;
	s->world_config.retry_max_ms = c->timeouts.retry_max;
}

static int add_backend(struct server *s, size_t i, struct error *err)
{
	const struct config_backend *b = &s->config.backends[i];

	s->backends[i] = server_make_backend(s, b, err);
	if (!s->backends[i])
		return error_prefix(err, "backend %s: ", b->name);
	return world_add_backend(s->world, s->backends[i], err);
}

static int make_world(struct server *s, struct error *err)
{
	size_t i;
	int rc = 0;

	s->world_config.site = s->config.site;
	s->world_config.select = s->config.select;
	s->world_config.select_count = s->config.select_count;
	configure_world(s, &s->config);
	s->world = world_new(&s->world_config, s->store,
			     workers_jobs(s->workers));
	s->backends = calloc(s->config.backend_count, sizeof(*s->backends));
	if (!s->world || !s->backends)
		return fail(err, ENOMEM, "not enough memory");
	for (i = 0; i < s->config.backend_count && rc == 0; i++)
		rc = add_backend(s, i, err);
	return rc < 0 ? rc : world_load(s->world, loop_now(), err);
}

/*
 * Before anybody can ask: what the backends see, so that nobody who comes at
 * once is told that it has not been asked yet.  Storage that gives no answer
 * within a second is not waited for.
 */
static void await_first_look(struct server *s)
{
	struct pollfd back = {.fd = workers_fd(s->workers), .events = POLLIN};
	int64_t end = loop_now() + 1000, left;

	while (!world_is_observed(s->world) && (left = end - loop_now()) > 0) {
		poll(&back, 1, (int)left);
		world_tick(s->world, loop_now());
		workers_finish_jobs(s->workers);
	}
}

/* Who went to the background is not started again by anybody. */
static bool can_be_kept(const struct server *s)
{
	return s->options->foreground && fs_can_be_taken_over(s->fs);
}

/* It is mounted, and the kernel has introduced itself. */
static int greet(struct server *s, struct error *err)
{
	int rc = fs_serve(s->fs, err);

	s->nudger.device = mountpoint_device(s->mountpoint);
	if (rc == 0 && can_be_kept(s))
		keep_give(&s->keep, fs_fd(s->fs), s->nudger.device,
			  s->store_id);
	return rc;
}

/* The device itself, as libfuse takes it for a mountpoint: somebody else's. */
static int mount_device(struct fs *fs, struct error *err)
{
	char place[32];
	int fd = attach_open_device(err);

	if (fd < 0)
		return fd;
	snprintf(place, sizeof place, "/dev/fd/%d", fd);
	return fs_mount(fs, place, err);
}

/* Mounts, or goes on with what a former daemon has left. */
static int attach(struct server *s, struct error *err)
{
	int rc;

	s->keep.kept = s->keep.fd >= 0;
	if (s->keep.kept) {
		s->nudger.device = mountpoint_device(s->mountpoint);
		return fs_take_over(s->fs, s->keep.fd, err);
	}
	if (s->options->await_mount)
		return mount_device(s->fs, err);
	rc = fs_mount(s->fs, s->mountpoint, err);
	return rc < 0 ? rc : greet(s, err);
}

static int make_tree(struct server *s, struct error *err)
{
	const struct options *o = s->options;
	struct fs_options options = {
		.kept = keep_memory(&s->keep),
		.access = s->config.access,
		.access_count = s->config.access_count,
		.mount_options = buf_str(&o->fuse),
		.read_only = o->read_only,
		.basic = o->basic,
		.allow_other = others_are_allowed(),
		.debug = o->debug,
	};

	s->fs = fs_new(s->world, &options);
	if (!s->fs)
		return fail(err, ENOMEM, "not enough memory");
	return attach(s, err);
}

/* ---- a controller ---- */

static void changed(struct world_listener *l, struct replication *r,
		    const struct replication *before, unsigned facets)
{
}

static void appeared(struct world_listener *l, struct replication *r)
{
}

static void logged(struct world_listener *l)
{
	void *at = (char *)l - offsetof(struct server, listener);
	struct server *s = at;
	uint64_t lost;
	const char *text;
	size_t len;

	while ((text = lines_next(world_log(s->world), &s->told, 1, &len,
				  &lost)) && (len || lost))
		if (len)
			log_print(&s->log, LOG_INFO, "%.*s", (int)len - 1,
				  text);
}

static void listen_to_world(struct server *s)
{
	s->listener = (struct world_listener){
		.changed = changed,
		.appeared = appeared,
		.vanishing = appeared,
		.logged = logged,
	};
	world_set_listener(s->world, &s->listener);
	logged(&s->listener);
}

static void render_metrics(void *ctx, struct buf *out)
{
	daemon_metrics(&(struct subject){.world = ctx}, out);
}

static void tell_outside(struct server *s)
{
	listen_to_world(s);
	s->metrics = (struct metrics_file){
		.dir = s->state_dir,
		.render = render_metrics,
		.ctx = s->world,
		.jobs = workers_jobs(s->workers),
		.log = &s->log,
	};
}

/* Also what a former one has left, which would be taken for that of ours. */
static void remove_metrics(struct server *s)
{
	if (!s->mountpoint)
		metrics_file_remove(s->state_dir);
}

int server_identify(struct server *s, struct error *err)
{
	const char *cluster = s->config.kube.cluster;
	auto_kube_access access = {0};
	auto_buf text;
	char id[UUID_SIZE];

	buf_init(&text, 2 * PATH_MAX);
	if (cluster &&
	    server_open_access(&s->config, cluster, &access, err) < 0)
		return -err->code;
	if (state_dir_identify(s->state_dir, id, err) < 0)
		return -err->code;
	buf_printf(&text, "%s %s %s %s", s->state_dir, id, s->config.site,
		   cluster ? access.server : "");
	s->store_id = text_hash(buf_str(&text));
	return 0;
}

static struct store *open_store(struct server *s, struct error *err)
{
	const struct config_kube *kube = &s->config.kube;
	struct store_kube_config config = {
		.state_dir = s->state_dir,
		.site = s->config.site,
		.namespace = kube->namespace,
		.lease = kube->lease,
		.lease_ms = kube->lease_ms,
		.candidate = kube->lead,
		.memory = -1,
		.memory_used = keep_used(),
		.goes_on = s->keep.fd >= 0,
	};

	if (s->mountpoint && keep_memory(&s->keep))
		config.memory = s->keep.memory;
	if (!kube->cluster)
		return store_local_open(s->state_dir, s->config.site, err);
	if (server_open_access(&s->config, kube->cluster, &config.access,
			       err) < 0)
		return NULL;
	return store_kube_open(&config, err);
}

/*
 * What makes a mount of it.  A user who is not root has rights only for this:
 * from here on they are the nudger's alone.
 */
static int start_nudger(struct server *s, struct error *err)
{
	int rc;

	s->nudger.mountpoint = s->mountpoint;
	rc = nudger_start(&s->nudger, loop_now(), err);
	if (geteuid() != 0)
		s->nudger_has_rights = rights_keep(0);
	return rc;
}

/*
 * Nobody knows when an API server will answer again: those who wait at the mount
 * of a former daemon are told that it is dead.
 */
static void end_former(struct server *s)
{
	mountpoint_end(s->mountpoint);
	keep_drop(&s->keep);
}

int server_start(struct server *s, struct error *err)
{
	int rc = 0;

	log_init(&s->log);
	loop_block_signals();
	/* While there is little in memory that it would keep a copy of. */
	if (s->mountpoint)
		rc = start_nudger(s, err);
	if (rc < 0)
		return rc;
	s->store = open_store(s, err);
	/* What was kept can't be read, and won't be by the next one. */
	if (!s->store && s->keep.fd >= 0 && err->code == EBADMSG)
		end_former(s);
	if (!s->store)
		return -err->code;
	remove_metrics(s);
	s->workers = workers_new(err);
	if (!s->workers)
		return -err->code;
	rc = make_world(s, err);
	if (rc < 0 && s->keep.fd >= 0 && s->config.kube.cluster)
		end_former(s);
	if (rc < 0)
		return rc;
	/* Those who would want it find us without. */
	if (state_dir_write_pid(s->state_dir, err) < 0)
		log_print(&s->log, LOG_WARNING, "%s", err->msg);
	await_first_look(s);
	if (s->mountpoint)
		rc = make_tree(s, err);
	else
		tell_outside(s);
	/* What is wrong with us need not be wrong with the next one. */
	s->leaves = rc < 0 && s->keep.kept && rc != -ESTALE;
	return rc;
}

/* What is wrong changes nothing; what can't change while we run is named. */
static void reload(struct loop *loop)
{
	struct server *s = loop->ctx;
	struct config now;
	struct error err;
	auto_buf fixed;

	buf_init(&fixed, 256);
	if (config_load(s->config_path, !s->options->config, &now, &err) < 0) {
		log_print(&s->log, LOG_ERR, "the configuration stays as it "
			  "was: %s", err.msg);
		return;
	}
	config_list_fixed_changes(&s->config, &now, &fixed);
	configure_world(s, &now);
	config_finish(&now);
	log_print(&s->log, LOG_INFO, "read %s again: failover and timeouts are "
		  "in force%s%s", s->config_path,
		  fixed.len ? "; these need a restart: " : "", buf_str(&fixed));
}

int server_run(struct server *s, struct error *err)
{
	struct loop loop = {
		.fs = s->fs,
		.world = s->world,
		.workers = s->workers,
		.log = &s->log,
		.metrics = s->mountpoint ? NULL : &s->metrics,
		.nudger = &s->nudger,
		.reload = reload,
		.ctx = s,
	};
	int rc = 0;

	if (s->options->await_mount && !s->keep.kept) {
		rc = attach_await(fs_fd(s->fs), s->mountpoint, err);
		if (rc == 0)
			rc = greet(s, err);
	}
	log_print(&s->log, LOG_INFO, "uvrfs " UVRFS_VERSION " %s%s",
		  !s->mountpoint ? "controls, without a mount"
		  : s->keep.fd >= 0 ? "goes on with the mount at "
				    : "is mounted at ",
		  s->mountpoint ? s->mountpoint : "");
	loop.needs_nudger = s->nudger_has_rights && s->keep.kept;
	if (rc == 0)
		rc = loop_run(&loop, err);
	if (rc < 0)
		log_print(&s->log, LOG_ERR, "%s", err->msg);
	/* After a failure of ours the mount is as good as before. */
	s->leaves = s->keep.kept && (loop.leaves || rc < 0);
	if (s->leaves)
		log_print(&s->log, LOG_INFO, "the mount at %s is left to the "
			  "next daemon", s->mountpoint);
	notify_systemd("STOPPING=1");
	return rc;
}

/*
 * Stopped backends cut their calls short and refuse new ones, so that nothing
 * begins any more while the last jobs come back.
 */
static void stop_backends(struct server *s)
{
	size_t i;

	for (i = 0; s->backends && i < s->config.backend_count; i++)
		if (s->backends[i])
			s->backends[i]->ops->stop(s->backends[i]);
}

static void free_backends(struct server *s)
{
	size_t i;

	for (i = 0; s->backends && i < s->config.backend_count; i++)
		if (s->backends[i])
			s->backends[i]->ops->free(s->backends[i]);
	free(s->backends);
}

static void unmount(struct server *s)
{
	fs_abandon(s->fs);
	/* Its keeper has the descriptor, too: closing ours does not end it. */
	if (s->keep.kept &&
	    mountpoint_device(s->mountpoint) == s->nudger.device)
		mountpoint_end(s->mountpoint);
	fs_unmount(s->fs);
	if (s->keep.kept)
		keep_end(&s->keep);
}

void server_stop(struct server *s)
{
	if (s->fs && !s->leaves)
		unmount(s);
	/* When the mount stays it may be waiting for an answer of ours; it ends
	   when we do. */
	if (s->mountpoint && !s->leaves)
		nudger_stop(&s->nudger);
	if (s->world)
		world_stop(s->world);
	stop_backends(s);
	if (s->workers)
		workers_drain(s->workers);
	/* What was given to it has ended by now, and what it tells still has a
	   loop to end in. */
	if (s->store && s->store->ops->stop)
		s->store->ops->stop(s->store);
	if (s->workers)
		workers_drain(s->workers);
	/* Writers had their answers as what they wrote was stored. */
	if (s->fs && s->leaves)
		fs_leave(s->fs);
	if (s->fs)
		fs_free(s->fs);
	world_free(s->world);
	workers_free(s->workers);
	free_backends(s);
	if (s->store) {
		remove_metrics(s);
		state_dir_remove_pid(s->state_dir);
		s->store->ops->close(s->store);
	}
}
