/* SPDX-License-Identifier: Apache-2.0 */
/* What is accepted as a manifest, and what is read from it. */
#include "manifest.h"
#include "manifests.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct spec *accept(const char *text, struct manifest_meta *meta)
{
	struct error err = {0};
	struct spec *spec = manifest_parse(text, strlen(text), meta, &err);

	ck_assert_msg(spec != NULL, "%s\n%s", err.msg, text);
	ck_assert_int_eq(err.code, 0);
	ck_assert_uint_eq(spec->written_len, strlen(text));
	ck_assert_mem_eq(spec->written, text, spec->written_len);
	ck_assert_int_eq(spec_validate(spec, &err), 0);
	return spec;
}

START_TEST(whole_manifest)
{
	struct manifest_meta meta;
	auto_spec s = accept(WHOLE, &meta);

	ck_assert_str_eq(meta.name, "production-db");
	ck_assert_str_eq(meta.namespace, "database");
	ck_assert_str_eq(meta.resource_version, "");
	ck_assert_str_eq(s->source.cluster, "prod-cluster");
	ck_assert_str_eq(s->source.region, "us-east-1");
	ck_assert_str_eq(s->source.storage_class, "ceph-rbd");
	ck_assert_str_eq(s->destination.cluster, "dr-cluster");
	ck_assert_str_eq(s->destination.region, "us-west-1");
	ck_assert_str_eq(s->pvc_name, "data");
	ck_assert_str_eq(s->pvc_namespace, "database");
	ck_assert_str_eq(s->volume_handle, "pool/img");
	ck_assert_str_eq(s->volume_namespace, "database");
	ck_assert_int_eq(s->state, STATE_REPLICA);
	ck_assert_int_eq(s->mode, MODE_ASYNCHRONOUS);
	ck_assert_int_eq(s->schedule, SCHEDULE_INTERVAL);
	ck_assert_str_eq(s->rpo, "5m");
	ck_assert_str_eq(s->rto, "1h");
	ck_assert_uint_eq(s->extensions, 0);
}
END_TEST

START_TEST(metadata)
{
	struct manifest_meta meta;
	auto_spec s = accept(
		"metadata:\n"
		"  labels: {b: '1', a: '', example.com/x_Y.z: V-1}\n"
		"  annotations:\n"
		"    kubectl.kubernetes.io/last-applied-configuration: |\n"
		"      {\"a\": 1}\n"
		"    Example.COM/x: 'y: #'\n"
		"  resourceVersion: '12'\n"
		"  uid: 0a-b\n"
		"  generation: 3\n"
		"  creationTimestamp: 2026-11-22T10:00:00Z\n"
		"  deletionTimestamp: null\n"
		"  deletionGracePeriodSeconds: 30\n"
		"  managedFields: [{manager: x, time: null}]\n"
		"  ownerReferences: []\n"
		"  finalizers: [a/b]\n"
		"  selfLink: /x\n"
		"  generateName: x-\n"
		"spec:\n" SOURCE DESTINATION VOLUMES STATE MODE SCHEDULE
		"status: {conditions: [], anything: {at: all}}\n", &meta);

	ck_assert_str_eq(meta.resource_version, "12");
	ck_assert_str_eq(meta.name, "");
	ck_assert_uint_eq(s->label_count, 3);
	ck_assert_str_eq(s->labels[0].key, "a");
	ck_assert_str_eq(s->labels[0].value, "");
	ck_assert_str_eq(s->labels[1].value, "1");
	ck_assert_uint_eq(s->annotation_count, 2);
	ck_assert_str_eq(spec_annotation(s, "Example.COM/x"), "y: #");
}
END_TEST

