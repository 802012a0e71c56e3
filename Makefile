# SPDX-License-Identifier: GPL-2.0
#
# etran's top level. `make help` lists what there is to make.
#
# Each part has a Makefile of its own that is told where things are; this one gets
# the machine ready (selftests/lab/setup), knows the order, and nothing else.

VERSION	:= 0.1.0
TOP	:= $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
O	?= $(TOP)/build
override O := $(abspath $(O))
LAB_DIR	:= $(TOP)/selftests/lab
JOBS	?= $(shell nproc)
PREFIX	?= /usr/local
MANDIR	?= $(PREFIX)/share/man
DESTDIR	?=
# A kernel source tree to compile the lab's kernel from, instead of Debian's.
KSRC	?=
# The lab's kernel: stock, patched or debug.
LAB	?= $(if $(KSRC),patched,stock)
# Only these tests: <collection>[:test].
T	?=
# none: packages that are missing are not installed, for those who build packages.
SETUP	?=
# Debug kernel, with kmemleak: 1 looks after each test, end after the last.
LEAKS	?=
# Another Homa, a kernel module for the lab's kernel: what T=homa-interop speaks to.
HOMA_KO	?=
# No output directory of a calling make is meant by make's own variables.
MAKEFLAGS += --no-print-directory $(if $(filter 1,$(V)),,-s)
# Elapsed times count from here, through all scripts.
export ETRAN_T0 := $(or $(ETRAN_T0),$(shell date +%s))

# Asked for only where needed: the scripts that answer fill the cache first.
LIBBPF	= $(eval LIBBPF := $$(shell $(LAB_DIR)/libbpf))$(LIBBPF)
KSRC_DIR = $(eval KSRC_DIR := $$(shell $(LAB_DIR)/source))$(KSRC_DIR)
# ($(shell) of make before 4.4 does not pass on variables of the command line.)
LAB_KERNEL = $(eval LAB_KERNEL := $$(shell KSRC=$$(KSRC) $(LAB_DIR)/kernel $(LAB)))$(LAB_KERNEL)
# The kernel to build for, unless KDIR= says: the running one where its headers
# are installed, else the lab's.
RUNNING	:= /lib/modules/$(shell uname -r)/build
KDIR	?= $(if $(wildcard $(RUNNING)/Makefile),$(RUNNING),$(LAB_KERNEL)/build)

.DEFAULT_GOAL := all
.PHONY: all build module bpf userlib ctl tools examples selftests setup setup-build demo check lab kernel \
	bench bench-list bench-profile \
	clean help checkpatch sparse install install-parts modules_install uninstall dist dkms-install dkms-remove kernel-deb

## all: everything, for the running kernel or KDIR=DIR (default)
all: setup-build
	@$(MAKE) -j$(JOBS) build KDIR=$(KDIR)

build: module bpf userlib ctl tools examples selftests

setup:
	@$(LAB_DIR)/setup lab

# Building for the running kernel needs nothing of the lab.
setup-build:
	@$(if $(filter none,$(SETUP)),,$(LAB_DIR)/setup build)

# A goal named alone does its own set-up; inside `make build` it is done already.
ifeq ($(filter build,$(MAKECMDGOALS)),)
module bpf userlib ctl tools examples selftests: | setup-build
endif

## module: etran.ko -> build/module/<release>/etran.ko
module:
	@$(MAKE) -C module O=$(O) KDIR=$(KDIR) JOBS=$(JOBS)

## bpf: transports -> build/bpf/*.bpf.o
bpf:
	@$(MAKE) -C bpf O=$(O) LIBBPF=$(LIBBPF)

## userlib: libetran, shared and static -> build/lib
userlib:
	@$(MAKE) -C userlib O=$(O) LIBBPF=$(LIBBPF)

## ctl: etranctl -> build/bin/etranctl
ctl: bpf
	@$(MAKE) -C ctl O=$(O) LIBBPF=$(LIBBPF)

## tools: homa_bench -> build/bin
tools: userlib
	@$(MAKE) -C tools O=$(O)

## examples: applications to begin from -> build/examples
examples: userlib
	@$(MAKE) -C examples O=$(O)

## selftests: test programs, the demo's, testnic.ko -> build/selftests
selftests: userlib
	@$(MAKE) -C selftests O=$(O) LIBBPF=$(LIBBPF) KSRC=$(KSRC_DIR) KDIR=$(KDIR) JOBS=$(JOBS)

