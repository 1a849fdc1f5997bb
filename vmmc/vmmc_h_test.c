/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The C interface as a C11 program uses it, on its own: no nicsim runs or is started. */
#include <stdio.h>
#include <string.h>

#include "vmmc/vmmc.h"

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      return 1;                                                       \
    }                                                                 \
  } while (0)

int main(void) {
  vmmc_init_options init = VMMC_INIT_DEFAULTS;
  vmmc_export_options exported = VMMC_EXPORT_DEFAULTS;
  vmmc_import_options imported = VMMC_IMPORT_DEFAULTS;
  uint32_t word = 0;

  CHECK(exported.access == (VMMC_READ | VMMC_WRITE) && exported.user == VMMC_ANY);
  CHECK(imported.access == VMMC_WRITE && imported.timeout == VMMC_FOREVER);
  init.socket = "@vmmc-test-nobody-listens-here";
  init.never_start = 1;
  CHECK(vmmc_init(&init) == VMMC_ERR_NO_NICSIM);
  CHECK(strstr(vmmc_last_error(), init.socket) != NULL);
  CHECK(vmmc_export(&word, sizeof word, 1, &exported) == VMMC_ERR_NOT_ATTACHED);
  CHECK(strcmp(vmmc_status_name(VMMC_ERR_NO_NICSIM), "VMMC_ERR_NO_NICSIM") == 0);
  CHECK(vmmc_page_size() == 4096 && vmmc_word_size() == 4);
  CHECK(vmmc_self().node == VMMC_ANY);
  return 0;
}
