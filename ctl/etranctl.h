/* SPDX-License-Identifier: GPL-2.0 */
/*
 * etranctl's own interfaces, file by file. Functions return 0 or a negative errno unless they say
 * otherwise; a function that returns "an exit status" has already said on stderr what is wrong.
 */
#ifndef ETRANCTL_H
#define ETRANCTL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/types.h>
#include <json-c/json.h>
#include <linux/bpf.h>
#include <linux/etran.h>

struct bpf_map;
struct bpf_object;
struct btf;

/* Exit statuses; they are part of the interface, see man/etranctl.8. */
enum ctl_status {
	CTL_OK = 0,
	CTL_FAILURE = 1,
	CTL_USAGE = 2,
	CTL_NOT_READY = 3,	/* module missing, no BTF, no struct_ops, versions differ */
};

#define BPFFS_DIR	"/sys/fs/bpf"
#define PIN_DIR		BPFFS_DIR "/etran"
/* Below it: filters are pinned as transports are, under names that begin with this and a slash. */
#define FILTER_DIR	"filter"
/* Pins that are no maps: the BPF link of the transport, and those of its iterators, see iter.c. */
#define PIN_LINK	"link"
#define PIN_RPCS	"show_rpcs"
#define PIN_CONNS	"show_conns"
/* Marks a link device as made by etranctl: what it may remove again. Kept by the kernel. */
#define LINK_ALIAS	"created by etranctl"

/* ---- main.c -------------------------------------------------------------------------------- */

/**
 * struct ctl_args - a command line, taken apart
 * @arg: what is left after the command's name, @nargs of them
 * @dev: values of --dev, @ndev of them
 * @set: values of --set, @nset of them
 * @priority: value of --priority, NULL if it was not given
 * @watch: value of --watch, likewise
 * @peer: value of --peer, likewise
 * @port: value of --port, likewise
 * @state: value of --state, likewise
 * @all: --all was given
 * @force: --force was given
 */
struct ctl_args {
	const char **arg;
	int nargs;
	const char **dev;
	int ndev;
	const char **set;
	int nset;
	const char *priority;
	const char *watch;
	const char *peer;
	const char *port;
	const char *state;
	bool all;
	bool force;
};

int cmd_load(const struct ctl_args *args);
int cmd_replace(const struct ctl_args *args);
int cmd_unload(const struct ctl_args *args);
int cmd_list(const struct ctl_args *args);
int cmd_show(const struct ctl_args *args);
int cmd_set(const struct ctl_args *args);
int cmd_rpc(const struct ctl_args *args);
int cmd_conn(const struct ctl_args *args);
int cmd_filter(const struct ctl_args *args);
int cmd_stats(const struct ctl_args *args);
int cmd_check(const struct ctl_args *args);
int cmd_version(const struct ctl_args *args);

/* ---- output.c ------------------------------------------------------------------------------ */

extern bool opt_json, opt_pretty, opt_debug;

