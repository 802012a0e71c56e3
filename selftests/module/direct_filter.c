// SPDX-License-Identifier: GPL-2.0
/* Filters in direct mode: the cases of filter_cases.h, and with all that at once. */
#include "direct.h"
#include "filter_cases.h"

static int begin(struct filter_case *c, FIXTURE_DATA(direct) *self)
{
	return fc_begin(c, &self->x, &self->y, hosts.a.addr, hosts.b.addr);
}

FILTER_CASES(direct, begin)

int main(int argc, char **argv)
{
	return direct_main(argc, argv);
}
