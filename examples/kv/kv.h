/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * A key-value store over Homa: what client and server say to each other. A request is a message, a
 * response another; that is all of framing, connections and ordering that there is.
 *
 *	request:	struct kv_request, key, value (PUT)
 *	response:	struct kv_response, value (GET)
 */
#ifndef KV_H
#define KV_H

#include <stdint.h>
#include <homa.h>

#define KV_PORT		4100
#define KV_MAX_KEY	250

enum kv_op {
	KV_GET = 1,
	KV_PUT,
	KV_DELETE,
};

enum kv_status {
	KV_OK,
	KV_NOT_FOUND,
	KV_FULL,	/* no memory left for it; nothing has changed */
	KV_BAD,		/* the server did not understand the request */
};

/**
 * struct kv_request - how a request begins
 * @op: enum kv_op
 * @zero: 0
 * @key_len: bytes behind this header, 1..KV_MAX_KEY, network byte order
 * @value_len: bytes behind the key, network byte order; 0 but for KV_PUT
 */
struct kv_request {
	uint8_t op;
	uint8_t zero;
	uint16_t key_len;
	uint32_t value_len;
};

/**
 * struct kv_response - how a response begins
 * @status: enum kv_status
 * @zero: 0
 * @value_len: bytes behind this header, network byte order
 */
struct kv_response {
	uint8_t status;
	uint8_t zero[3];
	uint32_t value_len;
};

#define KV_MAX_VALUE	(HOMA_MAX_MESSAGE_LENGTH - sizeof(struct kv_request) - KV_MAX_KEY)

#endif /* KV_H */
