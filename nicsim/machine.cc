// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/machine.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <fstream>
#include <utility>

#include "nicsim/log.h"
#include "nicsim/traced_operation.h"
#include "platform/system_calls.h"

namespace vmmc::nicsim {
namespace {

constexpr std::size_t kMaxProcesses = 4096;

// How many mappings the kernel allows a process.
std::size_t most_mappings() {
  std::size_t mappings = 65530;
  std::ifstream("/proc/sys/vm/max_map_count") >> mappings;
  return mappings;
}

// Whether nicsim can read the client's memory across, tried on the 8 bytes that the client named.
bool probe_memory(pid_t pid, const wire::AttachRequest& request) {
  std::uint64_t value = 0;
  const iovec local{&value, sizeof value};
  const iovec remote{reinterpret_cast<void*>(request.probe_address), sizeof value};
  return ::process_vm_readv(pid, &local, 1, &remote, 1, 0) == sizeof value &&
         value == request.probe_value;
}

// Makes it fit to be handed out: who has the descriptor could otherwise seal the memory against
// being mapped by the next one, or let it grow. False if that cannot be done.
bool seal_for_lending(int memory) {
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  // Fails if there can be no more seals; what counts is which there are.
  (void)platform::system_calls().add_seals(memory, F_SEAL_GROW | F_SEAL_SEAL);
  const int seals = ::fcntl(memory, F_GET_SEALS);
  return seals >= 0 && (seals & kSeals) == kSeals;
}

// Whole pages; 0 if what the client reserved is less than one.
std::uint64_t grant_destination_space(const wire::AttachRequest& request) {
  if (request.destination_space_bytes == 0) return wire::kMaxDestinationSpaceBytes;
  const std::uint64_t bytes =
      std::min(request.destination_space_bytes, wire::kMaxDestinationSpaceBytes);
  return bytes / wire::kPageSize * wire::kPageSize;
}

}  // namespace

// Without mappings nicsim itself runs out of memory, and every client with it; without descriptors
// nobody can attach. So some of both are kept.
MachineLimits MachineLimits::of_this_system() {
  static const MachineLimits limits = [] {
    constexpr std::size_t kKept = 2 * kMaxProcesses;
    const std::size_t mappings = most_mappings();
    rlimit descriptors{};
    const bool known = ::getrlimit(RLIMIT_NOFILE, &descriptors) == 0;
    const std::size_t segments = mappings > 2 * kKept ? mappings - kKept : mappings / 2;
    return MachineLimits{
        .segments = segments,
        .segments_of_process = segments / 2,
        .lending_descriptors =
            known ? static_cast<int>(std::min<rlim_t>(descriptors.rlim_cur / 4 * 3, INT_MAX)) : 0};
  }();
  return limits;
}

std::variant<Machine::Attached, wire::Status> Machine::attach(
    const platform::PeerCredentials& credentials, const wire::AttachRequest& request) {
  auto outcome = take_in(credentials, request);
  if (const auto* refused = std::get_if<wire::Status>(&outcome)) {
    note_refused(*instruments_, {.type = wire::MessageType::kAttach,
                                 .status = *refused,
                                 .node = request.node == wire::kAnyNode ? 0 : request.node,
                                 .process = request.process});
  }
  return outcome;
}

std::variant<Machine::Attached, wire::Status> Machine::take_in(
    const platform::PeerCredentials& credentials, const wire::AttachRequest& request) {
  const std::uint32_t node = request.node == wire::kAnyNode ? 0 : request.node;
  if (node >= backplane_.nodes()) return wire::Status::kNoSuchNode;
  if (processes_.size() >= kMaxProcesses) return wire::Status::kTooManyProcesses;
  if (request.process != wire::kAnyProcess && by_id_.contains(request.process)) {
    return wire::Status::kProcessIdInUse;
  }
  const std::uint64_t destination_space = grant_destination_space(request);
  if (destination_space == 0) return wire::Status::kMalformed;

  auto file = platform::create_shared_memory("vmmc-channel", wire::kChannelBytes);
  if (!file.ok()) return wire::Status::kOutOfMemory;
  auto mapping = platform::SharedMapping::map(file.value().get(), wire::kChannelBytes);
  if (!mapping.ok()) return wire::Status::kOutOfMemory;

  auto process = std::make_unique<Process>(destination_space);
  process->node = node;
  process->pid = credentials.pid;
  process->uid = credentials.uid;
  // Only of our own user: reading memory can be made to wait by whoever provides it.
  process->can_read_memory =
      credentials.uid == ::geteuid() && probe_memory(credentials.pid, request);
  process->channel = ChannelView(std::move(mapping.value()));
  process->place = processes_.size();
  // First what can fail.
  if (processes_.size() == processes_.capacity()) processes_.reserve(2 * processes_.size() + 16);
  const auto id = take_process_id(request.process);
  if (!id) return wire::Status::kProcessIdInUse;
  process->id = *id;
  by_id_[*id] = process.get();
  processes_.push_back(std::move(process));
  if (recorder_ != nullptr) recorder_->attached(*processes_.back());
  trace_process(wire::TraceEvent::kAttached, *processes_.back());
  return Attached{processes_.back().get(), std::move(file.value())};
}

std::optional<std::uint32_t> Machine::take_process_id(std::uint32_t wanted) {
  if (wanted == wire::kAnyProcess) return free_ids_.allocate(1);
  return free_ids_.take(wanted) ? std::optional(wanted) : std::nullopt;
}

void Machine::detach(Process& process) {
  waiting_imports_.forget(process);
  std::erase_if(waiting_unexports_, [&](const auto& wait) {
    if (wait.buffer->owner != &process) return false;
    for (const auto& sender : wait.senders) --sender.first->awaited;
    return true;
  });
  stop_waiting_for(process);
  real_time_.leave(process);
  set_watching(process, false);
  if (recorder_ != nullptr) recorder_->left(process);
  trace_process(wire::TraceEvent::kLeft, process);
  process.bindings.clear();  // at once, not import by import
  for (auto& [id, buffer] : process.exports) revoke(*buffer, wire::ImportPhase::kPeerDead);
  for (std::uint32_t slot = 0; slot < process.imports.size(); ++slot) {
    const Import& import = process.imports[slot];
    if (import.phase == wire::ImportPhase::kFree) continue;
    // It may have ended half-way through ringing a bell, and nobody else rings then.
    if (import.lent && import.buffer != nullptr) import.buffer->owner->channel.wake();
    drop_import(process, slot);
  }
  by_id_.erase(process.id);
  free_ids_.release(process.id, 1);
  const std::size_t place = process.place;
  std::swap(processes_[place], processes_.back());
  processes_[place]->place = place;
  processes_.pop_back();
  settle_unexports();  // some may have waited for this process alone
}

std::variant<std::uint32_t, wire::Status> Machine::register_segment(
    Process& process, platform::FileDescriptor memory,
    const wire::RegisterSegmentRequest& request) {
  const std::uint64_t bytes = request.bytes;
  if (bytes == 0 || bytes % wire::kPageSize != 0 || request.lendable > 1 ||
      !platform::is_sealed_shared_memory(memory.get(), bytes)) {
    return noted(process, wire::MessageType::kRegisterSegment, wire::Status::kMalformed);
  }
  if (Segment::alive() >= limits_.segments ||
      process.segments.size() >= limits_.segments_of_process) {
    complain(complained_of_segments_,
             "no more segments: this many mappings are allowed; see "
             "vm.max_map_count");
    return noted(process, wire::MessageType::kRegisterSegment, wire::Status::kOutOfMemory);
  }
  auto mapping = platform::SharedMapping::map(memory.get(), bytes);
  if (!mapping.ok()) {
    return noted(process, wire::MessageType::kRegisterSegment, wire::Status::kOutOfMemory);
  }
  const std::uint32_t id = process.next_segment_id++;
  // Without its descriptor a segment cannot be lent; that is better than no client.
  const bool too_many = memory.get() >= limits_.lending_descriptors;
  if (request.lendable != 0 && too_many) {
    complain(complained_of_descriptors_,
             "no more segments can be lent to the host executor: too "
             "many open descriptors; see ulimit -n");
  }
  if (request.lendable == 0 || too_many || !seal_for_lending(memory.get())) memory.reset();
  process.registered_pages += bytes / wire::kPageSize;
  process.segments[id] =
      std::make_shared<Segment>(id, std::move(mapping.value()), std::move(memory));
  return id;
}

void Machine::complain(bool& said, const char* of) {
  if (!std::exchange(said, true)) log(LogLevel::kWarning, of);
}

wire::Status Machine::watch(Process& process, const wire::WatchRequest& request) {
  if (request.on > 1) return wire::Status::kMalformed;
  set_watching(process, request.on != 0);
  return wire::Status::kOk;
}

void Machine::set_watching(Process& process, bool watches) {
  if (process.watches == watches) return;
  process.watches = watches;
  change_watchers(watches);
}

// The first one takes the host executor from every import, the last one gives it back.
void Machine::change_watchers(bool more) {
  const bool before = watchers_ > 0;
  more ? ++watchers_ : --watchers_;
  if (before == (watchers_ > 0)) return;
  real_time_.watch(more);
  for (const auto& importer : processes_) {
    for (std::uint32_t slot = 0; slot < importer->imports.size(); ++slot) {
      const Import& import = importer->imports[slot];
      if (import.phase != wire::ImportPhase::kGranted || !import.lent) continue;
      importer->channel.set_import_state(slot, import.generation, phase_of_granted(import));
    }
  }
}

wire::Status Machine::release_segment(Process& process, std::uint32_t segment) {
  const auto found = process.segments.find(segment);
  if (found == process.segments.end()) {
    return noted(process, wire::MessageType::kReleaseSegment, wire::Status::kMalformed);
  }
  process.registered_pages -= found->second->pages();
  process.segments.erase(found);
  return wire::Status::kOk;
}

}  // namespace vmmc::nicsim
