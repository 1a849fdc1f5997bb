// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The hardware of a whole machine in simulated time: for each node the processor's share, the
// network interface with its parts, and between them the backplane.
//
// It computes when things happen; what happens to bytes is the client's business: it reads sources,
// writes memory, and decides what a process does next. The tables are nicsim's own, as in real
// time.
//
// The client hands over the operations of one process one by one: the next one when `initiated` was
// called for the last one, at that time or later.
//
// Threads: one. All calls are made, and all callbacks come, at EventQueue::now().
//
// Invariants
//   Operations of one process to one node land and are delivered in the order in which they were
//   begun, automatic updates that combine apart: these wait for their packet. So what follows a
//   fetch or an atomic operation waits on its own node for the answer. (Out of turn is only what
//   has no entry in the outgoing page table: it is refused before it leaves.)
//   Every operation that was begun is delivered exactly once, after `initiated`; what is combined in
//   block mode only when something closes its packet.
//
//   When simulated time is over (EventQueue::is_over()), what would happen later does not.
//
// REQUIRES of the model: outgoing_fifo.capacity_bytes holds a store of 8 bytes, and
// incoming_dma_engine.fifo_bytes a packet with its header, be it one of max_payload_bytes or of the 8
// bytes of a request or an answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "nicsim/backplane.h"
#include "nicsim/model/parameters.h"
#include "nicsim/outgoing_page_table.h"
#include "nicsim/packetizer.h"
#include "nicsim/parts/backplane_port.h"
#include "nicsim/parts/event_queue.h"
#include "nicsim/parts/probes.h"

namespace vmmc::nicsim::parts {

enum class OperationKind : std::uint8_t {
  kDeliberateUpdate,
  kAutomaticUpdate,  // one store; at most 8 bytes, or a run of stores, at most a page
  kFlush,   // the open packet of the process's node leaves; has no destination and no length
  kFetch,   // bytes come from the remote buffer
  kAtomic,  // one word of the remote buffer is changed, and comes back
};

// SHRIMP's modes of a binding.
enum class Combining : std::uint8_t {
  kSingleWrite,  // each store is a packet
  kBlockWrite,   // consecutive stores are one packet, until one is not, or the page ends
  kTimerWrite,   // the same, and the packet leaves when the timer runs out
};

// One operation of one process. Belongs to the client, who keeps it until `delivered`.
struct Operation {
  OperationKind kind = OperationKind::kDeliberateUpdate;
  Combining combining = Combining::kSingleWrite;    // automatic updates
  bool notify = false;                              // updates: the receiver is to be notified
  bool carries_bytes = true;                        // else nothing is read and nothing is landed
  std::uint32_t node = 0;                           // of the process
  const OutgoingPageTable* destinations = nullptr;  // of the process
  std::uint64_t destination = 0;  // bytes from the start of its destination space; inside one proxy
  std::uint64_t length = 0;       // bytes

  // Of the hardware, while the operation is under way; begin() sets them.
  std::uint32_t remote_node = 0;
  std::uint64_t order = kNever;    // among what leaves its node: see departure_order.h
  std::uint64_t bytes_handed = 0;  // by the processor to the interface
  std::uint64_t bytes_begun = 0;   // packetized
  std::uint64_t packets_out = 0;   // under way
  std::uint32_t packets_made = 0;  // until now: numbers them
  bool refused = false;
  Operation* next = nullptr;  // in a part's list
};

// Of either kind.
inline bool is_update(const Operation& operation) {
  return operation.kind == OperationKind::kDeliberateUpdate ||
         operation.kind == OperationKind::kAutomaticUpdate;
}

class HardwareClient {
 public:
  virtual ~HardwareClient() = default;

  // The processor goes on: the next operation of this process may begin. For a fetch and an atomic
  // operation, too. begin() may be called from here: it calls nobody back.
  virtual void initiated(Operation& operation) = 0;
  // An update: copy its bytes [offset, offset + bytes.size()) there: they leave the source now.
  virtual void read_source(Operation& operation, std::uint64_t offset,
                           std::span<std::byte> bytes) = 0;
  // An update: all bytes have left the source, which may be reused: an automatic update's just
  // before `initiated`, a deliberate update's when the engine has read the last byte.
  virtual void source_free(Operation& operation) = 0;
  // An update: these bytes are in the receiver's memory from now on. That is processor.poll_ns
  // after the DMA: the time at which a program that polls has seen them. `packet` has been checked
  // against the incoming page table. If stores of several operations were combined, `operation` is
  // the last one.
  virtual void land(Operation& operation, const Packet& packet,
                    std::span<const std::byte> bytes) = 0;
  // A fetch: copy the remote bytes that the packet names there.
  virtual void read_remote(Operation& operation, const Packet& packet,
                           std::span<std::byte> bytes) = 0;
  // A fetch: these bytes, from `offset` of the operation on, are in local memory from now on.
  virtual void land_local(Operation& operation, std::uint64_t offset,
                          std::span<const std::byte> bytes) = 0;
  // An atomic operation reaches its word. (Not called if the operation carries no bytes.)
  virtual void change_remote(Operation& operation, const Packet& packet) = 0;
  // Everything of the operation has happened but the notification. `accepted`: no packet was
  // refused. For a fetch and an atomic operation: the bytes have come back.
  virtual void delivered(Operation& operation, bool accepted) = 0;
  // The receiver's handler may run: interrupt and signal are over. After delivered(); with
  // `operation` the client gets what it gave to delivered() no more: only the token.
  virtual void notified(std::uint64_t token) = 0;
  // Asked before delivered() of an operation with `notify` that was accepted, if the incoming page
  // table allows the interrupt: what notified() shall be called with, or 0 if there is nobody to notify.
  virtual std::uint64_t notification_token(Operation& operation) = 0;
  // In its place, if the incoming page table does not allow the interrupt.
  virtual void notification_refused(Operation&) {}
  // An update: the fault plan has taken a packet of it, which would have landed now; or `corrupted` it, so
  // that its receiver has thrown it away. Called instead of land(). The operation goes on as if it had
  // landed, but a notification that it was to bring is lost with it.
  virtual void struck(Operation&, const Packet& /*packet*/, bool /*corrupted*/) {}
  // The processor of a node has lost so much time to an interrupt: of the outgoing FIFO at its
  // threshold (stores that wait for it have this time in their wait already), or of an arrival
  // (incoming_page_table.interrupt_each_arrival). Those of notifications are part of notified()'s
  // time.
  virtual void interrupted(std::uint32_t node, Time cost) = 0;
};

struct MachineShape {
  std::uint32_t rows = 1;
  std::uint32_t columns = 1;
  std::uint32_t nodes() const { return rows * columns; }
};

class Hardware {
 public:
  // `tables` holds the incoming page tables of all nodes. What `probes` names outlives this.
  Hardware(EventQueue& queue, const model::TimingModel& model, MachineShape shape,
           const nicsim::Backplane& tables, HardwareClient& client, Probes probes = {});
  ~Hardware();

  // The process begins this operation now.
  void begin(Operation& operation);

  // The open packet of this node shall leave, after what is on its way to it: for whoever stored and
  // will not flush any more. No operation; nobody is called back for it.
  void flush(std::uint32_t node);
  // Whether stores of this node wait in an open packet.
  bool has_open_packet(std::uint32_t node) const;

  struct Counters;  // every part's, see counters.h
  Counters counters(std::uint32_t node) const;
  const BackplanePort::Counters& backplane_counters() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace vmmc::nicsim::parts
