// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/combining_packetizer.h"

#include <algorithm>

namespace vmmc::nicsim::parts {

CombiningPacketizer::CombiningPacketizer(EventQueue& queue,
                                         const model::PacketizerParameters& parameters,
                                         const model::OutgoingPageTableParameters& table,
                                         DepartureOrder& order, PacketPool& pool, Port& port)
    : queue_(queue),
      order_(order),
      pool_(pool),
      port_(port),
      max_payload_(static_cast<std::uint32_t>(parameters.max_payload_bytes)),
      combining_(parameters.combining != 0),
      timer_(from_ns(parameters.timer_ns)),
      delay_(from_ns(parameters.latency_ns) + from_ns(table.lookup_ns)) {}

void CombiningPacketizer::store(const Snooped& seen) {
  ++counters_.stores;
  Operation& operation = *seen.operation;
  operation.bytes_begun += seen.length;
  for (std::uint32_t done = 0; done < seen.length;) {
    const std::uint64_t position = operation.destination + seen.offset + done;
    if (packet_ != nullptr && !follows(operation, position)) close(counters_.closed_by_other);
    if (packet_ == nullptr) open(operation, seen.offset + done);
    done += add(seen, done);
    if (packet_->payload == max_payload_ || end_ % wire::kPageSize == 0) {
      close(counters_.closed_full);
    }
  }
  const bool alone = !combining_ || operation.combining == Combining::kSingleWrite;
  if (packet_ != nullptr && alone) close(counters_.closed_by_other);
}

bool CombiningPacketizer::follows(const Operation& operation, std::uint64_t position) const {
  const Operation& last = *packet_->operation;
  return position == end_ && operation.destinations == last.destinations &&
         operation.combining == last.combining && operation.notify == last.notify &&
         operation.carries_bytes == last.carries_bytes;
}

void CombiningPacketizer::open(Operation& operation, std::uint64_t offset) {
  ++counters_.packets;
  packet_ = &pool_.take();
  packet_->operation = &operation;
  packet_->offset = offset;
  packet_->position = operation.destination + offset;
  packet_->source = operation.node;
  packet_->waits_for = order_.next();
  ++operation.packets_out;
  end_ = operation.destination + offset;
  const auto found = Packetizer(*operation.destinations, end_, 1).next();
  packet_->lost = !found;
  ++lookups_.lookups;
  if (packet_->lost) ++lookups_.no_entry;
  if (found) packet_->packet = *found;
  packet_->packet.length = 0;
  packet_->destination = operation.remote_node;
  if (combining_ && operation.combining == Combining::kTimerWrite) {
    due_ = sum(queue_.now(), timer_);
    arm();
  }
}

// Returns how many bytes of the store, from `first` on, have found room.
std::uint32_t CombiningPacketizer::add(const Snooped& seen, std::uint32_t first) {
  Operation& operation = *seen.operation;
  if (packet_->operation != &operation) {
    packet_->earlier.push(*packet_->operation);
    packet_->operation = &operation;
    ++operation.packets_out;
  }
  const auto page_left = static_cast<std::uint32_t>(wire::kPageSize - end_ % wire::kPageSize);
  const std::uint32_t bytes =
      std::min({seen.length - first, max_payload_ - packet_->payload, page_left});
  packet_->payload += bytes;
  packet_->packet.length += bytes;
  end_ += bytes;
  if (operation.carries_bytes) {
    packet_->content.insert(packet_->content.end(), seen.bytes.begin() + first,
                            seen.bytes.begin() + first + bytes);
  }
  return bytes;
}

void CombiningPacketizer::close(std::uint64_t& reason) {
  if (packet_ == nullptr) return;
  ++reason;
  const Operation& operation = *packet_->operation;
  packet_->order = order_.enter(DepartureOrder::stream_of(operation));
  queue_.after<&CombiningPacketizer::pass_on>(delay_, *this,
                                              reinterpret_cast<std::uintptr_t>(packet_));
  packet_ = nullptr;
  due_ = kNever;
}

// One event, however many packets were opened since: no packet is due before an earlier one.
void CombiningPacketizer::arm() {
  if (armed_ || due_ == kNever) return;
  armed_ = true;
  queue_.at<&CombiningPacketizer::timer>(due_, *this);
}

void CombiningPacketizer::timer(std::uint64_t) {
  armed_ = false;
  if (due_ <= queue_.now()) return close(counters_.closed_by_timer);
  arm();
}

void CombiningPacketizer::pass_on(std::uint64_t packet) {
  port_.packetized(*reinterpret_cast<NetworkPacket*>(packet));
}

}  // namespace vmmc::nicsim::parts
