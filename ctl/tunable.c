// SPDX-License-Identifier: GPL-2.0
/*
 * Tunables of a transport: its `const volatile` globals, which the compiler must leave in .rodata.
 * They can be set until the object is loaded; then the verifier takes them for constants, so a
 * feature that is switched off costs nothing. Type and range come from the object's BTF.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "etranctl.h"

/**
 * struct tunable - one variable
 * @btf: its type information
 * @type: its type without qualifiers and typedefs
 * @name: name
 * @type_name: as the source calls it
 * @off: where it lies in .rodata
 * @size: bytes
 * @meaning: what it is for, NULL when the source does not say (ETRAN_MEANING())
 */
struct tunable {
	const struct btf *btf;
	const struct btf_type *type;
	const char *name;
	const char *type_name;
	uint32_t off;
	uint32_t size;
	const char *meaning;
};

#define MEANING	"meaning:"

/* What the source says about variable @id. */
static const char *meaning(const struct btf *btf, uint32_t id)
{
	uint32_t i, n = btf__type_cnt(btf);

	for (i = 1; i < n; i++) {
		const struct btf_type *t = btf__type_by_id(btf, i);
		const char *text;

		if (!btf_is_decl_tag(t) || t->type != id || btf_decl_tag(t)->component_idx != -1)
			continue;
		text = btf__name_by_offset(btf, t->name_off);
		if (text && !strncmp(text, MEANING, strlen(MEANING)))
			return text + strlen(MEANING);
	}
	return NULL;
}

/* Strips qualifiers and typedefs; says whether volatile was among them. */
static const struct btf_type *strip(const struct btf *btf, uint32_t id, bool *is_volatile,
				    const char **name)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	*is_volatile = false;
	*name = NULL;
	while (t && (btf_is_mod(t) || btf_is_typedef(t))) {
		if (btf_is_volatile(t))
			*is_volatile = true;
		if (btf_is_typedef(t) && !*name)
			*name = btf__name_by_offset(btf, t->name_off);
		t = btf__type_by_id(btf, t->type);
	}
	if (t && !*name)
		*name = btf__name_by_offset(btf, t->name_off);
	return t;
}

/* Calls @fn for each tunable of data section @sec. Stops when it returns non-zero. */
static int each(const struct btf *btf, const struct btf_type *sec,
		int (*fn)(const struct tunable *tun, void *arg), void *arg)
{
	const struct btf_var_secinfo *var = btf_var_secinfos(sec);
	int i, ret;

	for (i = 0; i < btf_vlen(sec); i++, var++) {
		const struct btf_type *t = btf__type_by_id(btf, var->type);
		struct tunable tun = { .btf = btf, .off = var->offset, .size = var->size };
		bool is_volatile;

		if (!t || !btf_is_var(t))
			continue;
		tun.name = btf__name_by_offset(btf, t->name_off);
		tun.type = strip(btf, t->type, &is_volatile, &tun.type_name);
		if (!tun.type || !is_volatile || tun.size > 8 ||
		    !(btf_is_int(tun.type) || btf_is_any_enum(tun.type)))
			continue;
		tun.meaning = meaning(btf, var->type);
		ret = fn(&tun, arg);
		if (ret)
			return ret;
	}
	return 0;
}

static bool is_signed(const struct tunable *tun)
{
	if (btf_is_int(tun->type))
		return btf_int_encoding(tun->type) & BTF_INT_SIGNED;
	return btf_kflag(tun->type);
}

static bool is_bool(const struct tunable *tun)
{
	return btf_is_int(tun->type) && (btf_int_encoding(tun->type) & BTF_INT_BOOL);
}

static const char *enum_name(const struct tunable *tun, uint64_t value)
{
	int i;

	for (i = 0; i < btf_vlen(tun->type); i++) {
		if (btf_is_enum(tun->type)) {
			const struct btf_enum *e = btf_enum(tun->type) + i;

			if ((uint32_t)e->val == (uint32_t)value)
				return btf__name_by_offset(tun->btf, e->name_off);
		} else if (btf_is_enum64(tun->type)) {
			const struct btf_enum64 *e = btf_enum64(tun->type) + i;

			if (btf_enum64_value(e) == value)
				return btf__name_by_offset(tun->btf, e->name_off);
		}
	}
	return NULL;
}

static bool enum_value(const struct tunable *tun, const char *name, uint64_t *value)
{
	int i;

	for (i = 0; i < btf_vlen(tun->type); i++) {
		if (btf_is_enum(tun->type)) {
			const struct btf_enum *e = btf_enum(tun->type) + i;

			*value = (int64_t)e->val;
			if (!strcmp(btf__name_by_offset(tun->btf, e->name_off), name))
				return true;
		} else if (btf_is_enum64(tun->type)) {
			const struct btf_enum64 *e = btf_enum64(tun->type) + i;

			*value = btf_enum64_value(e);
			if (!strcmp(btf__name_by_offset(tun->btf, e->name_off), name))
				return true;
		}
	}
	return false;
}

static struct bpf_map *rodata(const struct transport_object *o)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, o->obj)
		if (bpf_map__is_internal(map) && !strcmp(pin_map_name(map), "rodata"))
			return map;
	return NULL;
}

static const struct btf_type *rodata_section(const struct btf *btf)
{
	int id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -ENOENT;

	return id < 0 ? NULL : btf__type_by_id(btf, id);
}

struct assign {
	const char *name;
	const char *value;
	char *data;
	size_t len;
	char known[2048];
	int status;
};

static int list_name(const struct tunable *tun, void *arg)
{
	struct assign *a = arg;
	size_t n = strlen(a->known);

	snprintf(a->known + n, sizeof(a->known) - n, "%s%s", n ? ", " : "", tun->name);
	return 0;
}

