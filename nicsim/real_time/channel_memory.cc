// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/real_time/channel_memory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <utility>

#include "platform/system_calls.h"

namespace vmmc::nicsim::real_time {
namespace {

// Of Linux 5.1; where it does not exist the mode has to do.
constexpr int kSealFutureWrite = 0x0010;

platform::FileDescriptor open_again(int descriptor, int flags) {
  const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  return platform::FileDescriptor(platform::system_calls().open(path.c_str(), flags | O_CLOEXEC));
}

// So that no access of nicsim waits for a page. Nobody else has the memory yet.
void touch(const platform::SharedMapping& mapping) {
  for (std::size_t at = 0; at < mapping.size(); at += wire::kPageSize) {
    *reinterpret_cast<volatile std::byte*>(mapping.data() + at) = std::byte{0};
  }
}

platform::Result<ChannelPart> make_part(const char* label, std::uint64_t bytes, bool only_nicsim) {
  auto file = platform::create_shared_memory(label, bytes);
  if (!file.ok()) return file.error();
  auto mapping = platform::SharedMapping::map(file.value().get(), bytes);
  if (!mapping.ok()) return mapping.error();
  touch(mapping.value());
  if (::fchmod(file.value().get(), S_IRUSR) != 0) return platform::last_system_error("fchmod");
  const platform::SystemCalls& calls = platform::system_calls();
  if (only_nicsim) (void)calls.add_seals(file.value().get(), kSealFutureWrite);
  if (calls.add_seals(file.value().get(), F_SEAL_SEAL) != 0) {
    return platform::last_system_error("fcntl(F_ADD_SEALS)");
  }
  return ChannelPart{std::move(file.value()), std::move(mapping.value())};
}

std::uint32_t whole_pages(std::uint32_t bytes) {
  return (bytes + wire::kPageSize - 1) / wire::kPageSize * wire::kPageSize;
}

}  // namespace

ChannelShape ChannelShape::of(std::uint32_t depth, std::uint32_t longest) {
  return {depth, longest <= wire::kPageSize ? 0 : whole_pages(longest)};
}

platform::FileDescriptor ChannelPart::read_only() const { return open_again(file.get(), O_RDONLY); }

platform::Result<ChannelMemory> ChannelMemory::make(const ChannelShape& shape) {
  ChannelMemory memory;
  memory.shape = shape;
  const struct {
    ChannelPart ChannelMemory::*part;
    const char* label;
    std::uint64_t bytes;
    bool only_nicsim;
  } parts[] = {
      {&ChannelMemory::source_part, "vmmc-channel-source", shape.source_bytes(), false},
      {&ChannelMemory::arrival_part, "vmmc-channel-arrival", shape.arrival_bytes(), false},
      {&ChannelMemory::demand_part, "vmmc-channel-demand", sizeof(wire::ChannelDemand), false},
      {&ChannelMemory::verdict_part, "vmmc-channel-verdict", sizeof(wire::ChannelVerdict), true}};
  for (const auto& wanted : parts) {
    auto made = make_part(wanted.label, wanted.bytes, wanted.only_nicsim);
    if (!made.ok()) return made.error();
    memory.*wanted.part = std::move(made.value());
  }
  int ends[2] = {-1, -1};
  if (platform::system_calls().pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return platform::last_system_error("pipe2");
  }
  memory.bell_heard = platform::FileDescriptor(ends[0]);
  memory.bell_ = platform::FileDescriptor(ends[1]);
  return memory;
}

void ChannelMemory::ring() const {
  const std::uint64_t one = 1;
  (void)!::write(bell_.get(), &one, sizeof one);
}

void ChannelMemory::ring_if_asleep() const {
  // Pairs with the receiver's: it says that it sleeps, and looks once more.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  auto& sleeps = arrival().receiver_sleeps;
  if (sleeps.load(std::memory_order_relaxed) == 0) return;
  if (sleeps.exchange(0, std::memory_order_seq_cst) == 1) ring();
}

platform::FileDescriptor ChannelMemory::bell_for_client() const {
  return open_again(bell_.get(), O_RDWR | O_NONBLOCK);
}

}  // namespace vmmc::nicsim::real_time
