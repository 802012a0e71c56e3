// SPDX-License-Identifier: GPL-2.0
/*
 * A BPF object on its way into the kernel: found, opened, checked, loaded. The checks come before
 * the load, by the object's own type information: the kernel would refuse the same objects, but
 * with an error number, and only after minutes of verification in the worst case.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "etranctl.h"

#define OPS_TYPE	"etran_ops"
#define FILTER_TYPE	"etran_filter_ops"
/* What kernels answer that do not know an operation; no header of the C library has it. */
#define ENOTSUPP	524

static int try_path(char *path, size_t len, const char *dir, size_t dir_len, const char *arg,
		    const char *suffix)
{
	struct stat st;

	if ((size_t)snprintf(path, len, "%.*s%s%s%s", (int)dir_len, dir, dir_len ? "/" : "", arg,
			     suffix) >= len)
		return -ENAMETOOLONG;
	return stat(path, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : -EISDIR;
}

int object_find(const char *arg, char *path, size_t len)
{
	const char *env = getenv("ETRAN_BPF_PATH"), *p, *end;
	int err;

	err = try_path(path, len, "", 0, arg, "");
	if (!err || strchr(arg, '/'))
		return err;
	for (p = env; p && *p; p = *end ? end + 1 : end) {
		end = p + strcspn(p, ":");
		if (end == p)
			continue;
		if (!try_path(path, len, p, end - p, arg, "") ||
		    !try_path(path, len, p, end - p, arg, ".bpf.o"))
			return 0;
	}
	if (!try_path(path, len, ETRAN_BPF_DIR, strlen(ETRAN_BPF_DIR), arg, "") ||
	    !try_path(path, len, ETRAN_BPF_DIR, strlen(ETRAN_BPF_DIR), arg, ".bpf.o"))
		return 0;
	return err;
}

/* Is @name the type @type, also in a flavour: etran_ops___v2? */
static bool is_type(const char *name, const char *type)
{
	size_t len = strlen(type);

	return name && !strncmp(name, type, len) && (!name[len] || !strncmp(name + len, "___", 3));
}

static const char *type_name(const struct transport_object *o)
{
	return o->filter ? FILTER_TYPE : OPS_TYPE;
}

/* The type of a struct_ops map if it is one of ours; *@filter says which. */
static const struct btf_type *ops_type(const struct transport_object *o, const struct bpf_map *map,
				       bool *filter)
{
	const struct btf *btf = bpf_object__btf(o->obj);
	const struct btf_type *t;
	const char *name;

	t = btf__type_by_id(btf, bpf_map__btf_value_type_id(map));
	name = t && btf_is_struct(t) ? btf__name_by_offset(btf, t->name_off) : NULL;
	*filter = is_type(name, FILTER_TYPE);
	return *filter || is_type(name, OPS_TYPE) ? t : NULL;
}

/* Where member @name lies in the initial image of the ops, and how long it is. */
static void *ops_member(const struct transport_object *o, const char *name, size_t *len)
{
	const struct btf *btf = bpf_object__btf(o->obj);
	bool filter;
	const struct btf_type *t = ops_type(o, o->ops, &filter);
	const struct btf_member *m = btf_members(t);
	size_t size = 0, off;
	char *image;
	int i;

	image = bpf_map__initial_value(o->ops, &size);
	for (i = 0; image && i < btf_vlen(t); i++, m++) {
		if (strcmp(btf__name_by_offset(btf, m->name_off), name))
			continue;
		off = btf_member_bit_offset(t, i) / 8;
		*len = btf__resolve_size(btf, m->type);
		return off + *len <= size ? image + off : NULL;
	}
	return NULL;
}

static int ops_uint(const struct transport_object *o, const char *name, uint32_t *value)
{
	size_t len;
	const void *p = ops_member(o, name, &len);

	if (!p || len > sizeof(*value))
		return -ENOENT;
	*value = 0;
	memcpy(value, p, len);	/* little endian, as all machines etran runs on */
	return 0;
}

static int check_name(struct transport_object *o, const char *base)
{
	const char *p;
	size_t len, i;

	p = ops_member(o, "name", &len);
	if (!p || !*p || strnlen(p, len) >= sizeof(o->name) || strnlen(p, len) == len)
		return fail(CTL_FAILURE, "%s: the name in struct %s is missing or has more"
			    " than %zu characters; give it one", base, type_name(o), sizeof(o->name) - 1);
	for (i = 0; p[i]; i++)
		if (!isalnum((unsigned char)p[i]) && p[i] != '-' && p[i] != '_')
			return fail(CTL_FAILURE, "%s: the name '%s' in struct %s is not valid;"
				    " use letters, digits, '-' and '_'", base, p, type_name(o));
	snprintf(o->name, sizeof(o->name), "%s", p);
	/* The pins of filters are below a directory of that name. */
	if (!o->filter && !strcmp(o->name, FILTER_DIR))
		return fail(CTL_FAILURE, "%s: no transport can be called '%s', which is where the pins of"
			    " filters are; give it another name", base, o->name);
	return CTL_OK;
}

static bool has_program(const struct transport_object *o, const char *member)
{
	struct bpf_program *const *prog;
	size_t len;

	prog = ops_member(o, member, &len);
	return prog && *prog;
}

static int check_filter(struct transport_object *o, const char *base)
{
	uint32_t priority;

	if (ops_uint(o, "priority", &priority))
		return fail(CTL_FAILURE, "%s: its struct " FILTER_TYPE " has no priority;"
			    " build it with the etran.bpf.h of this release", base);
	o->priority = priority;
	if (check_name(o, base))
		return CTL_FAILURE;
	if (!has_program(o, "ingress") && !has_program(o, "egress"))
		return fail(CTL_FAILURE, "%s: struct " FILTER_TYPE " '%s' has neither ingress nor egress;"
			    " give it one", base, o->name);
	return CTL_OK;
}

static int check_transport(struct transport_object *o, const char *base)
{
	static const char * const mandatory[] = { "egress", "ingress" };
	uint32_t proto;
	size_t i;

	if (ops_uint(o, "ip_proto", &proto))
		return fail(CTL_FAILURE, "%s: its struct " OPS_TYPE " has no version or no ip_proto;"
			    " build it with the etran.bpf.h of this release", base);
	if (!proto)
		return fail(CTL_FAILURE, "%s: ip_proto is not set;"
			    " give struct " OPS_TYPE " the IP protocol number (1..255) it handles", base);
	o->ip_proto = proto;
	/* Who leaves these out means 0. */
	ops_uint(o, "queues", &o->queues);
	ops_uint(o, "queue_depth", &o->queue_depth);
	ops_uint(o, "timeout_ms", &o->timeout_ms);
	ops_uint(o, "state_version", &o->state_version);
	ops_uint(o, "tcp_urgent", &o->tcp_urgent);

	if (check_name(o, base))
		return CTL_FAILURE;
	for (i = 0; i < sizeof(mandatory) / sizeof(*mandatory); i++)
		if (!has_program(o, mandatory[i]))
			return fail(CTL_FAILURE, "%s: struct " OPS_TYPE " '%s' has no %s;"
				    " egress and ingress are mandatory", base, o->name, mandatory[i]);
	return CTL_OK;
}

static int check_ops(struct transport_object *o)
{
	uint32_t want = o->filter ? ETRAN_FILTER_VERSION : ETRAN_OPS_VERSION;
	const char *base = strrchr(o->path, '/');

	base = base ? base + 1 : o->path;
	if (ops_uint(o, "version", &o->version))
		return fail(CTL_FAILURE, "%s: its struct %s has no version;"
			    " build it with the etran.bpf.h of this release", base, type_name(o));
	if (o->version != want)
		return fail(CTL_FAILURE, "%s was built for version %u of struct %s, this is version %u;"
			    " build it again with the etran.bpf.h of this release",
			    base, o->version, type_name(o), want);
	return o->filter ? check_filter(o, base) : check_transport(o, base);
}

int object_set_priority(struct transport_object *o, int32_t priority)
{
	size_t len;
	void *p = ops_member(o, "priority", &len);

	if (!p || len != sizeof(priority))
		return -EINVAL;
	memcpy(p, &priority, len);
	o->priority = priority;
	return 0;
}

/* Why libbpf could not open it, in one clause. */
static const char *open_problem(int err)
{
	static char buf[128];

	switch (err) {
	case -LIBBPF_ERRNO__LIBELF:
	case -LIBBPF_ERRNO__FORMAT:
	case -LIBBPF_ERRNO__ENDIAN:
	case -EINVAL:
	case -ENOEXEC:
		return "is not a BPF object";
	case -ENOENT:
		return "has no type information or no programs";
	default:
		libbpf_strerror(err, buf, sizeof(buf));
		return buf;
	}
}

int object_open_any(const char *arg, struct transport_object *o)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct bpf_map *map;
	bool filter;
	int err, n = 0;

	memset(o, 0, sizeof(*o));
	err = object_find(arg, o->path, sizeof(o->path));
	if (err == -ENOENT && !strchr(arg, '/'))
		return fail(CTL_FAILURE, "no file '%s', nor %s.bpf.o in $ETRAN_BPF_PATH or %s;"
			    " give a path or the name of an installed transport", arg, arg, ETRAN_BPF_DIR);
	if (err)
		return fail(CTL_FAILURE, "cannot read '%s': %s; give a path or the name of an installed"
			    " transport", arg, err == -EISDIR ? "not a file" : strerror(-err));

	log_reset();
	o->obj = bpf_object__open_file(o->path, &opts);
	if (!o->obj) {
		const char *why = open_problem(-errno);

		if (errno == EACCES || errno == EPERM)
			return fail(CTL_FAILURE, "cannot read '%s': %s; are you root?", o->path,
				    strerror(errno));
		return fail(CTL_FAILURE, "'%s' %s; build a transport with clang -target bpf -g"
			    " (see bpf/README.md)%s", o->path, why, opt_debug ? "" : ", -d tells more");
	}
	bpf_object__for_each_map(map, o->obj) {
		if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS || !ops_type(o, map, &filter))
			continue;
		o->ops = map;
		o->filter = filter;
		n++;
	}
	if (!n) {
		fail(CTL_FAILURE, "'%s' is a BPF object but neither an etran transport nor a filter;"
		     " a transport has SEC(\".struct_ops.link\") struct " OPS_TYPE
		     ", a filter struct " FILTER_TYPE, o->path);
		goto bad;
	}
	if (n > 1) {
		fail(CTL_FAILURE, "'%s' has %d transports (struct " OPS_TYPE ") or filters;"
		     " put each in an object of its own", o->path, n);
		goto bad;
	}
	if (!(bpf_map__map_flags(o->ops) & BPF_F_LINK)) {
		fail(CTL_FAILURE, "'%s' has its struct %s in section .struct_ops;"
		     " put it in SEC(\".struct_ops.link\")", o->path, type_name(o));
		goto bad;
	}
	if (check_ops(o))
		goto bad;
	return CTL_OK;
