/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused as a manifest: every fault, with its path and line. */
#include "manifest.h"
#include "manifests.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void refuse(const char *text, const char *sentence)
{
	struct error err = {0};
	struct spec *spec = manifest_parse(text, strlen(text), NULL, &err);

	ck_assert_msg(spec == NULL, "accepted:\n%s", text);
	ck_assert_int_eq(err.code, EINVAL);
	ck_assert_str_eq(err.msg, sentence);
}

#define PREFIX "the key's prefix is not a DNS-1123 subdomain"
#define LONG63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

static const struct {
	const char *text;
	const char *sentence;
} refused[] = {
	{"", "the document is empty"},
	{"hello\n", "document (line 1): must be a mapping, is a string"},
	{"- a\n", "document (line 1): must be a mapping, is a list"},
	{"metadata: {}\n", "spec (line 1): required, is missing"},
	{"spec:\n", "spec (line 1): must be a mapping, is null"},
	{"spec: {}\n",
	 "spec.sourceEndpoint (line 1): required, is missing; "
	 "spec.destinationEndpoint (line 1): required, is missing; "
	 "spec.volumeMapping (line 1): required, is missing; "
	 "spec.replicationState (line 1): required, is missing; "
	 "spec.replicationMode (line 1): required, is missing; "
	 "spec.schedule (line 1): required, is missing"},
	{"kind: UnifiedVolumeReplication\nspec:\n" SOURCE DESTINATION VOLUMES
	 STATE MODE SCHEDULE,
	 "apiVersion (line 1): required, as kind is given"},
	{"apiVersion: replication.unified.io/v1alpha2\nkind: List\nspec:\n"
	 SOURCE DESTINATION VOLUMES STATE MODE SCHEDULE,
	 "apiVersion (line 1): must be replication.unified.io/v1alpha1, is "
	 "'replication.unified.io/v1alpha2'; kind (line 2): must be "
	 "UnifiedVolumeReplication, is 'List'"},
	{WHOLE "  paused: true\nstate: x\n",
	 "spec.paused (line 25): unknown field (known here: sourceEndpoint, "
	 "destinationEndpoint, volumeMapping, replicationState, "
	 "replicationMode, schedule, extensions); state (line 26): unknown "
	 "field (known here: apiVersion, kind, metadata, spec, status)"},
	{WHOLE "    RPO: 5m\n    rpo: 6m\n",
	 "spec.schedule.rpo (line 26): duplicate key, first on line 23; "
	 "spec.schedule.RPO (line 25): unknown field (known here: mode, rpo, "
	 "rto)"},
	{WHOLE "  extensions:\n    trident: {actions: []}\n    vendor: {}\n"
	 "    powerstore: []\n    ceph: {mirroringMode: image}\n",
	 "spec.extensions.trident.actions (line 26): unknown field (known "
	 "here: none); spec.extensions.vendor (line 27): unknown field (known "
	 "here: ceph, trident, powerstore); spec.extensions.powerstore "
	 "(line 28): must be a mapping, is a list; "
	 "spec.extensions.ceph.mirroringMode (line 29): 'image' is not one "
	 "of: journal, snapshot"},
	{HEAD SOURCE DESTINATION VOLUMES "  replicationState: primary\n"
	 "  replicationMode: eventual\n"
	 "  schedule: {mode: manual, rpo: 5x, rto: ''}\n",
	 "spec.replicationState (line 19): 'primary' is not one of: source, "
	 "replica, promoting, demoting, syncing, failed; spec.replicationMode "
	 "(line 20): 'eventual' is not one of: synchronous, asynchronous; "
	 "spec.schedule.mode (line 21): 'manual' is not one of: continuous, "
	 "interval; spec.schedule.rpo (line 21): '5x' does not match "
	 "^[0-9]+(s|m|h|d)$; spec.schedule.rto (line 21): '' does not match "
	 "^[0-9]+(s|m|h|d)$"},
	{HEAD SOURCE DESTINATION VOLUMES STATE MODE
	 "  schedule:\n    mode: interval\n",
	 "spec.schedule.rpo (line 21): required when mode is interval"},
	{HEAD SOURCE DESTINATION VOLUMES STATE MODE
	 "  schedule:\n    mode: interval\n    rpo: null\n    rto: 5\n",
	 "spec.schedule.rto (line 24): must be a string, is an integer (quote "
	 "it: '5'); spec.schedule.rpo (line 21): required when mode is "
	 "interval"},
	{HEAD SOURCE DESTINATION VOLUMES "  replicationState: null\n"
	 "  replicationMode: yes\n  schedule: [interval]\n",
	 "spec.replicationState (line 19): must be a string, is null; "
	 "spec.replicationMode (line 20): must be a string, is a boolean "
	 "(quote it: 'yes'); spec.schedule (line 21): must be a mapping, is "
	 "a list"},
	{HEAD "  sourceEndpoint:\n    cluster: Prod\n    region: \"\xc2\xa0 "
	 "\\t\"\n    storageClass: -x\n"
	 "  destinationEndpoint:\n    cluster: ''\n    region: ''\n"
	 "    storageClass: \"a\\n\"\n" VOLUMES STATE MODE SCHEDULE,
	 "spec.sourceEndpoint.cluster (line 9): 'Prod' does not match "
	 "^[a-z0-9]([a-z0-9\\-\\.]*[a-z0-9])?$; spec.sourceEndpoint.region "
	 "(line 10): must not be blank; spec.sourceEndpoint.storageClass "
	 "(line 11): '-x' does not match ^[a-z0-9]([a-z0-9\\-\\.]*[a-z0-9])?$; "
	 "spec.destinationEndpoint.cluster (line 13): must not be empty; "
	 "spec.destinationEndpoint.region (line 14): must not be empty; "
	 "spec.destinationEndpoint.storageClass (line 15): 'a\\x0a' does not "
	 "match ^[a-z0-9]([a-z0-9\\-\\.]*[a-z0-9])?$"},
	{HEAD SOURCE "  destinationEndpoint:\n    cluster: prod-cluster\n"
	 "    region: us-east-1\n    storageClass: ceph-rbd\n"
	 VOLUMES STATE MODE SCHEDULE,
	 "spec.destinationEndpoint (line 12): identical to the source endpoint "
	 "(cluster: 'prod-cluster', region: 'us-east-1', storageClass: "
	 "'ceph-rbd')"},
	{HEAD SOURCE DESTINATION
	 "  volumeMapping:\n    source: {pvcName: a_b}\n"
	 "    destination: {volumeHandle: ' ', namespace: 7, size: 1}\n"
	 "    sink: {}\n" STATE MODE SCHEDULE,
	 "spec.volumeMapping.source.pvcName (line 17): 'a_b' does not match "
	 "^[a-z0-9]([a-z0-9\\-\\.]*[a-z0-9])?$; "
	 "spec.volumeMapping.source.namespace (line 17): required, is missing; "
	 "spec.volumeMapping.destination.volumeHandle (line 18): must not be "
	 "blank; spec.volumeMapping.destination.namespace (line 18): must be a "
	 "string, is an integer (quote it: '7'); "
	 "spec.volumeMapping.destination.size (line 18): unknown field (known "
	 "here: volumeHandle, namespace); spec.volumeMapping.sink (line 19): "
	 "unknown field (known here: source, destination)"},
	{"metadata:\n  name: " LONG63 "h\n  namespace: a.b\n  labels:\n"
	 "    a: yes\n    a b: x\n    /c: x\n    d: 'x y'\n    UP/e: x\n"
	 "  annotations: {f: null, g: [1]}\n  generation: '1'\n"
	 "  resourceVersion: 12\n  clusterName: x\n"
	 "spec:\n" SOURCE DESTINATION VOLUMES STATE MODE SCHEDULE,
	 "metadata.name (line 2): has 64 characters, at most 63 are allowed; "
	 "metadata.namespace (line 3): 'a.b' is not a DNS-1123 label (lower "
	 "case letters, digits and - between them); metadata.labels.a (line "
	 "5): must be a string, is a boolean (quote it: 'yes'); "
	 "metadata.labels.a b (line 6): the key's name is not at most 63 "
	 "letters, digits, and - _ . between them; metadata.labels./c (line "
	 "7): the key's prefix is not a DNS-1123 subdomain; metadata.labels.d "
	 "(line 8): 'x y' is not a label value (at most 63 letters, digits, "
	 "and - _ . between them); metadata.labels.UP/e (line 9): the key's "
	 "prefix is not a DNS-1123 subdomain; metadata.annotations.f (line "
	 "10): must be a string, is null; metadata.annotations.g (line 10): "
	 "must be a string, is a list; metadata.generation (line 11): must be "
	 "an integer, is a string; metadata.resourceVersion (line 12): must "
	 "be a string, is an integer (quote it: '12'); metadata.clusterName "
	 "(line 13): unknown field (known here: name, namespace, labels, "
	 "annotations, resourceVersion, generateName, uid, generation, "
	 "creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, "
	 "finalizers, ownerReferences, managedFields, selfLink)"},
	{"metadata: {name: A, labels: [x]}\nspec:\n" SOURCE DESTINATION
	 VOLUMES STATE MODE SCHEDULE,
	 "metadata.name (line 1): 'A' is not a DNS-1123 subdomain (lower case "
	 "letters, digits, - and . between them); metadata.labels (line 1): "
	 "must be a mapping, is a list"},
	{"metadata:\n  name: ''\n  namespace: ''\n"
	 "  annotations: {a..b/x: z, a-.b/x: z, -a/x: z, a-/x: z, a./x: z,\n"
	 "    a.b-c.D/x: z, a/b/c: z}\n"
	 "spec:\n" SOURCE DESTINATION VOLUMES STATE MODE
	 "  schedule: {mode: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}"
	 "\n",
	 "metadata.name (line 2): must not be empty; metadata.namespace (line "
	 "3): must not be empty; "
	 "metadata.annotations.a..b/x (line 4): " PREFIX "; "
	 "metadata.annotations.a-.b/x (line 4): " PREFIX "; "
	 "metadata.annotations.-a/x (line 4): " PREFIX "; "
	 "metadata.annotations.a-/x (line 4): " PREFIX "; "
	 "metadata.annotations.a./x (line 4): " PREFIX "; "
	 "metadata.annotations.a/b/c (line 5): the key's name is not at most "
	 "63 letters, digits, and - _ . between them; "
	 "spec.schedule.mode (line 20): 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...' is not one "
	 "of: continuous, interval"},
	/* The traps of YAML, together with a fault of the schema. */
	{HEAD SOURCE DESTINATION VOLUMES STATE MODE
	 "  schedule: &s\n    mode: interval\n    rpo: !!str 5x\n"
	 "    rto: *s\n    <<: *s\n",
	 "spec.schedule (line 21): anchors are not allowed; "
	 "spec.schedule.rpo (line 23): tags are not allowed; "
	 "spec.schedule.rto (line 24): aliases are not allowed; "
	 "spec.schedule.<< (line 25): merge keys are not allowed; "
	 "spec.schedule.rpo (line 23): '5x' does not match "
	 "^[0-9]+(s|m|h|d)$"},
	{"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
	 "a (line 1): anchors are not allowed; b (line 2): anchors are not "
	 "allowed; b[0] (line 2): aliases are not allowed; b[1] (line 2): "
	 "aliases are not allowed; c (line 3): anchors are not allowed; c[0] "
	 "(line 3): aliases are not allowed; c[1] (line 3): aliases are not "
	 "allowed; a (line 1): unknown field (known here: apiVersion, kind, "
	 "metadata, spec, status); b (line 2): unknown field (known here: "
	 "apiVersion, kind, metadata, spec, status); c (line 3): unknown field "
	 "(known here: apiVersion, kind, metadata, spec, status); spec (line "
	 "1): required, is missing"},
	{WHOLE "---\n" WHOLE,
	 "line 26: a second document begins, only one is allowed"},
	{WHOLE "  extensions: {a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]"
	 "]]]]]]]]]]]]]]]]]]]]]]}\n", "line 25: nested deeper than 32 levels"},
	{HEAD SOURCE DESTINATION VOLUMES "  replicationState: \"a\\0\"\n",
	 "line 19: a NUL is not allowed"},
	{HEAD "  sourceEndpoint: {region: \xff}\n", "line 8: invalid UTF-8"},
	{HEAD "  a: 1\n   b: 2\n",
	 "line 9, column 5: mapping values are not allowed in this context"},
	/* Keys with dots are one key, not a path; and nothing gets out. */
	{WHOLE "spec.schedule: {}\n\"a\\e[2J; b\": 1\n",
	 "spec.schedule (line 25): unknown field (known here: apiVersion, "
	 "kind, metadata, spec, status); a\\x1b[2J; b (line 26): unknown field "
	 "(known here: apiVersion, kind, metadata, spec, status)"},
};

