/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API and its webhook accept as a value.  The expressions are theirs:
 * a name may hold `a..b`, a duration may be 0s, a region is any text.
 */
#include "manifest_schema.h"

#include "text.h"

#include <stdio.h>
#include <string.h>

#define API_VERSION "replication.unified.io/v1alpha1"
#define API_KIND "UnifiedVolumeReplication"

static void check_is(struct faults *f, const struct path *at,
		     const char *value, const char *wanted)
{
	char quoted[QUOTE_MAX];

	if (strcmp(value, wanted) != 0)
		faults_add(f, at, "must be %s, is %s", wanted,
			   fault_quote(value, quoted));
}

void check_api_version(struct faults *f, const struct path *at,
		       const char *value)
{
	check_is(f, at, value, API_VERSION);
}

void check_kind(struct faults *f, const struct path *at, const char *value)
{
	check_is(f, at, value, API_KIND);
}

/* The length in bytes of the white space at @s, as Unicode has it, or 0. */
static size_t space_length(const char *s)
{
	static const char *const spaces[] = {
		"\t",	"\n",	"\v",	"\f",	"\r",	    " ",
		"\xc2\x85", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002",
		"\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008",
		"\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f",
		"\u3000"};
	size_t i, n;

	for (i = 0; i < sizeof spaces / sizeof *spaces; i++) {
		n = strlen(spaces[i]);
		if (strncmp(s, spaces[i], n) == 0)
			return n;
	}
	return 0;
}

/* Adds the fault when there is nothing in @value. */
static bool check_filled(struct faults *f, const struct path *at,
			 const char *value)
{
	const char *p = value;
	size_t n;

	while ((n = space_length(p)))
		p += n;
	if (*p)
		return true;
	faults_add(f, at, *value ? "must not be blank" : "must not be empty");
	return false;
}

static bool check_length(struct faults *f, const struct path *at,
			 const char *value, size_t max)
{
	if (strlen(value) <= max)
		return true;
	faults_add(f, at, "has %zu characters, at most %zu are allowed",
		   strlen(value), max);
	return false;
}

void check_text(struct faults *f, const struct path *at, const char *value)
{
	check_filled(f, at, value);
}

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_name(const char *s)
{
	size_t n = strlen(s), i;

	for (i = 0; i < n; i++)
		if (!is_lower_alnum(s[i]) && s[i] != '-' && s[i] != '.')
			return false;
	return n && is_lower_alnum(s[0]) && is_lower_alnum(s[n - 1]);
}

void check_name(struct faults *f, const struct path *at, const char *value)
{
	char quoted[QUOTE_MAX];

	if (!check_filled(f, at, value) || !check_length(f, at, value, 253))
		return;
	if (!is_name(value))
		faults_add(f, at,
			   "%s does not match "
			   "^[a-z0-9]([a-z0-9\\-\\.]*[a-z0-9])?$",
			   fault_quote(value, quoted));
}

void check_duration(struct faults *f, const struct path *at, const char *value)
{
	char quoted[QUOTE_MAX];

	if (duration_parse(value) < 0)
		faults_add(f, at, "%s does not match ^[0-9]+(s|m|h|d)$",
			   fault_quote(value, quoted));
}

void check_object_name(struct faults *f, const struct path *at,
		       const char *value)
{
	char quoted[QUOTE_MAX];

	/* 253 by Kubernetes, 63 by the webhook. */
	if (!check_filled(f, at, value) || !check_length(f, at, value, 63))
		return;
	if (!name_is_dns_subdomain(value))
		faults_add(f, at,
			   "%s is not a DNS-1123 subdomain (lower case "
			   "letters, digits, - and . between them)",
			   fault_quote(value, quoted));
}

void check_namespace(struct faults *f, const struct path *at,
		     const char *value)
{
	char quoted[QUOTE_MAX];

	if (!check_filled(f, at, value) || !check_length(f, at, value, 63))
		return;
	if (!name_is_dns_label(value))
		faults_add(f, at,
			   "%s is not a DNS-1123 label (lower case letters, "
			   "digits and - between them)",
			   fault_quote(value, quoted));
}

void check_resource_version(struct faults *f, const struct path *at,
			    const char *value)
{
	check_length(f, at, value, 63);
}

/* The words of an enum from 1 on, NULL after the last. */
typedef const char *word_list(unsigned i);

static const char *state_word(unsigned i)
{
	return i < STATE_COUNT ? state_text((enum state)i) : NULL;
}

static const char *mode_word(unsigned i)
{
	return i <= MODE_ASYNCHRONOUS ? mode_text((enum mode)i) : NULL;
}

static const char *schedule_word(unsigned i)
{
	return i <= SCHEDULE_INTERVAL ? schedule_text((enum schedule_mode)i)
				      : NULL;
}

static const char *mirroring_word(unsigned i)
{
	return i <= MIRRORING_SNAPSHOT ? mirroring_text((enum mirroring)i)
				       : NULL;
}

