# SPDX-License-Identifier: GPL-2.0
#
# For collections that use what tests of Homa share, libhoma_test.c: their Makefiles set HERE and include this.
#
# make -C selftests/COLLECTION O=DIR LIBBPF=DIR KSRC=DIR: builds into DIR/selftests/COLLECTION.

TOP	:= $(abspath $(HERE)/../..)
O	?= $(TOP)/build
LIBBPF	?= $(shell $(TOP)/selftests/lab/libbpf)
KSRC	?= $(shell $(TOP)/selftests/lab/source)
CC	?= cc
CFLAGS	?= -O2 -g
OUT	:= $(O)/selftests/$(notdir $(HERE))
PROGS	:= $(patsubst $(HERE)/%.c,$(OUT)/%,$(wildcard $(HERE)/*.c))
SHARED	:= $(TOP)/selftests/homa/libhoma_test.c
FLAGS	:= -std=gnu11 -D_GNU_SOURCE -Wall $(CFLAGS) -pthread -I$(TOP)/userlib/include \
	   -I$(TOP)/uapi -I$(LIBBPF)/include -I$(KSRC)/tools/testing/selftests
LIBS	:= $(O)/lib/libetran.a $(LIBBPF)/lib/libbpf.a -lelf -lz
Q	:= $(if $(filter 1,$(V)),,@)

.PHONY: all clean
all: $(PROGS)

# Compiled here, too: the other folder's make may run at the same time.
$(OUT)/%: $(HERE)/%.c $(SHARED) $(wildcard $(TOP)/selftests/homa/*.h $(TOP)/selftests/*.h $(HERE)/*.h) \
		$(HERE)/Makefile $(TOP)/selftests/homa/shared.mk $(O)/lib/libetran.a $(LIBBPF)/lib/libbpf.a
	$(if $(Q),@printf '  %-7s %s\n' CC $(@:$(TOP)/%=%))
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) -MMD -MP -MF $@.d -o $@ $< $(SHARED) $(LIBS)

clean:
	rm -rf $(OUT)

.DELETE_ON_ERROR:
-include $(PROGS:=.d)
