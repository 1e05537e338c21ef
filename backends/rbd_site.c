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

/* With the lock held: what was asked then has had no answer. */
static void went_silent(struct rbd_site *s, int64_t asked)
{
	s->silent_last = asked;
	if (s->silent_since)
		return;
	s->silent_since = asked;
	s->silent_wall = clock_wall() - (clock_monotonic() - asked);
	s->doubted = s->alive = false;
}

/* With the lock held.  One answer that is late is no death. */
static void doubted(struct rbd_site *s, bool alive)
{
	s->doubted = true;
	if (alive)
		s->alive_at = s->silent_last;
	else if (s->silent_last - s->alive_at < s->rbd->silent_ms)
		alive = s->alive;
	s->alive = alive;
}

int site_note(struct rbd_site *s, int rc)
{
	struct rbd_conn *dropped = NULL;

	if (rc == -ENOMEM)
		return rc;
	pthread_mutex_lock(&s->rbd->lock);
	if (!site_is_silence(rc)) {
		s->silent_since = 0;
		s->answered = true;
		if (s->conn)
			s->conn->heard = true;
	} else if (rc == -ESHUTDOWN) {
		/* That is an answer, too. */
		s->silent_since = 0;
		dropped = s->conn;
		s->conn = NULL;
	}
	/* A new one, too: whoever comes from this machine. */
	if (dropped && !dropped->heard) {
		s->trouble = REACH_REFUSED;
		snprintf(s->why, sizeof s->why, "this client is blocklisted");
	}
	pthread_mutex_unlock(&s->rbd->lock);
	conn_unref(dropped);
	return rc;
}

void site_note_silence(struct rbd_site *s, int64_t asked)
{
	pthread_mutex_lock(&s->rbd->lock);
	if (s->conn)
		went_silent(s, asked);
	pthread_mutex_unlock(&s->rbd->lock);
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
	s->silent_since = 0;
	pthread_mutex_unlock(&s->rbd->lock);
	conn_unref(dropped);
}

/* What a new client is told by a cluster that wants none of us. */
static bool is_refusal(int rc)
{
	return rc == -EACCES || rc == -EPERM || rc == -EOPNOTSUPP;
}

