// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who is told of bindings, so that tools that look at the machine can show them. Nothing depends on it:
// there are no errors.
//
// Threads: any, none of which holds a lock that a handler could need.
#pragma once

#include <cstdint>

#include "vmmc/vmmc.h"

namespace vmmc::internal {

struct BindingDeclaration {
  std::uint32_t import_slot;
  std::uint32_t import_generation;
  std::uint64_t offset;       // in the buffer, bytes
  std::uint64_t length;       // bytes
  std::uint64_t address;      // of the local bytes
  vmmc_bind_options options;  // as they have taken effect
};

class BindingDeclarer {
 public:
  virtual ~BindingDeclarer() = default;

  // The number by which to end it.
  virtual std::uint32_t declare(const BindingDeclaration& binding) = 0;
  virtual void end(std::uint32_t number) = 0;
};

}  // namespace vmmc::internal
