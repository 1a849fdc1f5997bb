// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/machine.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

namespace vmmc::nicsim {
namespace {

constexpr std::size_t kMaxProcesses = 4096;

// Of one process: each is a mapping of nicsim's, and the kernel allows some 65000.
constexpr std::size_t kMaxSegments = 8192;

// Whether nicsim can read the client's memory across, tried on the 8 bytes that the client named.
bool probe_memory(pid_t pid, const wire::AttachRequest& request) {
  std::uint64_t value = 0;
  const iovec local{&value, sizeof value};
  const iovec remote{reinterpret_cast<void*>(request.probe_address), sizeof value};
  return ::process_vm_readv(pid, &local, 1, &remote, 1, 0) == sizeof value &&
         value == request.probe_value;
}

// Whole pages; 0 if what the client reserved is less than one.
std::uint64_t grant_destination_space(const wire::AttachRequest& request) {
  if (request.destination_space_bytes == 0) return wire::kMaxDestinationSpaceBytes;
  const std::uint64_t bytes =
      std::min(request.destination_space_bytes, wire::kMaxDestinationSpaceBytes);
  return bytes / wire::kPageSize * wire::kPageSize;
}

}  // namespace

std::variant<Machine::Attached, wire::Status> Machine::attach(
    const platform::PeerCredentials& credentials, const wire::AttachRequest& request) {
  const std::uint32_t node = request.node == wire::kAnyNode ? 0 : request.node;
  if (node >= backplane_.nodes()) return wire::Status::kNoSuchNode;
  if (processes_.size() >= kMaxProcesses) return wire::Status::kTooManyProcesses;
  const auto id = free_process_id(request.process);
  if (!id) return wire::Status::kProcessIdInUse;
  const std::uint64_t destination_space = grant_destination_space(request);
  if (destination_space == 0) return wire::Status::kMalformed;

  auto file = platform::create_shared_memory("vmmc-channel", wire::kChannelBytes);
  if (!file.ok()) return wire::Status::kOutOfMemory;
  auto mapping = platform::SharedMapping::map(file.value().get(), wire::kChannelBytes);
  if (!mapping.ok()) return wire::Status::kOutOfMemory;

  auto process = std::make_unique<Process>(destination_space);
  process->node = node;
  process->id = *id;
  process->pid = credentials.pid;
  process->uid = credentials.uid;
  // Only of our own user: reading memory can be made to wait by whoever provides it.
  process->can_read_memory =
      credentials.uid == ::geteuid() && probe_memory(credentials.pid, request);
  process->channel = ChannelView(std::move(mapping.value()));
  processes_.push_back(std::move(process));
  return Attached{processes_.back().get(), std::move(file.value())};
}

std::optional<std::uint32_t> Machine::free_process_id(std::uint32_t wanted) const {
  const auto taken = [&](std::uint32_t id) {
    return std::any_of(processes_.begin(), processes_.end(),
                       [id](const auto& process) { return process->id == id; });
  };
  if (wanted != wire::kAnyProcess) {
    return taken(wanted) ? std::nullopt : std::optional(wanted);
  }
  std::uint32_t id = 0;
  while (taken(id)) ++id;
  return id;
}

void Machine::detach(Process& process) {
  std::erase_if(waiting_imports_, [&](const auto& wait) { return wait.importer == &process; });
  std::erase_if(waiting_unexports_, [&](const auto& wait) {
    if (wait.buffer->owner != &process) return false;
    for (const auto& sender : wait.senders) --sender.first->awaited;
    return true;
  });
  stop_waiting_for(process);
  for (auto& [id, buffer] : process.exports) revoke(*buffer, wire::ImportPhase::kPeerDead);
  for (std::uint32_t slot = 0; slot < process.imports.size(); ++slot) {
    if (process.imports[slot].phase != wire::ImportPhase::kFree) drop_import(process, slot);
  }
  std::erase_if(processes_, [&](const auto& other) { return other.get() == &process; });
  settle_unexports();  // some may have waited for this process alone
}

std::variant<std::uint32_t, wire::Status> Machine::register_segment(Process& process, int fd,
                                                                    std::uint64_t bytes) {
  if (bytes == 0 || bytes % wire::kPageSize != 0 || !platform::is_sealed_shared_memory(fd, bytes)) {
    return wire::Status::kMalformed;
  }
  if (process.segments.size() >= kMaxSegments) return wire::Status::kOutOfMemory;
  auto mapping = platform::SharedMapping::map(fd, bytes);
  if (!mapping.ok()) return wire::Status::kOutOfMemory;
  const std::uint32_t id = process.next_segment_id++;
  process.segments[id] = std::make_shared<Segment>(id, std::move(mapping.value()));
  return id;
}

wire::Status Machine::release_segment(Process& process, std::uint32_t segment) {
  return process.segments.erase(segment) == 1 ? wire::Status::kOk : wire::Status::kMalformed;
}

}  // namespace vmmc::nicsim
