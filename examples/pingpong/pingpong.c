/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Two processes throw a number to and fro: the smallest program that uses export, import, send and
 * wait. */
#include <stdio.h>
#include <stdlib.h>

#include "vmmc/vmmc.h"

static uint32_t inbox; /* our receive buffer: one word, which the other process writes */

static void must(int status) {
  if (status == VMMC_OK) return;
  fprintf(stderr, "pingpong: %s\n", vmmc_last_error());
  exit(1);
}

int main(void) {
  const uint32_t rounds = 10000;
  vmmc_identity other;
  void* proxy; /* stands for the other process's inbox */

  must(vmmc_init(NULL));
  must(vmmc_identity_of_rank(1 - vmmc_rank(), &other));
  must(vmmc_export(&inbox, sizeof inbox, 1, NULL));
  must(vmmc_import(other, 1, NULL, &proxy, NULL));

  for (uint32_t round = 1; round <= rounds; ++round) {
    if (vmmc_rank() == 0) must(vmmc_send(&round, proxy, sizeof round));
    must(vmmc_wait_32(&inbox, VMMC_EQUAL, round, VMMC_WAIT_ADAPTIVE, VMMC_FOREVER));
    if (vmmc_rank() == 1) must(vmmc_send(&round, proxy, sizeof round));
  }
  printf("pingpong: process %u has seen %u rounds\n", vmmc_self().process, inbox);

  must(vmmc_finalize());
  return 0;
}
