/* SPDX-License-Identifier: GPL-2.0 */
/* Where the kernels that testnic is built for (6.6 to 6.12) differ. Nothing else looks at versions. */
#ifndef TESTNIC_COMPAT_H
#define TESTNIC_COMPAT_H

#include <linux/debugfs.h>
#include <linux/ethtool.h>
#include <linux/version.h>
#include <net/page_pool/helpers.h>
#include <net/xdp_sock_drv.h>

/* 5f60d5f6bbc1 ("move asm/unaligned.h to linux/unaligned.h") */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0) || LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#warning testnic is written for Linux 6.6 to 6.12
#endif

/* 163943ac00cb ("xsk: use generic DMA sync shortcut instead of a custom one") */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define testnic_sync_for_cpu(pool, xdp)	xsk_buff_dma_sync_for_cpu(xdp)
#else
#define testnic_sync_for_cpu(pool, xdp)	xsk_buff_dma_sync_for_cpu(xdp, pool)
#endif

/*
 * 2a48c635fd9a ("ethtool: Implement ethtool_puts()"),
 * 083772c9f972 ("net: page_pool: record pools per netdev")
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define testnic_ethtool_puts(data, string)	ethtool_puts(data, string)
#define testnic_pages_netdev(params, dev)	((params)->netdev = (dev))
#else
#define testnic_ethtool_puts(data, string)	ethtool_sprintf(data, "%s", string)
#define testnic_pages_netdev(params, dev)	do { } while (0)
#endif

/* debugfs_change_name() from 6.14 on. */
#define testnic_debugfs_rename(parent, dentry, name)	\
	debugfs_rename(parent, dentry, parent, name)

#endif /* TESTNIC_COMPAT_H */
