/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A client without any library but VMMC: its answers come as notifications, which it learns of in
 * an epoll loop of its own. The server must run with --notify. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "examples/requestserver/protocol.h"
#include "vmmc/vmmc.h"

static responses* answers; /* our receive buffer */
static char* slot;         /* stands for our lanes in the server */
static int lines;          /* answers that have come */

static void must(int status) {
  if (status >= 0) return;
  fprintf(stderr, "epoll_client: %s\n", vmmc_last_error());
  exit(1);
}

static void answered(const vmmc_notification* notification, void* argument) {
  const response* answer = &answers->lanes[notification->immediate];
  (void)argument;
  printf("%s%.*s\n", answer->refused ? "refused: " : "", (int)answer->length, answer->text);
  ++lines;
}

int main(int argc, char** argv) {
  static const char* const kinds[] = {"", "reverse", "words", "checksum", "factor"};
  const vmmc_identity server = {0, 0};
  vmmc_init_options options = VMMC_INIT_DEFAULTS;
  vmmc_export_options with_handler = VMMC_EXPORT_DEFAULTS;
  struct epoll_event event = {.events = EPOLLIN};
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const uint64_t patience = 30000000000u; /* ns */
  uint32_t kind = kKinds - 1;

  while (argc > 2 && kind > kHello && strcmp(argv[1], kinds[kind]) != 0) --kind;
  if (argc < 3 || kind == kHello) {
    fprintf(stderr, "usage: epoll_client reverse|words|checksum|factor TEXT...\n");
    return 2;
  }
  options.delivery = VMMC_DELIVER_BY_DISPATCH;
  options.never_start = 1;
  with_handler.handler = answered;
  must(vmmc_init(&options));
  must(vmmc_alloc(sizeof *answers, (void**)&answers));
  must(vmmc_export(answers, sizeof *answers, kResponsesId, &with_handler));
  must(vmmc_import(server, vmmc_self().process, NULL, (void**)&slot, NULL));
  must(epoll_ctl(epoll, EPOLL_CTL_ADD, vmmc_notification_fd(), &event));

  must(vmmc_send_notify("notify", slot, 6, kHello));
  must(vmmc_wait_32(&answers->lanes[0].number, VMMC_EQUAL, 1, VMMC_WAIT_ADAPTIVE, patience));
  if (answers->lanes[0].refused) {
    fprintf(stderr, "epoll_client: the server says: %s\n", answers->lanes[0].text);
    return 1;
  }
  for (int next = 2; lines < argc - 2;) {
    if (lines == next - 2) {
      must(vmmc_send_notify(argv[next], slot, strlen(argv[next]), kind));
      ++next;
    }
    if (epoll_wait(epoll, &event, 1, 30000) != 1) {
      fprintf(stderr, "epoll_client: no answer for 30 s\n");
      return 1;
    }
    must(vmmc_dispatch(0));
  }
  must(vmmc_finalize());
  return 0;
}
