// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Values that say who wrote them, and one client's check of what it reads.
//
// Threads: no shared state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "examples/keyvalue/store.h"

namespace examples::keyvalue {

// Which write a value is from: the client, and the number of its operation.
struct Stamp {
  std::uint32_t writer;
  std::uint64_t number;
  bool operator==(const Stamp&) const = default;
};

inline constexpr std::size_t kLongestStamp = 48;  // bytes of text

// The value that this write gives the key: the stamp as text, then letters; its length is anything
// up to `most_bytes` (>= kLongestStamp). Every byte follows from the arguments.
std::string make_value(std::uint32_t key, const Stamp& stamp, std::size_t most_bytes);

// The stamp of a value that make_value has made for this key; none if it is not one in every byte.
std::optional<Stamp> read_stamp(std::uint32_t key, std::string_view value, std::size_t most_bytes);

// Knows for each key what this client has seen last. The calls return what is wrong, in words;
// empty if nothing is.
class Verifier {
 public:
  Verifier(std::uint32_t keys, std::size_t most_bytes) : most_bytes_(most_bytes), last_(keys) {}

  // Of a key that somebody has put before: a value is what some client wrote for this key, no older
  // than what was seen before, our own writes included, and the same if the version is the same.
  std::string saw(std::uint32_t key, const Reply& reply);

  // Our own change was granted this version: a value, or (none) a deletion.
  std::string changed(std::uint32_t key, std::uint64_t version, std::optional<Stamp> stamp);

  // Of what was seen last; none if that was a deletion.
  const std::optional<Stamp>& stamp(std::uint32_t key) const { return last_[key].stamp; }

 private:
  struct Seen {
    std::uint64_t version = 0;
    std::optional<Stamp> stamp;
  };

  const std::size_t most_bytes_;
  std::vector<Seen> last_;
};

}  // namespace examples::keyvalue