static int assign(const struct tunable *tun, void *arg)
{
	struct assign *a = arg;
	int bits = tun->size * 8;
	uint64_t value = 0;
	char *end;

	if (strcmp(tun->name, a->name))
		return 0;
	if (tun->off + (size_t)tun->size > a->len) {
		a->status = fail(CTL_FAILURE, "'%s' lies outside of .rodata; the object is damaged",
				 a->name);
		return 1;
	}
	errno = 0;
	if (is_bool(tun) && !strcmp(a->value, "true")) {
		value = 1;
	} else if (is_bool(tun) && !strcmp(a->value, "false")) {
		value = 0;
	} else if (btf_is_any_enum(tun->type) && enum_value(tun, a->value, &value)) {
		/* by its name */
	} else if (is_signed(tun)) {
		int64_t v = strtoll(a->value, &end, 0), max = (uint64_t)-1 >> (65 - bits);

		if (*end || end == a->value)
			goto bad_number;
		if (errno || v > max || v < -max - 1) {
			a->status = fail(CTL_USAGE, "%s=%s is out of range; %s is from %" PRId64
					 " to %" PRId64, a->name, a->value, a->name, -max - 1, max);
			return 1;
		}
		value = v;
	} else {
		uint64_t max = is_bool(tun) ? 1 : (uint64_t)-1 >> (64 - bits);
		const char *p = a->value + strspn(a->value, " \t");

		value = strtoull(a->value, &end, 0);
		if (*end || end == a->value)
			goto bad_number;
		/* strtoull() takes "-1" for the largest number. */
		if (errno || value > max || *p == '-') {
			a->status = fail(CTL_USAGE, "%s=%s is out of range; %s is from 0 to %" PRIu64,
					 a->name, a->value, a->name, max);
			return 1;
		}
	}
	memcpy(a->data + tun->off, &value, tun->size);
	a->status = CTL_OK;
	return 1;
bad_number:
	a->status = fail(CTL_USAGE, "'%s' is no value for %s; it is a %s, give a number%s", a->value,
			 a->name, is_bool(tun) ? "bool" : tun->type_name,
			 is_bool(tun) ? ", true or false" : "");
	return 1;
}

int tunable_set(struct transport_object *o, const char *assignment)
{
	const char *eq = strchr(assignment, '=');
	const struct btf *btf = bpf_object__btf(o->obj);
	const struct btf_type *sec = rodata_section(btf);
	struct bpf_map *map = rodata(o);
	char name[128];
	struct assign a = { .name = name, .status = -1 };

	if (!eq || eq == assignment || (size_t)(eq - assignment) >= sizeof(name))
		return fail(CTL_USAGE, "--set %s: not understood; give it as --set VAR=VALUE", assignment);
	snprintf(name, sizeof(name), "%.*s", (int)(eq - assignment), assignment);
	a.value = eq + 1;
	if (map && sec) {
		a.data = bpf_map__initial_value(map, &a.len);
		if (a.data)
			each(btf, sec, assign, &a);
	}
	if (a.status >= 0)
		return a.status;
	if (map && sec)
		each(btf, sec, list_name, &a);
	return fail(CTL_USAGE, "'%s' has no tunable '%s'; it has %s", o->name, name,
		    *a.known ? a.known : "none at all");
}

struct dump {
	struct json_object *array;
	const char *data;
	size_t len;
};

static int dump_one(const struct tunable *tun, void *arg)
{
	struct json_object *obj = json_object_new_object();
	struct dump *d = arg;
	uint64_t value = 0;
	const char *name;

	if (tun->off + (size_t)tun->size > d->len) {
		json_object_put(obj);
		return 0;
	}
	memcpy(&value, d->data + tun->off, tun->size);
	out_str(obj, "name", tun->name);
	out_str(obj, "type", is_bool(tun) ? "bool" : tun->type_name);
	name = btf_is_any_enum(tun->type) ? enum_name(tun, value) : NULL;
	if (is_bool(tun)) {
		out_bool(obj, "value", value);
	} else if (name) {
		out_str(obj, "value", name);
	} else if (is_signed(tun)) {
		int shift = 64 - tun->size * 8;

		json_object_object_add(obj, "value",
				       json_object_new_int64((int64_t)(value << shift) >> shift));
	} else {
		out_u64(obj, "value", value);
	}
	if (tun->meaning)
		out_str(obj, "meaning", tun->meaning);
	json_object_array_add(d->array, obj);
	return 0;
}

struct json_object *tunables_of_object(struct transport_object *o)
{
	struct dump d = { .array = json_object_new_array() };
	const struct btf *btf = bpf_object__btf(o->obj);
	const struct btf_type *sec = rodata_section(btf);
	struct bpf_map *map = rodata(o);

	if (sec && map) {
		d.data = bpf_map__initial_value(map, &d.len);
		if (d.data)
			each(btf, sec, dump_one, &d);
	}
	return d.array;
}

struct json_object *tunables_of_map(int map_fd)
{
	struct dump d = { .array = json_object_new_array() };
	const struct btf_type *sec;
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), key = 0;
	struct btf *btf;
	char *data;

	if (bpf_map_get_info_by_fd(map_fd, &info, &len) || !info.btf_id)
		return d.array;
	btf = btf__load_from_kernel_by_id(info.btf_id);
	sec = rodata_section(btf);
	data = malloc(info.value_size);
	if (sec && data && !bpf_map_lookup_elem(map_fd, &key, data)) {
		d.data = data;
		d.len = info.value_size;
		each(btf, sec, dump_one, &d);
	}
	free(data);
	btf__free(btf);
	return d.array;
}
