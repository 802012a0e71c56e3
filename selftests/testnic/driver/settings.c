// SPDX-License-Identifier: GPL-2.0
/*
 * Settings and counters in debugfs, one folder a device, one file a setting:
 *
 *	/sys/kernel/debug/testnic/tn0/delay_ns
 *
 * debugfs because it can be reached from all network namespaces, whichever the device is in, and
 * from any program without a library. The folder has the device's name, also after it was renamed;
 * while a device in another namespace has that name, "@" and the number of the own one (`stat -Lc %i
 * /proc/self/ns/net`) behind it. What each file takes: ../README.md.
 *
 * (Rejected: ethtool's private flags, which are bits; sysfs, which shows but one namespace.)
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <net/net_namespace.h>
#include "testnic.h"

/**
 * struct setting - a setting that is a number
 * @name: of its file
 * @offset: where in struct testnic, a u64
 * @min: lowest value
 * @max: highest value
 */
struct setting {
	const char *name;
	size_t offset;
	u64 min;
	u64 max;
};

static const struct setting settings[] = {
	{ "tx_batch", offsetof(struct testnic, tx_batch), 0, 1 },
	{ "completion_delay_ns", offsetof(struct testnic, completion_delay), 0, NSEC_PER_SEC },
	{ "refuse", offsetof(struct testnic, refuse), 0, 1000000 },
	{ "loss", offsetof(struct testnic, wire.loss), 0, 1000000 },
	{ "duplicate", offsetof(struct testnic, wire.duplicate), 0, 1000000 },
	{ "corrupt", offsetof(struct testnic, wire.corrupt), 0, 1000000 },
	{ "reorder", offsetof(struct testnic, wire.reorder), 0, 1000000 },
	{ "reorder_gap", offsetof(struct testnic, wire.reorder_gap), 1, 1000 },
	{ "reorder_wait_ns", offsetof(struct testnic, wire.reorder_wait), 1, 10ULL * NSEC_PER_SEC },
	{ "delay_ns", offsetof(struct testnic, wire.delay), 0, 10ULL * NSEC_PER_SEC },
	{ "rate", offsetof(struct testnic, wire.rate), 0, 1000ULL * NSEC_PER_SEC },
	{ "queue_bytes", offsetof(struct testnic, wire.queue_bytes), 0, U32_MAX },
	{ "queue_packets", offsetof(struct testnic, wire.queue_packets), 1, 65536 },
	{ "ecn_bytes", offsetof(struct testnic, wire.ecn_bytes), 0, U32_MAX },
	{ "trim_bytes", offsetof(struct testnic, wire.trim_bytes), 0, U32_MAX },
	{ "trim_header", offsetof(struct testnic, wire.trim_header), ETH_HLEN, TESTNIC_MAX_MTU },
	{ "seed", offsetof(struct testnic, wire.seed), 0, U64_MAX },
};

static struct dentry *root;

static u64 *value_of(struct testnic *nic, const struct setting *s)
{
	return (void *)nic + s->offset;
}

/* The setting that a file is for; files know their device by the folder's private data. */
static const struct setting *setting_of(const struct file *file)
{
	return file_inode(file)->i_private;
}

static struct testnic *nic_of(const struct file *file)
{
	return d_inode(file->f_path.dentry->d_parent)->i_private;
}

static ssize_t setting_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	char text[24];
	int n = scnprintf(text, sizeof(text), "%llu\n",
			  READ_ONCE(*value_of(nic_of(file), setting_of(file))));

	return simple_read_from_buffer(buf, len, pos, text, n);
}

static ssize_t setting_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	const struct setting *s = setting_of(file);
	struct testnic *nic = nic_of(file);
	u64 value, *to = value_of(nic, s);
	int err = kstrtou64_from_user(buf, len, 0, &value);

	if (err || value < s->min || value > s->max)
		return -EINVAL;
	spin_lock_bh(&nic->wire.lock);
	WRITE_ONCE(*to, value);
	testnic_wire_changed(nic, to == &nic->wire.seed);
	spin_unlock_bh(&nic->wire.lock);
	return len;
}

static const struct file_operations setting_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = setting_read,
	.write = setting_write,
	.llseek = default_llseek,
};

