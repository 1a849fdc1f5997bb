// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For tests: the hardware of a machine, and a client that writes down what happens to each
// operation, when, and moves the bytes.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "nicsim/parts/counters.h"
#include "nicsim/parts/event_queue.h"
#include "nicsim/parts/hardware.h"
#include "nicsim/parts/testing/tables.h"

namespace vmmc::nicsim::parts::testing {

// What has happened to one operation: each time, and how often.
struct Record {
  Operation operation;
  std::vector<std::byte> local;  // an update's source, a fetch's destination
  Time begun = kNever;
  Time initiated = kNever;
  Time source_free = kNever;
  Time delivered = kNever;
  Time landed = kNever;  // the last bytes
  int times_initiated = 0;
  int times_source_free = 0;
  int times_delivered = 0;
  bool accepted = false;
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_landed = 0;
  std::uint32_t packets_landed = 0;
  std::uint64_t delivery = 0;       // its place among all deliveries
  std::uint64_t previous_word = 0;  // an atomic operation's
  std::uint64_t token = 0;          // for notification_token()
  std::uint64_t process = 0;        // of the test's own counting
  std::vector<std::byte> expected;  // for the test
};

class Machine : public HardwareClient {
 public:
  explicit Machine(const model::TimingModel& model, MachineShape shape = {1, 2})
      : tables(shape.nodes()), hardware(queue, model, shape, tables.backplane, *this) {}

  // An operation that the test may still change before it begins it.
  Record& make(OperationKind kind, std::uint32_t node, const OutgoingPageTable& process,
               std::uint64_t destination, std::uint64_t length) {
    Record& record = records.emplace_back();
    record.operation.kind = kind;
    record.operation.node = node;
    record.operation.destinations = &process;
    record.operation.destination = destination;
    record.operation.length = length;
    record.local.resize(length);
    for (std::size_t i = 0; i < length; ++i) {
      record.local[i] = static_cast<std::byte>(i * 7 + records.size());
    }
    by_operation_[&record.operation] = &record;
    return record;
  }
  void begin(Record& record) {
    record.begun = queue.now();
    hardware.begin(record.operation);
  }
  // The operations of one process, each when the last one is initiated.
  void begin_in_turn(std::vector<Record*> operations) {
    for (std::size_t i = 1; i < operations.size(); ++i) {
      followers_[&operations[i - 1]->operation] = operations[i];
    }
    begin(*operations.front());
  }

  Record& of(Operation& operation) { return *by_operation_.at(&operation); }

  void initiated(Operation& operation) override {
    Record& record = of(operation);
    record.initiated = queue.now();
    ++record.times_initiated;
    on_initiated(record);
    const auto follower = followers_.find(&operation);
    if (follower != followers_.end()) begin(*follower->second);
  }
  void read_source(Operation& operation, std::uint64_t offset,
                   std::span<std::byte> bytes) override {
    Record& record = of(operation);
    CHECK(record.times_source_free == 0);
    std::memcpy(bytes.data(), record.local.data() + offset, bytes.size());
    record.bytes_read += bytes.size();
  }
  void source_free(Operation& operation) override {
    Record& record = of(operation);
    record.source_free = queue.now();
    ++record.times_source_free;
  }
  void land(Operation& operation, const Packet& packet, std::span<const std::byte> bytes) override {
    Record& record = of(operation);
    record.landed = queue.now();
    record.bytes_landed += bytes.size();
    ++record.packets_landed;
    CHECK(bytes.size() == packet.length);
    std::byte* const place = tables.backplane.deliver(packet).address;
    REQUIRE(place != nullptr);
    std::memcpy(place, bytes.data(), bytes.size());
  }
  void read_remote(Operation&, const Packet& packet, std::span<std::byte> bytes) override {
    const std::byte* const place = tables.backplane.deliver(packet).address;
    REQUIRE(place != nullptr);
    CHECK(bytes.size() == packet.length);
    std::memcpy(bytes.data(), place, bytes.size());
  }
  void land_local(Operation& operation, std::uint64_t offset,
                  std::span<const std::byte> bytes) override {
    Record& record = of(operation);
    record.landed = queue.now();
    record.bytes_landed += bytes.size();
    ++record.packets_landed;
    REQUIRE(offset + bytes.size() <= record.local.size());
    std::memcpy(record.local.data() + offset, bytes.data(), bytes.size());
  }
  // Adds 1 to the word.
  void change_remote(Operation& operation, const Packet& packet) override {
    std::byte* const place = tables.backplane.deliver(packet).address;
    REQUIRE(place != nullptr);
    std::uint64_t word = 0;
    std::memcpy(&word, place, packet.length);
    of(operation).previous_word = word++;
    std::memcpy(place, &word, packet.length);
  }
  void delivered(Operation& operation, bool accepted) override {
    Record& record = of(operation);
    record.delivered = queue.now();
    ++record.times_delivered;
    record.accepted = accepted;
    record.delivery = deliveries++;
    on_delivered(record);
  }
  void notified(std::uint64_t token) override { notifications.push_back({queue.now(), token}); }
  std::uint64_t notification_token(Operation& operation) override {
    ++tokens_asked;
    return of(operation).token;
  }
  void notification_refused(Operation&) override { ++notifications_refused; }
  void interrupted(std::uint32_t node, Time cost) override {
    interrupts.push_back({queue.now(), node, cost});
  }

  virtual void on_initiated(Record&) {}
  virtual void on_delivered(Record&) {}

  struct Notified {
    Time time;
    std::uint64_t token;
  };
  struct Interrupted {
    Time time;
    std::uint32_t node;
    Time cost;
  };

  EventQueue queue;
  Tables tables;
  Hardware hardware;
  std::deque<Record> records;
  std::vector<Notified> notifications;
  std::vector<Interrupted> interrupts;
  std::uint64_t deliveries = 0;
  std::uint64_t tokens_asked = 0;
  std::uint64_t notifications_refused = 0;

 private:
  // Looked up only.
  std::map<const Operation*, Record*> by_operation_;
  std::map<const Operation*, Record*> followers_;
};

}  // namespace vmmc::nicsim::parts::testing