static void refuse(struct rbd_site *s, int rc)
{
	trouble(s, REACH_REFUSED, "no key that is good for client.",
		s->user ? s->user : "admin", rc);
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

int conn_ask(struct rbd_conn *c, const char *what, char **answer, size_t *len)
{
	char command[64];
	const char *list = command;

	snprintf(command, sizeof command, "{\"prefix\": \"%s\"}", what);
	return rados_mon_command(c->rados, &list, 1, "", 0, answer, len, NULL,
				 NULL);
}

/* A new client; NULL when there can't be one here, and @what says why. */
static struct rbd_conn *new_client(struct rbd_site *s, const char **what,
				   int *rc)
{
	struct rbd_conn *c = calloc(1, sizeof *c);

	*what = "no client for ";
	*rc = c ? rados_create(&c->rados, s->user) : -ENOMEM;
	if (*rc < 0) {
		free(c);
		return NULL;
	}
	c->refs = 1;
	*what = "can't read ";
	*rc = rados_conf_read_file(c->rados, s->conf);
	if (*rc == 0)
		*rc = set_up(s, c->rados);
	if (*rc < 0) {
		conn_unref(c);
		return NULL;
	}
	return c;
}

/*
 * A key without rights at the monitor connects, and none of its questions is
 * ever answered, which looks like a cluster that is gone: seen on Ceph 16.2.
 * Commands alone are refused in words.  Any other outcome of theirs is no reason
 * not to go on: a monitor has let us in.
 */
static int connect_client(struct rbd_conn *c)
{
	int rc = rados_connect(c->rados);

	if (rc < 0)
		return rc;
	rc = conn_ask(c, "osd stat", NULL, NULL);
	return is_refusal(rc) ? rc : 0;
}

static void open_conn(struct rbd_site *s)
{
	const char *what;
	int rc;
	struct rbd_conn *c = new_client(s, &what, &rc);

	if (!c) {
		trouble(s, REACH_UNCONFIGURED, what, s->conf, rc);
		return;
	}
	rc = connect_client(c);
	if (rc < 0 && !site_is_silence(rc)) {
		/* A keyring that is none, or that has no such user, too. */
		refuse(s, rc);
		conn_unref(c);
		return;
	}
	pthread_mutex_lock(&s->rbd->lock);
	s->trouble = REACH_OK;
	if (rc < 0) {
		went_silent(s, clock_monotonic());
		doubted(s, false);
	} else {
		s->conn = c;
		s->answered = true;
		s->silent_since = 0;
	}
	pthread_mutex_unlock(&s->rbd->lock);
	if (rc < 0)
		conn_unref(c);
}

void site_connect(struct rbd_site *s)
{
	bool now;

	pthread_mutex_lock(&s->rbd->lock);
	now = s->conf && !s->conn && clock_monotonic() >= s->retry_at;
	pthread_mutex_unlock(&s->rbd->lock);
	if (!now)
		return;
	open_conn(s);
	pthread_mutex_lock(&s->rbd->lock);
	s->retry_at = clock_monotonic() + RETRY_MS;
	pthread_mutex_unlock(&s->rbd->lock);
}

/*
 * What becomes of a new client.  One that is let in takes the place of @old, which
 * may know no address any more that is right.
 */
static int connect_anew(struct rbd_site *s, const struct rbd_conn *old)
{
	const char *what;
	int rc;
	struct rbd_conn *c = new_client(s, &what, &rc), *dropped = c;

	if (!c)
		return rc;
	rc = connect_client(c);
	if (is_refusal(rc))
		refuse(s, rc);
	pthread_mutex_lock(&s->rbd->lock);
	if (rc == 0 && s->conn == old) {
		dropped = s->conn;
		s->conn = c;
	}
	pthread_mutex_unlock(&s->rbd->lock);
	conn_unref(dropped);
	return rc;
}

void site_doubt(struct rbd_site *s)
{
	struct rbd_conn *c;
	bool alive, silent;
	int rc;

	pthread_mutex_lock(&s->rbd->lock);
	silent = s->silent_since;
	pthread_mutex_unlock(&s->rbd->lock);
	c = silent ? site_conn(s, &rc) : NULL;
	if (!c)
		return;
	rc = connect_anew(s, c);
	/* What else keeps it away may be of this machine. */
	alive = rc == 0 ||
		(!site_is_silence(rc) &&
		 !site_is_silence(conn_ask(c, "osd stat", NULL, NULL)));
	conn_unref(c);
	pthread_mutex_lock(&s->rbd->lock);
	doubted(s, alive);
	pthread_mutex_unlock(&s->rbd->lock);
}

bool site_is_silent(const struct rbd_site *s)
{
	/* From the first question without an answer to the last: how long
	   nobody has asked says nothing. */
	return s->silent_since && s->doubted &&
	       s->silent_last - s->silent_since >= s->rbd->silent_ms;
}

void site_stamp(const struct rbd_site *s, struct rbd_view *v)
{
	*v->why = '\0';
	v->alive = s->silent_since && s->alive;
	if (!s->conf) {
		v->reach = REACH_UNCONFIGURED;
		snprintf(v->why, sizeof v->why,
			 "the configuration has no ceph.conf for it");
	} else if (s->trouble != REACH_OK) {
		v->reach = s->trouble;
		memcpy(v->why, s->why, sizeof v->why);
	} else if (s->silent_since) {
		v->reach = site_is_silent(s) ? REACH_SILENT : REACH_UNKNOWN;
		snprintf(v->why, sizeof v->why, "%s",
			 v->alive ? "its monitors answer, and its OSDs don't"
				      : "its Ceph gives no answer");
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
