/* SPDX-License-Identifier: GPL-2.0 */
/* The dispatcher's BPF object inside the tool: nothing to find, nothing that does not match. */
	.section .rodata
	.balign 16
	.global etran_dispatcher_start
etran_dispatcher_start:
	.incbin DISPATCHER
	.global etran_dispatcher_end
etran_dispatcher_end:
	.byte 0
	.section .note.GNU-stack, "", @progbits
