/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest that the tests of manifests bend. */
#ifndef UVRFS_TEST_MANIFESTS_H
#define UVRFS_TEST_MANIFESTS_H

/* Line 1 on: apiVersion; 7 spec; 20 mode; 24 schedule. */
#define HEAD \
	"apiVersion: replication.unified.io/v1alpha1\n" /* line 1 */ \
	"kind: UnifiedVolumeReplication\n" \
	"metadata:\n" \
	"  name: production-db\n" \
	"  namespace: database\n" \
	"\n" \
	"spec:\n" /* line 7 */
#define SOURCE \
	"  sourceEndpoint:\n" \
	"    cluster: prod-cluster\n" \
	"    region: us-east-1\n" \
	"    storageClass: ceph-rbd\n"
#define DESTINATION \
	"  destinationEndpoint:\n" \
	"    cluster: dr-cluster\n" \
	"    region: us-west-1\n" \
	"    storageClass: ceph-rbd\n"
#define VOLUMES \
	"  volumeMapping:\n" \
	"    source: {pvcName: data, namespace: database}\n" \
	"    destination: {volumeHandle: pool/img, namespace: database}\n"
#define STATE "  replicationState: replica\n"
#define MODE "  replicationMode: asynchronous\n"
#define SCHEDULE \
	"  schedule:\n" \
	"    mode: interval\n" \
	"    rpo: 5m\n" \
	"    rto: 1h\n"
#define WHOLE HEAD SOURCE DESTINATION VOLUMES STATE MODE SCHEDULE

#endif
