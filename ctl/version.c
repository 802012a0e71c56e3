// SPDX-License-Identifier: GPL-2.0
/* etranctl version: of the tool, of what it was built with, of the module if it is there. */
#include <stdio.h>
#include <unistd.h>
#include <bpf/libbpf.h>

#include "etranctl.h"

int cmd_version(const struct ctl_args *args)
{
	struct json_object *obj, *mod = NULL;
	struct etran_version ver;
	int fd;

	if (args->nargs)
		return fail(CTL_USAGE, "version takes no argument; leave it out");
	obj = json_object_new_object();
	out_str(obj, "version", ETRANCTL_VERSION);
	out_u64(obj, "abi", ETRAN_ABI_VERSION);
	out_u64(obj, "ops", ETRAN_OPS_VERSION);
	out_str(obj, "libbpf", libbpf_version_string());
	out_str(obj, "libxdp", LIBXDP_VERSION);
	if (!opt_json)
		printf("etranctl %s\ninterface %u, operations %u\nlibbpf %s, libxdp %s\n",
		       ETRANCTL_VERSION, ETRAN_ABI_VERSION, ETRAN_OPS_VERSION,
		       libbpf_version_string(), LIBXDP_VERSION);
	fd = device_open();
	if (fd >= 0 && !device_version(fd, &ver)) {
		mod = json_object_new_object();
		out_str(mod, "version", ver.module);
		out_u64(mod, "abi", ver.abi);
		out_u64(mod, "ops", ver.ops);
		if (!opt_json)
			printf("module %s: interface %u, operations %u\n", ver.module, ver.abi, ver.ops);
	} else if (!opt_json) {
		puts("module: not loaded");
	}
	if (fd >= 0)
		close(fd);
	json_object_object_add(obj, "module", mod);
	answer(obj);
	return CTL_OK;
}
