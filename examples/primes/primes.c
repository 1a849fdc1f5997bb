/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Counts primes with the calls of the SHRIMP Base Library of 1995, and no others.
 *
 *   primes LIMIT WORKERS
 *
 * The first process exports a board and an inbox and spawns workers, one node after the other. Each
 * worker binds a page of its own to its page of the board (automatic update: its progress appears
 * there by plain stores), gets its range by deliberate update, and reports by a message that runs
 * the first process's handler.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmmc/sbl.h"

enum { kMaxWorkers = 16, kPageWords = 1024, kBoard = 1, kInbox = 2, kOrders = 3 };

/* What the first process sends a worker, and what the worker answers. */
struct Order {
  Int32 first, end, ready;
};
struct Report {
  Int32 worker, primes;
};

static void must(int status, const char* what) {
  if (status >= 0) return;
  SBL_Error(status, what);
  exit(1);
}

static Int32* new_pages(int pages) {
  const size_t bytes = (size_t)(pages * SBL_PageSize());
  void* memory = aligned_alloc((size_t)SBL_PageSize(), bytes);
  if (memory == NULL) exit(1);
  return memset(memory, 0, bytes);
}

static int is_prime(Int32 number) {
  for (Int32 divisor = 2; divisor <= number / divisor; ++divisor) {
    if (number % divisor == 0) return 0;
  }
  return number > 1;
}

/* -------------------------------------------------------------------------------- a worker */

static int work(Int32 worker, NodeID node, SBL_Squid squid) {
  static struct Order order;
  Int32* progress = new_pages(1);
  Int32 *board, *inbox;
  int board_words, inbox_words;
  must(SBL_ExportRecvBuf(&order.first, sizeof order / 4, kOrders, NULL, 0), "export of the order");
  must(SBL_ImportRecvBuf(node, squid, kBoard, &board, &board_words), "import of the board");
  must(SBL_ImportRecvBuf(node, squid, kInbox, &inbox, &inbox_words), "import of the inbox");
  must(SBL_AUMap(progress, board + worker * kPageWords, kPageWords, 0, AU_TimerWrite), "AU map");
  while (*(volatile Int32*)&order.ready == 0) {
  }
  struct Report report = {worker, 0};
  for (Int32 number = order.first; number < order.end; ++number) {
    report.primes += is_prime(number);
    if (number % 4096 == 0) progress[0] = number; /* appears on the board */
  }
  progress[0] = order.end;
  must(SBL_SendMsgWithNotify(&report.worker, inbox + 2 * worker, sizeof report / 4), "report");
  return 0;
}

/* ----------------------------------------------------------------------- the first process */

static volatile int reports, primes;

static void reported(unsigned int rbufid, Int32* words, int nwords, NodeID node, SBL_Squid squid) {
  (void)rbufid, (void)nwords, (void)node, (void)squid;
  primes += words[1];
  ++reports;
}

static void spawn(const char* program, int worker, NodeID node, SBL_Squid* squid) {
  char number[16], my_node[16], my_squid[16];
  char* arguments[] = {(char*)"--worker", number, my_node, my_squid, NULL};
  snprintf(number, sizeof number, "%d", worker);
  snprintf(my_node, sizeof my_node, "%u", SBL_MyNode());
  snprintf(my_squid, sizeof my_squid, "%u", SBL_MySquid());
  must(SBL_Spawn((char*)program, arguments, node, squid), "spawn");
}

static Int32 end_of(int worker, int workers, Int32 limit) {
  return worker == workers - 1 ? limit : (worker + 1) * (limit / workers);
}

static void give_orders(Int32* proxies[], int workers, Int32 limit) {
  for (int worker = 0; worker < workers; ++worker) {
    struct Order order = {worker * (limit / workers), end_of(worker, workers, limit), 1};
    must(SBL_SendMsg(&order.first, proxies[worker], sizeof order / 4), "order");
  }
}

static int lead(const char* program, Int32 limit, int workers) {
  static Int32 inbox[2 * kMaxWorkers];
  Int32* board = new_pages(kMaxWorkers);
  Int32* proxies[kMaxWorkers];
  int words[kMaxWorkers];
  SBL_Squid squids[kMaxWorkers];
  int hosts;
  NodeID* nodes;
  must(SBL_Hosts(&hosts, &nodes), "hosts");
  must(SBL_ExportRecvBuf(board, kMaxWorkers * kPageWords, kBoard, NULL, 0), "export of the board");
  must(SBL_ExportRecvBuf(inbox, 2 * kMaxWorkers, kInbox, reported, 0), "export of the inbox");
  for (int worker = 0; worker < workers; ++worker) {
    const NodeID node = nodes[worker % hosts];
    spawn(program, worker, node, &squids[worker]);
    must(SBL_ImportRecvBufReq(node, squids[worker], kOrders, &proxies[worker], &words[worker], 0),
         "import request");
  }
  for (int worker = 0; worker < workers; ++worker) {
    int size;
    while ((size = __atomic_load_n(&words[worker], __ATOMIC_ACQUIRE)) == 0) {
    }
    must(size, "import");
  }
  SBL_BlockNotifications(); /* no report yet: the counts are ours */
  give_orders(proxies, workers, limit);
  printf("%d workers on %d node(s) count the primes below %d\n", workers, hosts, limit);
  int status;
  while ((status = SBL_UnblockNotifications()) == 0) {
  }
  must(status, "unblock");
  while (reports < workers) {
  }
  for (int worker = 0; worker < workers; ++worker) {
    const volatile Int32* progress = &board[worker * kPageWords];
    /* A report may overtake the last store: the packet of that may still be open. */
    while (*progress != end_of(worker, workers, limit)) {
    }
    printf("worker %d got to %d\n", worker, *progress);
  }
  printf("%d primes\n", primes);
  free(nodes);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 5 && strcmp(argv[1], "--worker") == 0) {
    return work(atoi(argv[2]), (NodeID)strtoul(argv[3], NULL, 10),
                (SBL_Squid)strtoul(argv[4], NULL, 10));
  }
  const int limit = argc == 3 ? atoi(argv[1]) : 0;
  const int workers = argc == 3 ? atoi(argv[2]) : 0;
  if (limit < 1 || workers < 1 || workers > kMaxWorkers) {
    fprintf(stderr, "usage: primes LIMIT WORKERS (1 to %d)\n", kMaxWorkers);
    return 2;
  }
  return lead(argv[0], limit, workers);
}
