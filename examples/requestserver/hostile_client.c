/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * For the test: sends what no client should, prints what it is told, ends without a farewell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/requestserver/protocol.h"
#include "vmmc/vmmc.h"

static responses* answers;
static char* slot;
static uint32_t expected[kLanes];
static char garbage[kLanes * kLaneBytes];

static void must(int status) {
  if (status == VMMC_OK) return;
  fprintf(stderr, "hostile_client: %s\n", vmmc_last_error());
  exit(1);
}

static void send_to(size_t offset, const char* text, size_t length, uint32_t kind) {
  must(vmmc_send_notify(text, slot + offset, length, kind));
}

static void await_answer(size_t lane) {
  const response* answer = &answers->lanes[lane];
  must(vmmc_wait_32(&answer->number, VMMC_EQUAL, ++expected[lane], VMMC_WAIT_ADAPTIVE,
                    30000000000u));
  printf("%s: %.*s\n", answer->refused ? "refused" : "answered", (int)answer->length, answer->text);
}

static void ask(size_t offset, const char* text, size_t length, uint32_t kind) {
  send_to(offset, text, length, kind);
  await_answer(offset / kLaneBytes);
}

static void hello(const char* text) {
  memset(expected, 0, sizeof expected);
  answers->lanes[0].number = 0;
  ask(0, text, strlen(text), kHello);
}

int main(void) {
  const vmmc_identity server = {0, 0};
  vmmc_import_options now = VMMC_IMPORT_DEFAULTS;
  void* other;

  must(vmmc_init(NULL));
  must(vmmc_alloc(sizeof *answers, (void**)&answers));
  must(vmmc_import(server, vmmc_self().process, NULL, (void**)&slot, NULL));
  now.timeout = 0;
  printf("%s\n", vmmc_status_name(vmmc_import(server, kMaxClients - 1, &now, &other, NULL)));

  memset(garbage, 'x', sizeof garbage);
  send_to(0, "too early", 9, kReverse);
  must(vmmc_export(answers, sizeof *answers, kResponsesId, NULL));
  hello("who are you?");
  hello("notify");
  ask(0, "x", 1, 99);
  ask(4, "x", 1, kReverse);
  ask(kLaneBytes, garbage, kLaneBytes + 1, kReverse);
  ask(kLaneBytes, "plain", 5, kHello);
  ask(0, garbage, sizeof garbage, kReverse);
  ask(kLaneBytes, "12x", 3, kFactor);
  ask(kLaneBytes, "1000000001", 10, kFactor);
  ask(kLaneBytes, garbage, kLaneBytes, kChecksum);
  for (int i = 0; i < 5000; ++i) send_to(0, garbage, 1 + i % sizeof garbage, i % 8 + 1);
  must(vmmc_send(garbage, slot, sizeof garbage));
  ask(kLaneBytes, "still here", 10, kReverse);
  must(vmmc_unexport(kResponsesId));
  send_to(0, "plain", 5, kHello); /* nothing is exported that the answer could go to */
  must(vmmc_export(answers, sizeof *answers - 4, kResponsesId, NULL));
  send_to(0, "plain", 5, kHello); /* too small */
  must(vmmc_fence());
  fflush(stdout);
  _Exit(0);
}
