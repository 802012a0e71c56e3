// SPDX-License-Identifier: GPL-2.0
/*
 * etranctl set: live tunables of what is loaded. All or nothing: every assignment is understood and
 * found good before the first is made. Then each is one store, in the order of the command line, which
 * is what a program that reads several of them can count on; it may run between two of them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tunable.h"

/**
 * struct change - one assignment
 * @owner: name of the transport or filter
 * @sec: its sections
 * @found: the one where the tunable lies
 * @tun: the tunable
 * @value: new value
 * @map: @found's map in memory
 */
struct change {
	char owner[ETRAN_NAME_LEN];
	struct tunable_section sec[TUNABLE_KINDS];
	struct tunable_section *found;
	struct tunable tun;
	uint64_t value;
	char *map;
};

/* What is pinned of the loaded transport or filter @name; "" after fail(). */
static const char *find_pins(int fd, const char *name)
{
	struct etran_transport_info t;
	struct etran_filter_info f;
	static char pin[512];

	if (!device_transport_by_name(fd, name, &t)) {
		snprintf(pin, sizeof(pin), "%s", name);
	} else if (!device_filter_by_name(fd, name, &f)) {
		snprintf(pin, sizeof(pin), "%s", pin_filter(name));
	} else {
		fail(CTL_FAILURE, "no transport or filter '%s' is loaded; 'etranctl list' and 'etranctl filter"
		     " list' show which are", name);
		return "";
	}
	if (pin_exists(pin))
		return pin;
	fail(CTL_FAILURE, "'%s' is loaded, but there is no %s; it was loaded from another mount namespace"
	     " or by another program: set it there", name, pin_path(pin, ""));
	return "";
}

static int prepare(int fd, const char *assignment, struct change *c)
{
	const char *dot = strchr(assignment, '.'), *eq = strchr(assignment, '='), *pin;
	char name[128];
	int status;

	if (!dot || !eq || dot == assignment || eq <= dot + 1 ||
	    (size_t)(dot - assignment) >= sizeof(c->owner) || (size_t)(eq - dot) > sizeof(name))
		return fail(CTL_USAGE, "'%s' is not understood; give it as NAME.TUNABLE=VALUE", assignment);
	snprintf(c->owner, sizeof(c->owner), "%.*s", (int)(dot - assignment), assignment);
	snprintf(name, sizeof(name), "%.*s", (int)(eq - dot - 1), dot + 1);
	pin = find_pins(fd, c->owner);
	if (!*pin)
		return CTL_FAILURE;
	tunable_sections_open(pin, c->sec);
	c->found = tunable_find(c->sec, c->owner, name, &c->tun);
	if (!c->found)
		return CTL_USAGE;
	status = tunable_parse(&c->tun, eq + 1, &c->value);
	if (status)
		return status;
	if (!c->tun.live)
		return fail(CTL_USAGE, "%s of '%s' is a constant of its programs;"
			    " 'etranctl replace OBJ --set %s' exchanges them under traffic", c->tun.name,
			    c->owner, dot + 1);
	c->map = mmap(NULL, c->found->len, PROT_READ | PROT_WRITE, MAP_SHARED, c->found->fd, 0);
	if (c->map == MAP_FAILED) {
		c->map = NULL;
		return fail(CTL_FAILURE, "cannot map the tunables of '%s': %s; are you root?", c->owner,
			    strerror(errno));
	}
	return CTL_OK;
}

/* One store each: a program sees the old value or the new one. */
static void store(const struct change *c)
{
	void *at = c->map + c->tun.off;

	switch (c->tun.size) {
	case 1:
		__atomic_store_n((uint8_t *)at, c->value, __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n((uint16_t *)at, c->value, __ATOMIC_RELEASE);
		break;
	case 4:
		__atomic_store_n((uint32_t *)at, c->value, __ATOMIC_RELEASE);
		break;
	default:
		__atomic_store_n((uint64_t *)at, c->value, __ATOMIC_RELEASE);
		break;
	}
}

static struct json_object *answer_change(const struct change *c)
{
	struct json_object *obj = json_object_new_object();
	uint64_t was = tunable_value(c->found, &c->tun);

	out_str(obj, "name", c->owner);
	out_str(obj, "tunable", c->tun.name);
	tunable_out(obj, "value", &c->tun, c->value);
	tunable_out(obj, "was", &c->tun, was);
	if (c->tun.unit)
		out_str(obj, "unit", c->tun.unit);
	if (!opt_json)
		printf("%s: %s = %s%s%s (was %s)\n", c->owner, c->tun.name,
		       json_object_get_string(json_object_object_get(obj, "value")),
		       c->tun.unit ? " " : "", c->tun.unit ?: "",
		       json_object_get_string(json_object_object_get(obj, "was")));
	return obj;
}

int cmd_set(const struct ctl_args *args)
{
	struct json_object *obj, *array;
	int fd = -1, lock, status, i;
	struct change *c;

	if (!args->nargs)
		return fail(CTL_USAGE, "set needs an assignment NAME.TUNABLE=VALUE; 'etranctl show NAME' lists"
			    " the tunables");
	c = calloc(args->nargs, sizeof(*c));
	if (!c)
		return fail(CTL_FAILURE, "out of memory; free some");
	for (i = 0; i < args->nargs; i++)
		c[i].sec[0].fd = c[i].sec[1].fd = -1;
	status = kernel_open(&fd);
	if (status)
		goto out;
	/* Neither unloaded nor replaced between here and the last store. */
	lock = bpffs_present() ? bpffs_lock() : -ENOENT;
	if (lock < 0 && lock != -ENOENT)
		status = fail(CTL_FAILURE, "cannot lock %s: %s; are you root?", PIN_DIR, strerror(-lock));
	for (i = 0; !status && i < args->nargs; i++)
		status = prepare(fd, args->arg[i], &c[i]);
	if (!status) {
		array = json_object_new_array();
		for (i = 0; i < args->nargs; i++) {
			store(&c[i]);
			json_object_array_add(array, answer_change(&c[i]));
		}
		obj = json_object_new_object();
		json_object_object_add(obj, "set", array);
		answer(obj);
	}
	for (i = 0; i < args->nargs; i++) {
		if (c[i].map)
			munmap(c[i].map, c[i].found->len);
		tunable_sections_close(c[i].sec);
	}
	if (lock >= 0) {
		pin_remove_root();
		close(lock);
	}
	close(fd);
out:
	free(c);
	return status;
}