## demo: sets up all that is needed, then Homa RPCs between two hosts, in the lab
demo: setup
	@$(MAKE) -j$(JOBS) build KDIR=$(LAB_KERNEL)/build
	@$(LAB_DIR)/run -I -k $(LAB) -t 600 -- env O=$(O) \
		ETRAN_MODULE=$(O)/module/$$(cat $(LAB_KERNEL)/release)/etran.ko \
		$(TOP)/selftests/demo/demo.sh

## check: sets up all that is needed, then the tests [T=collection[:test]] [LAB=stock|patched|debug [LEAKS=1|end]] [KSRC=DIR] [HOMA_KO=FILE]
check: setup
	@LEAKS=$(LEAKS) ETRAN_HOMA_KO=$(abspath $(HOMA_KO)) $(LAB_DIR)/check -k $(LAB) -o $(O) $(T)

## lab: a shell in the lab's virtual machine [LAB=...]
lab: setup
	@$(MAKE) -j$(JOBS) build KDIR=$(LAB_KERNEL)/build
	@PATH=$(O)/bin:$(PATH) ETRAN_MODULE=$(O)/module/$$(cat $(LAB_KERNEL)/release)/etran.ko \
		$(LAB_DIR)/run -k $(LAB) -i

# A compiled kernel, unless LAB= says otherwise: Debian's own does much beside.
BENCH_RUN = $(LAB_DIR)/setup kernel && $(TOP)/selftests/bench/run -o $(O) \
	-k $(if $(filter command line,$(origin LAB)),$(LAB),patched)

## bench: guest instructions per frame, beside plain AF_XDP -> build/bench.json [S=suite] [C=case]
bench:
	@$(BENCH_RUN) $(if $(S),-s '$(S)') $(if $(C),-c '$(C)')

## bench-list: the suites and cases of bench
bench-list:
	@$(BENCH_RUN) -l

## bench-profile: where a case's instructions go, by function [C=case] [S=suite] [LINES=1]
bench-profile:
	@$(BENCH_RUN) -p $(if $(LINES),-L) $(if $(S),-s '$(S)') $(if $(C),-c '$(C)')

## kernel: makes a lab kernel that is compiled [LAB=patched|debug] [KSRC=DIR], 10-20 minutes
kernel:
	@$(LAB_DIR)/setup kernel
	@$(LAB_DIR)/kernel $(if $(filter command line,$(origin LAB)),$(LAB),patched)

## kernel-deb: Debian packages of your own tree and configuration, after a look at patches and options, KSRC=DIR
kernel-deb:
	@$(LAB_DIR)/setup kernel
	@$(TOP)/module/patches/kernel-deb $(KSRC)

# The last two are for kernel code: BPF's read-only variables are const volatile,
# and programs have no __aligned().
CHECKPATCH = perl $(KSRC_DIR)/scripts/checkpatch.pl --no-tree --terse --show-types --quiet \
	--max-line-length=100 --no-summary \
	--ignore FILE_PATH_CHANGES,SPDX_LICENSE_TAG,COMMIT_LOG_LONG_LINE \
	--ignore VOLATILE,PREFER_DEFINED_ATTRIBUTE_MACRO
# Looking at versions, with shims that use fewer arguments than they have, is what compat.h is for.
CHECKPATCH_COMPAT = --ignore LINUX_VERSION_CODE,CONSTANT_COMPARISON \
	--ignore MACRO_ARG_UNUSED,COMPLEX_MACRO,PREFER_ETHTOOL_PUTS
CHECKED = $(or $(FILES),$(shell git -C $(TOP) ls-files --full-name '*.c' '*.h'))
## checkpatch: kernel style of all C files [FILES=...]
checkpatch:
	@$(LAB_DIR)/setup checkpatch
	@$(if $(filter-out %compat.h,$(CHECKED)),$(CHECKPATCH) -f $(filter-out %compat.h,$(CHECKED)))
	@$(if $(filter %compat.h,$(CHECKED)),$(CHECKPATCH) $(CHECKPATCH_COMPAT) -f $(filter %compat.h,$(CHECKED)))

