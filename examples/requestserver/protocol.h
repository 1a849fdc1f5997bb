/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What server and clients agree on. C, because clients may be C.
 *
 *   The server exports a receive buffer of kLanes lanes for each client process; its id is the
 *   client's process id, and no other process may import it. The client exports one `responses` as
 *   buffer kResponsesId, zeroed.
 *
 *   A request is one message with notification at the start of a lane: its bytes are the text, its
 *   immediate word is the kind. It is answered in the same lane of the client's buffer: first all
 *   but `number`, then `number`, which counts the lane's answers since the client's hello. A lane
 *   takes the next request when the last one has been answered.
 *
 *   The first request is kHello in lane 0. The server then imports the client's buffer, and counts
 *   from 0 again; its answer to the hello is number 1. The text is "plain", or "notify": after the
 *   answer to the hello each `number` then comes with a notification, whose immediate word is the
 *   lane. */
#ifndef EXAMPLES_REQUESTSERVER_PROTOCOL_H_
#define EXAMPLES_REQUESTSERVER_PROTOCOL_H_

#include <stdint.h>

enum { kLanes = 4, kLaneBytes = 4096, kMaxClients = 64, kResponsesId = 1 };

enum request_kind { kHello, kReverse, kWords, kChecksum, kFactor, kKinds };

typedef struct response {
  uint32_t number;
  uint32_t refused; /* nonzero: the text says why */
  uint32_t length;  /* of the text, in bytes */
  uint32_t reserved;
  char text[kLaneBytes];
} response;

typedef struct responses {
  uint32_t beat; /* counts up while the server lives */
  uint32_t reserved[3];
  response lanes[kLanes];
} responses;

#endif /* EXAMPLES_REQUESTSERVER_PROTOCOL_H_ */
