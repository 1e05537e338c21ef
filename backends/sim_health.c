/* SPDX-License-Identifier: Apache-2.0 */
/* How a site does: its faults file, read when it changes, and what it means. */
#include "sim_model.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long those who watch a hanging site believe what they saw last. */
#define HANG_WATCH_MS 5000

/* A file that changed this recently may change again within its time stamp. */
#define YOUNG_NS ((int64_t)20 * 1000000)

struct text {
	char *data;
	size_t len;
	struct stamp stamp;
};

static void file_path(const struct site *site, const char *name,
		      char out[static SIM_PATH_MAX])
{
	snprintf(out, SIM_PATH_MAX, "%s/%s", site->name, name);
}

/* Reads the whole file; no file is an empty one. */
static int read_text(const struct sim *sim, const struct site *site,
		     struct text *out)
{
	char path[SIM_PATH_MAX];
	struct stat st;
	ssize_t n;
	int fd;

	file_path(site, "faults", path);
	out->data = malloc(FAULTS_MAX);
	if (!out->data)
		return -ENOMEM;
	fd = openat(sim->root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0)
		stamp_from(&out->stamp, &st);
	n = volume_read(fd, out->data, FAULTS_MAX);
	close(fd);
	out->len = n > 0 ? (size_t)n : 0;
	return 0;
}

static uint64_t content_of(const struct text *t)
{
	struct digest d;

	digest_init(&d);
	digest_add(&d, t->data, t->len);
	return digest_value(&d);
}

/* The user's answer to a line that we can't use. */
static void write_complaint(const struct sim *sim, const struct site *site,
			    const char *wrong)
{
	char path[SIM_PATH_MAX];
	int fd;

	file_path(site, "faults.error", path);
	if (!*wrong) {
		unlinkat(sim->root, path, 0);
		return;
	}
	fd = openat(sim->root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0644);
	if (fd < 0)
		return;
	dprintf(fd, "%s\n", wrong);
	close(fd);
}

static bool has_hang(const struct sim_faults *f)
{
	size_t i;

	for (i = 0; i < f->count; i++)
		if (f->list[i].kind == FAULT_HANG)
			return true;
	return false;
}

static void set_faults(struct sim *sim, struct site *site, struct sim_faults *new)
{
	struct sim_faults old;

	pthread_mutex_lock(&sim->lock);
	old = site->faults;
	site->faults = *new;
	if (!has_hang(new)) {
		site->hung_since = 0;
		site->silent = false;
	} else if (!site->hung_since) {
		site->hung_since = clock_monotonic();
	}
	site_mark(sim, site);
	pthread_cond_broadcast(&sim->changed);
	pthread_mutex_unlock(&sim->lock);
	faults_finish(&old);
}

/* True when what was read last may be believed without reading. */
static bool is_fresh(const struct sim *sim, const struct site *site)
{
	struct stamp stamp = {0};
	char path[SIM_PATH_MAX];
	struct stat st;

	file_path(site, "faults", path);
	if (fstatat(sim->root, path, &st, 0) == 0)
		stamp_from(&stamp, &st);
	return site->loaded && stamp_equal(&stamp, &site->faults_stamp) &&
	       clock_wall() * 1000000 - stamp.changed > YOUNG_NS;
}

static void reload(struct sim *sim, struct site *site)
{
	struct sim_faults new;
	struct text text = {0};
	uint64_t content;

	if (read_text(sim, site, &text))
		return;
	content = content_of(&text);
	/* The same text written again is a new order: counts start anew. */
	if (!(site->loaded && content == site->faults_content &&
	      stamp_equal(&text.stamp, &site->faults_stamp)) &&
	    faults_parse(text.data, text.len, &new) == 0) {
		write_complaint(sim, site, new.wrong);
		site->faults_stamp = text.stamp;
		site->faults_content = content;
		site->loaded = true;
		set_faults(sim, site, &new);
	}
	free(text.data);
}

void site_refresh(struct sim *sim, struct site *site)
{
	pthread_mutex_lock(&sim->faults_lock);
	if (!is_fresh(sim, site))
		reload(sim, site);
	pthread_mutex_unlock(&sim->faults_lock);
}

struct fault *end_fault(const struct end *e, enum fault_kind kind, enum act act)
{
	return faults_find(&e->site->faults, kind, e->namespace, e->volume,
			   act);
}

bool end_has(const struct end *e, enum fault_kind kind)
{
	return end_fault(e, kind, ACT_NONE);
}

int64_t end_hang_ms(const struct end *e)
{
	const struct fault *f = end_fault(e, FAULT_HANG, ACT_NONE);

	if (!f)
		return -1;
	return f->number >= 0 ? f->number : HANG_WATCH_MS;
}

bool bond_is_linked(const struct bond *p)
{
	int i;

	for (i = 0; i < 2; i++)
		if (end_has(&p->end[i], FAULT_DOWN) ||
		    end_has(&p->end[i], FAULT_HANG))
			return false;
	return true;
}