static ssize_t rx_queue_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	u64 rx_queue = READ_ONCE(nic_of(file)->rx_queue);
	char text[24];
	int n;

	if (rx_queue == TESTNIC_RX_HASH)
		n = scnprintf(text, sizeof(text), "hash\n");
	else if (rx_queue == TESTNIC_RX_SENDER)
		n = scnprintf(text, sizeof(text), "sender\n");
	else
		n = scnprintf(text, sizeof(text), "%llu\n", rx_queue);
	return simple_read_from_buffer(buf, len, pos, text, n);
}

static ssize_t rx_queue_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	struct testnic *nic = nic_of(file);
	char text[24] = {};
	u64 value;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, len))
		return -EFAULT;
	if (sysfs_streq(text, "hash"))
		value = TESTNIC_RX_HASH;
	else if (sysfs_streq(text, "sender"))
		value = TESTNIC_RX_SENDER;
	else if (kstrtou64(text, 0, &value) || value >= nic->queue_count)
		return -EINVAL;
	WRITE_ONCE(nic->rx_queue, value);
	return len;
}

static const struct file_operations rx_queue_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = rx_queue_read,
	.write = rx_queue_write,
	.llseek = default_llseek,
};

static int counters_show(struct seq_file *seq, void *v)
{
	int i;

	for (i = 0; i < TESTNIC_COUNTER_COUNT; i++)
		seq_printf(seq, "%s %llu\n", testnic_counter_name(i),
			   testnic_counter(seq->private, i));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static int queue_show(struct seq_file *seq, void *v)
{
	struct testnic_queue_length q;

	testnic_wire_queue(seq->private, &q);
	seq_printf(seq, "packets %u\nbytes %llu\nmost_packets %u\nmost_bytes %llu\n", q.packets,
		   q.bytes, q.most_packets, q.most_bytes);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(queue);

/* Whether the name is another device's. */
static bool taken(const struct testnic *nic, const char *name)
{
	struct dentry *d = debugfs_lookup(name, root);
	bool other = d && d != nic->folder;

	dput(d);
	return other;
}

static void name_folder(const struct testnic *nic, char *name, size_t size)
{
	scnprintf(name, size, "%s", nic->dev->name);
	if (taken(nic, name))
		scnprintf(name, size, "%s@%u", nic->dev->name, dev_net(nic->dev)->ns.inum);
}

/**
 * testnic_settings_add - make a device's folder
 * @nic: device
 *
 * As everywhere in debugfs, that it cannot be made is no error.
 *
 * Context: RTNL held.
 */
void testnic_settings_add(struct testnic *nic)
{
	char name[IFNAMSIZ + 16];
	int i;

	name_folder(nic, name, sizeof(name));
	nic->folder = debugfs_create_dir(name, root);
	if (IS_ERR(nic->folder))
		return;
	d_inode(nic->folder)->i_private = nic;
	for (i = 0; i < ARRAY_SIZE(settings); i++)
		debugfs_create_file(settings[i].name, 0600, nic->folder, (void *)&settings[i],
				    &setting_fops);
	debugfs_create_file("rx_queue", 0600, nic->folder, NULL, &rx_queue_fops);
	debugfs_create_file("counters", 0400, nic->folder, nic, &counters_fops);
	debugfs_create_file("queue", 0400, nic->folder, nic, &queue_fops);
}

/**
 * testnic_settings_rename - the device may have another name or namespace
 * @nic: device
 *
 * Context: RTNL held.
 */
void testnic_settings_rename(struct testnic *nic)
{
	char name[IFNAMSIZ + 16];

	if (IS_ERR_OR_NULL(nic->folder))
		return;
	name_folder(nic, name, sizeof(name));
	testnic_debugfs_rename(root, nic->folder, name);
}

/**
 * testnic_settings_remove - remove a device's folder; nobody uses its files afterwards
 * @nic: device
 *
 * Context: RTNL held.
 */
void testnic_settings_remove(struct testnic *nic)
{
	debugfs_remove(nic->folder);
	nic->folder = NULL;
}

/** testnic_settings_init - as the module is loaded */
void testnic_settings_init(void)
{
	root = debugfs_create_dir("testnic", NULL);
}

/** testnic_settings_exit - as the module goes */
void testnic_settings_exit(void)
{
	debugfs_remove(root);
}
