// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A recording: what real processes asked nicsim for, in the order in which nicsim took it. A file of a
// header and records of one size, little-endian, the last of them kEnd; docs/format.md tells of it field
// by field.
//
// Processes are numbered 0, 1, ... in the order in which they attached, so that one that takes another's
// id later is not mistaken for it. A field that a kind does not use is 0.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vmmc::nicsim::recording {

inline constexpr char kMagic[8] = {'V', 'M', 'M', 'C', 'R', 'E', 'C', '\n'};
inline constexpr std::uint32_t kFormatVersion = 1;

struct FileHeader {
  char magic[8];
  std::uint32_t version;
  std::uint32_t nodes;  // rows * columns
  std::uint32_t rows;
  std::uint32_t columns;
  std::uint32_t record_bytes;  // sizeof(Record)
  std::uint32_t reserved;
};
static_assert(sizeof(FileHeader) == 32);

enum class RecordKind : std::uint8_t {
  kAttach = 1,    // peer: node, buffer: process id
  kLeave = 2,     // detached or dead
  kExport = 3,    // buffer, length; flags: kNotifies
  kUnexport = 4,  // buffer
  kImport = 5,    // peer, buffer: of the exporter; slot
  kUnimport = 6,  // slot
  // Operations. peer, buffer, offset, length: the remote bytes; ticket.
  kDeliberateUpdate = 7,  // flags: kNotify
  kAutomaticUpdate = 8,   // flags: kNotify, kCombinesBlock, kCombinesTimer
  kFetch = 9,
  kAtomic = 10,
  kFlush = 11,  // ticket alone
  // Marks. thread, length: ns of work; ticket.
  kWork = 12,               // value: so many marks before it could not be posted
  kWaitForWord = 13,        // buffer and offset, or flags: kNoBuffer; width, comparison, value
  kWaitForCompletion = 14,  // offset: of the operations with lower tickets
  kWaitForSources = 15,     // the same
  kWaitForRoom = 16,
  kWaitForNotification = 17,
  kHandlerBegins = 18,
  kHandlerEnds = 19,
  kEnd = 20,  // value: how many records stand before it
};
inline constexpr std::uint8_t kLastKind = static_cast<std::uint8_t>(RecordKind::kEnd);

// Flags; what they go with is above. kTimedOut: every wait.
inline constexpr std::uint8_t kNotifies = 1;
inline constexpr std::uint8_t kNotify = 1;
inline constexpr std::uint8_t kCombinesBlock = 2;
inline constexpr std::uint8_t kCombinesTimer = 4;
inline constexpr std::uint8_t kTimedOut = 8;
inline constexpr std::uint8_t kNoBuffer = 16;

struct Record {
  std::uint64_t time = 0;  // ns since the recording began
  RecordKind kind{};
  std::uint8_t flags = 0;
  std::uint8_t width = 0;       // bytes
  std::uint8_t comparison = 0;  // as enum vmmc_comparison
  std::uint32_t process = 0;
  std::uint32_t thread = 0;
  std::uint32_t peer = 0;
  std::uint32_t buffer = 0;
  std::uint32_t slot = 0;  // of an import; of a wait: microseconds that it lasted
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint64_t value = 0;
  std::uint64_t ticket = 0;

  bool operator==(const Record&) const = default;
};
static_assert(sizeof(Record) == 64);
static_assert(offsetof(Record, process) == 12);
static_assert(offsetof(Record, offset) == 32);

constexpr bool is_operation(RecordKind kind) {
  return kind >= RecordKind::kDeliberateUpdate && kind <= RecordKind::kFlush;
}
constexpr bool is_update(RecordKind kind) {
  return kind == RecordKind::kDeliberateUpdate || kind == RecordKind::kAutomaticUpdate;
}
// Whose remote bytes lie in a buffer.
constexpr bool is_transfer(RecordKind kind) {
  return is_operation(kind) && kind != RecordKind::kFlush;
}
constexpr bool is_mark(RecordKind kind) {
  return kind >= RecordKind::kWork && kind <= RecordKind::kHandlerEnds;
}
constexpr bool is_wait(RecordKind kind) {
  return kind >= RecordKind::kWaitForWord && kind <= RecordKind::kWaitForNotification;
}

}  // namespace vmmc::nicsim::recording
