// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <cstdio>

#include "nicsim/recording/reader.h"

namespace vmmc::nicsim::recording {
namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string bytes_text(const Record& record, const char* what, const char* where) {
  return std::string(what) + " " + number(record.length) + " bytes " + where + " process " +
         number(record.peer) + ", buffer " + number(record.buffer) + ", offset " +
         number(record.offset);
}

std::string update_text(const Record& record) {
  std::string text = bytes_text(
      record,
      record.kind == RecordKind::kDeliberateUpdate ? "deliberate update:" : "automatic update:",
      "to");
  if ((record.flags & kNotify) != 0) text += ", notifies";
  if ((record.flags & kCombinesBlock) != 0) text += ", combines";
  if ((record.flags & kCombinesTimer) != 0) text += ", combines until the timer";
  return text;
}

std::string word_text(const Record& record) {
  static constexpr const char* kSigns[] = {"=", "!=", ">="};
  std::string text = "waited for a word of " + number(record.width) + " bytes ";
  text += (record.flags & kNoBuffer) != 0
              ? "in no exported buffer"
              : "in buffer " + number(record.buffer) + ", offset " + number(record.offset);
  return text + ", " + kSigns[record.comparison % 3] + " " + number(record.value);
}

std::string mark_text(const Record& record) {
  switch (record.kind) {
    case RecordKind::kWaitForWord:
      return word_text(record);
    case RecordKind::kWaitForCompletion:
      return "waited for the completion of what is before ticket " + number(record.offset);
    case RecordKind::kWaitForSources:
      return "waited for the sources of what is before ticket " + number(record.offset);
    case RecordKind::kWaitForRoom:
      return "waited for room in its queue";
    case RecordKind::kWaitForNotification:
      return "waited for a notification";
    case RecordKind::kHandlerBegins:
      return "a handler begins";
    case RecordKind::kHandlerEnds:
      return "a handler ends";
    default:
      return "work";
  }
}

std::string marked_text(const Record& record) {
  std::string text = "thread " + number(record.thread) + " worked " + number(record.length) + " ns";
  if (record.kind != RecordKind::kWork) text += ", then " + mark_text(record);
  if (is_wait(record.kind)) text += ", " + number(record.slot) + " us";
  if ((record.flags & kTimedOut) != 0) text += ", timed out";
  if (record.kind == RecordKind::kWork && record.value > 0) {
    text += ", " + number(record.value) + " marks before it were lost";
  }
  return text;
}

std::string control_text(const Record& record) {
  const std::string buffer = "buffer " + number(record.buffer);
  switch (record.kind) {
    case RecordKind::kAttach:
      return "attaches to node " + number(record.peer) + " with id " + number(record.buffer);
    case RecordKind::kLeave:
      return "leaves";
    case RecordKind::kExport:
      return "exports " + buffer + ", " + number(record.length) + " bytes" +
             ((record.flags & kNotifies) != 0 ? ", with a handler" : "");
    case RecordKind::kUnexport:
      return "unexports " + buffer;
    case RecordKind::kImport:
      return "imports " + buffer + " of process " + number(record.peer) + " in slot " +
             number(record.slot);
    case RecordKind::kUnimport:
      return "unimports slot " + number(record.slot);
    case RecordKind::kFetch:
      return bytes_text(record, "fetch:", "from");
    case RecordKind::kAtomic:
      return bytes_text(record, "atomic operation:", "of");
    case RecordKind::kFlush:
      return "flush";
    default:
      return "the end of " + number(record.value) + " records";
  }
}

}  // namespace

std::string to_text(const Record& record) {
  std::string text = number(record.time) + " ns: ";
  if (record.kind != RecordKind::kEnd) text += "process " + number(record.process) + " ";
  if (is_mark(record.kind)) return text + marked_text(record);
  return text + (is_update(record.kind) ? update_text(record) : control_text(record));
}

}  // namespace vmmc::nicsim::recording