START_TEST(refusals)
{
	refuse(refused[_i].text, refused[_i].sentence);
}
END_TEST

START_TEST(names_of_253)
{
	char text[2048], name[256];
	struct error err = {0};
	int n;

	for (n = 253; n <= 254; n++) {
		memset(name, 'a', sizeof name);
		name[n] = '\0';
		snprintf(text, sizeof text,
			 HEAD "  sourceEndpoint: {cluster: %s, region: x, "
			      "storageClass: x}\n" DESTINATION VOLUMES STATE
				      MODE SCHEDULE, name);
		if (n == 253)
			spec_unref(manifest_parse(text, strlen(text), NULL,
						  &err));
		else
			refuse(text, "spec.sourceEndpoint.cluster (line 8): "
				     "has 254 characters, at most 253 are "
				     "allowed");
	}
	ck_assert_int_eq(err.code, 0);
}
END_TEST

START_TEST(too_big)
{
	size_t size = 1024 * 1024;
	char *text = malloc(size);
	struct error err = {0};

	memset(text, '#', size);
	ck_assert_ptr_null(manifest_parse(text, size, NULL, &err));
	ck_assert_int_eq(err.code, EFBIG);
	ck_assert_str_eq(err.msg,
			 "1048576 bytes are too many, at most 262144 are "
			 "allowed");
	memset(text, '\n', MANIFEST_MAX);
	memcpy(text, WHOLE, strlen(WHOLE));
	spec_unref(manifest_parse(text, MANIFEST_MAX, NULL, &err));
	ck_assert_int_eq(err.code, EFBIG);	/* as it was: left alone */
	ck_assert_ptr_null(manifest_parse(text, MANIFEST_MAX + 1, NULL, &err));
	free(text);
}
END_TEST

/* More faults than a sentence holds: the rest is counted. */
START_TEST(too_many_faults)
{
	char text[8192] = "spec:\n";
	struct error err = {0};
	size_t n = strlen(text);
	int i;

	for (i = 0; i < 200; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "  k%d: 1\n",
				      i);
	ck_assert_ptr_null(manifest_parse(text, n, NULL, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "spec.k9 (line 11): "));
	ck_assert_ptr_nonnull(strstr(err.msg, "; and 1"));
	ck_assert_str_eq(err.msg + strlen(err.msg) - 5, " more");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("manifest_faults");
	TCase *tc = tcase_create("manifest_faults");

	tcase_add_loop_test(tc, refusals, 0,
			    sizeof refused / sizeof *refused);
	tcase_add_test(tc, names_of_253);
	tcase_add_test(tc, too_big);
	tcase_add_test(tc, too_many_faults);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
