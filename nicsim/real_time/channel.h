// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// One real-time channel, as nicsim knows it: whose it is, who may connect, who is executor, who has
// ended.
//
// States, as the verdict says them: offered, connected, then one of the ends has ended. A sender
// that ends while datagrams of its outgoing queue are not carried out is ending until they are.
//
// Threads: nicsim's one. The clients read the verdict at any time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "nicsim/instruments.h"
#include "nicsim/process.h"
#include "nicsim/real_time/admission.h"
#include "nicsim/real_time/carrier.h"
#include "nicsim/real_time/channel_memory.h"
#include "nicsim/wire/control.h"

namespace vmmc::nicsim::real_time {

struct ChannelTerms {
  std::uint32_t id;
  Budget budget;
  std::uint32_t depth;
  wire::ExecutorDemand executor;
  std::uint32_t user;
  std::uint32_t from_node;
  std::uint32_t from_process;

  static ChannelTerms of(const wire::OpenChannelRequest& request);
  ChannelShape shape() const { return ChannelShape::of(depth, budget.longest); }
  // Everything that is reserved for it.
  std::uint64_t memory() const {
    return shape().bytes() + 2 * SlidingWindow::bytes(budget.messages);
  }
};

// In the order of wire::ChannelReply. Those in `opened` are this message's own.
struct ChannelDescriptors {
  std::array<int, 5> numbers{};
  std::size_t count = 0;
  std::vector<platform::FileDescriptor> opened;

  void add(int number) { numbers[count++] = number; }
  bool add(platform::FileDescriptor descriptor);  // false: it is not valid
};

class RealTimeChannel {
 public:
  // An end: who has it, and by which number.
  struct End {
    Process* process = nullptr;  // nullptr: nobody, or he has gone
    std::uint32_t handle = 0;
  };

  RealTimeChannel(Process& receiver, std::uint32_t handle, const ChannelTerms& terms,
                  ChannelMemory memory);
  RealTimeChannel(const RealTimeChannel&) = delete;
  RealTimeChannel& operator=(const RealTimeChannel&) = delete;

  const ChannelTerms& terms() const { return terms_; }
  const End& receiver() const { return receiver_; }
  const End& sender() const { return sender_; }
  Carrier& carrier() { return carrier_; }
  const ChannelMemory& memory() const { return memory_; }
  bool admits(const Process& sender) const;
  bool is_taken() const { return taken_; }  // it has, or has had, a sender
  bool is_connected() const { return sender_.process != nullptr; }
  bool is_on_nic() const;
  // Whether the engine looks at it.
  bool is_polled() const { return polled_; }
  void set_polled(bool polled) { polled_ = polled; }

  // Nothing: there are no descriptors left, and nothing has changed.
  std::optional<ChannelDescriptors> for_receiver() const;
  std::optional<ChannelDescriptors> connect(Process& sender, std::uint32_t handle,
                                            Instruments& instruments);
  // Who is executor from now on: the sender's core if that is allowed and nobody watches.
  void choose_executor(bool watched);

  // The sender has gone: kOk if it has closed, else kPeerDead.
  void begin_sender_end(wire::Status status);
  bool sender_is_ending() const { return ending_; }
  void finish_sender_end();
  void end_receiver(wire::Status status);
  // Nobody has it any more.
  bool is_abandoned() const { return receiver_.process == nullptr && sender_.process == nullptr; }
  // Whether it may send still, and so takes time of the network interface.
  bool is_in_use() const { return in_use_; }

 private:
  void set_state(wire::ChannelState state, wire::Status status);

  const ChannelTerms terms_;
  ChannelMemory memory_;
  Carrier carrier_;
  End receiver_;
  End sender_;
  bool taken_ = false;
  bool polled_ = false;
  bool ending_ = false;
  bool in_use_ = true;
  wire::Status sender_status_ = wire::Status::kOk;
};

}  // namespace vmmc::nicsim::real_time
