// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What stands at the head of a process's send queue, copied to private memory and decoded: one
// operation, carried out piece by piece.
#pragma once

#include <cstdint>

#include "nicsim/channel_view.h"
#include "nicsim/wire/send_descriptor.h"

namespace vmmc::nicsim {

struct Transfer {
  bool active = false;  // begun and not finished
  DescriptorCopy descriptor;
  wire::Operation operation;
  wire::LocalPlace place;
  bool notify;
  std::uint64_t length = 0;          // bytes
  std::uint64_t message_length = 0;  // with `notify`: of which these are the last `length`
  std::uint64_t done = 0;            // bytes moved

  bool is_update() const {
    return operation == wire::Operation::kDeliberateUpdate ||
           operation == wire::Operation::kAutomaticUpdate;
  }
};

// Fills the rest of `transfer` from its descriptor; false if that makes no sense.
bool decode(Transfer& transfer);

// Of what decode() has refused: whether it is a mark that can be taken. Then its length is 0.
bool is_plausible_mark(const Transfer& transfer);

// Which rights of the import the operation needs: wire::kAccess...
std::uint32_t needed_access(wire::Operation operation);

}  // namespace vmmc::nicsim
