// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/trace/trace.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "nicsim/log.h"
#include "nicsim/wire/simulated_time.h"
#include "platform/clock.h"
#include "platform/shared_memory.h"
#include "platform/system_calls.h"

namespace vmmc::nicsim {
namespace {

constexpr std::uint64_t kPicosecondsPerNanosecond = 1000;

// It goes round after 213 days; differences are right all the same.
std::uint64_t monotonic_ps() { return platform::monotonic_ns() * kPicosecondsPerNanosecond; }

// False: errno says why.
bool write_at(int file, const void* data, std::size_t bytes, std::uint64_t offset) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::pwrite(file, from, bytes, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    from += written;
    offset += static_cast<std::uint64_t>(written);
    bytes -= static_cast<std::size_t>(written);
  }
  return true;
}

}  // namespace

struct Trace::Ring {
  platform::FileDescriptor memory;
  platform::SharedMapping mapping;
  std::uint64_t capacity;
  std::uint64_t written = 0;
  std::uint64_t origin = 0;  // of the records' times, on the machine's clock
  platform::FileDescriptor file;
  std::uint64_t saved = 0;               // records that the file has got
  Trace::Clock::time_point next_save{};  // not sooner, but for many records

  wire::TraceHeader& header() const {
    return *reinterpret_cast<wire::TraceHeader*>(mapping.data());
  }
  wire::TraceRecord& slot(std::uint64_t n) const {
    auto* const records =
        reinterpret_cast<wire::TraceRecord*>(mapping.data() + wire::kTraceHeaderBytes);
    return records[n % capacity];
  }
  // Of records that lie side by side.
  bool save_slots(std::uint64_t first, std::uint64_t count) const {
    return write_at(file.get(), &slot(first), count * sizeof(wire::TraceRecord),
                    wire::kTraceHeaderBytes + first % capacity * sizeof(wire::TraceRecord));
  }
  // The bytes that are used.
  bool save_header() const {
    return write_at(file.get(), mapping.data(), sizeof(wire::TraceHeader), 0);
  }
  // The file as that of a trace without records.
  bool begin_file() const {
    return ::ftruncate(file.get(), 0) == 0 &&
           ::ftruncate(file.get(), wire::kTraceHeaderBytes) == 0 && save_header();
  }
};

Trace::Trace(Attention* attention)
    : attention_(attention), machine_{wire::kRealTime, 1, 1, "none", monotonic_ps} {}

Trace::~Trace() { stop(); }

void Trace::describe(Machine machine) {
  machine_ = std::move(machine);
  if (!machine_.now) machine_.now = monotonic_ps;
}

int Trace::start(std::uint64_t records) { return start(records, platform::FileDescriptor()); }

