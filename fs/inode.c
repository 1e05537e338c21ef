/* SPDX-License-Identifier: Apache-2.0 */
/* Inode numbers: packing and unpacking. */
#include "inode.h"

#include "text.h"

#define KIND_SHIFT 57
#define ID_SHIFT 8
#define ID_MASK ((UINT64_C(1) << (KIND_SHIFT - ID_SHIFT)) - 1)
#define ROW_MASK 0xffu
#define ROOT_NUMBER 1

uint64_t inode_number(struct inode node)
{
	if (node.kind == KIND_ROOT)
		return ROOT_NUMBER;
	return (uint64_t)node.kind << KIND_SHIFT |
	       (node.id & ID_MASK) << ID_SHIFT | (node.row & ROW_MASK);
}

struct inode inode_parse(uint64_t number)
{
	uint64_t kind = number >> KIND_SHIFT;

	if (number == ROOT_NUMBER)
		return (struct inode){.kind = KIND_ROOT};
	if (kind <= KIND_ROOT || kind >= KIND_COUNT)
		return (struct inode){.kind = KIND_NONE};
	return (struct inode){
		.kind = (enum kind)kind,
		.id = number >> ID_SHIFT & ID_MASK,
		.row = (unsigned)(number & ROW_MASK),
	};
}

/* FNV-1a, folded into an id's width. */
uint64_t inode_hash(const char *name)
{
	uint64_t h = text_hash(name);

	h = (h ^ h >> (KIND_SHIFT - ID_SHIFT)) & ID_MASK;
	return h ? h : 1;
}
