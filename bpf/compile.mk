# SPDX-License-Identifier: GPL-2.0
#
# How a BPF object is compiled: for transports and for tests. Needs O and LIBBPF.
# $(call bpf-compile) is a recipe: $< to $@.

TOP_DIR	:= $(patsubst %/bpf/compile.mk,%,$(abspath $(lastword $(MAKEFILE_LIST))))
# clang 14, Debian 12's default, drops btf_type_tag and with it kptrs.
CLANG	?= $(firstword $(foreach v,19 18 17 16,$(if $(shell command -v clang-$(v)),clang-$(v))) clang)
LLVM_STRIP ?= $(patsubst clang%,llvm-strip%,$(CLANG))
BPF_CFLAGS ?= -O2 -g -Wall
Q	:= $(if $(filter 1,$(V)),,@)

define bpf-compile
	$(if $(Q),@printf '  %-7s %s\n' BPF $(@:$(TOP_DIR)/%=%))
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 \
		-I$(TOP_DIR)/uapi -I$(TOP_DIR)/bpf -I$(LIBBPF)/include \
		-idirafter /usr/include/$(shell $(CC) -print-multiarch) \
		-MMD -MP -MF $(@:.o=.d) -c -o $@ $<
	$(Q)$(LLVM_STRIP) -g $@
endef
