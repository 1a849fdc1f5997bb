// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/keyvalue/verifier.h"

#include <cinttypes>
#include <cstdio>

namespace examples::keyvalue {
namespace {

std::string complaint(std::uint32_t key, const char* what, std::uint64_t version,
                      std::uint64_t before) {
  return "key " + std::to_string(key) + ": " + what + " (version " + std::to_string(version) +
         ", seen before: " + std::to_string(before) + ")";
}

}  // namespace

std::string make_value(std::uint32_t key, const Stamp& stamp, std::size_t most_bytes) {
  char text[kLongestStamp + 1];
  std::snprintf(text, sizeof text, "%" PRIu32 "/%" PRIu32 "/%" PRIu64 ":", key, stamp.writer,
                stamp.number);
  std::string value = text;
  const std::uint64_t hash = hash_of(value);
  const std::size_t length = value.size() + (hash >> 8) % (most_bytes - value.size() + 1);
  for (std::size_t i = value.size(); i < length; ++i) {
    value += static_cast<char>('a' + (hash + i) % 26);
  }
  return value;
}

std::optional<Stamp> read_stamp(std::uint32_t key, std::string_view value, std::size_t most_bytes) {
  const std::string head(value.substr(0, kLongestStamp));  // ends with 0, as sscanf needs it
  Stamp stamp{};
  if (std::sscanf(head.c_str(), "%*u/%" SCNu32 "/%" SCNu64 ":", &stamp.writer, &stamp.number) !=
      2) {
    return {};
  }
  if (make_value(key, stamp, most_bytes) != value) return {};
  return stamp;
}

std::string Verifier::saw(std::uint32_t key, const Reply& reply) {
  Seen& last = last_[key];
  if (reply.version == 0) return complaint(key, "is lost", 0, last.version);
  if (reply.version < last.version) {
    return complaint(key, "an old version is back", reply.version, last.version);
  }
  std::optional<Stamp> stamp;
  if (reply.status == Status::kDone) {
    stamp = read_stamp(key, reply.value, most_bytes_);
    if (!stamp) return complaint(key, "a value nobody wrote", reply.version, last.version);
  }
  if (reply.version == last.version && stamp != last.stamp) {
    return complaint(key, "one version has two values", reply.version, last.version);
  }
  last = {reply.version, stamp};
  return {};
}

std::string Verifier::changed(std::uint32_t key, std::uint64_t version,
                              std::optional<Stamp> stamp) {
  Seen& last = last_[key];
  if (version <= last.version) {
    return complaint(key, "a change made no newer version", version, last.version);
  }
  last = {version, stamp};
  return {};
}

}  // namespace examples::keyvalue
