/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to clusters, and what their silence means: a call without an
 * answer is no verdict, only silence that lasts is.
 */
#include "rbd_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 2000
#define NOTIFY_MS 2000

bool site_is_silence(int rc)
{
	/* ESHUTDOWN: this client was blocklisted; a new one may be heard. */
	return rc == -ETIMEDOUT || rc == -ESHUTDOWN || rc == -ENOTCONN;
}

void conn_unref(struct rbd_conn *c)
{
	if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
		return;
	rados_shutdown(c->rados);
	free(c);
}

struct rbd_conn *site_conn(struct rbd_site *s, int *rc)
{
	struct rbd_conn *c;

	pthread_mutex_lock(&s->rbd->lock);
	c = s->conn;
	if (c)
		__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	*rc = s->trouble == REACH_REFUSED	 ? -EACCES
	      : s->trouble == REACH_UNCONFIGURED ? -ENOENT
						 : -EHOSTUNREACH;
	pthread_mutex_unlock(&s->rbd->lock);
	return c;
}

static void went_silent(struct rbd_site *s)
{
	if (s->silent_since)
		return;
	s->silent_since = clock_monotonic();
	s->silent_wall = clock_wall();
}

int site_note(struct rbd_site *s, int rc)
{
	struct rbd_conn *dropped = NULL;

	pthread_mutex_lock(&s->rbd->lock);
	if (!site_is_silence(rc)) {
		s->silent_since = 0;
		s->answered = true;
	} else {
		went_silent(s);
		if (rc == -ESHUTDOWN) {
			dropped = s->conn;
			s->conn = NULL;
		}
	}
	pthread_mutex_unlock(&s->rbd->lock);
	conn_unref(dropped);
	return rc;
}

static void trouble(struct rbd_site *s, enum reach reach, const char *what,
		    const char *which, int rc)
{
	struct rbd_conn *dropped;

	pthread_mutex_lock(&s->rbd->lock);
	dropped = s->conn;
	s->conn = NULL;
	s->trouble = reach;
	snprintf(s->why, sizeof s->why, "%s%s: %s", what, which,
		 strerrordesc_np(-rc));
	if (reach == REACH_REFUSED)
		s->silent_since = 0;
	pthread_mutex_unlock(&s->rbd->lock);
	conn_unref(dropped);
}

static void note_failure(struct rbd_site *s, int rc)
{
	const char *user = s->user ? s->user : "admin";

	switch (-rc) {
	case EACCES:
	case EPERM:
	case EINVAL:
	case ENOENT:
	case EOPNOTSUPP:
		trouble(s, REACH_REFUSED, "no key that is good for client.",
			user, rc);
		break;
	default:
		pthread_mutex_lock(&s->rbd->lock);
		s->trouble = REACH_OK;
		went_silent(s);
		pthread_mutex_unlock(&s->rbd->lock);
	}
}

static int set_up(struct rbd_site *s, rados_t rados)
{
	static const struct {
		const char *option, *value;
	} rows[] = {
		{"rados_osd_op_timeout", RBD_CALL_S},
		{"rados_mon_op_timeout", RBD_CALL_S},
		{"client_mount_timeout", RBD_CALL_S},
		/* After how long without an answer it asks where the OSD is now:
		   10 s, so that calls which end before never find one that came
		   back at another address. */
		{"objecter_timeout", "2"},
		{"objecter_tick_interval", "1"},
		/* What it would say goes into its own log. */
		{"log_to_stderr", "false"},
		{"err_to_stderr", "false"},
	};
	size_t i;
	int rc;

	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		rc = rados_conf_set(rados, rows[i].option, rows[i].value);
		if (rc < 0)
			return rc;
	}
	return s->keyring ? rados_conf_set(rados, "keyring", s->keyring) : 0;
}

/*
 * A key without rights at the monitor connects, and none of its questions is
 * ever answered, which looks like a cluster that is gone: seen on Ceph 16.2.
 * Commands alone are refused in words.
 */
static int ask_monitor(rados_t rados)
{
	const char *command = "{\"prefix\": \"osd stat\"}";

	return rados_mon_command(rados, &command, 1, "", 0, NULL, NULL, NULL,
				 NULL);
}

/* A new client of the cluster; NULL once it has been noted why not. */
static struct rbd_conn *connect_to(struct rbd_site *s)
{
	struct rbd_conn *c = calloc(1, sizeof *c);
	int rc = c ? rados_create(&c->rados, s->user) : -ENOMEM;

	if (rc < 0) {
		free(c);
		trouble(s, REACH_UNCONFIGURED, "no client for ", s->name, rc);
		return NULL;
	}
	c->refs = 1;
	rc = rados_conf_read_file(c->rados, s->conf);
	if (rc < 0) {
		trouble(s, REACH_UNCONFIGURED, "can't read ", s->conf, rc);
		conn_unref(c);
		return NULL;
	}
	rc = set_up(s, c->rados);
	if (rc == 0)
		rc = rados_connect(c->rados);
	if (rc == 0)
		rc = ask_monitor(c->rados);
	if (rc < 0) {
		note_failure(s, rc);
		conn_unref(c);
		return NULL;
	}
	return c;
}

