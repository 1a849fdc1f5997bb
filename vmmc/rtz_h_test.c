/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Real-time datagrams as a C11 program uses them, on its own: no nicsim runs or is started. */
#include <stdio.h>

#include "vmmc/rtz.h"

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      return 1;                                                       \
    }                                                                 \
  } while (0)

int main(void) {
  vmmc_rtz_options options = VMMC_RTZ_DEFAULTS;
  vmmc_rtz_budget budget = {.messages = 10, .period = 1000000, .longest = 64, .deadline = 200000};
  vmmc_identity receiver = {0, 1};
  vmmc_rtz_channel* channel = NULL;

  CHECK(options.depth == 32 && options.user == VMMC_RTZ_SAME_USER);
  CHECK(options.from_node == VMMC_ANY && options.from_process == VMMC_ANY);
  CHECK(vmmc_rtz_open(5, &budget, &options, &channel) == VMMC_ERR_NOT_ATTACHED);
  CHECK(vmmc_rtz_open(5, &budget, NULL, &channel) == VMMC_ERR_NOT_ATTACHED);
  CHECK(vmmc_rtz_connect(receiver, 5, 0, &channel) == VMMC_ERR_NOT_ATTACHED);
  CHECK(channel == NULL);
  return 0;
}
