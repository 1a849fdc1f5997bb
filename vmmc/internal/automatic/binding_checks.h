// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What vmmc_bind refuses before anything is done. All return VMMC_OK, or a status with its sentence.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "nicsim/wire/channel.h"
#include "vmmc/internal/destination_space.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class BindingChecks {
 public:
  BindingChecks(const wire::Channel& channel, const DestinationSpace& space)
      : channel_(channel), space_(space) {}

  static int options(const vmmc_bind_options& options);
  static int pages(std::uintptr_t local, const void* proxy, std::size_t length);
  // The import that holds the remote bytes and may be written to.
  int find_target(const void* proxy, std::size_t length, std::optional<Import>& import) const;

 private:
  int refuse_ended(const Import& import) const;

  const wire::Channel& channel_;
  const DestinationSpace& space_;
};

}  // namespace vmmc::internal
