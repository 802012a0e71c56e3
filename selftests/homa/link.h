/* SPDX-License-Identifier: GPL-2.0 */
/* Homa's hosts with testnic's wire between them (HOMA_DEVICE=testnic for hosts.sh). */
#ifndef LINK_H
#define LINK_H

#include "homa_test.h"
#include "../link.h"

#define LINK_MAIN(set) \
	TEST_HARNESS_MAIN_WITH_HOSTS_ENV(1500, HOSTS_BOTH, set, "HOMA_DEVICE", "testnic")

#endif /* LINK_H */
