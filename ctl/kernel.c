// SPDX-License-Identifier: GPL-2.0
/*
 * Is the kernel ready? The same questions for `check`, which prints all answers, and for every other
 * command, which stops at the first bad one. What can be asked of the running kernel is asked of
 * it; version numbers decide nothing, because distributions backport.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <bpf/btf.h>
#include <linux/capability.h>

#include "etranctl.h"

#define VMLINUX_BTF	"/sys/kernel/btf/vmlinux"
#define MODULE_BTF	"/sys/kernel/btf/etran"

#define NO_HOOK	"the kernel has no AF_XDP hook: everything works but direct mode"
#define HOOK_CURE	"for direct mode, build a kernel with the patch of module/patches, and etran.ko for it"

#ifndef CAP_PERFMON
#define CAP_PERFMON	38
#endif
#ifndef CAP_BPF
#define CAP_BPF		39
#endif

const char *kernel_need_name(enum kernel_need need)
{
	static const char * const name[KERNEL_NEEDS] = {
		[KERNEL_RELEASE] = "kernel",
		[KERNEL_BTF] = "kernel BTF",
		[KERNEL_STRUCT_OPS] = "module struct_ops",
		[KERNEL_JIT] = "BPF JIT",
		[KERNEL_AF_XDP] = "AF_XDP",
		[KERNEL_MODULE] = "module",
		[KERNEL_MODULE_BTF] = "module BTF",
		[KERNEL_DEVICE] = "device",
		[KERNEL_VERSIONS] = "versions",
	};

	return name[need];
}

static bool exists(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

/*
 * The flag of BPF_MAP_CREATE that came with struct_ops of modules. It is in the type information
 * of every kernel that has them, mainline from 6.9 and older ones with the patches.
 */
static bool has_module_struct_ops(void)
{
	struct btf *btf = btf__parse(VMLINUX_BTF, NULL);
	bool found = false;
	uint32_t id, i;

	if (!btf)
		return false;
	for (id = 1; id < btf__type_cnt(btf) && !found; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		if (!btf_is_enum(t))
			continue;
		for (i = 0; i < btf_vlen(t); i++) {
			const char *name = btf__name_by_offset(btf, btf_enum(t)[i].name_off);

			if (name && !strcmp(name, "BPF_F_VTYPE_BTF_OBJ_FD")) {
				found = true;
				break;
			}
		}
	}
	btf__free(btf);
	return found;
}

/* The hook's operations: a kernel that knows their type calls them. */
static bool has_hook(void)
{
	struct btf *btf = btf__parse(VMLINUX_BTF, NULL);
	bool found = btf && btf__find_by_name_kind(btf, "xsk_hook_ops", BTF_KIND_STRUCT) > 0;

	btf__free(btf);
	return found;
}

static void result(struct kernel_check *res, bool ok, const char *text, const char *cure)
{
	res->ok = ok;
	snprintf(res->text, sizeof(res->text), "%s", text);
	snprintf(res->cure, sizeof(res->cure), "%s", ok ? "" : cure);
}

static void check_jit(struct kernel_check *res)
{
	FILE *f = fopen("/proc/sys/net/core/bpf_jit_enable", "r");
	int on = 1;

	/* In a network namespace other than the first the file is not there. */
	if (f) {
		if (fscanf(f, "%d", &on) != 1)
			on = 1;
		fclose(f);
	}
	if (on)
		result(res, true, "the BPF JIT compiler is on", "");
	else
		result(res, false, "the BPF JIT compiler is off",
		       "switch it on: sysctl net.core.bpf_jit_enable=1");
}

static void check_device(struct kernel_check *res)
{
	int fd = device_open();

	if (fd >= 0) {
		close(fd);
		result(res, true, ETRAN_DEV " can be opened", "");
	} else if (fd == -EACCES || fd == -EPERM) {
		result(res, false, ETRAN_DEV " may not be opened by this user", "run it as root (sudo)");
	} else {
		result(res, false, ETRAN_DEV " cannot be opened",
		       exists("/sys/module/etran") ?
		       "the module is loaded, so is devtmpfs mounted at /dev?" :
		       "load the module: modprobe etran (or insmod etran.ko)");
		snprintf(res->text, sizeof(res->text), ETRAN_DEV " cannot be opened: %s",
			 strerror(-fd));
	}
}

