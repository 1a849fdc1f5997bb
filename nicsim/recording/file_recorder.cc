// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/recording/file_recorder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

#include "nicsim/log.h"
#include "nicsim/recording/reader.h"
#include "platform/clock.h"
#include "platform/write_all.h"

namespace vmmc::nicsim::recording {
namespace {

constexpr std::size_t kKeptBackBytes = 64 * 1024;

RecordKind kind_of(wire::Operation operation) {
  switch (operation) {
    case wire::Operation::kDeliberateUpdate:
      return RecordKind::kDeliberateUpdate;
    case wire::Operation::kAutomaticUpdate:
      return RecordKind::kAutomaticUpdate;
    case wire::Operation::kFetch:
      return RecordKind::kFetch;
    case wire::Operation::kAtomic:
      return RecordKind::kAtomic;
    case wire::Operation::kFlush:
    case wire::Operation::kMark:
      break;
  }
  return RecordKind::kFlush;
}

RecordKind kind_of(wire::MarkKind kind) {
  static_assert(static_cast<int>(RecordKind::kHandlerEnds) - static_cast<int>(RecordKind::kWork) ==
                static_cast<int>(wire::MarkKind::kHandlerEnds) -
                    static_cast<int>(wire::MarkKind::kWork));
  return static_cast<RecordKind>(static_cast<int>(RecordKind::kWork) + static_cast<int>(kind) -
                                 static_cast<int>(wire::MarkKind::kWork));
}

struct Place {
  std::uint32_t buffer;
  std::uint64_t offset;
};

// The exported buffer that holds this byte of the process's memory.
std::optional<Place> find_in_exports(const Process& process, std::uint32_t segment,
                                     std::uint64_t offset) {
  for (const auto& [id, buffer] : process.exports) {
    std::uint64_t before = 0;
    for (const auto& run : buffer->byte_runs) {
      const auto end = process.exported_bytes.find(run);
      if (end == process.exported_bytes.end()) continue;
      if (run.first == segment && offset >= run.second && offset < end->second) {
        return Place{id, before + (offset - run.second)};
      }
      before += end->second - run.second;
    }
  }
  return std::nullopt;
}

void describe_word(const Process& process, const wire::MarkOperands& mark, Record& record) {
  record.width = mark.width;
  record.comparison = mark.comparison;
  record.value = mark.value;
  const auto place = find_in_exports(process, mark.segment, mark.place);
  if (!place) {
    record.flags |= kNoBuffer;
    return;
  }
  record.buffer = place->buffer;
  record.offset = place->offset;
}

}  // namespace

std::variant<platform::FileDescriptor, std::string> open_recording(const std::string& path,
                                                                   bool overwrite) {
  platform::FileDescriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666));
  if (!file.valid()) return "cannot record to " + path + ": " + std::strerror(errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return "cannot record to " + path + ": it is no regular file";
  }
  if (status.st_size > 0 && !overwrite) {
    return "cannot record to " + path + ": it is not empty; --record-overwrite replaces it";
  }
  return file;
}

FileRecorder::FileRecorder(platform::FileDescriptor file, std::string path, std::uint32_t rows,
                           std::uint32_t columns)
    : file_(std::move(file)), path_(std::move(path)), began_(platform::monotonic_ns()) {
  kept_back_.reserve(kKeptBackBytes + sizeof(Record));
  FileHeader header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kFormatVersion;
  header.nodes = rows * columns;
  header.rows = rows;
  header.columns = columns;
  header.record_bytes = sizeof(Record);
  const auto* bytes = reinterpret_cast<const std::byte*>(&header);
  kept_back_.assign(bytes, bytes + sizeof header);
  if (::ftruncate(file_.get(), 0) != 0) intact_ = false;
  write_out();
}

FileRecorder::~FileRecorder() {
  Record end{};
  end.time = platform::monotonic_ns() - began_;
  end.kind = RecordKind::kEnd;
  end.value = records_;
  add(end);
  write_out();
}

