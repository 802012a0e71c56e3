/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Doubly linked lists that run through their members. */
#ifndef ETRAN_LIST_H
#define ETRAN_LIST_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct list - list head, or a member's place in a list
 * @prev: previous; itself when alone
 * @next: next; itself when alone
 */
struct list {
	struct list *prev;
	struct list *next;
};

#define list_entry(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

/* The first member of a list that is not empty. */
#define list_first(head, type, member) list_entry((head)->next, type, member)

#define list_for_each(pos, head, member)						\
	for (pos = list_entry((head)->next, __typeof__(*pos), member); &pos->member != (head);	\
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))

/* The same when the member may be taken out. */
#define list_for_each_safe(pos, after, head, member)					\
	for (pos = list_entry((head)->next, __typeof__(*pos), member),				\
	     after = list_entry(pos->member.next, __typeof__(*pos), member);			\
	     &pos->member != (head);							\
	     pos = after, after = list_entry(pos->member.next, __typeof__(*pos), member))

static inline void list_init(struct list *l)
{
	l->prev = l;
	l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_add_tail(struct list *item, struct list *head)
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}

/* Also right for an item that is in no list. */
static inline void list_del(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

#endif /* ETRAN_LIST_H */
