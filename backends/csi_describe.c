/* SPDX-License-Identifier: Apache-2.0 */
/* What is known, for people: calls, what is installed, the claim of a volume. */
#include "csi_model.h"

#include "emit.h"
#include "json_parts.h"

#include <string.h>

void csi_describe(struct backend *b, const struct target *t, enum act act,
		  struct buf *out)
{
	struct csi *csi = (struct csi *)b;
	struct csi_pair *p = csi_pair_of(csi, t);
	struct csi_view v[2];
	int at, i;

	if (!p)
		return;
	at = csi_end_of(p, act_is_at_peer(act) ? t->peer : t->here);
	pthread_mutex_lock(&csi->lock);
	for (i = 0; i < 2; i++)
		csi_view_fill(p, i, &v[i]);
	pthread_mutex_unlock(&csi->lock);
	csi->product->describe(&v[at], &v[1 - at], act, out);
	for (i = 0; i < 2; i++)
		csi_view_release(csi, &v[i]);
}

bool csi_available(struct backend *b, struct buf *why)
{
	struct csi *csi = (struct csi *)b;
	struct csi_view v;
	struct csi_site *s;
	bool all = true;

	pthread_mutex_lock(&csi->lock);
	for (s = csi->sites; s; s = s->next) {
		if (!s->kube)
			continue;
		csi_site_stamp(s, &v);
		all = all && v.reach == REACH_OK;
		buf_printf(why, "%s: ", s->name);
		if (v.reach == REACH_OK)
			buf_printf(why, "%s is installed",
				   csi->product->installed_as);
		else
			buf_escape(why, v.why);
		buf_putc(why, '\n');
	}
	pthread_mutex_unlock(&csi->lock);
	return all;
}

bool csi_version(struct backend *b, const char *cluster, struct buf *out)
{
	struct csi *csi = (struct csi *)b;
	struct csi_site *s;
	bool known = false;

	pthread_mutex_lock(&csi->lock);
	for (s = csi->sites; s && !known; s = s->next)
		if (strcmp(s->name, cluster) == 0 && *s->version) {
			buf_escape(out, s->version);
			known = true;
		}
	pthread_mutex_unlock(&csi->lock);
	return known;
}

static void describe_claim(const struct csi_view *v, int depth,
			   struct buf *out)
{
	emit_map(out, depth++, "pvc");
	emit_str(out, depth, "name", v->claim_name);
	emit_str(out, depth, "phase",
		 v->claim ? json_text_at(csi_status(v->claim), "phase")
			  : "absent");
	if (!v->volume)
		return;
	emit_str(out, depth, "volume", csi_meta(v->volume, "name"));
	emit_str(out, depth, "volumePhase",
		 json_text_at(csi_status(v->volume), "phase"));
}

void csi_volume(struct backend *b, const struct target *t, int depth,
		struct buf *out)
{
	struct csi *csi = (struct csi *)b;
	struct csi_pair *p = csi_pair_of(csi, t);
	struct csi_view v;

	if (!p)
		return;
	pthread_mutex_lock(&csi->lock);
	csi_view_fill(p, csi_end_of(p, t->here), &v);
	pthread_mutex_unlock(&csi->lock);
	describe_claim(&v, depth, out);
	csi_view_release(csi, &v);
}