Record FileRecorder::begin(RecordKind kind, const Process& process) {
  Record record{};
  record.time = platform::monotonic_ns() - began_;
  record.kind = kind;
  record.process = static_cast<std::uint32_t>(number_of(process));
  return record;
}

void FileRecorder::add(const Record& record) {
  if (!intact_) return;
  const auto* bytes = reinterpret_cast<const std::byte*>(&record);
  kept_back_.insert(kept_back_.end(), bytes, bytes + sizeof record);
  ++records_;
  if (kept_back_.size() >= kKeptBackBytes) write_out();
}

void FileRecorder::write_out() {
  const std::string_view bytes(reinterpret_cast<const char*>(kept_back_.data()), kept_back_.size());
  const int error = intact_ ? platform::write_all(file_.get(), bytes) : 0;
  if (error != 0) {
    intact_ = false;
    log(LogLevel::kError, "the recording ends here, the run goes on: cannot write " + path_ + ": " +
                              std::strerror(error));
  }
  kept_back_.clear();
}

void FileRecorder::pause() {
  if (!kept_back_.empty()) write_out();
}

void FileRecorder::attached(const Process& process) {
  numbers_[&process] = next_number_++;
  Record record = begin(RecordKind::kAttach, process);
  record.peer = process.node;
  record.buffer = process.id;
  add(record);
}

void FileRecorder::left(const Process& process) {
  add(begin(RecordKind::kLeave, process));
  numbers_.erase(&process);
}

void FileRecorder::exported(const ExportedBuffer& buffer) {
  Record record = begin(RecordKind::kExport, *buffer.owner);
  record.flags = buffer.notifies ? kNotifies : 0;
  record.buffer = buffer.id;
  record.length = buffer.length;
  add(record);
}

void FileRecorder::unexported(const ExportedBuffer& buffer) {
  Record record = begin(RecordKind::kUnexport, *buffer.owner);
  record.buffer = buffer.id;
  add(record);
}

void FileRecorder::imported(const Process& process, std::uint32_t slot,
                            const ExportedBuffer& buffer) {
  Record record = begin(RecordKind::kImport, process);
  record.peer = static_cast<std::uint32_t>(number_of(*buffer.owner));
  record.buffer = buffer.id;
  record.slot = slot;
  add(record);
}

void FileRecorder::unimported(const Process& process, std::uint32_t slot) {
  Record record = begin(RecordKind::kUnimport, process);
  record.slot = slot;
  add(record);
}

void FileRecorder::taken(const Process& process, const Transfer& transfer) {
  const Import& import = process.imports[transfer.descriptor.import_slot];
  if (import.buffer == nullptr) return;  // has ended: it will be refused
  const ExportedBuffer& buffer = *import.buffer;
  Record record = begin(kind_of(transfer.operation), process);
  record.ticket = process.channel.completed();
  record.flags = transfer.notify ? kNotify : 0;
  record.flags |=
      wire::header_flags(transfer.descriptor.header) & (wire::kCombineBlock | wire::kCombineTimer);
  record.peer = static_cast<std::uint32_t>(number_of(*buffer.owner));
  record.buffer = buffer.id;
  record.offset = transfer.descriptor.destination -
                  (std::uint64_t{import.first_page} * wire::kPageSize + buffer.page_offset);
  record.length = transfer.length;
  add(record);
}

void FileRecorder::marked(const Process& process, const wire::MarkOperands& mark) {
  Record record = begin(kind_of(mark.kind), process);
  record.ticket = process.channel.completed();
  record.thread = mark.thread;
  record.length = std::min(mark.work, kLongestNs);
  if (is_wait(record.kind)) {
    record.slot = mark.waited;
    record.flags = mark.timed_out != 0 ? kTimedOut : 0;
  }
  if (mark.kind == wire::MarkKind::kWork) record.value = mark.value;
  if (mark.kind == wire::MarkKind::kWaitForWord) describe_word(process, mark, record);
  if (mark.kind == wire::MarkKind::kWaitForCompletion ||
      mark.kind == wire::MarkKind::kWaitForSources) {
    record.offset = std::min(mark.place, record.ticket);
  }
  add(record);
}

}  // namespace vmmc::nicsim::recording
