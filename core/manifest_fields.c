/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of a manifest's fields: what the API has, and nothing else.  The
 * order of the rows is the order in which missing fields are named.
 */
#include "manifest_schema.h"

#define AT(member) .offset = offsetof(struct draft, member)

static const struct field source_fields[] = {
	{"cluster", SHAPE_STRING, true, AT(source.cluster),
	 .check = check_name},
	{"region", SHAPE_STRING, true, AT(source.region), .check = check_text},
	{"storageClass", SHAPE_STRING, true, AT(source.storage_class),
	 .check = check_name},
	{NULL}};

static const struct field destination_fields[] = {
	{"cluster", SHAPE_STRING, true, AT(destination.cluster),
	 .check = check_name},
	{"region", SHAPE_STRING, true, AT(destination.region),
	 .check = check_text},
	{"storageClass", SHAPE_STRING, true, AT(destination.storage_class),
	 .check = check_name},
	{NULL}};

static const struct field volume_source_fields[] = {
	{"pvcName", SHAPE_STRING, true, AT(pvc_name), .check = check_name},
	{"namespace", SHAPE_STRING, true, AT(pvc_namespace),
	 .check = check_name},
	{NULL}};

static const struct field volume_destination_fields[] = {
	{"volumeHandle", SHAPE_STRING, true, AT(volume_handle),
	 .check = check_text},
	{"namespace", SHAPE_STRING, true, AT(volume_namespace),
	 .check = check_name},
	{NULL}};

static const struct field volume_fields[] = {
	{"source", SHAPE_MAPPING, true, .fields = volume_source_fields},
	{"destination", SHAPE_MAPPING, true,
	 .fields = volume_destination_fields},
	{NULL}};

const struct field manifest_schedule_fields[] = {
	{"mode", SHAPE_STRING, true, AT(schedule), .check = check_schedule},
	{"rpo", SHAPE_STRING, AT(rpo), .check = check_duration},
	{"rto", SHAPE_STRING, AT(rto), .check = check_duration},
	{NULL}};

static const struct field ceph_fields[] = {
	{"mirroringMode", SHAPE_STRING, AT(mirroring),
	 .check = check_mirroring},
	{NULL}};

static const struct field no_fields[] = {{NULL}};

static const struct field extension_fields[] = {
	{"ceph", SHAPE_MAPPING, .extension = EXTENSION_CEPH,
	 .fields = ceph_fields},
	{"trident", SHAPE_MAPPING, .extension = EXTENSION_TRIDENT,
	 .fields = no_fields},
	{"powerstore", SHAPE_MAPPING, .extension = EXTENSION_POWERSTORE,
	 .fields = no_fields},
	{NULL}};

static const struct field spec_fields[] = {
	{"sourceEndpoint", SHAPE_MAPPING, true, .fields = source_fields},
	{"destinationEndpoint", SHAPE_MAPPING, true,
	 .fields = destination_fields},
	{"volumeMapping", SHAPE_MAPPING, true, .fields = volume_fields},
	{"replicationState", SHAPE_STRING, true, AT(state),
	 .check = check_state},
	{"replicationMode", SHAPE_STRING, true, AT(mode), .check = check_mode},
	{"schedule", SHAPE_MAPPING, true, .fields = manifest_schedule_fields,
	 .whole = check_interval},
	{"extensions", SHAPE_MAPPING, .extension = EXTENSION_PRESENT,
	 .fields = extension_fields},
	{NULL}};

/* What servers own is allowed and ignored. */
static const struct field metadata_fields[] = {
	{"name", SHAPE_STRING, AT(name), .check = check_object_name},
	{"namespace", SHAPE_STRING, AT(namespace), .check = check_namespace},
	{"labels", SHAPE_STRINGS, AT(labels), .check = check_label_value},
	{"annotations", SHAPE_STRINGS, AT(annotations), .fold = true},
	{"resourceVersion", SHAPE_STRING, AT(resource_version),
	 .check = check_resource_version},
	{"generateName", SHAPE_STRING},
	{"uid", SHAPE_STRING},
	{"generation", SHAPE_INTEGER},
	{"creationTimestamp", SHAPE_STRING},
	{"deletionTimestamp", SHAPE_STRING},
	{"deletionGracePeriodSeconds", SHAPE_INTEGER},
	{"finalizers", SHAPE_LIST},
	{"ownerReferences", SHAPE_LIST},
	{"managedFields", SHAPE_LIST},
	{"selfLink", SHAPE_STRING},
	{NULL}};

static const struct field document_fields[] = {
	{"apiVersion", SHAPE_STRING, AT(api_version),
	 .check = check_api_version},
	{"kind", SHAPE_STRING, AT(kind), .check = check_kind},
	{"metadata", SHAPE_MAPPING, .fields = metadata_fields},
	{"spec", SHAPE_MAPPING, true, .fields = spec_fields,
	 .whole = check_endpoints},
	{"status", SHAPE_MAPPING},
	{NULL}};

const struct field manifest_document = {
	"", SHAPE_MAPPING, true, .fields = document_fields,
	.whole = check_document};

const struct field manifest_spec = {
	"spec", SHAPE_MAPPING, true, .fields = spec_fields,
	.whole = check_endpoints};
