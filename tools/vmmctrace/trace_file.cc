// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/trace_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <optional>

#include "nicsim/wire/simulated_time.h"
#include "platform/file_descriptor.h"
#include "tools/vmmctrace/names.h"
#include "tools/vmmctrace/slot_reader.h"

namespace vmmc::trace_tool {
namespace {

constexpr char kRecordingMagic[8] = {'V', 'M', 'M', 'C', 'R', 'E', 'C', '\n'};

// The bytes of wire::TraceHeader, without the atomic.
struct Header {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint32_t clock;
  std::uint32_t record_bytes;
  std::uint64_t capacity;
  std::uint64_t written;
  std::uint64_t began;
  std::uint32_t rows;
  std::uint32_t columns;
  char model[64];
};
static_assert(sizeof(Header) == sizeof(wire::TraceHeader));
static_assert(offsetof(Header, written) == offsetof(wire::TraceHeader, written));
static_assert(offsetof(Header, model) == offsetof(wire::TraceHeader, model));

// As many bytes as there are, up to `length`; nullopt: an error, in errno.
std::optional<std::size_t> read_at(int fd, void* to, std::size_t length, std::uint64_t offset) {
  std::size_t have = 0;
  while (have < length) {
    const ssize_t got = ::pread(fd, static_cast<char*>(to) + have, length - have,
                                static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  return have;
}

Failure unreadable(const std::string& path) {
  return {kExitUnreadable, path + ": " + std::strerror(errno)};
}

std::optional<Failure> check_kind(const std::string& path, const Header& header,
                                  std::size_t bytes) {
  if (bytes >= sizeof kRecordingMagic &&
      std::memcmp(&header, kRecordingMagic, sizeof kRecordingMagic) == 0) {
    return Failure{kExitRecording,
                   path +
                       ": a recording of 'nicsim --record', which './run simulate' reads; "
                       "a trace comes from 'nicsim --trace'"};
  }
  if (bytes < sizeof header.magic || header.magic != wire::kTraceMagic) {
    return Failure{kExitNoTrace, path + (bytes == 0 ? ": is empty" : ": not a trace of nicsim")};
  }
  if (bytes >= 8 && header.version != wire::kTraceVersion) {
    return Failure{kExitVersion, path + ": a trace of version " + std::to_string(header.version) +
                                     "; this vmmctrace reads version " +
                                     std::to_string(wire::kTraceVersion)};
  }
  return std::nullopt;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// What of the header makes no sense; empty: nothing.
std::string find_damage(const Header& header) {
  const auto number = [](std::uint64_t value) { return std::to_string(value); };
  if (header.record_bytes != sizeof(Record)) {
    return "records of " + number(header.record_bytes) + " bytes";
  }
  if (!std::has_single_bit(header.capacity) || header.capacity > kMostRecords) {
    return "room for " + number(header.capacity) + " records";
  }
  if (header.clock != wire::kRealTime && header.clock != wire::kSimulatedTime) {
    return "clock " + number(header.clock);
  }
  const std::uint64_t nodes = std::uint64_t{header.rows} * header.columns;
  if (nodes == 0 || nodes > kMostNodes) {
    return number(header.rows) + " x " + number(header.columns) + " nodes";
  }
  if (header.written > std::uint64_t{1} << 62) return number(header.written) + " records written";
  const char* end = static_cast<const char*>(std::memchr(header.model, 0, sizeof header.model));
  if (end == nullptr || !is_printable({header.model, end})) return "a model without a name";
  return {};
}

std::optional<Failure> check(const std::string& path, const Header& header, std::size_t bytes,
                             std::uint64_t file_bytes) {
  if (auto failure = check_kind(path, header, bytes)) return failure;
  if (bytes < sizeof header || file_bytes < wire::kTraceHeaderBytes) {
    return Failure{kExitCutOff, path + ": is cut off within its header"};
  }
  if (const std::string damage = find_damage(header); !damage.empty()) {
    return Failure{kExitDamaged, path + ": its header is damaged (" + damage + ")"};
  }
  const std::uint64_t slots = std::min(header.written, header.capacity);
  if (file_bytes < wire::kTraceHeaderBytes + slots * sizeof(Record)) {
    return Failure{kExitCutOff,
                   path + ": is cut off: " + std::to_string(file_bytes) + " bytes, and " +
                       std::to_string(slots) + " records need " +
                       std::to_string(wire::kTraceHeaderBytes + slots * sizeof(Record))};
  }
  if (file_bytes > wire::kTraceHeaderBytes + header.capacity * sizeof(Record)) {
    return Failure{kExitDamaged,
                   path + ": its header is damaged (the file is longer than its ring)"};
  }
  return std::nullopt;
}

bool makes_sense(const Record& record, const Machine& machine) {
  constexpr std::uint64_t kMostTime = std::uint64_t{1} << 62;
  return !event_name(record.event).empty() && !engine_name(record.engine).empty() &&
         record.content_bytes <= wire::kTraceContentBytes && record.node < machine.nodes() &&
         record.time < kMostTime && record.duration < kMostTime;
}

std::string count_of(std::uint64_t count, const char* what) {
  return std::to_string(count) + what + (count == 1 ? " record was " : " records were ");
}

}  // namespace

std::variant<TraceFile, Failure> TraceFile::read(const std::string& path) {
  // A pipe without a writer must not keep us.
  const platform::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status;
  if (!file.valid() || ::fstat(file.get(), &status) != 0) return unreadable(path);
  if (!S_ISREG(status.st_mode)) return Failure{kExitUnreadable, path + ": not a regular file"};
  Header header{};
  const auto bytes = read_at(file.get(), &header, sizeof header, 0);
  if (!bytes) return unreadable(path);
  const auto file_bytes = static_cast<std::uint64_t>(status.st_size);
  if (auto failure = check(path, header, *bytes, file_bytes)) return *failure;
  TraceFile trace;
  trace.machine_ = {header.clock == wire::kSimulatedTime,
                    header.capacity,
                    header.began,
                    header.rows,
                    header.columns,
                    header.model};
  trace.records_.resize((file_bytes - wire::kTraceHeaderBytes) / sizeof(Record));
  const auto read_file = [&](void* to, std::size_t length, std::uint64_t offset) {
    return read_at(file.get(), to, length, offset);
  };
  if (!read_slots(read_file, trace.records_)) return unreadable(path);
  trace.keep_good(header.written);
  return trace;
}

// From slots to records. Those behind `written` count, but not more of them than the ring holds: nicsim
// writes the file before it overwrites.
void TraceFile::keep_good(std::uint64_t written) {
  const std::uint64_t capacity = machine_.capacity;
  std::uint64_t end = written;
  for (std::size_t slot = 0; slot < records_.size(); ++slot) {
    const std::uint64_t sequence = records_[slot].sequence;
    if (sequence == 0 || (sequence - 1) % capacity != slot) continue;
    if (sequence <= written + capacity) end = std::max(end, sequence);
  }
  overwritten_ = end > capacity ? end - capacity : 0;
  const std::uint64_t expected = end - overwritten_;
  std::vector<Record>& slots = records_;
  const auto is_good = [&](const Record& record) {
    const auto slot = static_cast<std::uint64_t>(&record - slots.data());
    return record.sequence > overwritten_ && record.sequence <= end &&
           (record.sequence - 1) % capacity == slot;
  };
  for (Record& record : slots) {
    if (!is_good(record)) {
      record.sequence = 0;
    } else if (!makes_sense(record, machine_)) {
      ++senseless_;
      record.sequence = 0;
    }
  }
  std::erase_if(slots, [](const Record& record) { return record.sequence == 0; });
  const auto by_number = [](const Record& a, const Record& b) { return a.sequence < b.sequence; };
  // Two runs, each in order: the second is the older one.
  std::rotate(slots.begin(), std::is_sorted_until(slots.begin(), slots.end(), by_number),
              slots.end());
  torn_ = expected - slots.size() - senseless_;
}

std::vector<std::uint32_t> TraceFile::by_time() const {
  std::vector<std::uint32_t> order(records_.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
    const Record& left = records_[a];
    const Record& right = records_[b];
    return left.time != right.time ? left.time < right.time : left.duration > right.duration;
  });
  return order;
}

std::vector<std::string> losses(const TraceFile& trace) {
  std::vector<std::string> lines;
  if (trace.overwritten() != 0) {
    lines.push_back(count_of(trace.overwritten(), " earlier") + "overwritten");
  }
  if (trace.torn() != 0) lines.push_back(count_of(trace.torn(), "") + "torn or never written");
  if (trace.senseless() != 0) lines.push_back(count_of(trace.senseless(), "") + "damaged");
  return lines;
}

}  // namespace vmmc::trace_tool
