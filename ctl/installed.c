// SPDX-License-Identifier: GPL-2.0
/*
 * Why is there no module? For the running kernel one may be installed and not loaded, or not be built, by DKMS or
 * at all, because the kernel's headers are not there: each has a cure of its own. Only files are looked
 * at, as any user may.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "etranctl.h"

static bool there(const char *format, const char *release)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), format, release);
	return !stat(path, &st);
}

/* Where modprobe looks: a line "updates/dkms/etran.ko.xz: what it needs". */
static bool in_modules_dep(const char *release)
{
	char path[512], line[4096];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	f = fopen(path, "r");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		const char *end = strchr(line, ':'), *name = line, *slash;

		if (!end)
			continue;
		for (slash = line; slash < end; slash++)
			if (*slash == '/')
				name = slash + 1;
		found = !strncmp(name, "etran.ko", strlen("etran.ko"));
	}
	fclose(f);
	return found;
}

void module_missing(struct kernel_check *res)
{
	struct utsname u;

	uname(&u);
	if (in_modules_dep(u.release)) {
		snprintf(res->text, sizeof(res->text), "the etran module is not loaded");
		snprintf(res->cure, sizeof(res->cure), "load it: modprobe etran (dmesg tells why, should that fail)");
		return;
	}
	snprintf(res->text, sizeof(res->text), "the etran module is not loaded; none is installed for Linux %s",
		 u.release);
	if (!there("/lib/modules/%s/build/.config", u.release))
		snprintf(res->cure, sizeof(res->cure),
			 "apt-get install linux-headers-%s%s; then modprobe etran (or insmod etran.ko)", u.release,
			 there("/var/lib/dkms/etran", "") ? "" : " etran-dkms");
	else if (there("/var/lib/dkms/etran", ""))
		snprintf(res->cure, sizeof(res->cure),
			 "dkms autoinstall (it tells why, should that build nothing); then modprobe etran");
	else
		snprintf(res->cure, sizeof(res->cure),
			 "apt-get install etran-dkms, or make dkms-install in etran's source; then modprobe etran (or insmod etran.ko)");
}
