// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A whole machine simulated in one process: nodes, their network interfaces and the backplane in simulated
// time, driven by programs that are coroutines (process.h).
//
//     SimulatedMachine machine(model, {.rows = 1, .columns = 2});
//     machine.start(0, "sender", [](Process& self) -> Task<> { ... });
//     machine.start(1, "receiver", [](Process& self) -> Task<> { ... });
//     machine.run();
//
// The same programs on the same model give the same run, event by event: fingerprint() is the same.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "nicsim/backplane.h"
#include "nicsim/parts/hardware.h"
#include "nicsim/sim/process.h"

namespace vmmc::nicsim::sim {

// All events have happened, and programs still wait. what() names each, and what it waits for.
class Deadlock : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Simulated time has come to its end (see nicsim/parts/event_queue.h) before the programs.
class TimeIsOver : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

class SimulatedMachine final : private parts::HardwareClient {
 public:
  SimulatedMachine(const model::TimingModel& model, parts::MachineShape shape);
  ~SimulatedMachine() override;

  // A process on this node; its program begins when the machine runs. Its number is returned.
  std::uint32_t start(std::uint32_t node, std::string name, Process::Program program);

  // Until all programs have ended and all that they have begun is over: what is left in an open packet
  // then is flushed. (Not before: a program that waits for it waits for ever.) Throws Deadlock,
  // TimeIsOver, or what a program has not caught. Once.
  void run();

  double clock() const { return parts::to_ns(queue_.now()); }
  // Of all that happened, with its times and bytes.
  std::uint64_t fingerprint() const { return fingerprint_; }
  std::uint64_t events() const { return queue_.executed(); }
  const model::TimingModel& model() const { return model_; }
  parts::MachineShape shape() const { return shape_; }
  const parts::Hardware& hardware() const { return hardware_; }

 private:
  friend class Process;

  void initiated(parts::Operation& operation) override;
  void read_source(parts::Operation& operation, std::uint64_t offset,
                   std::span<std::byte> bytes) override;
  void source_free(parts::Operation& operation) override;
  void land(parts::Operation& operation, const Packet& packet,
            std::span<const std::byte> bytes) override;
  void read_remote(parts::Operation& operation, const Packet& packet,
                   std::span<std::byte> bytes) override;
  void land_local(parts::Operation& operation, std::uint64_t offset,
                  std::span<const std::byte> bytes) override;
  void change_remote(parts::Operation& operation, const Packet& packet) override;
  void delivered(parts::Operation& operation, bool accepted) override;
  void notified(std::uint64_t token) override;
  std::uint64_t notification_token(parts::Operation& operation) override;
  void interrupted(std::uint32_t node, parts::Time cost) override;

  void throw_if_stuck() const;
  bool flush_open_packets();
  void exported(Export& export_record);
  const Export* find_export(std::uint32_t process, std::uint32_t id) const;
  Export& export_of(const Packet& packet) {
    return *exports_of_page_[packet.node][packet.incoming_page];
  }
  std::byte* memory_of(const Packet& packet);
  void note(std::uint64_t kind, const SimulatedOperation& operation, std::uint64_t what);
  void mix(std::uint64_t value);
  void mix_bytes(std::span<const std::byte> bytes);

  model::TimingModel model_;
  parts::MachineShape shape_;
  parts::EventQueue queue_;
  nicsim::Backplane tables_;
  parts::Hardware hardware_;
  OperationPool operations_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<std::vector<Export*>> exports_of_page_;  // by node and incoming page
  std::exception_ptr failure_;
  std::uint64_t fingerprint_ = 0;
};

}  // namespace vmmc::nicsim::sim