static void check_word(struct faults *f, const struct path *at,
		       const char *value, word_list *word)
{
	char quoted[QUOTE_MAX], list[128] = "";
	size_t n = 0;
	unsigned i;

	for (i = 1; word(i); i++) {
		if (strcmp(value, word(i)) == 0)
			return;
		n += (size_t)snprintf(list + n, sizeof list - n, "%s%s",
				      n ? ", " : "", word(i));
	}
	faults_add(f, at, "%s is not one of: %s", fault_quote(value, quoted),
		   list);
}

void check_state(struct faults *f, const struct path *at, const char *value)
{
	check_word(f, at, value, state_word);
}

void check_mode(struct faults *f, const struct path *at, const char *value)
{
	check_word(f, at, value, mode_word);
}

void check_schedule(struct faults *f, const struct path *at, const char *value)
{
	check_word(f, at, value, schedule_word);
}

void check_mirroring(struct faults *f, const struct path *at,
		     const char *value)
{
	check_word(f, at, value, mirroring_word);
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* The name part of a label's key, and a label's value. */
static bool is_label_word(const char *s)
{
	size_t n = strlen(s), i;

	for (i = 0; i < n; i++)
		if (!is_alnum(s[i]) && s[i] != '-' && s[i] != '_' &&
		    s[i] != '.')
			return false;
	return n && n <= 63 && is_alnum(s[0]) && is_alnum(s[n - 1]);
}

void check_label_value(struct faults *f, const struct path *at,
		       const char *value)
{
	char quoted[QUOTE_MAX];

	if (*value && !is_label_word(value))
		faults_add(f, at,
			   "%s is not a label value (at most 63 letters, "
			   "digits, and - _ . between them)",
			   fault_quote(value, quoted));
}

/* True when a DNS-1123 subdomain may have @c after @last, '.' at its start. */
static bool may_follow(char last, char c, bool fold)
{
	if (c == '-')
		return last != '.';
	if (c == '.')
		return last != '.' && last != '-';
	return fold ? is_alnum(c) : is_lower_alnum(c);
}

/* What stands in front of a key's slash. */
static bool is_prefix(const char *s, size_t n, bool fold)
{
	char last = '.';
	size_t i;

	for (i = 0; i < n; last = s[i++])
		if (!may_follow(last, s[i], fold))
			return false;
	return n && n <= 253 && last != '.' && last != '-';
}

void check_qualified_name(struct faults *f, const struct path *at,
			  const char *key, bool fold)
{
	const char *slash = strchr(key, '/');

	if (slash && !is_prefix(key, (size_t)(slash - key), fold))
		faults_add(f, at,
			   "the key's prefix is not a DNS-1123 subdomain");
	if (!is_label_word(slash ? slash + 1 : key))
		faults_add(f, at,
			   "the key's name is not at most 63 letters, digits, "
			   "and - _ . between them");
}

static bool is_given(const struct node *node, const char *key)
{
	const struct node *child = node_get(node, key);

	return child && !node_is_null(child);
}

/* Both or, in a manifest of the part `spec:` only, none. */
void check_document(struct faults *f, const struct path *at,
		    const struct node *node, const struct draft *d)
{
	struct path missing = {.up = at, .line = at->line};
	bool version = is_given(node, "apiVersion");

	if (version == is_given(node, "kind"))
		return;
	missing.key = version ? "kind" : "apiVersion";
	faults_add(f, &missing, "required, as %s is given",
		   version ? "apiVersion" : "kind");
}

static bool is_endpoint_whole(const struct endpoint *e)
{
	return e->cluster && e->region && e->storage_class;
}

void check_endpoints(struct faults *f, const struct path *at,
		     const struct node *node, const struct draft *d)
{
	struct path where = {.up = at, .key = "destinationEndpoint"};
	const struct node *child = node_get(node, where.key);
	char cluster[QUOTE_MAX], region[QUOTE_MAX], class[QUOTE_MAX];

	if (node && !child) {
		where.key = "destination";
		child = node_get(node, where.key);
	}
	if (child)
		where.line = child->key_line;
	if (is_endpoint_whole(&d->source) &&
	    is_endpoint_whole(&d->destination) &&
	    endpoint_equal(&d->source, &d->destination))
		faults_add(f, &where,
			   "identical to the source endpoint (cluster: %s, "
			   "region: %s, storageClass: %s)",
			   fault_quote(d->source.cluster, cluster),
			   fault_quote(d->source.region, region),
			   fault_quote(d->source.storage_class, class));
}

void check_interval(struct faults *f, const struct path *at,
		    const struct node *node, const struct draft *d)
{
	struct path rpo = {.up = at, .key = "rpo", .line = at->line};

	if (d->schedule &&
	    schedule_parse(d->schedule) == SCHEDULE_INTERVAL && !d->rpo &&
	    !is_given(node, "rpo"))
		faults_add(f, &rpo, "required when mode is interval");
}