bad:
	object_close(o);
	return CTL_FAILURE;
}

int object_open(const char *arg, struct transport_object *o)
{
	int status = object_open_any(arg, o);

	if (status || !o->filter)
		return status;
	object_close(o);
	return fail(CTL_FAILURE, "'%s' is a filter, not a transport; 'etranctl filter add %s' attaches it",
		    o->path, arg);
}

int object_open_filter(const char *arg, struct transport_object *o)
{
	int status = object_open_any(arg, o);

	if (status || o->filter)
		return status;
	object_close(o);
	return fail(CTL_FAILURE, "'%s' is a transport, not a filter; 'etranctl load %s' loads it",
		    o->path, arg);
}

void object_close(struct transport_object *o)
{
	bpf_object__close(o->obj);
	o->obj = NULL;
}

int object_load(struct transport_object *o)
{
	const char *line;
	int err;

	if (opt_debug) {
		struct bpf_program *prog;

		bpf_object__for_each_program(prog, o->obj)
			bpf_program__set_log_level(prog, 1 | 4);
	}
	log_reset();
	err = bpf_object__load(o->obj);
	if (!err)
		return CTL_OK;

	if (log_find("struct " OPS_TYPE " is not found in kernel BTF") ||
	    log_find("struct " FILTER_TYPE " is not found in kernel BTF"))
		return fail(CTL_NOT_READY, "the kernel does not know struct %s"
			    "; load the module (modprobe etran), built with BTF for this kernel",
			    type_name(o));
	line = log_find("extern (func ksym) '");
	if (line && strstr(line, "not found"))
		return fail(CTL_FAILURE, "%s: %s; it was built for another release of etran", o->name,
			    line);
	log_print_verifier(12);
	if (strstr(log_text(), "-- BEGIN PROG LOAD LOG --"))
		return fail(CTL_FAILURE, "the kernel refused a program of '%s': %s; the verifier's last"
			    " words are above%s", o->name,
			    err == -ENOTSUPP ? "operation not supported by this module" : strerror(-err),
			    opt_debug ? "" : ", all of them with -d");
	line = log_find("libbpf: ");
	if (err == -EPERM || err == -ENOMEM)
		return fail(CTL_FAILURE, "the kernel refused '%s': %s; is BPF locked down here"
			    " (dmesg), or memory short?", o->name, strerror(-err));
	return fail(CTL_FAILURE, "the kernel refused '%s': %s%s%s%s; -d tells more", o->name,
		    err == -ENOTSUPP ? "not supported" : strerror(-err),
		    line ? " (" : "", line ? line + strlen("libbpf: ") : "", line ? ")" : "");
}
