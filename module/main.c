// SPDX-License-Identifier: GPL-2.0
/* etran.ko: start and end. Read README.md first. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include "etran.h"

struct workqueue_struct *etran_wq;

static int __init etran_init(void)
{
	int err = -ENOMEM;

	etran_wq = alloc_workqueue("etran", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!etran_wq)
		return err;
	err = etran_xmit_init();
	if (err)
		goto free_wq;
	err = etran_wheel_init();
	if (err)
		goto exit_xmit;
	err = etran_gen_init();
	if (err)
		goto exit_wheel;
	err = etran_channel_init();
	if (err)
		goto exit_gen;
	err = etran_ip_init();
	if (err)
		goto exit_channel;
	err = etran_link_init();
	if (err)
		goto exit_ip;
	err = etran_device_init();
	if (err)
		goto exit_link;
	err = etran_kfuncs_register();
	if (!err)
		err = etran_ops_register();
	if (!err)
		err = etran_filter_register();
	if (err == -ENOENT) {
		pr_err("this module was built without BTF for this kernel, so no transport could be loaded; install pahole (package dwarves) and build it again with the headers of this build of the kernel (dkms build --force)\n");
		goto exit_device;
	}
	if (err == -ENOMEM)
		goto exit_device;
	if (err) {
		pr_err("cannot register with BPF: %d; was this module built for another build of this kernel? Build it again with the headers of this one (dkms build --force); the kernel needs CONFIG_BPF_JIT and CONFIG_DEBUG_INFO_BTF_MODULES\n",
		       err);
		goto exit_device;
	}
	etran_debugfs_init();
	return 0;
exit_device:
	etran_device_exit();
exit_link:
	etran_link_exit();
exit_ip:
	etran_ip_exit();
exit_channel:
	etran_channel_exit();
exit_gen:
	etran_gen_exit();
exit_wheel:
	etran_wheel_exit();
exit_xmit:
	etran_xmit_exit();
free_wq:
	destroy_workqueue(etran_wq);
	return err;
}

static void __exit etran_exit(void)
{
	etran_debugfs_exit();
	/* An ejection may still be about to be told, through the device. */
	flush_workqueue(etran_wq);
	etran_device_exit();
	etran_link_exit();
	etran_ip_exit();
	/* Callbacks queue work, work queues callbacks: endpoints first, then what they held. */
	rcu_barrier();
	flush_workqueue(etran_wq);
	rcu_barrier();
	destroy_workqueue(etran_wq);
	etran_endpoint_exit();
	etran_channel_exit();
	/* Its timers schedule gen. */
	etran_wheel_exit();
	etran_gen_exit();
	etran_xmit_exit();
}

module_init(etran_init);
module_exit(etran_exit);
MODULE_DESCRIPTION("Extensible kernel transport");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
