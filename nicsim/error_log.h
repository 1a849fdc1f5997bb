// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The error log: each distinct error once, with how often it has been seen, first and last. What is
// refused over and over fills no disk and hides nothing else.
//
// Threads: used by nicsim's one thread. Only called where something has been refused: never on the way
// of a transfer that succeeds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "nicsim/wire/status.h"

namespace vmmc::nicsim {

class ErrorLog {
 public:
  static constexpr std::size_t kMostErrors =
      256;  // distinct ones; of further ones only the number is kept

  // What makes an error distinct: who was refused what, why, and about which buffer of whom.
  struct Key {
    wire::Status status;
    std::string what;  // in words: "deliberate update", "import", "fetch", "packet", ...
    std::uint32_t node;
    std::uint32_t process;
    std::uint32_t peer_node;     // kAnyNode: none
    std::uint32_t peer_process;  // kAnyProcess: none
    std::uint32_t buffer;        // kNoBuffer: none
    auto operator<=>(const Key&) const = default;
  };
  static constexpr std::uint32_t kNoBuffer = 0xffffffff;

  struct Entry {
    std::uint64_t count = 0;
    std::uint64_t first = 0;  // real time, ns since 1970
    std::uint64_t last = 0;
  };

  void add(const Key& key);

  const std::map<Key, Entry>& entries() const { return entries_; }
  std::uint64_t not_kept() const { return not_kept_; }  // errors that found no room

  // One sentence for people.
  static std::string sentence(const Key& key);

 private:
  std::map<Key, Entry> entries_;
  std::uint64_t not_kept_ = 0;
};

}  // namespace vmmc::nicsim
