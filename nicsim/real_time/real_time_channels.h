// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// All real-time channels: opened, connected and closed as their processes ask, within what nicsim
// may promise.
//
// A channel is carried out by nicsim, and so looked at by the engine, from when it first has the
// nic executor until it ends: a sender that has been told to go back to host does so in its own
// time.
//
// Threads: nicsim's one.
//
// Invariants
//   Memory and a place are promised to a channel from its opening until both its ends have gone,
//   time of the network interface until either has. While a connected channel is on the nic
//   executor, or something is still in the queue of one that was, ordinary transfers go packet by
//   packet (Instruments::put_real_time_first).
#pragma once

#include <climits>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "nicsim/instruments.h"
#include "nicsim/process.h"
#include "nicsim/real_time/admission.h"
#include "nicsim/real_time/channel.h"
#include "nicsim/real_time/real_time_engine.h"

namespace vmmc::nicsim::real_time {

// To an open or a connect, and what goes with it.
struct ChannelAnswer {
  wire::ChannelReply reply{};
  ChannelDescriptors descriptors;
};

class RealTimeChannels {
 public:
  // `instruments` outlive it, and are put in place before the first process. Descriptors from
  // number `kept_descriptors` on are kept for clients to come.
  explicit RealTimeChannels(Instruments& instruments, int kept_descriptors = INT_MAX)
      : instruments_(&instruments), kept_descriptors_(kept_descriptors) {}
  void observe(Instruments& instruments) { instruments_ = &instruments; }
  void limit(const AdmissionLimits& limits) { limits_ = limits; }

  ChannelAnswer open(Process& receiver, const wire::OpenChannelRequest& request);
  ChannelAnswer connect(Process& sender, const wire::ConnectChannelRequest& request);
  // kUnknownChannel.
  wire::Status close(Process& process, std::uint32_t handle);
  // It has ended: so have its ends of channels.
  void leave(Process& process);
  // While somebody watches all datagrams pass through nicsim.
  void watch(bool watched);

  RealTimeEngine& engine() { return engine_; }
  // Carries out what waits; whether there was anything. Costs those who have no channel a branch.
  bool serve() { return (engine_.has_carriers() || some_end_) && serve_some(); }
  // See RealTimeEngine; also if a sender's end is to be told.
  bool has_ready() const;
  std::uint64_t ns_to_next() const { return engine_.ns_to_next(); }

  std::size_t count() const { return channels_.size(); }
  // In the order they were opened.
  const std::vector<std::unique_ptr<RealTimeChannel>>& all() const { return channels_; }
  std::uint64_t memory() const { return memory_; }  // bytes that are promised

 private:
  using Channels = std::vector<std::unique_ptr<RealTimeChannel>>;

  bool serve_some();
  wire::Status check(const Process& receiver, const wire::OpenChannelRequest& request) const;
  std::optional<Refusal> admit(const Process& receiver, const ChannelTerms& terms) const;
  RealTimeChannel* find(const wire::ConnectChannelRequest& request) const;
  void poll(RealTimeChannel& channel);
  void end_poll(RealTimeChannel& channel);
  void end_sender(RealTimeChannel& channel, wire::Status status);
  void finish_ends();
  void end_receiver(RealTimeChannel& channel, wire::Status status);
  void drop_abandoned();
  void refresh();
  static bool is_draining(RealTimeChannel& channel);

  Instruments* instruments_;
  const int kept_descriptors_;
  AdmissionLimits limits_;
  RealTimeEngine engine_;
  Channels channels_;
  std::uint64_t memory_ = 0;
  std::uint32_t last_handle_ = 0;
  bool watched_ = false;
  bool some_end_ = false;    // a sender is ending
  bool some_drain_ = false;  // a channel goes, with something in its queue, from nic to host
};

}  // namespace vmmc::nicsim::real_time
