/* SPDX-License-Identifier: Apache-2.0 */
/* Reading objects of Kubernetes. */
#include "csi_product.h"

#include "json_parts.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

/* Of YYYY-MM-DDTHH:MM:SS. */
#define SECONDS_LENGTH 19

const char *csi_meta(const json_t *object, const char *key)
{
	return json_text_at(json_object_get(object, "metadata"), key);
}

const char *csi_annotation(const json_t *object, const char *key)
{
	const json_t *meta = json_object_get(object, "metadata");

	return json_text_at(json_object_get(meta, "annotations"), key);
}

const char *csi_label(const json_t *object, const char *key)
{
	const json_t *meta = json_object_get(object, "metadata");

	return json_text_at(json_object_get(meta, "labels"), key);
}

/* One of matchExpressions; an operator that is none selects nothing. */
static bool meets(const json_t *rule, const json_t *labels)
{
	const json_t *label = json_object_get(labels, json_text_at(rule, "key"));
	const char *operator = json_text_at(rule, "operator");
	bool among = label && json_has_text(json_object_get(rule, "values"),
					    json_string_value(label));

	if (strcmp(operator, "In") == 0)
		return among;
	if (strcmp(operator, "NotIn") == 0)
		return !among;
	if (strcmp(operator, "Exists") == 0)
		return label;
	return strcmp(operator, "DoesNotExist") == 0 && !label;
}

bool csi_selects(const json_t *selector, const json_t *object)
{
	json_t *pairs = json_object_get(selector, "matchLabels");
	const json_t *rules = json_object_get(selector, "matchExpressions");
	const json_t *labels = json_object_get(json_object_get(object,
							       "metadata"),
					       "labels");
	const json_t *value;
	const char *key;
	size_t i;

	if (!selector)
		return false;
	json_object_foreach(pairs, key, value)
		if (!json_equal(json_object_get(labels, key), (json_t *)value))
			return false;
	json_array_foreach(rules, i, value)
		if (!meets(value, labels))
			return false;
	return true;
}

const char *csi_bare_name(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

const char *csi_spec(const json_t *object, const char *key)
{
	return json_text_at(json_object_get(object, "spec"), key);
}

bool csi_spec_is(const json_t *object, const char *key, const char *text)
{
	return strcmp(csi_spec(object, key), text) == 0;
}

const json_t *csi_status(const json_t *object)
{
	return json_object_get(object, "status");
}

int64_t csi_generation(const json_t *object)
{
	const json_t *meta = json_object_get(object, "metadata");

	return json_integer_value(json_object_get(meta, "generation"));
}

int64_t csi_status_generation(const json_t *object)
{
	return json_integer_value(json_object_get(csi_status(object),
						  "observedGeneration"));
}

bool csi_is_going(const json_t *object)
{
	return *csi_meta(object, "deletionTimestamp");
}

bool csi_is_newer(const json_t *object, const json_t *than)
{
	return !than || strcmp(csi_meta(object, "creationTimestamp"),
			       csi_meta(than, "creationTimestamp")) >= 0;
}

/* The seconds that a zone is ahead of UTC: "Z", or "+01:00". */
static bool read_zone(const char *text, int *ahead)
{
	int hours, minutes;

	*ahead = 0;
	if (strcmp(text, "Z") == 0)
		return true;
	if ((*text != '+' && *text != '-') || strlen(text) != 6 ||
	    strspn(text + 1, "0123456789") != 2 || text[3] != ':' ||
	    strspn(text + 4, "0123456789") != 2 ||
	    sscanf(text + 1, "%d:%d", &hours, &minutes) != 2 ||
	    hours > 23 || minutes > 59)
		return false;
	*ahead = (hours * 60 + minutes) * (*text == '-' ? -60 : 60);
	return true;
}

/* metav1.MicroTime has a fraction of six digits, metav1.Time none; what is no
   metav1 may be of any zone. */
int64_t csi_time(const json_t *map, const char *key)
{
	const char *text = json_text_at(map, key), *rest;
	char whole[TIME_TEXT_MAX];
	int64_t ms;
	int ahead, unit;

	if (strlen(text) <= SECONDS_LENGTH)
		return 0;
	snprintf(whole, sizeof whole, "%.*sZ", SECONDS_LENGTH, text);
	ms = time_parse(whole);
	if (ms <= 0)
		return 0;
	rest = text + SECONDS_LENGTH;
	if (*rest == '.') {
		unit = 100;
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
			ms += (*rest - '0') * unit;
	}
	if (!read_zone(rest, &ahead) || ms <= ahead * INT64_C(1000))
		return 0;
	return ms - ahead * INT64_C(1000);
}

void csi_note_stand(struct csi_stand *kept, struct csi_view *v)
{
	if (v->stand != kept->what)
		*kept = (struct csi_stand){v->stand, v->now};
	v->stands_since = kept->since;
}
