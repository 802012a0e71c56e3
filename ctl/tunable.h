/* SPDX-License-Identifier: GPL-2.0 */
/* What tunable.c and set.c share. */
#ifndef TUNABLE_H
#define TUNABLE_H

#include "etranctl.h"

/* Those that are constants once loaded, and live ones. */
#define TUNABLE_KINDS	2

/**
 * struct tunable - one variable
 * @btf: its type information
 * @type: its type without qualifiers and typedefs
 * @name: name
 * @type_name: as the source calls it
 * @off: where it lies in its section
 * @size: bytes
 * @live: it can be changed while the transport is loaded
 * @has_range: @min and @max are the source's, not the type's
 * @min: least value, sign-extended if its type is signed
 * @max: greatest value
 * @min_text: as the source says, NULL when it does not
 * @max_text: likewise
 * @meaning: what it is for, likewise
 * @unit: likewise
 * @default_text: likewise
 */
struct tunable {
	const struct btf *btf;
	const struct btf_type *type;
	const char *name;
	const char *type_name;
	uint32_t off;
	uint32_t size;
	bool live;
	bool has_range;
	uint64_t min;
	uint64_t max;
	const char *min_text;
	const char *max_text;
	const char *meaning;
	const char *unit;
	const char *default_text;
};

/**
 * struct tunable_section - where tunables of one kind lie
 * @kind: index
 * @btf: type information
 * @data: values, NULL when there is no such section
 * @len: bytes at @data
 * @fd: of one that is loaded: the map
 * @copy: likewise, for close
 * @loaded_btf: likewise
 */
struct tunable_section {
	int kind;
	const struct btf *btf;
	char *data;
	size_t len;
	int fd;
	char *copy;
	struct btf *loaded_btf;
};

/* Calls @fn for each tunable of a section. Stops when it returns non-zero. */
int tunable_each(const struct tunable_section *s, int (*fn)(const struct tunable *tun, void *arg),
		 void *arg);
/* The tunable @name, also without "@owner_" in front, among all kinds; NULL after fail(). */
struct tunable_section *tunable_find(struct tunable_section *sec, const char *owner, const char *name,
				     struct tunable *tun);
/* An exit status; *@value is sign-extended. */
int tunable_parse(const struct tunable *tun, const char *text, uint64_t *value);
uint64_t tunable_value(const struct tunable_section *s, const struct tunable *tun);
void tunable_out(struct json_object *obj, const char *key, const struct tunable *tun, uint64_t value);
/* Copies of the sections of what is pinned as @pin; an array of TUNABLE_KINDS. */
void tunable_sections_open(const char *pin, struct tunable_section *sec);
void tunable_sections_close(struct tunable_section *sec);

#endif /* TUNABLE_H */
