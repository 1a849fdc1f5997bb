/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The collectives as a C11 program uses them, on its own: no nicsim runs or is started. */
#include <stdio.h>
#include <string.h>

#include "vmmc/collectives.h"

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      return 1;                                                       \
    }                                                                 \
  } while (0)

int main(void) {
  vmmc_group_options options = VMMC_GROUP_DEFAULTS;
  vmmc_group* group = NULL;
  double value = 1;

  CHECK(options.timeout == VMMC_FOREVER && options.strategy == VMMC_WAIT_ADAPTIVE);
  CHECK(vmmc_group_create(1, &options, &group) == VMMC_ERR_NOT_ATTACHED);
  CHECK(group == NULL);
  CHECK(vmmc_allreduce(group, &value, &value, 1, VMMC_DOUBLE, VMMC_SUM) ==
        VMMC_ERR_INVALID_ARGUMENT);
  CHECK(strstr(vmmc_last_error(), "group") != NULL);
  CHECK(vmmc_group_destroy(NULL) == VMMC_OK);
  return 0;
}
