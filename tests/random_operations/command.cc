// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tests/random_operations/command.h"

#include <cstdlib>
#include <cstring>
#include <sstream>

namespace vmmc::testing::random_operations {
namespace {

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

std::uint64_t pattern_word(std::uint64_t seed, std::uint64_t i) {
  return mix(seed + i / 8 * 0x9e3779b97f4a7c15);
}

constexpr const char* kNames[] = {"reset",
                                  "export",
                                  "unexport",
                                  "importers",
                                  "import",
                                  "import_waiting",
                                  "import_start",
                                  "import_test",
                                  "import_cancel",
                                  "unimport",
                                  "send",
                                  "send_start",
                                  "send_notify",
                                  "send_gather",
                                  "send_strided",
                                  "fetch",
                                  "fetch_start",
                                  "atomic",
                                  "redirect",
                                  "end_redirection",
                                  "bind",
                                  "unbind",
                                  "store",
                                  "register",
                                  "unregister",
                                  "block",
                                  "unblock",
                                  "accept",
                                  "wait_notification",
                                  "fence",
                                  "log",
                                  "hash",
                                  "read",
                                  "kill"};

}  // namespace

std::vector<Piece> pieces_of(const Command& command) {
  std::vector<Piece> pieces;
  std::uint64_t offset = command.offset;
  std::uint64_t left = command.length;
  for (std::uint32_t i = 0; i < command.count; ++i) {
    const bool last = i + 1 == command.count;
    const std::uint64_t length = last ? left : mix(command.operand + i) % (left + 1);
    pieces.push_back({offset, length});
    offset += length + command.local_stride;
    left -= length;
  }
  return pieces;
}

unsigned char pattern(std::uint64_t seed, std::uint64_t i) {
  return static_cast<unsigned char>(pattern_word(seed, i) >> (i % 8 * 8));
}

void fill_with_pattern(std::uint64_t seed, std::uint64_t first, unsigned char* to,
                       std::uint64_t length) {
  for (std::uint64_t i = 0; i + 8 <= length; i += 8) {
    const std::uint64_t word = pattern_word(seed, first + i);
    std::memcpy(to + i, &word, sizeof word);
  }
}

std::uint64_t hash_bytes(const unsigned char* bytes, std::uint64_t length, std::uint64_t state) {
  std::uint64_t lanes[4] = {state, state + 1, state + 2, state + 3};
  for (std::uint64_t i = 0; i + 32 <= length; i += 32) {
    for (int lane = 0; lane < 4; ++lane) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes + i + 8 * lane, sizeof word);
      lanes[lane] = (lanes[lane] ^ word) * 0x9e3779b97f4a7c15;
      lanes[lane] ^= lanes[lane] >> 29;
    }
  }
  return mix(lanes[0] + mix(lanes[1] + mix(lanes[2] + mix(lanes[3]))));
}

vmmc_executor usual_executor() {
  const char* name = std::getenv("VMMC_EXECUTOR");
  if (name == nullptr) return VMMC_EXECUTOR_AUTO;
  if (std::strcmp(name, "nic") == 0) return VMMC_EXECUTOR_NIC;
  return std::strcmp(name, "host") == 0 ? VMMC_EXECUTOR_HOST : VMMC_EXECUTOR_AUTO;
}

const char* name_of(Verb verb) { return kNames[static_cast<int>(verb)]; }

std::string describe(const Command& c) {
  std::ostringstream out;
  const auto show = [&](const char* name, std::uint64_t value) {
    if (value != 0) out << " " << name << "=" << value;
  };
  out << "process " << c.process << ": " << name_of(c.verb);
  const bool to_peer =
      c.verb == Verb::kImport || c.verb == Verb::kImportStart || c.verb == Verb::kImportWaiting;
  if (to_peer) out << " exporter=" << c.peer;
  if (c.verb == Verb::kExport && c.peer != VMMC_ANY) out << " for=" << c.peer;
  show("id", c.buffer_id);
  show("access", c.access);
  show("import", c.handle);
  show("number", c.number);
  show("width", c.width);
  show("count", c.count);
  show("kind", c.kind);
  show("combining", c.combining);
  show("flag", c.flag);
  show("handler", c.handler);
  show("executor", c.executor);
  show("offset", c.offset);
  show("length", c.length);
  show("remote", c.remote);
  show("local_stride", c.local_stride);
  show("remote_stride", c.remote_stride);
  show("operand", c.operand);
  show("expected", c.expected);
  return out.str();
}

std::string describe(const Notice& n) {
  std::ostringstream out;
  out << "buffer " << n.buffer_id << " at " << n.buffer << ", bytes " << n.offset << "+" << n.length
      << ", immediate " << n.immediate << ", from (" << n.sender_node << ", " << n.sender << ")";
  return out.str();
}

}  // namespace vmmc::testing::random_operations
