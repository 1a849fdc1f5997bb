// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A packet on its way through the parts: what it carries and where it belongs.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "nicsim/packetizer.h"
#include "nicsim/parts/hardware.h"

namespace vmmc::nicsim::parts {

// What a request, a reply to an atomic operation and a refusal carry.
inline constexpr std::uint32_t kControlPayloadBytes = 8;

enum class Purpose : std::uint8_t {
  kUpdate,         // bytes for the remote buffer
  kFetchRequest,   // asks for `packet.length` bytes of it
  kAtomicRequest,  // asks for a word of it to be changed
  kFetchData,      // what a fetch has asked for
  kAtomicReply,    // the word as it was
  kRefusal,        // a request's, by the remote incoming page table
};

// A list through `next`, in order.
template <typename Item>
class List {
 public:
  bool empty() const { return first_ == nullptr; }
  Item& front() const { return *first_; }
  void push(Item& item) {
    item.next = nullptr;
    (first_ == nullptr ? first_ : last_->next) = &item;
    last_ = &item;
  }
  Item& pop() {
    Item& item = *first_;
    first_ = item.next;
    item.next = nullptr;
    return item;
  }

 private:
  Item* first_ = nullptr;
  Item* last_ = nullptr;
};

// In one of the two page tables.
struct LookupCounters {
  std::uint64_t lookups = 0;
  std::uint64_t no_entry = 0;  // of them: nothing was found that allows the packet
};

struct NetworkPacket {
  Purpose purpose = Purpose::kUpdate;
  // What the fault plan has done to it.
  enum class Struck : std::uint8_t { kNot, kDropped, kCorrupted };
  Struck struck = Struck::kNot;
  bool lost = false;     // its proxy page has no entry any more: it does not leave the node
  bool refused = false;  // by the incoming page table
  bool last = false;     // of its operation's transfers, or of a reply
  // Updates: `operation` is the last one that has bytes here; with combining, there are earlier
  // ones.
  Operation* operation = nullptr;
  List<Operation> earlier;
  Packet packet{};             // which remote memory; of requests and replies, too
  std::uint64_t offset = 0;    // in the operation, of the first byte
  std::uint64_t position = 0;  // in the destination space, of the first byte
  std::uint32_t number = 0;    // among those of its operation
  Time since = 0;              // when the part that has it began with it
  std::uint32_t source = 0;    // node
  std::uint32_t destination = 0;
  std::uint32_t payload = 0;       // bytes
  std::uint64_t order = kNever;    // automatic updates: see departure_order.h
  std::uint64_t waits_for = 0;     // automatic updates
  std::vector<std::byte> content;  // empty if the operation carries no bytes
  NetworkPacket* next = nullptr;   // in a part's list
};

// A packet comes out of the packetizer: its page has been looked up.
inline void trace_made(const Probes& probes, const NetworkPacket& packet) {
  probes.tracer->happened({.event = wire::TraceEvent::kOutgoingLookup,
                           .engine = wire::TraceEngine::kOutgoingPageTable,
                           .node = packet.source,
                           .packet = &packet,
                           .value = packet.packet.incoming_page,
                           .refused = packet.lost});
  if (packet.lost) return;
  probes.tracer->happened({.event = wire::TraceEvent::kPacketMade,
                           .engine = wire::TraceEngine::kPacketizer,
                           .node = packet.source,
                           .packet = &packet});
}

// All packets of a machine: one that has ended is used again, with its memory.
class PacketPool {
 public:
  NetworkPacket& take() {
    if (free_.empty()) return packets_.emplace_back();
    NetworkPacket& packet = free_.pop();
    std::vector<std::byte> content = std::move(packet.content);
    content.clear();
    packet = NetworkPacket{};
    packet.content = std::move(content);
    ++taken_again_;
    return packet;
  }
  void give_back(NetworkPacket& packet) {
    free_.push(packet);
    ++given_back_;
  }

  std::size_t in_use() const { return packets_.size() + taken_again_ - given_back_; }

 private:
  std::deque<NetworkPacket> packets_;
  List<NetworkPacket> free_;
  std::size_t taken_again_ = 0;
  std::size_t given_back_ = 0;
};

}  // namespace vmmc::nicsim::parts
