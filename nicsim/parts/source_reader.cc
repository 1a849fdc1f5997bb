// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/source_reader.h"

#include <algorithm>

namespace vmmc::nicsim::parts {
namespace {

bool is_read(Purpose purpose) {
  return purpose == Purpose::kUpdate || purpose == Purpose::kFetchData;
}

bool is_reply(Purpose purpose) {
  return purpose == Purpose::kFetchData || purpose == Purpose::kAtomicReply ||
         purpose == Purpose::kRefusal;
}

}  // namespace

SourceReader::SourceReader(EventQueue& queue, const model::TimingModel& model, InputOutputBus& bus,
                           PacketPool& pool, Port& port, Probes probes)
    : queue_(queue),
      bus_(bus),
      pool_(pool),
      port_(port),
      probes_(probes),
      max_payload_(static_cast<std::uint32_t>(model.packetizer.max_payload_bytes)),
      start_(from_ns(model.deliberate_update_engine.start_ns)),
      setup_(from_ns(model.deliberate_update_engine.setup_ns)),
      mb_per_s_(model.deliberate_update_engine.dma_mb_per_s),
      packetizer_(from_ns(model.packetizer.latency_ns)),
      lookup_(from_ns(model.outgoing_page_table.lookup_ns)) {}

void SourceReader::add(const Job& job) {
  ++counters_.jobs;
  jobs_.push_back(job);
  if (jobs_.size() == 1) begin_job();
}

// What reads nothing of its own and only answers needs no start.
void SourceReader::begin_job() {
  const Purpose purpose = jobs_.front().purpose;
  const bool answers = is_reply(purpose) && !is_read(purpose);
  queue_.after<&SourceReader::start>(answers ? 0 : start_, *this);
}

void SourceReader::start(std::uint64_t) {
  started_ = true;
  next_packet();
}

void SourceReader::next_packet() {
  if (!started_ || reading_ || held_ == kBuffers) return;
  NetworkPacket& packet = cut(jobs_.front());
  const auto argument = reinterpret_cast<std::uintptr_t>(&packet);
  ++counters_.packets;
  ++held_;
  reading_ = true;
  if (!is_read(packet.purpose)) return has_read(argument);
  counters_.bytes += packet.payload;
  bus_.hold<&SourceReader::has_read>(InputOutputBus::Way::kReading, time_to_read(packet), *this,
                                     argument);
}

Time SourceReader::time_to_read(const NetworkPacket& packet) const {
  return is_read(packet.purpose) ? setup_ + time_of_bytes(packet.payload, mb_per_s_) : 0;
}

// Of the first job, from done_ on.
NetworkPacket& SourceReader::cut(const Job& job) {
  NetworkPacket& packet = pool_.take();
  Operation& operation = *job.operation;
  const std::uint32_t left = job.length - done_;
  packet.purpose = job.purpose;
  packet.operation = &operation;
  packet.offset = job.offset + done_;
  packet.position = operation.destination + packet.offset;
  packet.number = operation.packets_made++;
  packet.packet = job.remote;
  const std::uint32_t length = is_read(job.purpose) ? std::min(left, max_payload_) : left;
  if (is_reply(job.purpose)) {
    packet.source = job.remote.node;
    packet.destination = operation.node;
    packet.packet.offset += done_;
    packet.packet.length = length;
  } else {
    const std::uint64_t destination = operation.destination + packet.offset;
    const auto found = Packetizer(*operation.destinations, destination, length).next();
    packet.source = operation.node;
    packet.destination = operation.remote_node;
    packet.lost = !found;
    ++lookups_.lookups;
    if (packet.lost) ++lookups_.no_entry;
    if (found) packet.packet = *found;
    packet.packet.length = length;
    operation.bytes_begun += length;
    ++operation.packets_out;
  }
  packet.payload = is_read(job.purpose) ? length : kControlPayloadBytes;
  done_ += length;
  packet.last = done_ == job.length;
  return packet;
}

void SourceReader::has_read(std::uint64_t argument) {
  NetworkPacket& packet = *reinterpret_cast<NetworkPacket*>(argument);
  const Job job = jobs_.front();
  reading_ = false;
  packet.since = queue_.now() - time_to_read(packet);
  port_.read(*this, packet);
  if (packet.last) {
    jobs_.pop_front();
    done_ = 0;
    started_ = false;
    if (!jobs_.empty()) begin_job();
  }
  const Time delay = packetizer_ + (is_reply(packet.purpose) ? 0 : lookup_);
  queue_.after<&SourceReader::is_ready>(delay, *this, argument);
  if (packet.last) {
    port_.job_read(*this, job);
  } else {
    next_packet();
  }
}

void SourceReader::is_ready(std::uint64_t argument) {
  NetworkPacket& packet = *reinterpret_cast<NetworkPacket*>(argument);
  if (probes_.trace_is_on()) trace_made(probes_, packet);
  ready_.push(packet);
  port_.packet_ready();
}

NetworkPacket& SourceReader::take() {
  NetworkPacket& packet = ready_.pop();
  --held_;
  next_packet();
  return packet;
}

}  // namespace vmmc::nicsim::parts
