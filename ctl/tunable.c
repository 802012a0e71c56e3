// SPDX-License-Identifier: GPL-2.0
/*
 * Tunables of a transport. There are two kinds, told apart by where the compiler must put them:
 *
 *  - `const volatile` globals, in .rodata: set until the object is loaded. The verifier then takes them
 *    for constants, so a feature that is switched off costs nothing.
 *  - live ones, in .data.tunables: set at any time. Each is written by one store into the mapped map,
 *    as an update of the map's only element would write all of them, also those that somebody else
 *    is about to change.
 *
 * Type, unit, range, default and meaning come from BTF, that of the object or, once it is loaded, that of
 * the pinned map: nothing else need be at hand to know what may be set. What is wrong with an assignment is
 * said before anything changes; whoever writes to the map past this tool meets what the programs
 * themselves enforce.
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

#include "tunable.h"

/* As the pins are called, see pin_map_name(). */
static const struct {
	const char *pin;
	const char *section;
	bool live;
} kinds[TUNABLE_KINDS] = {
	{ "rodata", ".rodata", false },
	{ TUNABLE_PIN, TUNABLE_SECTION, true },
};

/* What the source says about a variable: see ETRAN_TUNABLE() in bpf/etran.bpf.h. */
static void read_tags(struct tunable *tun, uint32_t id)
{
	static const struct {
		const char *prefix;
		size_t member;
	} tags[] = {
		{ "meaning:", offsetof(struct tunable, meaning) },
		{ "unit:", offsetof(struct tunable, unit) },
		{ "min:", offsetof(struct tunable, min_text) },
		{ "max:", offsetof(struct tunable, max_text) },
		{ "default:", offsetof(struct tunable, default_text) },
	};
	uint32_t i, n = btf__type_cnt(tun->btf);
	size_t k, len;

	for (i = 1; i < n; i++) {
		const struct btf_type *t = btf__type_by_id(tun->btf, i);
		const char *text;

		if (!btf_is_decl_tag(t) || t->type != id || btf_decl_tag(t)->component_idx != -1)
			continue;
		text = btf__name_by_offset(tun->btf, t->name_off);
		for (k = 0; text && k < sizeof(tags) / sizeof(*tags); k++) {
			len = strlen(tags[k].prefix);
			if (!strncmp(text, tags[k].prefix, len) && text[len])
				*(const char **)((char *)tun + tags[k].member) = text + len;
		}
	}
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

/* The range of the type, narrowed by what the source says. */
static void read_range(struct tunable *tun)
{
	int bits = tun->size * 8;

	if (is_bool(tun)) {
		tun->max = 1;
	} else if (is_signed(tun)) {
		tun->max = (uint64_t)-1 >> (65 - bits);
		tun->min = -tun->max - 1;
	} else {
		tun->max = (uint64_t)-1 >> (64 - bits);
	}
	tun->has_range = tun->min_text && tun->max_text;
	if (!tun->has_range)
		return;
	tun->min = is_signed(tun) ? (uint64_t)strtoll(tun->min_text, NULL, 0) :
				    strtoull(tun->min_text, NULL, 0);
	tun->max = is_signed(tun) ? (uint64_t)strtoll(tun->max_text, NULL, 0) :
				    strtoull(tun->max_text, NULL, 0);
}

int tunable_each(const struct tunable_section *s, int (*fn)(const struct tunable *tun, void *arg),
		 void *arg)
{
	const struct btf_var_secinfo *var;
	const struct btf_type *sec;
	int i, ret, id;

	id = s->btf ? btf__find_by_name_kind(s->btf, kinds[s->kind].section, BTF_KIND_DATASEC) :
		      -ENOENT;
	sec = id < 0 || !s->data ? NULL : btf__type_by_id(s->btf, id);
	if (!sec)
		return 0;
	var = btf_var_secinfos(sec);
	for (i = 0; i < btf_vlen(sec); i++, var++) {
		const struct btf_type *t = btf__type_by_id(s->btf, var->type);
		struct tunable tun = {
			.btf = s->btf, .off = var->offset, .size = var->size,
			.live = kinds[s->kind].live,
		};
		bool is_volatile;

		if (!t || !btf_is_var(t))
			continue;
		tun.name = btf__name_by_offset(s->btf, t->name_off);
		tun.type = strip(s->btf, t->type, &is_volatile, &tun.type_name);
		if (!tun.type || !is_volatile || tun.size > 8 ||
		    !(btf_is_int(tun.type) || btf_is_any_enum(tun.type)) ||
		    tun.off + (size_t)tun.size > s->len)
			continue;
		read_tags(&tun, var->type);
		read_range(&tun);
		ret = fn(&tun, arg);
		if (ret)
			return ret;
	}
	return 0;
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

/* ---- values in other units than the tunable's own ---- */

struct suffix {
	const char *name;
	uint64_t factor;	/* of the smallest unit of the list */
};

static const struct suffix times[] = {
	{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 }, {}
};

static const struct suffix sizes[] = {
	{ "B", 1 }, { "K", 1000 }, { "KB", 1000 }, { "k", 1000 }, { "kB", 1000 }, { "M", 1000000 },
	{ "MB", 1000000 }, { "G", 1000000000 }, { "GB", 1000000000 }, { "Ki", 1 << 10 },
	{ "KiB", 1 << 10 }, { "Mi", 1 << 20 }, { "MiB", 1 << 20 }, { "Gi", 1 << 30 },
	{ "GiB", 1 << 30 }, {}
};

static const struct suffix rates[] = {
	{ "Mb/s", 1 }, { "M", 1 }, { "Mbit", 1 }, { "Gb/s", 1000 }, { "G", 1000 }, { "Gbit", 1000 }, {}
};

static const struct suffix percents[] = { { "%", 1 }, {} };
static const struct suffix per_mille[] = { { "%", 10 }, {} };

static const struct unit {
	const char *name;
	const struct suffix *suffixes;
	uint64_t own;		/* its factor in @suffixes */
	const char *examples;
} units[] = {
	{ "ns", times, 1, "5us, 1ms or 1s" },
	{ "us", times, 1000, "5us, 1ms or 1s" },
	{ "ms", times, 1000000, "1ms or 1s" },
	{ "bytes", sizes, 1, "10K (10,000), 10Ki (10,240) or 1M" },
	{ "Mb/s", rates, 1, "10G" },
	{ "1/100", percents, 1, "5%" },
	{ "1/1000", per_mille, 1, "5%" },
};

static const struct unit *unit_of(const struct tunable *tun)
{
	size_t i;

	for (i = 0; tun->unit && i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(units[i].name, tun->unit))
			return &units[i];
	return NULL;
}

/* Brings @value, which has @text behind it, into the tunable's unit. -EINVAL, -EDOM, -ERANGE. */
static int scale(const struct tunable *tun, const char *text, uint64_t *value)
{
	const struct unit *u = unit_of(tun);
	const struct suffix *s;

	if (!*text)
		return 0;
	for (s = u ? u->suffixes : NULL; s && s->name; s++) {
		if (strcmp(s->name, text))
			continue;
		if (__builtin_mul_overflow(*value, s->factor, value))
			return -ERANGE;
		if (*value % u->own)
			return -EDOM;
		*value /= u->own;
		return 0;
	}
	return -EINVAL;
}

/* A value as people write it. */
static void value_text(const struct tunable *tun, uint64_t value, char *buf, size_t len)
{
	if (is_signed(tun))
		snprintf(buf, len, "%" PRId64, (int64_t)value);
	else
		snprintf(buf, len, "%" PRIu64, value);
}

static int no_value(const struct tunable *tun, const char *text)
{
	const struct unit *u = unit_of(tun);

	if (is_bool(tun))
		return fail(CTL_USAGE, "'%s' is no value for %s; it is a bool, give a number, true or false",
			    text, tun->name);
	return fail(CTL_USAGE, "'%s' is no value for %s; it is a %s, give a number%s%s%s%s", text, tun->name,
		    tun->type_name, tun->unit ? " of " : "", tun->unit ?: "",
		    u ? ", or one with a unit like " : "", u ? u->examples : "");
}

int tunable_parse(const struct tunable *tun, const char *text, uint64_t *value)
{
	const char *digits = text + strspn(text, " \t");
	char *end, min[32], max[32];
	bool outside;
	int err;

	if (is_bool(tun) && (!strcmp(text, "true") || !strcmp(text, "false"))) {
		*value = *text == 't';
		return CTL_OK;
	}
	if (btf_is_any_enum(tun->type) && enum_value(tun, text, value))
		return CTL_OK;
	errno = 0;
	if (is_signed(tun)) {
		*value = strtoll(text, &end, 0);
		if (end == text || *end)
			return no_value(tun, text);
		outside = errno || (int64_t)*value < (int64_t)tun->min ||
			  (int64_t)*value > (int64_t)tun->max;
	} else {
		*value = strtoull(text, &end, 0);
		if (end == text)
			return no_value(tun, text);
		/* strtoull() takes "-1" for the largest number. */
		err = errno || *digits == '-' ? -ERANGE : scale(tun, end, value);
		if (err == -EINVAL || (err == -ERANGE && *digits == '-' && *end))
			return no_value(tun, text);
		if (err == -EDOM)
			return fail(CTL_USAGE, "%s=%s is no whole number of %s; %s is counted in those",
				    tun->name, text, tun->unit, tun->name);
		outside = err || *value < tun->min || *value > tun->max;
	}
	if (!outside)
		return CTL_OK;
	value_text(tun, tun->min, min, sizeof(min));
	value_text(tun, tun->max, max, sizeof(max));
	return fail(CTL_USAGE, "%s=%s is out of range; %s is from %s to %s%s%s", tun->name, text,
		    tun->name, min, max, tun->unit ? " " : "", tun->unit ?: "");
}

/* ---- names ---- */

struct find {
	const char *name;
	const char *prefix;
	struct tunable *tun;
	char *known;
	size_t len;
};

static int same_name(const struct tunable *tun, void *arg)
{
	struct find *f = arg;

	if (strcmp(tun->name, f->name))
		return 0;
	*f->tun = *tun;
	return 1;
}

/* "unsched_bytes" of the transport "homa" is homa_unsched_bytes. */
static int same_without_prefix(const struct tunable *tun, void *arg)
{
	struct find *f = arg;
	size_t n = strlen(f->prefix), i;

	for (i = 0; i < n; i++)
		if (tun->name[i] != (f->prefix[i] == '-' ? '_' : f->prefix[i]))
			return 0;
	if (tun->name[n] != '_' || strcmp(tun->name + n + 1, f->name))
		return 0;
	*f->tun = *tun;
	return 1;
}

static int list_name(const struct tunable *tun, void *arg)
{
	struct find *f = arg;
	size_t n = strlen(f->known);

	snprintf(f->known + n, f->len - n, "%s%s", n ? ", " : "", tun->name);
	return 0;
}

struct tunable_section *tunable_find(struct tunable_section *sec, const char *owner, const char *name,
				     struct tunable *tun)
{
	struct find f = { .name = name, .prefix = owner, .tun = tun };
	char known[4096] = "";
	int i;

	for (i = 0; i < TUNABLE_KINDS; i++)
		if (tunable_each(&sec[i], same_name, &f))
			return &sec[i];
	for (i = 0; i < TUNABLE_KINDS; i++)
		if (tunable_each(&sec[i], same_without_prefix, &f))
			return &sec[i];
	f.known = known;
	f.len = sizeof(known);
	for (i = 0; i < TUNABLE_KINDS; i++)
		tunable_each(&sec[i], list_name, &f);
	fail(CTL_USAGE, "'%s' has no tunable '%s'; it has %s", owner, name,
	     *known ? known : "none at all");
	return NULL;
}

/* ---- of an object that is not loaded ---- */

static void sections_of_object(const struct transport_object *o, struct tunable_section *sec)
{
	struct bpf_map *map;
	int i;

	memset(sec, 0, sizeof(*sec) * TUNABLE_KINDS);
	for (i = 0; i < TUNABLE_KINDS; i++) {
		sec[i].kind = i;
		sec[i].btf = bpf_object__btf(o->obj);
		bpf_object__for_each_map(map, o->obj)
			if (bpf_map__is_internal(map) && !strcmp(pin_map_name(map), kinds[i].pin))
				sec[i].data = bpf_map__initial_value(map, &sec[i].len);
	}
}

int tunable_set(struct transport_object *o, const char *assignment)
{
	struct tunable_section sec[TUNABLE_KINDS], *found;
	const char *eq = strchr(assignment, '=');
	struct tunable tun;
	uint64_t value;
	char name[128];
	int status;

	if (!eq || eq == assignment || (size_t)(eq - assignment) >= sizeof(name))
		return fail(CTL_USAGE, "--set %s: not understood; give it as --set VAR=VALUE", assignment);
	snprintf(name, sizeof(name), "%.*s", (int)(eq - assignment), assignment);
	sections_of_object(o, sec);
	found = tunable_find(sec, o->name, name, &tun);
	if (!found)
		return CTL_USAGE;
	status = tunable_parse(&tun, eq + 1, &value);
	if (!status)
		memcpy(found->data + tun.off, &value, tun.size);
	return status;
}

/* ---- of one that is loaded ---- */

void tunable_sections_open(const char *pin, struct tunable_section *sec)
{
	int i;

	memset(sec, 0, sizeof(*sec) * TUNABLE_KINDS);
	for (i = 0; i < TUNABLE_KINDS; i++) {
		struct bpf_map_info info = {};
		__u32 len = sizeof(info), key = 0;

		sec[i].kind = i;
		sec[i].fd = pin_map_fd(pin, kinds[i].pin);
		if (sec[i].fd < 0)
			continue;
		if (bpf_map_get_info_by_fd(sec[i].fd, &info, &len) || !info.btf_id)
			continue;
		sec[i].loaded_btf = btf__load_from_kernel_by_id(info.btf_id);
		sec[i].btf = sec[i].loaded_btf;
		sec[i].copy = malloc(info.value_size);
		if (!sec[i].copy || bpf_map_lookup_elem(sec[i].fd, &key, sec[i].copy))
			continue;
		sec[i].data = sec[i].copy;
		sec[i].len = info.value_size;
	}
}

void tunable_sections_close(struct tunable_section *sec)
{
	int i;

	for (i = 0; i < TUNABLE_KINDS; i++) {
		free(sec[i].copy);
		btf__free(sec[i].loaded_btf);
		if (sec[i].fd >= 0)
			close(sec[i].fd);
	}
}

/* ---- in JSON ---- */

void tunable_out(struct json_object *obj, const char *key, const struct tunable *tun, uint64_t value)
{
	const char *name = btf_is_any_enum(tun->type) ? enum_name(tun, value) : NULL;

	if (is_bool(tun))
		out_bool(obj, key, value);
	else if (name)
		out_str(obj, key, name);
	else if (is_signed(tun))
		json_object_object_add(obj, key, json_object_new_int64(value));
	else
		out_u64(obj, key, value);
}

uint64_t tunable_value(const struct tunable_section *s, const struct tunable *tun)
{
	int shift = 64 - tun->size * 8;
	uint64_t value = 0;

	memcpy(&value, s->data + tun->off, tun->size);
	return is_signed(tun) ? (uint64_t)((int64_t)(value << shift) >> shift) : value;
}

struct dump {
	const struct tunable_section *sec;
	struct json_object *array;
};

static int dump_one(const struct tunable *tun, void *arg)
{
	struct json_object *obj = json_object_new_object();
	struct dump *d = arg;
	uint64_t value;

	out_str(obj, "name", tun->name);
	out_str(obj, "type", is_bool(tun) ? "bool" : tun->type_name);
	tunable_out(obj, "value", tun, tunable_value(d->sec, tun));
	/* What the source says is not to be refused here for being odd. */
	if (tun->default_text) {
		struct tunable any = *tun;

		any.has_range = false;
		any.min_text = NULL;
		any.max_text = NULL;
		any.min = 0;
		read_range(&any);
		if (!tunable_parse(&any, tun->default_text, &value))
			tunable_out(obj, "default", tun, value);
	}
	if (tun->unit)
		out_str(obj, "unit", tun->unit);
	if (tun->has_range) {
		tunable_out(obj, "min", tun, tun->min);
		tunable_out(obj, "max", tun, tun->max);
	}
	out_bool(obj, "live", tun->live);
	if (tun->meaning)
		out_str(obj, "meaning", tun->meaning);
	json_object_array_add(d->array, obj);
	return 0;
}

static struct json_object *dump_all(struct tunable_section *sec)
{
	struct dump d = { .array = json_object_new_array() };
	int i;

	for (i = 0; i < TUNABLE_KINDS; i++) {
		d.sec = &sec[i];
		tunable_each(&sec[i], dump_one, &d);
	}
	return d.array;
}

struct json_object *tunables_of_object(struct transport_object *o)
{
	struct tunable_section sec[TUNABLE_KINDS];

	sections_of_object(o, sec);
	return dump_all(sec);
}

struct json_object *tunables_of_pins(const char *pin)
{
	struct tunable_section sec[TUNABLE_KINDS];
	struct json_object *array;

	tunable_sections_open(pin, sec);
	array = dump_all(sec);
	tunable_sections_close(sec);
	return array;
}