static void open_conn(struct rbd_site *s)
{
	struct rbd_conn *c = connect_to(s);

	if (!c)
		return;
	pthread_mutex_lock(&s->rbd->lock);
	s->conn = c;
	s->trouble = REACH_OK;
	s->answered = true;
	s->silent_since = 0;
	pthread_mutex_unlock(&s->rbd->lock);
}

void site_connect(struct rbd_site *s)
{
	bool now, doubt;

	pthread_mutex_lock(&s->rbd->lock);
	doubt = s->conn && s->silent_since;
	now = s->conf && (!s->conn || doubt) &&
	      clock_monotonic() >= s->retry_at;
	pthread_mutex_unlock(&s->rbd->lock);
	if (!now)
		return;
	/* A client whose key was taken away hears nothing more; a new one is
	   refused. */
	if (doubt)
		conn_unref(connect_to(s));
	else
		open_conn(s);
	pthread_mutex_lock(&s->rbd->lock);
	s->retry_at = clock_monotonic() + RETRY_MS;
	pthread_mutex_unlock(&s->rbd->lock);
}

void site_stamp(const struct rbd_site *s, struct rbd_view *v)
{
	int64_t silence = s->silent_since ? clock_monotonic() - s->silent_since
					  : 0;

	*v->why = '\0';
	if (!s->conf) {
		v->reach = REACH_UNCONFIGURED;
		snprintf(v->why, sizeof v->why,
			 "the configuration has no ceph.conf for it");
	} else if (s->trouble != REACH_OK) {
		v->reach = s->trouble;
		memcpy(v->why, s->why, sizeof v->why);
	} else if (s->silent_since) {
		v->reach = silence >= s->rbd->silent_ms ? REACH_SILENT
							: REACH_UNKNOWN;
		snprintf(v->why, sizeof v->why, "its Ceph gives no answer");
	} else {
		v->reach = s->answered && v->at ? REACH_OK : REACH_UNKNOWN;
	}
}

static void know_mirror(struct rbd_site *s, uint64_t client)
{
	unsigned i;

	for (i = 0; i < s->mirror_count; i++)
		if (s->mirrors[i] == client)
			return;
	if (s->mirror_count == RBD_KNOWN_MIRRORS) {
		memmove(s->mirrors, s->mirrors + 1,
			sizeof s->mirrors - sizeof *s->mirrors);
		s->mirror_count--;
	}
	s->mirrors[s->mirror_count++] = client;
}

static bool knows_mirror(struct rbd_site *s, uint64_t client)
{
	bool known = false;
	unsigned i;

	pthread_mutex_lock(&s->rbd->lock);
	for (i = 0; i < s->mirror_count; i++)
		known = known || s->mirrors[i] == client;
	pthread_mutex_unlock(&s->rbd->lock);
	return known;
}

/*
 * Every rbd-mirror daemon, and nobody else, watches the pool's `rbd_mirroring`
 * object, at both sites.  A message of a kind that it does not know is only
 * acknowledged, with the client's number.
 */
static void ask_mirrors(struct rbd_site *s, rados_ioctx_t io)
{
	/* version, compatible with, length, kind; as all of Ceph's messages */
	static const char message[] = {1, 1, 4, 0, 0, 0, '\xff', '\xff', 0, 0};
	struct notify_timeout_t *late = NULL;
	struct notify_ack_t *acks = NULL;
	size_t ack_count = 0, late_count = 0, len = 0, i;
	char *reply = NULL;

	/* Who does not acknowledge is named in the answer, too. */
	rados_notify2(io, "rbd_mirroring", message, sizeof message, NOTIFY_MS,
		      &reply, &len);
	if (!reply)
		return;
	if (rados_decode_notify_response(reply, len, &acks, &ack_count, &late,
					 &late_count) == 0) {
		pthread_mutex_lock(&s->rbd->lock);
		for (i = 0; i < ack_count; i++)
			know_mirror(s, acks[i].notifier_id);
		for (i = 0; i < late_count; i++)
			know_mirror(s, late[i].notifier_id);
		pthread_mutex_unlock(&s->rbd->lock);
		rados_free_notify_response(acks, ack_count, late);
	}
	rados_buffer_free(reply);
}

bool site_is_mirror(struct rbd_site *s, struct rbd_conn *c,
		    const struct rbd_pair *p, uint64_t client)
{
	rados_ioctx_t io;

	if (client == rados_get_instance_id(c->rados) ||
	    knows_mirror(s, client))
		return true;
	/* They watch that of the pool, whatever the image's namespace. */
	if (rados_ioctx_create(c->rados, p->pool, &io) == 0) {
		ask_mirrors(s, io);
		rados_ioctx_destroy(io);
	}
	return knows_mirror(s, client);
}
