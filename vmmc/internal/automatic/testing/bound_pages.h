// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A rig with pages that are bound, which are stored to as their capture lets it be done.
//
// Threads and processes: as LocalNicsim.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "vmmc/internal/automatic/testing/automatic_rig.h"

namespace vmmc::internal::testing {

inline constexpr std::size_t kPage = wire::kPageSize;
inline constexpr int kCaptures[] = {VMMC_CAPTURE_TRAP, VMMC_CAPTURE_TYPED};

inline vmmc_bind_options options_of(int capture, int combining, int notify = 0) {
  return {capture, combining, 3'600'000'000'000, notify};
}

struct Bound {
  AutomaticRig rig;
  ProgramPages local{4};
  vmmc_binding* handle;
  int capture;

  Bound(int how, int combining, int notify = 0)
      : handle(rig.bind(local.at(), 4 * kPage, options_of(how, combining, notify), 2 * kPage)),
        capture(how) {}

  // As the capture under test lets it be done.
  template <typename Word>
  void store(std::size_t offset, Word value) {
    if (capture == VMMC_CAPTURE_TRAP) {
      rig.capture.store(local.word<Word>(offset), value);
    } else {
      CHECK(typed_store(handle, local.word<Word>(offset), value) == VMMC_OK);
    }
  }
  bool same(std::size_t bytes = 4 * kPage) const {
    return std::memcmp(local.at(), rig.remote.data() + 2 * kPage, bytes) == 0;
  }
  // Offsets and lengths of the packets so far, in words.
  std::string shape() {
    std::string text;
    for (const SeenPacket& packet : rig.packets) {
      text += std::to_string(packet.offset - 2 * kPage) + "+" +
              std::to_string(packet.bytes.size()) + " ";
    }
    return text;
  }
};

}  // namespace vmmc::internal::testing
