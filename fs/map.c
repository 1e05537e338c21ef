/* SPDX-License-Identifier: Apache-2.0 */
/* A chained hash that doubles when it is full. */
#include "map.h"

#include <errno.h>
#include <stdlib.h>

void map_finish(struct map *m)
{
	free(m->slots);
	*m = (struct map){0};
}

static struct map_link **slot(const struct map *m, uint64_t key)
{
	key *= UINT64_C(0x9e3779b97f4a7c15);
	return &m->slots[(key >> 32) & (m->size - 1)];
}

struct map_link *map_find(const struct map *m, uint64_t key)
{
	struct map_link *l;

	if (!m->size)
		return NULL;
	for (l = *slot(m, key); l; l = l->next)
		if (l->key == key)
			return l;
	return NULL;
}

static void insert(struct map *m, struct map_link *link)
{
	struct map_link **head = slot(m, link->key);

	link->next = *head;
	*head = link;
}

static int grow(struct map *m)
{
	struct map bigger = {.size = m->size ? m->size * 2 : 64,
			     .count = m->count};
	size_t i;

	bigger.slots = calloc(bigger.size, sizeof *bigger.slots);
	if (!bigger.slots)
		return -ENOMEM;
	for (i = 0; i < m->size; i++) {
		struct map_link *l = m->slots[i], *next;

		for (; l; l = next) {
			next = l->next;
			insert(&bigger, l);
		}
	}
	free(m->slots);
	*m = bigger;
	return 0;
}

int map_add(struct map *m, struct map_link *link)
{
	/* A table that could not grow still works, with longer chains. */
	if (m->count >= m->size && grow(m) && !m->size)
		return -ENOMEM;
	insert(m, link);
	m->count++;
	return 0;
}

void map_remove(struct map *m, struct map_link *link)
{
	struct map_link **p = slot(m, link->key);

	while (*p != link)
		p = &(*p)->next;
	*p = link->next;
	m->count--;
}

struct map_link *map_next(const struct map *m, const struct map_link *link)
{
	size_t i = 0;

	if (link && link->next)
		return link->next;
	if (link)
		i = (size_t)(slot(m, link->key) - m->slots) + 1;
	for (; i < m->size; i++)
		if (m->slots[i])
			return m->slots[i];
	return NULL;
}
