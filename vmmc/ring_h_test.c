/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Receive rings as a C11 program uses them, on its own: no nicsim runs or is started. */
#include <stdio.h>
#include <string.h>

#include "vmmc/ring.h"

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      return 1;                                                       \
    }                                                                 \
  } while (0)

/* Two frames, as they stand in a block. */
struct two_frames {
  vmmc_frame first;
  unsigned char first_data[32];
  vmmc_frame second;
  unsigned char second_data[32];
};

static int check_frames(void) {
  struct two_frames memory;
  vmmc_block block = {&memory.first, 2, 0, 0, &memory + 1};

  memset(&memory, 0, sizeof memory);
  memory.first.captured = memory.second.captured = 20;
  memory.first.next = memory.second.next = sizeof memory / 2;
  CHECK(sizeof(vmmc_frame) == 32);
  CHECK(vmmc_frame_data(&memory.first) == memory.first_data);
  CHECK(vmmc_block_next(&block, &memory.first) == &memory.second);
  CHECK(vmmc_block_next(&block, &memory.second) == NULL);
  return 0;
}

int main(void) {
  vmmc_ring_options options = VMMC_RING_DEFAULTS;
  vmmc_identity opener = {0, 1};
  vmmc_ring* ring = NULL;

  CHECK(options.blocks == 64 && options.block_bytes == 262144 && options.snap_length == 65536);
  CHECK(options.sharing == VMMC_RING_EXCLUSIVE && options.spread == VMMC_RING_BY_BLOCK);
  CHECK(options.pace == VMMC_RING_FULL_SPEED && options.block_timeout == 100000000);
  CHECK(options.user == VMMC_RING_SAME_USER && options.from_node == VMMC_ANY);
  CHECK(options.from_process == VMMC_ANY && options.consumers == 0);
  CHECK(vmmc_ring_open_backplane(VMMC_ANY, 1, &options, &ring) == VMMC_ERR_NOT_ATTACHED);
  CHECK(vmmc_ring_open_file(0, 1, NULL, &ring) == VMMC_ERR_NOT_ATTACHED);
  CHECK(vmmc_ring_open_interface("lo", NULL, 0, 1, NULL, &ring) == VMMC_ERR_NOT_ATTACHED);
  CHECK(vmmc_ring_join(opener, 1, &ring) == VMMC_ERR_NOT_ATTACHED);
  CHECK(ring == NULL);
  return check_frames();
}