/* What the schema and ValidateSpec accept, however odd. */
static const char *const accepted[] = {
	"spec:\n" SOURCE DESTINATION VOLUMES STATE MODE SCHEDULE,
	"---\n" WHOLE "---\n",
	WHOLE "  extensions: {}\n",
	WHOLE "  extensions: null\n",
	WHOLE "  extensions:\n    ceph: {mirroringMode: journal}\n",
	WHOLE "  extensions:\n    trident: {}\n    powerstore: {}\n"
	      "    ceph: {}\n",
	WHOLE "  extensions: {ceph: {mirroringMode: ~}, trident: null}\n",
	WHOLE "status: null\n",
	HEAD SOURCE DESTINATION VOLUMES STATE MODE
	"  schedule: {mode: interval, rpo: 0s}\n",
	HEAD SOURCE DESTINATION VOLUMES STATE MODE
	"  schedule: {mode: interval, rpo: 00000000000000000000000000009d}\n",
	HEAD SOURCE DESTINATION VOLUMES STATE MODE
	"  schedule: {mode: continuous}\n",
	HEAD SOURCE DESTINATION VOLUMES STATE MODE
	"  schedule: {mode: continuous, rpo: null, rto: }\n",
	HEAD SOURCE DESTINATION VOLUMES "  replicationState: failed\n"
	"  replicationMode: synchronous\n" SCHEDULE,
	HEAD SOURCE DESTINATION VOLUMES "  \"replicationState\": 'source'\n"
	MODE SCHEDULE,
	HEAD "  sourceEndpoint: {cluster: a..b, region: ' x: #\\', "
	"storageClass: a-.-b}\n" DESTINATION VOLUMES STATE MODE SCHEDULE,
	/* Two sites that differ in one thing only. */
	HEAD "  sourceEndpoint: {cluster: dr-cluster, region: us-west-1, "
	"storageClass: other}\n" DESTINATION VOLUMES STATE MODE SCHEDULE,
	HEAD SOURCE DESTINATION
	"  volumeMapping:\n"
	"    source: {pvcName: '1', namespace: a.b}\n"
	"    destination: {volumeHandle: \"a\\nb \xe2\x80\xa8 c\\x01\", "
	"namespace: x}\n" STATE MODE SCHEDULE,
	HEAD SOURCE DESTINATION
	"  volumeMapping:\n"
	"    source: {pvcName: 5e, namespace: 2026-11-22}\n"
	"    destination: {volumeHandle: -, namespace: x}\n"
	STATE MODE SCHEDULE,
};

START_TEST(odd_but_right)
{
	spec_unref(accept(accepted[_i], NULL));
}
END_TEST

START_TEST(extensions)
{
	auto_spec none = accept(WHOLE "  extensions: null\n", NULL);
	auto_spec empty = accept(WHOLE "  extensions: {}\n", NULL);
	auto_spec some = accept(WHOLE "  extensions:\n"
				      "    trident: {}\n"
				      "    ceph: {mirroringMode: journal}\n",
				NULL);

	ck_assert_uint_eq(none->extensions, 0);
	ck_assert_uint_eq(empty->extensions, EXTENSION_PRESENT);
	ck_assert_uint_eq(some->extensions, EXTENSION_PRESENT |
						    EXTENSION_TRIDENT |
						    EXTENSION_CEPH);
	ck_assert_int_eq(some->mirroring, MIRRORING_JOURNAL);
}
END_TEST

START_TEST(json)
{
	auto_spec yaml = accept(WHOLE, NULL);
	auto_spec same = accept(
		"\t{\"apiVersion\": \"replication.unified.io\\/v1alpha1\",\n"
		"\t\"kind\":\"UnifiedVolumeReplication\",\n"
		"\t\"metadata\":{\"name\":\"production-db\"},\"spec\":{\n"
		"\t\t\"sourceEndpoint\":{\"cluster\":\"prod-cluster\",\n"
		"\t\t\"region\":\"us-east-1\",\"storageClass\":\"ceph-rbd\"},\n"
		"\"destinationEndpoint\":{\"cluster\":\"dr-cluster\",\n"
		"\"region\":\"us-west-1\",\"storageClass\":\"ceph-rbd\"},\n"
		"\"volumeMapping\":{\"source\":{\"pvcName\":\"data\",\n"
		"\"namespace\":\"database\"},\"destination\":{\n"
		"\"volumeHandle\":\"pool/img\",\"namespace\":\"database\"}},\n"
		"\"replicationState\":\"replica\",\n"
		"\"replicationMode\":\"asynchronous\",\n"
		"\"schedule\":{\"mode\":\"interval\",\"rpo\":\"5m\",\n"
		"\"rto\":\"1h\"}}}", NULL);

	ck_assert(spec_equal(yaml, same));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("manifest");
	TCase *tc = tcase_create("manifest");

	tcase_add_test(tc, whole_manifest);
	tcase_add_test(tc, metadata);
	tcase_add_loop_test(tc, odd_but_right, 0,
			    sizeof accepted / sizeof *accepted);
	tcase_add_test(tc, extensions);
	tcase_add_test(tc, json);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