static void check_versions(struct kernel_check *res)
{
	struct etran_version ver;
	int fd = device_open(), err;

	err = fd < 0 ? fd : device_version(fd, &ver);
	if (fd >= 0)
		close(fd);
	if (err) {
		result(res, false, "", "load the module: modprobe etran (or insmod etran.ko)");
		snprintf(res->text, sizeof(res->text), "the module does not tell its version: %s",
			 strerror(-err));
		return;
	}
	res->ok = ver.abi == ETRAN_ABI_VERSION && ver.ops == ETRAN_OPS_VERSION;
	*res->cure = 0;
	if (res->ok)
		snprintf(res->text, sizeof(res->text), "module %s, interface %u, operations %u",
			 ver.module, ver.abi, ver.ops);
	else {
		snprintf(res->text, sizeof(res->text),
			 "the module has interface %u and operations %u, etranctl was built for %u and %u",
			 ver.abi, ver.ops, ETRAN_ABI_VERSION, ETRAN_OPS_VERSION);
		snprintf(res->cure, sizeof(res->cure),
			 "install etran.ko and etranctl of the same release");
	}
}

void kernel_check_direct(struct kernel_check *res)
{
	bool hook = has_hook(), known = exists(VMLINUX_BTF);
	struct etran_version ver;
	int fd = device_open();

	if (fd >= 0 && !device_version(fd, &ver)) {
		/* The module was compiled for it, so it is there. */
		if (ver.features & ETRAN_FEATURE_DIRECT)
			result(res, true, "the kernel has the AF_XDP hook, the module uses it", "");
		else if (hook)
			result(res, false,
			       "the kernel has the AF_XDP hook, but the module was built without it",
			       "build etran.ko again with the headers of this kernel");
		else
			result(res, false, NO_HOOK, HOOK_CURE);
	} else if (hook) {
		result(res, true, "the kernel has the AF_XDP hook", "");
	} else if (known) {
		result(res, false, NO_HOOK, HOOK_CURE);
	} else {
		result(res, false, "the kernel does not tell whether it has the AF_XDP hook",
		       "use a kernel built with CONFIG_DEBUG_INFO_BTF=y");
	}
	if (fd >= 0)
		close(fd);
}

/* Which kernel, and which of the patches of module/patches it has: for whoever reads a report. */
static void check_release(struct kernel_check *res)
{
	unsigned int major, minor;
	struct utsname u;
	bool ops, hook;

	uname(&u);
	/* Mainline has struct_ops of modules from 6.9 on. */
	ops = sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	      (major < 6 || (major == 6 && minor < 9)) && has_module_struct_ops();
	hook = has_hook();
	res->ok = true;
	snprintf(res->text, sizeof(res->text), "Linux %s (%s), %s", u.release, u.version,
		 ops && hook ? "patched for struct_ops of modules and AF_XDP's hook" :
		 ops ? "patched for struct_ops of modules" :
		 hook ? "patched for AF_XDP's hook" : "without patches of etran");
}