int Trace::start(std::uint64_t records, platform::FileDescriptor file) {
  if (on_) return EALREADY;
  if (records > kMostRecords) return ENOMEM;
  const std::uint64_t capacity = std::bit_ceil(std::max(records, kLeastRecords));
  const std::size_t bytes = wire::kTraceHeaderBytes + capacity * sizeof(wire::TraceRecord);
  auto memory = platform::create_shared_memory("vmmc-trace", bytes);
  if (!memory.ok()) return memory.error().number;
  auto mapping = platform::SharedMapping::map(memory.value().get(), bytes);
  if (!mapping.ok()) return mapping.error().number;
  // Whoever gets a descriptor of it can open it anew by /proc: only this mapping may write. (A kernel
  // that does not know the seal is older than 5.1; then the descriptor's own mode has to do.)
  (void)::fcntl(memory.value().get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
  ring_.reset(new Ring{.memory = std::move(memory.value()),
                       .mapping = std::move(mapping.value()),
                       .capacity = capacity,
                       .file = std::move(file)});
  begin();
  ++generation_;
  switch_to(true);
  return 0;
}

// Fills the header.
void Trace::begin() {
  wire::TraceHeader& header = ring_->header();
  header.magic = wire::kTraceMagic;
  header.version = wire::kTraceVersion;
  header.clock = machine_.clock;
  header.record_bytes = sizeof(wire::TraceRecord);
  header.capacity = ring_->capacity;
  header.began = platform::ns_since_1970();
  header.rows = machine_.rows;
  header.columns = machine_.columns;
  machine_.model.copy(header.model, sizeof header.model - 1);
  ring_->origin = machine_.clock == wire::kRealTime ? machine_.now() : 0;
  if (ring_->file.valid() && !ring_->begin_file()) give_file_up();
}

void Trace::switch_to(bool on) {
  on_ = on;
  if (attention_ != nullptr) attention_->want(Attention::Of::kTrace, on);
}

void Trace::stop() {
  if (!on_) return;
  switch_to(false);
  save();
  ring_->file.reset();
}

std::uint64_t Trace::now() const { return machine_.now() - (ring_ == nullptr ? 0 : ring_->origin); }

void Trace::write(const TraceEntry& entry) {
  if (!on_) return;
  Ring& ring = *ring_;
  // A quarter at a time: one that has to write everything at once makes everybody wait for longer.
  if (ring.file.valid() && ring.written - ring.saved >= ring.capacity / 4) save();
  wire::TraceRecord& record = ring.slot(ring.written);
  record.sequence.store(0, std::memory_order_relaxed);
  // Who sees anything of what follows sees that the record is being written.
  std::atomic_thread_fence(std::memory_order_release);
  record.time = entry.time;
  record.duration = entry.duration;
  record.operation = entry.operation;
  record.packet = entry.packet;
  record.event = entry.event;
  record.engine = entry.engine;
  record.kind = entry.kind;
  record.flags = entry.flags;
  record.status = entry.status;
  record.node = static_cast<std::uint16_t>(entry.node);
  record.peer = static_cast<std::uint16_t>(entry.peer);
  record.process = entry.process;
  record.peer_process = entry.peer_process;
  record.buffer = entry.buffer;
  record.page = entry.page;
  record.length = entry.length;
  record.offset = entry.offset;
  record.value = entry.value;
  const std::size_t kept = std::min<std::size_t>(entry.content.size(), wire::kTraceContentBytes);
  record.content_bytes = static_cast<std::uint32_t>(kept);
  if (kept > 0) std::memcpy(record.content, entry.content.data(), kept);
  std::memset(record.content + kept, 0, wire::kTraceContentBytes - kept);
  record.sequence.store(++ring.written, std::memory_order_release);
  ring.header().written.store(ring.written, std::memory_order_release);
}

// The slots first: what the header counts is there.
void Trace::save() {
  if (ring_ == nullptr || !ring_->file.valid() || ring_->saved == ring_->written) return;
  Ring& ring = *ring_;
  while (ring.saved < ring.written) {
    const std::uint64_t to_the_end = ring.capacity - ring.saved % ring.capacity;
    const std::uint64_t count = std::min(ring.written - ring.saved, to_the_end);
    if (!ring.save_slots(ring.saved, count)) return give_file_up();
    ring.saved += count;
  }
  if (!ring.save_header()) give_file_up();
}

Trace::Clock::time_point Trace::save_seldom() {
  if (ring_ == nullptr || !ring_->file.valid() || ring_->saved == ring_->written) {
    return Clock::time_point::max();
  }
  const Clock::time_point now = Clock::now();
  if (now < ring_->next_save && ring_->written - ring_->saved < kSaveRecords) {
    return ring_->next_save;
  }
  ring_->next_save = now + kSaveInterval;
  save();
  return Clock::time_point::max();
}

// errno says why.
void Trace::give_file_up() {
  log(LogLevel::kError,
      std::string("the trace's file ends here, the trace goes on: ") + std::strerror(errno));
  ring_->file.reset();
}

std::uint64_t Trace::written() const { return ring_ == nullptr ? 0 : ring_->written; }

std::uint64_t Trace::capacity() const { return ring_ == nullptr ? 0 : ring_->capacity; }

const wire::TraceRecord* Trace::find(std::uint64_t n) const {
  if (n >= written() || written() - n > ring_->capacity) return nullptr;
  return &ring_->slot(n);
}

platform::FileDescriptor Trace::readable_copy() const {
  if (ring_ == nullptr) return platform::FileDescriptor();
  const std::string path = "/proc/self/fd/" + std::to_string(ring_->memory.get());
  return platform::FileDescriptor(
      platform::system_calls().open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

}  // namespace vmmc::nicsim
