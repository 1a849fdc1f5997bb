// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The machine that a replay runs on: the recorded processes step by step, and the hardware below them.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "nicsim/backplane.h"
#include "nicsim/parts/hardware.h"
#include "nicsim/sim/replay.h"
#include "nicsim/sim/replay_plan.h"
#include "nicsim/wire/control.h"

namespace vmmc::nicsim::sim {

class Replayer final : public parts::HardwareClient {
 public:
  Replayer(const ReplayPlan& plan, const model::TimingModel& model, parts::MachineShape shape)
      : plan_(plan),
        model_(model),
        shape_(shape),
        tables_(shape.nodes()),
        hardware_(queue_, model_, shape, tables_, *this),
        buffers_(plan.buffers.size()),
        operations_(plan.operations.size()) {}

  // Empty, or why it cannot go on.
  std::string run();
  ReplayResult result() const;

 private:
  struct Actor;
  // A thread of a process.
  struct Flow {
    Replayer* replayer;
    Actor* actor;
    std::span<const ReplayStep> steps;
    std::size_t next = 0;
    parts::Time since = 0;  // it has the processor
    void go_on(std::uint64_t) { replayer->proceed(*this); }
    void work_ends(std::uint64_t time) { replayer->work_ends(*this, time); }
    void is_taken(std::uint64_t) { replayer->is_taken(*this); }
  };
  struct Actor {  // a process
    const ReplayProcess* planned = nullptr;
    OutgoingPageTable destinations{1u << 30};        // of so many pages
    std::map<std::uint32_t, std::uint64_t> proxies;  // by buffer: where it is in its space
    std::vector<Flow> flows;
    Flow* on_processor = nullptr;
    std::deque<Flow*> want_processor;
    parts::Time stolen = 0;  // by interrupts, from the work under way
    parts::Time work = 0;
    parts::Time sending = 0;
    parts::Time ended = 0;
    std::uint64_t delivered = 0;     // of its first operations
    std::uint64_t sources_free = 0;  // the same
    struct Waits {
      Flow* flow;
      bool sources;
      std::uint64_t operations;
    };
    std::vector<Waits> waits;
  };
  struct Buffer {
    bool exported = false;
    std::uint32_t first_page = 0;
    std::uint32_t pages = 0;
    std::vector<Flow*> waiting;
  };
  struct Replayed : parts::Operation {
    Actor* actor = nullptr;
    Flow* by = nullptr;
    bool is_delivered = false;
    bool is_source_free = false;
    bool is_noticed = false;  // or never will be
    std::vector<Flow*> waiting;
  };

  std::string set_up();
  std::string set_up_buffers();
  std::string map_proxies(Actor& actor, const std::vector<std::uint64_t>& operations);
  void proceed(Flow& flow);
  bool take_step(Flow& flow, const ReplayStep& step);
  bool has_happened(Flow& flow, const ReplayStep& step);
  bool take_processor(Flow& flow);
  void leave_processor(Flow& flow);
  void work_for(Flow& flow, parts::Time time);
  void work_ends(Flow& flow, std::uint64_t time);
  void is_taken(Flow& flow);
  void begin(Flow& flow, std::uint64_t index);
  void wake(std::vector<Flow*>& flows);
  void look_at_waits(Actor& actor);
  std::uint64_t index_of(const parts::Operation& operation) const {
    return static_cast<std::uint64_t>(static_cast<const Replayed*>(&operation) -
                                      operations_.data());
  }

  void initiated(parts::Operation& operation) override;
  void read_source(parts::Operation&, std::uint64_t, std::span<std::byte>) override {}
  void source_free(parts::Operation& operation) override;
  void land(parts::Operation&, const Packet&, std::span<const std::byte>) override {}
  void read_remote(parts::Operation&, const Packet&, std::span<std::byte>) override {}
  void land_local(parts::Operation&, std::uint64_t, std::span<const std::byte>) override {}
  void change_remote(parts::Operation&, const Packet&) override {}
  void delivered(parts::Operation& operation, bool accepted) override;
  void notified(std::uint64_t token) override;
  std::uint64_t notification_token(parts::Operation& operation) override;
  void notification_refused(parts::Operation& operation) override;
  void interrupted(std::uint32_t node, parts::Time cost) override;

  const ReplayPlan& plan_;
  const model::TimingModel model_;
  const parts::MachineShape shape_;
  parts::EventQueue queue_;
  nicsim::Backplane tables_;
  parts::Hardware hardware_;
  std::vector<Buffer> buffers_;
  std::vector<Replayed> operations_;  // never moved: the hardware names them
  std::deque<Actor> actors_;
  std::uint64_t refused_ = 0;
};

}  // namespace vmmc::nicsim::sim
