// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/recording/record_checker.h"

#include "nicsim/recording/reader.h"

namespace vmmc::nicsim::recording {
namespace {

// Which fields a kind uses; the others are 0.
enum Field : std::uint32_t {
  kWidth = 1,  // and comparison
  kThread = 2,
  kPeer = 4,
  kBuffer = 8,
  kSlot = 16,
  kOffset = 32,
  kLength = 64,
  kValue = 128,
  kTicket = 256,
};

struct Shape {
  std::uint32_t fields;
  std::uint8_t flags;
};

Shape shape_of(RecordKind kind) {
  constexpr std::uint32_t kMark = kThread | kLength | kTicket;
  constexpr std::uint32_t kRemote = kPeer | kBuffer | kOffset | kLength | kTicket;
  switch (kind) {
    case RecordKind::kAttach:
      return {kPeer | kBuffer, 0};
    case RecordKind::kLeave:
      return {0, 0};
    case RecordKind::kExport:
      return {kBuffer | kLength, kNotifies};
    case RecordKind::kUnexport:
      return {kBuffer, 0};
    case RecordKind::kImport:
      return {kPeer | kBuffer | kSlot, 0};
    case RecordKind::kUnimport:
      return {kSlot, 0};
    case RecordKind::kDeliberateUpdate:
      return {kRemote, kNotify};
    case RecordKind::kAutomaticUpdate:
      return {kRemote, kNotify | kCombinesBlock | kCombinesTimer};
    case RecordKind::kFetch:
    case RecordKind::kAtomic:
      return {kRemote, 0};
    case RecordKind::kFlush:
      return {kTicket, 0};
    case RecordKind::kWork:
      return {kMark | kValue, 0};
    case RecordKind::kHandlerBegins:
    case RecordKind::kHandlerEnds:
      return {kMark, 0};
    case RecordKind::kWaitForWord:
      return {kMark | kSlot | kWidth | kBuffer | kOffset | kValue, kTimedOut | kNoBuffer};
    case RecordKind::kWaitForCompletion:
    case RecordKind::kWaitForSources:
      return {kMark | kSlot | kOffset, kTimedOut};
    case RecordKind::kWaitForRoom:
    case RecordKind::kWaitForNotification:
      return {kMark | kSlot, kTimedOut};
    case RecordKind::kEnd:
      return {kValue, 0};
  }
  return {0, 0};
}

bool uses_only_its_fields(const Record& record) {
  const Shape shape = shape_of(record.kind);
  const auto unused = [&](Field field) { return (shape.fields & field) == 0; };
  return (record.flags & ~shape.flags) == 0 &&
         !(unused(kWidth) && (record.width != 0 || record.comparison != 0)) &&
         !(unused(kThread) && record.thread != 0) && !(unused(kPeer) && record.peer != 0) &&
         !(unused(kBuffer) && record.buffer != 0) && !(unused(kSlot) && record.slot != 0) &&
         !(unused(kOffset) && record.offset != 0) && !(unused(kLength) && record.length != 0) &&
         !(unused(kValue) && record.value != 0) && !(unused(kTicket) && record.ticket != 0);
}

bool inside(std::uint64_t offset, std::uint64_t length, std::uint64_t whole) {
  return length > 0 && offset < whole && length <= whole - offset;
}

}  // namespace

const char* RecordChecker::problem_of(const Record& record) {
  const auto kind = static_cast<std::uint8_t>(record.kind);
  if (kind == 0 || kind > kLastKind) return "there is no such kind";
  if (!uses_only_its_fields(record)) return "a field is set that its kind does not have";
  if (record.time < last_time_) return "its time is before that of the record before it";
  if (record.time > kLongestNs) return "its time is beyond all sense";
  last_time_ = record.time;
  if (record.kind == RecordKind::kAttach) {
    if (record.process != processes_.size()) return "its process attaches out of turn";
    if (record.peer >= nodes_) return "there is no such node";
    processes_.emplace_back();
    return nullptr;
  }
  if (record.kind == RecordKind::kEnd) return record.process == 0 ? nullptr : "it has a process";
  if (record.process >= processes_.size() || !processes_[record.process].attached) {
    return "its process is not attached";
  }
  KnownProcess& process = processes_[record.process];
  if (!is_operation(record.kind) && !is_mark(record.kind)) {
    return problem_of_control(record, process);
  }
  if (record.ticket < process.next_ticket || record.ticket == UINT64_MAX) {
    return "its ticket is not after the last one";
  }
  process.next_ticket = record.ticket + 1;
  if (is_transfer(record.kind)) return problem_of_transfer(record);
  return is_mark(record.kind) ? problem_of_mark(record, process) : nullptr;
}

const std::uint64_t* RecordChecker::length_of(std::uint32_t process, std::uint32_t buffer) const {
  if (process >= processes_.size() || !processes_[process].attached) return nullptr;
  const auto found = processes_[process].exports.find(buffer);
  return found == processes_[process].exports.end() ? nullptr : &found->second;
}

const char* RecordChecker::problem_of_control(const Record& record, KnownProcess& process) {
  switch (record.kind) {
    case RecordKind::kLeave:
      process.attached = false;
      return nullptr;
    case RecordKind::kExport:
      if (record.length == 0 || record.length > kLongestBuffer) return "no buffer is so long";
      return process.exports.emplace(record.buffer, record.length).second
                 ? nullptr
                 : "the buffer is exported already";
    case RecordKind::kUnexport:
      return process.exports.erase(record.buffer) > 0 ? nullptr : "there is no such buffer";
    case RecordKind::kImport:
      return problem_of_import(record, process);
    default:
      return process.slots.erase(record.slot) > 0 ? nullptr : "there is no such import";
  }
}

const char* RecordChecker::problem_of_import(const Record& record, KnownProcess& process) {
  if (length_of(record.peer, record.buffer) == nullptr) return "there is no such buffer";
  return process.slots.insert(record.slot).second ? nullptr : "the slot holds an import already";
}

const char* RecordChecker::problem_of_transfer(const Record& record) const {
  const std::uint64_t* const whole = length_of(record.peer, record.buffer);
  if (whole == nullptr) return "there is no such buffer";
  return inside(record.offset, record.length, *whole) ? nullptr
                                                      : "its bytes are not inside the buffer";
}

const char* RecordChecker::problem_of_mark(const Record& record, const KnownProcess& process) {
  if (record.length > kLongestNs) return "no work is so long";
  if (record.kind == RecordKind::kWaitForCompletion || record.kind == RecordKind::kWaitForSources) {
    return record.offset <= record.ticket ? nullptr : "it waited for what came later";
  }
  if (record.kind != RecordKind::kWaitForWord) return nullptr;
  if ((record.width != 4 && record.width != 8) || record.comparison > 2) {
    return "there is no such comparison";
  }
  if ((record.flags & kNoBuffer) != 0) {
    return record.buffer == 0 && record.offset == 0 ? nullptr : "it has no buffer, and names one";
  }
  const auto found = process.exports.find(record.buffer);
  if (found == process.exports.end()) return "there is no such buffer";
  return record.offset < found->second ? nullptr : "its word is not inside the buffer";
}

}  // namespace vmmc::nicsim::recording