## sparse: the kernel modules with sparse and all of kbuild's warnings (C=2 W=1)
sparse:
	@$(LAB_DIR)/setup sparse
	@$(LAB_DIR)/kernel $(LAB) >/dev/null
	@$(MAKE) -C module check O=$(O)/sparse KDIR=$(LAB_KERNEL)/build JOBS=$(JOBS) \
		KBUILD_FLAGS="C=2 W=1"
	@$(MAKE) -C selftests/testnic/driver check O=$(O)/sparse KDIR=$(LAB_KERNEL)/build JOBS=$(JOBS) \
		KBUILD_FLAGS="C=2 W=1"

## install: tools, library, headers, man pages, completion, udev rule, transports [PREFIX=/usr/local] [DESTDIR=]
install: setup-build
	@$(MAKE) -j$(JOBS) bpf userlib ctl tools
	@$(MAKE) install-parts

# What the goals before this have built.
install-parts:
	@$(MAKE) -C userlib install O=$(O) LIBBPF=$(LIBBPF) PREFIX=$(PREFIX) MANDIR=$(MANDIR) DESTDIR=$(DESTDIR)
	@$(MAKE) -C ctl install O=$(O) LIBBPF=$(LIBBPF) PREFIX=$(PREFIX) MANDIR=$(MANDIR) DESTDIR=$(DESTDIR)
	@$(MAKE) -C tools install O=$(O) PREFIX=$(PREFIX) MANDIR=$(MANDIR) DESTDIR=$(DESTDIR)
	@install -d $(DESTDIR)$(PREFIX)/lib/etran
	@install -m 644 $(O)/bpf/*.bpf.o $(DESTDIR)$(PREFIX)/lib/etran/

## modules_install: etran.ko -> /lib/modules/<release>/updates [KDIR=] [DESTDIR=]
modules_install: module
	@$(MAKE) -C module install O=$(O) KDIR=$(KDIR) JOBS=$(JOBS) DESTDIR=$(DESTDIR)

## dkms-install: etran.ko by DKMS, for this kernel and those to come [KVER=release]
dkms-install:
	@$(LAB_DIR)/setup dkms
	@$(TOP)/module/dkms install $(VERSION) $(KVER)

## dkms-remove: takes it away again
dkms-remove:
	@$(TOP)/module/dkms remove $(VERSION)

# The files of the working tree that git knows, or all of an unpacked release. Two runs give the same bytes.
DIST	:= etran-$(VERSION)
## dist: the release's tar archive -> build/etran-VERSION.tar.gz
dist:
	@mkdir -p $(O)
	@cd $(TOP) && { git ls-files -z 2>/dev/null || \
		find . -path ./build -prune -o ! -type d -printf '%P\0'; } > $(O)/$(DIST).files && \
	tar -cf $(O)/$(DIST).tar --null --no-recursion --sort=name --owner=0 --group=0 --numeric-owner \
		--mtime=@$$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Makefile) \
		--transform 's,^,$(DIST)/,' -T $(O)/$(DIST).files && \
	gzip -9nf $(O)/$(DIST).tar && rm $(O)/$(DIST).files
	@echo $(O)/$(DIST).tar.gz

# What install would install, wherever the parts' Makefiles put it.
## uninstall: removes what install installed [PREFIX=] [DESTDIR=]
uninstall:
	@d=$$(mktemp -d) && $(MAKE) install DESTDIR=$$d >/dev/null && \
		(cd $$d && find . ! -type d) | sed 's,^\.,$(DESTDIR),' | xargs -d '\n' rm -fv && rm -rf $$d

## clean: removes build/; the cache of kernels stays
clean:
	rm -rf $(O)

## help: this list
help:
	@echo "etran $(VERSION). On a fresh Debian 12 or 13, 'make demo' and 'make check' set up all they need."
	@sed -n 's/^## \([a-z_-]*\): /\1: /p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F': ' '{ printf "  make %-15s %s\n", $$1, substr($$0, length($$1) + 3) }'
	@echo "Variables: KDIR (kernel build directory), KSRC (kernel source tree for the lab, 6.6 or 6.12), O (output,"
	@echo "  default build/), LAB, T, PREFIX, DESTDIR, V=1,"
	@echo "  JOBS, ETRAN_CACHE (kernels, libbpf; default ~/.cache/etran), ETRAN_KVM=0|1"
