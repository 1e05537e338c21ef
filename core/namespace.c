/* SPDX-License-Identifier: Apache-2.0 */
/* Making and removing namespaces, and drafts of replications in them. */
#include "world_private.h"

#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct namespace_job {
	struct job job;
	struct world *world;
	struct namespace_edit *edit;
	struct namespace *ns;		/* to be removed, or made */
	int rc;
	struct error err;
};

/* worker */
static void run(struct job *job)
{
	struct namespace_job *j = (struct namespace_job *)job;
	struct store *s = j->world->store;

	if (j->edit->remove)
		j->rc = s->ops->rmdir(s, j->edit->name, &j->err);
	else
		j->rc = s->ops->mkdir(s, j->edit->name, j->ns->id,
				    &j->err);
}

static void take_out(struct world *w, struct namespace *ns)
{
	size_t i = 0;

	while (w->namespaces[i] != ns)
		i++;
	memmove(&w->namespaces[i], &w->namespaces[i + 1],
		(--w->namespace_count - i) * sizeof ns);
	free(ns->list);
	free(ns);
}

static void done(struct job *job)
{
	struct namespace_job *j = (struct namespace_job *)job;
	struct namespace_edit *e = j->edit;
	struct world *w = j->world;

	/* The store puts it right before it does anything else. */
	if (j->rc == -EUCLEAN)
		j->rc = -EIO;
	if (e->remove) {
		j->ns->busy--;
		j->ns->going = j->rc == 0;
	} else if (j->rc == 0 && world_namespace(w, e->name)) {
		j->rc = -EEXIST;	/* two at once: one directory */
	}
	if (j->rc == 0 && !e->remove)
		shared_note_namespace(w, e->name, j->ns->id);
	else if (j->rc == 0)
		shared_note_gone(w, j->ns->id);
	if (e->remove && j->rc == 0)
		take_out(w, j->ns);
	else if (!e->remove && j->rc == 0)
		namespace_add(j->ns);
	else if (!e->remove)
		namespace_drop(j->ns);
	world_audit_line(w, e->name, NULL, &e->who,
			 j->rc ? "failed" : "accepted", "%s%s%s",
			 e->remove ? "rmdir" : "mkdir", j->rc ? ": " : "",
			 j->rc ? j->err.msg : "");
	e->done(e, j->rc);
	free(j);
}

static int check(struct namespace_edit *e, struct namespace *ns,
		 struct error *err)
{
	if (e->remove && !ns)
		return fail(err, ENOENT, "there is no namespace of that name");
	if (e->remove)
		return ns->count || ns->busy
			       ? fail(err, ENOTEMPTY, "there is something in it")
			       : 0;
	if (ns)
		return fail(err, EEXIST, "it exists");
	return name_is_dns_label(e->name)
		       ? 0
		       : fail(err, EINVAL, "'%s' is not a DNS-1123 label",
			      e->name);
}

/* A name that is none stays out of the line's fields. */
static void audit_refusal(struct world *w, const struct namespace_edit *e,
			  const struct error *err)
{
	world_audit_line(w, name_is_dns_label(e->name) ? e->name : NULL, NULL,
			 &e->who, "refused", "%s: %s",
			 e->remove ? "rmdir" : "mkdir", err->msg);
}

/* All that is needed in memory, before the store is asked: NULL without. */
static struct namespace *prepare(struct world *w, struct namespace_edit *e,
				 struct error *err)
{
	uint64_t id = w->store->ops->new_id(w->store, err);
	struct namespace *ns = id ? namespace_new(w, e->name, id) : NULL;

	if (id && !ns)
		fail(err, ENOMEM, "out of memory");
	return ns;
}

void world_edit_namespace(struct world *w, struct namespace_edit *e)
{
	struct namespace *ns = world_namespace(w, e->name);
	struct namespace_job *j = NULL;
	struct error err;
	int rc = check(e, ns, &err);

	if (rc == 0 && !(j = calloc(1, sizeof *j)))
		rc = fail(&err, ENOMEM, "out of memory");
	if (rc == 0 && !e->remove && !(ns = prepare(w, e, &err)))
		rc = -err.code;
	if (rc < 0) {
		free(j);
		audit_refusal(w, e, &err);
		e->done(e, rc);
		return;
	}
	j->job.lane = LANE_STORE;
	j->job.urgent = true;		/* somebody waits for it */
	j->job.run = run;
	j->job.done = done;
	j->world = w;
	j->edit = e;
	j->ns = ns;
	if (e->remove) {
		ns->busy++;
		ns->going = true;	/* nothing may be made in it */
	}
	w->jobs->submit(w->jobs, &j->job);
}

/* A name is free again when its relationship has been deleted. */
static bool is_going(const struct namespace *ns, const char *name)
{
	size_t i;

	for (i = 0; i < ns->count; i++)
		if (ns->list[i]->work->hidden &&
		    strcmp(ns->list[i]->name, name) == 0)
			return true;
	return false;
}

static struct replication *make_draft(struct world *w, struct namespace *ns,
				      const char *name, struct error *err)
{
	struct replication *r;
	uint64_t id;

	/* 63: the webhook's limit on names. */
	if (!name_is_dns_subdomain(name) || strlen(name) > 63) {
		fail(err, EINVAL,
		     "'%s' is not a DNS-1123 name of at most 63 characters",
		     name);
		return NULL;
	}
	if (ns->going) {
		fail(err, ENOENT, "namespace %s is being removed", ns->name);
		return NULL;
	}
	if (is_going(ns, name)) {
		fail(err, EBUSY, "%s/%s is still being removed", ns->name,
		     name);
		return NULL;
	}
	if (namespace_find(ns, name)) {
		fail(err, EEXIST, "%s/%s exists", ns->name, name);
		return NULL;
	}
	id = w->store->ops->new_id(w->store, err);
	if (!id)
		return NULL;
	r = world_make(w, ns, name, id);
	if (!r)
		fail(err, ENOMEM, "out of memory");
	return r;
}

struct replication *world_new_draft(struct world *w, struct namespace *ns,
				    const char *name, const struct who *who,
				    struct error *err)
{
	struct replication *r = make_draft(w, ns, name, err);

	world_audit_line(w, ns->name, name_is_dns_subdomain(name) ? name : NULL,
			 who, r ? "accepted" : "refused", "mkdir: %s",
			 r ? "a draft" : err->msg);
	return r;
}