/* Says on stderr what went wrong and how to cure it; returns @status. */
int fail(enum ctl_status status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Something that works less well than it should: stderr, and "warnings" in the JSON answer. */
void warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Something done on the way that the user did not ask for by name; stderr. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The answer of a command in JSON. Takes the reference. */
void answer(struct json_object *json);
/* Prints the answer now, in JSON if that was asked for; more may follow. */
void answer_now(void);
/* Prints the answer, or the error, in JSON if that was asked for. */
void answer_print(void);

void out_str(struct json_object *obj, const char *key, const char *value);
void out_u64(struct json_object *obj, const char *key, uint64_t value);
void out_bool(struct json_object *obj, const char *key, bool value);

/* A table on stdout; column widths come from its cells. */
struct table;
struct table *table_new(int columns, ...);		/* titles: const char * each */
void table_row(struct table *t, ...);			/* cells: const char * each */
void table_print(struct table *t);			/* and frees it */

/* ---- log.c --------------------------------------------------------------------------------- */

/* Takes what libbpf and libxdp say; shows it with -d, otherwise keeps their warnings. */
void log_setup(void);
void log_reset(void);
const char *log_text(void);
/* The last line of the kept text that holds @what, from there on; NULL if there is none. */
const char *log_find(const char *what);
/* Prints the last @lines of the verifier's log on stderr, if there is one. */
void log_print_verifier(int lines);

/* ---- kernel.c ------------------------------------------------------------------------------ */

enum kernel_need {
	KERNEL_RELEASE,
	KERNEL_BTF,
	KERNEL_STRUCT_OPS,
	KERNEL_JIT,
	KERNEL_AF_XDP,
	KERNEL_MODULE,
	KERNEL_MODULE_BTF,
	KERNEL_DEVICE,
	KERNEL_VERSIONS,
	KERNEL_NEEDS,
};

/**
 * struct kernel_check - the outcome for one thing that the kernel must have
 * @ok: it is there
 * @text: what was found
 * @cure: what to do when it is not there
 */
struct kernel_check {
	bool ok;
	char text[256];
	char cure[256];
};

const char *kernel_need_name(enum kernel_need need);
void kernel_check(enum kernel_need need, struct kernel_check *res);
/* The AF_XDP hook, for direct mode only: nothing else needs it. */
void kernel_check_direct(struct kernel_check *res);
/* Opens /dev/etran after all checks; *@fd is only set on CTL_OK. Returns an exit status. */
int kernel_open(int *fd);
/* Names the capabilities among @caps (a bit mask of CAP_*) that are missing; "" if none is. */
const char *caps_missing(uint64_t caps);
int caps_need(const char *what, uint64_t caps);		/* an exit status */

/* ---- installed.c --------------------------------------------------------------------------- */

/* The module is not loaded: what there is of it for this kernel, and the next step. */
void module_missing(struct kernel_check *res);

/* ---- device.c: /dev/etran ------------------------------------------------------------------ */

#define ETRAN_DEV	"/dev/etran"

int device_open(void);					/* fd, or -errno */
int device_version(int fd, struct etran_version *ver);
/* In order of id: the first with at least @id; -ENOENT at the end. */
int device_transport(int fd, uint32_t id, struct etran_transport_info *info);
int device_transport_by_name(int fd, const char *name, struct etran_transport_info *info);
/* The same for filters. */
int device_filter(int fd, uint32_t id, struct etran_filter_info *info);
int device_filter_by_name(int fd, const char *name, struct etran_filter_info *info);
/* How transports ended, in order of id: the first record with at least @id; -ENOENT at the end. */
int device_exit(int fd, uint32_t id, struct etran_exit_record *rec);
/* In order of id: the first with at least @id, of all namespaces if allowed; -ENODEV at the end. */
int device_link(int fd, uint32_t id, struct etran_link_info *link);
/* The link device @ifindex of the current network namespace. */
int device_link_by_ifindex(int fd, uint32_t ifindex, struct etran_link_info *link);
/* Counters of one scope in a new array *@list, *@count of them; free() it. */
int device_counters(int fd, uint32_t scope, uint32_t id, struct etran_counter **list,
		    uint32_t *count);

/* ---- netns.c ------------------------------------------------------------------------------- */

/**
 * struct netns - a network namespace
 * @fd: open on it, -1 for etranctl's own
 * @ino: its inode number
 * @name: as in --dev: a name of /run/netns, a path, or empty for etranctl's own
 */
struct netns {
	int fd;
	uint32_t ino;
	char name[128];
};

int netns_open(struct netns *ns, const char *name);
int netns_open_ino(struct netns *ns, uint32_t ino);
void netns_close(struct netns *ns);
int netns_enter(const struct netns *ns);
void netns_leave(void);
uint32_t netns_own_ino(void);
/* Calls @fn inside every network namespace that can be reached. Stops when it returns non-zero. */
int netns_each(int (*fn)(const struct netns *ns, void *arg), void *arg);
/* "name/ifname" or "ifname", for messages and tables. */
const char *netns_ifname(const struct netns *ns, const char *ifname, char *buf, size_t len);
/* Splits a --dev value; -EINVAL with a bad interface name, otherwise as netns_open(). */
int netns_parse_dev(const char *dev, struct netns *ns, char ifname[IFNAMSIZ]);

/* ---- link.c: rtnetlink, in the current network namespace ----------------------------------- */

/**
 * struct link_info - a network device
 * @ifindex: of the device
 * @lower: ifindex of what it is stacked on (veth: the other end), 0 if nothing
 * @mtu: bytes
 * @flags: IFF_*
 * @rx_queues: number of receive queues
 * @tx_queues: number of transmit queues
 * @xdp_id: id of the XDP program of driver or generic mode, 0 if none
 * @xdp_mode: XDP_ATTACHED_*
 * @name: name
 * @kind: rtnl link kind, empty for hardware
 * @alias: ifalias
 */
struct link_info {
	int ifindex;
	int lower;
	uint32_t mtu;
	uint32_t flags;
	uint32_t rx_queues;
	uint32_t tx_queues;
	uint32_t xdp_id;
	uint8_t xdp_mode;
	char name[IFNAMSIZ];
	char kind[16];
	char alias[64];
};

int link_get(const char *name, struct link_info *info);
int link_get_ifindex(int ifindex, struct link_info *info);
int link_each(int (*fn)(const struct link_info *info, void *arg), void *arg);
/* The etran link device on @lower; -ENODEV if there is none. */
int link_find_etran(int lower, struct link_info *info);
int link_create_etran(int lower);
int link_set_up(int ifindex, const char *alias);
int link_delete(int ifindex);
/* What the kernel said about the last failed call, empty if nothing. */
const char *link_error(void);
/* Name of the device's driver. */
int link_driver(const char *name, char *buf, size_t len);

/* ---- xdp.c: libxdp, in the current network namespace --------------------------------------- */

/* Attaches the dispatcher in native mode. 1: done; 0: it was there already. */
int xdp_attach(int ifindex);
/* Detaches the dispatcher and only it. 1: done; 0: it was not there. */
int xdp_detach(int ifindex);
/* 1: the dispatcher is attached there; 0: it is not. */
int xdp_attached(int ifindex);
/* NETDEV_XDP_ACT_* of the device; -EOPNOTSUPP when this kernel does not tell. */
int xdp_features(int ifindex, uint64_t *features, uint32_t *zc_segs);
/* Name of the XDP program @id. */
void xdp_prog_name(uint32_t id, char *buf, size_t len);
/* Removes the pins of dispatchers whose device is gone. @attached: ids still in use. */
int xdp_clean_pins(const uint32_t *attached, size_t n);
/* Number of dispatcher programs in the kernel, wherever they are attached. */
int xdp_count(void);

/* ---- bpffs.c ------------------------------------------------------------------------------- */

/* Makes sure that pins can be made and will last. Returns an exit status. */
int bpffs_require(void);
/* Is there a BPF file system? Does not mount one. */
bool bpffs_present(void);
/* One load or unload at a time. Returns a descriptor to close, or -errno. */
int bpffs_lock(void);
bool pin_exists(const char *transport);
const char *pin_path(const char *transport, const char *name);	/* a static buffer */
/* The name that a map is pinned under: its own, or rodata, data, bss, ...; may be a static buffer. */
const char *pin_map_name(const struct bpf_map *map);
int pin_create(const char *transport, struct bpf_object *obj, int link_fd);
int pin_link_fd(const char *transport);
int pin_map_fd(const char *transport, const char *map);
int pin_each(const char *transport, int (*fn)(const char *name, void *arg), void *arg);
int pin_remove(const char *transport);
/* Removes the directory of all pins once it is empty. */
void pin_remove_root(void);
/* Calls @fn for each transport that has pins. */
int pin_each_transport(int (*fn)(const char *name, void *arg), void *arg);
/* The same for filters; @fn gets their names without FILTER_DIR. */
int pin_each_filter(int (*fn)(const char *name, void *arg), void *arg);
/* What the functions above want to be told for a filter: "filter/NAME". A static buffer. */
const char *pin_filter(const char *name);

/* ---- iter.c -------------------------------------------------------------------------------- */

/* Is this the name of an iterator's pin? */
bool iter_is_pin(const char *name);
/* Has the object the iterator that has this pin? */
bool iter_has(const struct bpf_object *obj, const char *pin);
/* Pins the iterators of a loaded object, under the name that @name makes of each, NULL: its own. */
int iters_pin(struct bpf_object *obj, const char *transport, const char *(*name)(const char *pin));

/**
 * struct iter_selection - what is wanted of what iterators tell
 * @peer: address, if @has_peer
 * @has_peer: by address
 * @port: at either end, 0 for any
 * @state: NULL for any
 */
struct iter_selection {
	struct in6_addr peer;
	bool has_peer;
	uint16_t port;
	const char *state;
};

void iter_address(const uint32_t *addr, char *buf, size_t len);
/* "10.0.0.1:80", "[fd00::1]:80" */
void iter_address_port(const uint32_t *addr, uint16_t port, char *buf, size_t len);

struct iter_entry;
struct iter_list;

/**
 * struct iter_kind - what an iterator tells of, in records that begin with their size, a __u32
 * @command: that shows it
 * @pin: its name
 * @what: what its records are of, for people
 * @least: bytes that a record has at least; others are of a later release, or an earlier one
 * @size: of a record as it is known here; what it lacks is zero, what is behind it is not looked at
 * @wanted: is it of interest? Ends its texts, too.
 * @order: of qsort(), by the record; transports come by their names
 * @json: a record in JSON
 * @print: all as a table
 */
struct iter_kind {
	const char *command;
	const char *pin;
	const char *what;
	size_t least;
	size_t size;
	bool (*wanted)(const struct iter_selection *s, void *record);
	int (*order)(const void *a, const void *b);
	struct json_object *(*json)(const struct iter_entry *e);
	void (*print)(const struct iter_list *list);
};

/**
 * struct iter_entry - a record, and whose it is
 * @kind: what it is
 * @transport: name
 * @record: @kind->size bytes
 */
struct iter_entry {
	const struct iter_kind *kind;
	char transport[ETRAN_NAME_LEN];
	void *record;
};

/**
 * struct iter_list - what was read
 * @entry: sorted
 * @n: how many
 */
struct iter_list {
	struct iter_entry *entry;
	size_t n;
};

bool iter_wanted(const struct iter_selection *s, const uint32_t *peer, uint16_t port, uint16_t peer_port,
		 const char *state);

/*
 * The command: shows what the transport that was named tells, or all do, as far as it is asked for. An exit
 * status.
 */
int iter_show(const struct ctl_args *args, const struct iter_kind *kind);

/* ---- filter.c ------------------------------------------------------------------------------ */

/* Detaches all filters that have pins, with @force also the others. Takes the array of names. */
int filter_del_all(int fd, bool force, struct json_object *names);	/* an exit status */

/* ---- unload.c ------------------------------------------------------------------------------ */

/* Sleeps for a moment, while the kernel frees something. */
void nap(void);
/* How often to do that at most. */
#define WAIT_STEPS	250

/* ---- list.c, show.c ------------------------------------------------------------------------ */

/* The time of day at which the boot clock showed @boot_ns, as for strftime(). */
void show_time(uint64_t boot_ns, const char *format, char *buf, size_t len);
struct json_object *json_transport(const struct etran_transport_info *t);
/* All link devices; @devices, if not NULL, gets "etran0 on veth0, ..." */
struct json_object *json_links(int fd, char *devices, size_t len);
/* A note on stderr for each transport that was ejected and not loaded again. */
void show_exit_hint(int fd);

/* ---- object.c ------------------------------------------------------------------------------ */

/**
 * struct transport_object - a BPF object with a transport or filter, open and checked, not loaded
 * @obj: of libbpf
 * @ops: its struct_ops map
 * @filter: it is a filter
 * @path: the file
 * @name: name of the transport or filter
 * @ip_proto: transport: IP protocol number
 * @priority: filter: when it runs
 * @version: ETRAN_OPS_VERSION or ETRAN_FILTER_VERSION that it was built for
 * @queues: packet queues that it wants
 * @queue_depth: frames that each of them shall take
 * @timeout_ms: its watchdog's, 0 for none
 * @state_version: version of what it keeps in maps and queues
 * @tcp_urgent: urgent pointer of its packets in TCP's clothes, 0 for none
 */
struct transport_object {
	struct bpf_object *obj;
	struct bpf_map *ops;
	bool filter;
	char path[4096];
	char name[ETRAN_NAME_LEN];
	uint8_t ip_proto;
	int32_t priority;
	uint32_t version;
	uint32_t queues;
	uint32_t queue_depth;
	uint32_t timeout_ms;
	uint32_t state_version;
	uint32_t tcp_urgent;
};

int object_find(const char *arg, char *path, size_t len);
/* A transport, a filter, or whichever it is. Return an exit status. */
int object_open(const char *arg, struct transport_object *o);
int object_open_filter(const char *arg, struct transport_object *o);
int object_open_any(const char *arg, struct transport_object *o);
/* Of a filter that is not loaded yet. */
int object_set_priority(struct transport_object *o, int32_t priority);
void object_close(struct transport_object *o);
/* Loads it; says why not. Returns an exit status. */
int object_load(struct transport_object *o);

/* ---- tunable.c: more of it in tunable.h ---------------------------------------------------- */

/* Section of live ones, and what its map is pinned as. */
#define TUNABLE_SECTION	".data.tunables"
#define TUNABLE_PIN	"data_tunables"

int tunable_set(struct transport_object *o, const char *assignment);	/* an exit status */
/*
 * An array of {name, type, value, default, unit, min, max, live, meaning}, what the source does not
 * say left out: of an open object, or of what is pinned as @pin.
 */
struct json_object *tunables_of_object(struct transport_object *o);
struct json_object *tunables_of_pins(const char *pin);

/* ---- target.c: devices that transports run on ---------------------------------------------- */

/**
 * struct target - one --dev, on its way to be enabled
 * @ns: where it is
 * @lower: the device
 * @link: its link device, once there is one
 * @made_link: this call created @link
 * @moved_link: it has a link device in another network namespace, so @link is not known
 * @made_xdp: this call attached the dispatcher
 */
struct target {
	struct netns ns;
	struct link_info lower;
	struct link_info link;
	bool made_link;
	bool moved_link;
	bool made_xdp;
};

int target_open(const char *dev, struct target *t);	/* an exit status */
int target_enable(struct target *t);			/* an exit status */
/* Can it transmit, now that all are enabled? */
int target_check(struct target *t);			/* an exit status */
void target_undo(struct target *t);
void target_close(struct target *t);

#endif /* ETRANCTL_H */
