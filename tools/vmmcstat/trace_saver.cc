// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tools/vmmcstat/trace_saver.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "nicsim/wire/trace_record.h"

namespace vmmc::stat {
namespace {

using wire::TraceHeader;
using wire::TraceRecord;

constexpr std::size_t kWords = sizeof(TraceRecord) / sizeof(std::uint64_t);
using RecordWords = std::array<std::uint64_t, kWords>;

Failure system_failure(const std::string& what) {
  return {kExitFailure, what + ": " + std::strerror(errno)};
}

// A mapping of the ring that cannot be written to.
class RingMapping {
 public:
  explicit RingMapping(int ring) {
    struct stat status {};
    if (::fstat(ring, &status) != 0 || status.st_size < 0) return;
    bytes_ = static_cast<std::uint64_t>(status.st_size);
    if (bytes_ < wire::kTraceHeaderBytes) return;
    void* const mapped = ::mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, ring, 0);
    if (mapped != MAP_FAILED) data_ = static_cast<const std::byte*>(mapped);
  }
  ~RingMapping() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), bytes_);
  }
  RingMapping(const RingMapping&) = delete;
  RingMapping& operator=(const RingMapping&) = delete;

  const TraceHeader& header() const { return *reinterpret_cast<const TraceHeader*>(data_); }
  bool makes_sense() const {
    return data_ != nullptr && header().magic == wire::kTraceMagic &&
           header().version == wire::kTraceVersion && std::has_single_bit(header().capacity) &&
           header().record_bytes == sizeof(TraceRecord) &&
           (bytes_ - wire::kTraceHeaderBytes) / sizeof(TraceRecord) >= header().capacity;
  }
  // Record number n, unless its slot is another's by now.
  std::optional<RecordWords> copy(std::uint64_t n) const {
    const auto* words = reinterpret_cast<const std::uint64_t*>(
        data_ + wire::kTraceHeaderBytes + n % header().capacity * sizeof(TraceRecord));
    if (__atomic_load_n(words, __ATOMIC_ACQUIRE) != n + 1) return std::nullopt;
    RecordWords record;
    for (std::size_t i = 0; i < kWords; ++i)
      record[i] = __atomic_load_n(words + i, __ATOMIC_RELAXED);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (__atomic_load_n(words, __ATOMIC_RELAXED) != n + 1) return std::nullopt;
    return record;
  }

 private:
  const std::byte* data_ = nullptr;
  std::uint64_t bytes_ = 0;
};

bool write_at(int file, const void* bytes, std::size_t length, std::uint64_t offset) {
  const auto* rest = static_cast<const std::byte*>(bytes);
  while (length > 0) {
    const ssize_t count = ::pwrite(file, rest, length, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    rest += count;
    length -= static_cast<std::size_t>(count);
    offset += static_cast<std::uint64_t>(count);
  }
  return true;
}

// The slots from 0 on, of a ring that held `written` records when it was looked at. False: errno.
bool copy_slots(const RingMapping& ring, std::uint64_t written, int file, SavedTrace& saved) {
  constexpr std::uint64_t kAtOnce = 4096;
  const std::uint64_t capacity = ring.header().capacity;
  const std::uint64_t kept = std::min(written, capacity);
  std::vector<RecordWords> records;
  for (std::uint64_t first = 0; first < kept; first += kAtOnce) {
    const std::uint64_t count = std::min(kAtOnce, kept - first);
    records.assign(count, RecordWords{});
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t slot = first + i;
      // The last one that went to this slot.
      const std::uint64_t n = slot + (written - 1 - slot) / capacity * capacity;
      if (const auto record = ring.copy(n)) {
        records[i] = *record;
        ++saved.records;
      } else {
        ++saved.lost;
      }
    }
    if (!write_at(file, records.data(), count * sizeof(RecordWords),
                  wire::kTraceHeaderBytes + first * sizeof(RecordWords))) {
      return false;
    }
  }
  return true;
}

bool write_header(const RingMapping& ring, std::uint64_t written, int file) {
  std::array<std::byte, sizeof(TraceHeader)> header;
  std::memcpy(header.data(), &ring.header(), sizeof(TraceHeader));
  std::memcpy(header.data() + offsetof(TraceHeader, written), &written, sizeof written);
  return write_at(file, header.data(), header.size(), 0);
}

}  // namespace

std::variant<TraceFile, Failure> TraceFile::open(const std::string& name, bool overwrite) {
  constexpr int kFlags = O_WRONLY | O_CLOEXEC;
  constexpr mode_t kMode = 0600;
  int file = ::open(name.c_str(), kFlags | O_CREAT | O_EXCL, kMode);
  const bool is_new = file >= 0;
  if (!is_new && errno == EEXIST) file = ::open(name.c_str(), kFlags);
  if (file < 0) return system_failure("cannot open " + name);
  TraceFile opened(platform::FileDescriptor(file), name, is_new);
  struct stat status {};
  if (::fstat(file, &status) != 0) return system_failure("cannot look at " + name);
  if (!S_ISREG(status.st_mode)) return Failure{kExitFailure, name + " is no ordinary file"};
  if (status.st_size > 0 && !overwrite) {
    return Failure{kExitFileExists, name + " exists and is not empty; --overwrite replaces it"};
  }
  return opened;
}

TraceFile::~TraceFile() {
  if (is_new_) ::unlink(name_.c_str());
}

std::variant<SavedTrace, Failure> save_trace(int ring_descriptor, TraceFile& file) {
  const RingMapping ring(ring_descriptor);
  if (!ring.makes_sense()) return Failure{kExitFailure, "nicsim's trace makes no sense"};
  const std::uint64_t written = ring.header().written.load(std::memory_order_acquire);
  const std::uint64_t capacity = ring.header().capacity;
  SavedTrace saved;
  saved.overwritten = written - std::min(written, capacity);
  const auto bytes = static_cast<off_t>(wire::kTraceHeaderBytes + capacity * sizeof(TraceRecord));
  // What nothing is written to costs no room on the disk.
  if (::ftruncate(file.descriptor(), 0) != 0 || ::ftruncate(file.descriptor(), bytes) != 0 ||
      !copy_slots(ring, written, file.descriptor(), saved) ||
      !write_header(ring, written, file.descriptor())) {
    return system_failure("cannot write " + file.name());
  }
  file.keep();
  return saved;
}

}  // namespace vmmc::stat
