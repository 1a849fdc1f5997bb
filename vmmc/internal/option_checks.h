// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What exports and imports ask of their options alike. VMMC_OK, or the refusal with its sentence.
// Threads: any.
#pragma once

#include <cstdint>

#include "vmmc/internal/error.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

inline int check_access(std::uint32_t access) {
  if (access != 0 && (access & ~(VMMC_READ | VMMC_WRITE)) == 0) return VMMC_OK;
  return fail(VMMC_ERR_INVALID_RIGHTS, "access %#x is not VMMC_READ, VMMC_WRITE or both", access);
}

inline int check_executor(std::uint32_t executor) {
  switch (executor) {
    case VMMC_EXECUTOR_AUTO:
    case VMMC_EXECUTOR_NIC:
    case VMMC_EXECUTOR_HOST:
      return VMMC_OK;
    default:
      return fail(VMMC_ERR_INVALID_ARGUMENT, "%u is no executor", executor);
  }
}

}  // namespace vmmc::internal