void kernel_check(enum kernel_need need, struct kernel_check *res)
{
	struct utsname u;
	int fd;

	memset(res, 0, sizeof(*res));
	switch (need) {
	case KERNEL_RELEASE:
		check_release(res);
		break;
	case KERNEL_BTF:
		result(res, exists(VMLINUX_BTF), exists(VMLINUX_BTF) ?
		       "the kernel has type information (" VMLINUX_BTF ")" :
		       "the kernel has no type information (" VMLINUX_BTF " is missing)",
		       "use a kernel built with CONFIG_DEBUG_INFO_BTF=y and CONFIG_DEBUG_INFO_BTF_MODULES=y");
		break;
	case KERNEL_STRUCT_OPS:
		uname(&u);
		res->ok = has_module_struct_ops();
		snprintf(res->text, sizeof(res->text), res->ok ?
			 "Linux %s takes struct_ops from modules" :
			 "Linux %s takes no struct_ops from modules", u.release);
		snprintf(res->cure, sizeof(res->cure), "%s", res->ok ? "" :
			 "use Linux 6.9 or newer, or 6.6 with the patches of module/patches");
		break;
	case KERNEL_JIT:
		check_jit(res);
		break;
	case KERNEL_AF_XDP:
		fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
		/* What an ordinary user may not have, the kernel may well have. */
		res->ok = fd >= 0 || errno == EPERM;
		result(res, res->ok, res->ok ? "AF_XDP sockets are there" :
		       "the kernel has no AF_XDP sockets",
		       "use a kernel built with CONFIG_XDP_SOCKETS=y");
		if (fd >= 0)
			close(fd);
		break;
	case KERNEL_MODULE:
		res->ok = exists("/sys/module/etran");
		if (res->ok)
			snprintf(res->text, sizeof(res->text), "the etran module is loaded");
		else
			module_missing(res);
		break;
	case KERNEL_MODULE_BTF:
		result(res, exists(MODULE_BTF), exists(MODULE_BTF) ?
		       "the etran module has type information (" MODULE_BTF ")" :
		       "the kernel has no type information of the etran module",
		       exists("/sys/module/etran") ?
		       "build etran.ko again with pahole installed and the vmlinux of this kernel" :
		       "load the module: modprobe etran (or insmod etran.ko)");
		break;
	case KERNEL_DEVICE:
		check_device(res);
		break;
	case KERNEL_VERSIONS:
		check_versions(res);
		break;
	case KERNEL_NEEDS:
		break;
	}
}

int kernel_open(int *fd)
{
	/* What makes the others fail as well comes first: it is the cause. */
	static const enum kernel_need order[] = {
		KERNEL_BTF, KERNEL_MODULE, KERNEL_MODULE_BTF, KERNEL_DEVICE, KERNEL_VERSIONS,
	};
	struct kernel_check res;
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(*order); i++) {
		kernel_check(order[i], &res);
		if (res.ok)
			continue;
		/* No such module could be loaded here: say what stands behind that. */
		if (order[i] == KERNEL_MODULE) {
			struct kernel_check ops;

			kernel_check(KERNEL_STRUCT_OPS, &ops);
			if (!ops.ok)
				res = ops;
		}
		return fail(order[i] == KERNEL_DEVICE && device_open() == -EACCES ?
			    CTL_FAILURE : CTL_NOT_READY, "%s; %s", res.text, res.cure);
	}
	*fd = device_open();
	if (*fd < 0)
		return fail(CTL_NOT_READY, ETRAN_DEV ": %s", strerror(-*fd));
	return CTL_OK;
}

static uint64_t caps_effective(void)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};

	if (syscall(SYS_capget, &hdr, data))
		return 0;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

const char *caps_missing(uint64_t caps)
{
	static const struct { int cap; const char *name; } known[] = {
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN" },
		{ CAP_BPF, "CAP_BPF" },
		{ CAP_PERFMON, "CAP_PERFMON" },
		{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN" },
	};
	uint64_t have = caps_effective();
	static char names[128];
	size_t i;

	/* CAP_SYS_ADMIN includes these two. */
	if (have & (1ULL << CAP_SYS_ADMIN))
		have |= 1ULL << CAP_BPF | 1ULL << CAP_PERFMON;
	*names = 0;
	for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (!(caps & (1ULL << known[i].cap)) || (have & (1ULL << known[i].cap)))
			continue;
		if (*names)
			strcat(names, ", ");
		strcat(names, known[i].name);
	}
	return names;
}

int caps_need(const char *what, uint64_t caps)
{
	const char *missing = caps_missing(caps);

	if (!*missing)
		return CTL_OK;
	return fail(CTL_FAILURE, "%s needs %s, which this process does not have;"
		    " run it as root (sudo etranctl ...)", what, missing);
}
