// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who opens, joins and leaves. How frames are moved: frame_rings_serve.cc.

#include "nicsim/frames/frame_rings.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "nicsim/frames/open_ring.h"

namespace vmmc::nicsim {
namespace {

using wire::FrameSourceKind;
using wire::Status;

bool is_understood(const wire::OpenRingRequest& request, bool has_descriptor) {
  const bool source = request.source >= FrameSourceKind::kBackplane &&
                      request.source <= FrameSourceKind::kInterface;
  return source && request.sharing <= wire::RingSharing::kMirrored &&
         request.spread <= wire::RingSpread::kFlows && request.pace <= wire::RingPace::kRecorded &&
         has_descriptor == (request.source != FrameSourceKind::kBackplane);
}

FrameRing::Options options_of(const wire::OpenRingRequest& request) {
  return {.source = request.source,
          .sharing = request.sharing,
          .spread = request.spread,
          .blocks = request.blocks,
          .block_bytes = request.block_bytes,
          .snap_length = request.snap_length,
          .block_timeout = request.block_timeout};
}

std::uint64_t charge_of(const wire::OpenRingRequest& request) {
  const std::uint64_t blocks = std::uint64_t{request.blocks} * request.block_bytes;
  return blocks + (request.source == FrameSourceKind::kInterface ? FrameRings::kInterfaceBytes : 0);
}

RingAnswer refusal(const wire::MessageHeader& header, Status status) {
  RingAnswer answer;
  answer.reply.header = header;
  answer.reply.header.status = status;
  return answer;
}

}  // namespace

FrameRings::FrameRings(boost::asio::io_context& context, Machine& machine, MakeSource make_source,
                       const Limits& limits)
    : context_(context),
      machine_(machine),
      make_source_(std::move(make_source)),
      limits_(limits),
      backplane_(machine) {}

FrameRings::~FrameRings() {
  for (const auto& ring : rings_) backplane_.remove(*ring->frames);
}

Status FrameRings::check(const Process& process, const wire::OpenRingRequest& request,
                         bool has_descriptor) const {
  if (machine_.clock() != wire::kRealTime) return Status::kNotInSimulatedTime;
  if (!is_understood(request, has_descriptor)) return Status::kMalformed;
  if (!FrameRing::is_plausible(options_of(request)) ||
      request.consumers > wire::kMaxRingConsumers) {
    return Status::kBadRing;
  }
  const std::uint32_t nodes = machine_.backplane().nodes();
  if (request.from_node != wire::kAnyNode && request.from_node >= nodes) {
    return Status::kInvalidRights;
  }
  if (request.source == FrameSourceKind::kBackplane) {
    if (request.node != wire::kAnyNode && request.node >= nodes) return Status::kNoSuchNode;
    // It shows what belongs to all users.
    if (process.uid != 0 && process.uid != ::geteuid()) return Status::kPermissionDenied;
  }
  if (find(&process, request.ring) != nullptr) return Status::kDuplicateId;
  return check_limits(process, charge_of(request));
}

// One process cannot take what all have.
Status FrameRings::check_limits(const Process& process, std::uint64_t charge) const {
  std::size_t rings = 0;
  std::uint64_t bytes = 0;
  for (const auto& ring : rings_) {
    if (ring->payer != &process) continue;
    ++rings;
    bytes += ring->charge;
  }
  if (rings_.size() >= limits_.rings || rings >= limits_.rings_of_process || is_full(process)) {
    return Status::kTooManyRings;
  }
  if (charge + bytes_ > limits_.bytes || charge + bytes > limits_.bytes_of_process) {
    return Status::kOutOfMemory;
  }
  return Status::kOk;
}

RingAnswer FrameRings::open(const Process& process, const wire::OpenRingRequest& request,
                            platform::FileDescriptor descriptor) {
  if (const Status status = check(process, request, descriptor.valid()); status != Status::kOk) {
    return refusal(request.header, status);
  }
  auto made = make_ring(process, request, std::move(descriptor));
  if (const auto* refused = std::get_if<Status>(&made)) return refusal(request.header, *refused);
  rings_.push_back(std::move(std::get<std::unique_ptr<OpenRing>>(made)));
  OpenRing& ring = *rings_.back();
  RingAnswer answer = add_port(process, ring, request.header);
  if (answer.reply.header.status != Status::kOk) {
    rings_.pop_back();
    return answer;
  }
  bytes_ += ring.charge;
  begin_if_due(ring);
  return answer;
}

void FrameRings::begin_if_due(OpenRing& ring) {
  if (ring.begun) return;
  if (ring.opener != nullptr && ring.frames->consumers() < ring.request.consumers) return;
  ring.begun = true;
  if (ring.request.source == FrameSourceKind::kBackplane) {
    backplane_.add(*ring.frames, ring.request.node);
  }
}

std::variant<std::unique_ptr<FrameRings::OpenRing>, Status> FrameRings::make_ring(
    const Process& process, const wire::OpenRingRequest& request,
    platform::FileDescriptor descriptor) {
  auto ring = std::make_unique<OpenRing>();
  if (request.source != FrameSourceKind::kBackplane) {
    auto source = make_source_(request, std::move(descriptor));
    if (const auto* refused = std::get_if<Status>(&source)) return *refused;
    ring->source = std::move(std::get<std::unique_ptr<FrameSource>>(source));
    ring->source_waits = ring->source->waits_for_room();
    ring->link_type = ring->source->link_type();
    if (const int watched = ring->source->descriptor(); watched >= 0) {
      ring->watch = SourceWatch::make(context_, watched);
      if (ring->watch == nullptr) return Status::kOutOfMemory;
    }
  }
  auto frames = FrameRing::make(options_of(request));
  if (const auto* refused = std::get_if<Status>(&frames)) return *refused;
  ring->frames = std::move(std::get<std::unique_ptr<FrameRing>>(frames));
  ring->opener = &process;
  ring->id = request.ring;
  ring->request = request;
  ring->joiners = {request.user, request.from_node, request.from_process};
  ring->bytes = ring->frames->memory().size();
  ring->charge = charge_of(request);
  ring->payer = &process;
  return ring;
}

RingAnswer FrameRings::add_port(const Process& process, OpenRing& ring,
                                const wire::MessageHeader& header) {
  auto outcome = ring.frames->join();
  if (const auto* refused = std::get_if<Status>(&outcome)) return refusal(header, *refused);
  auto& joined = std::get<FrameRing::Joined>(outcome);
  do ++next_port_;
  while (ports_.contains(next_port_));
  ports_[next_port_] = {&process, &ring, joined.consumer};
  RingAnswer answer;
  answer.reply.header = header;
  answer.reply.port = next_port_;
  answer.reply.link_type = ring.link_type;
  answer.reply.block_memory_bytes = ring.bytes;
  answer.blocks = ring.frames->memory().descriptor();
  answer.port = std::move(joined.descriptors);
  return answer;
}

RingAnswer FrameRings::join(const Process& process, const wire::JoinRingRequest& request) {
  OpenRing* const ring = find(request);
  if (ring == nullptr) return refusal(request.header, Status::kUnknownRing);
  if (ring->opener != &process && !ring->joiners.admit(process)) {
    return refusal(request.header, Status::kPermissionDenied);
  }
  const std::size_t consumers = ring->frames->consumers();
  // By flow each consumer needs a block of its own, or a source that waits would wait for ever.
  const bool too_many = ring->source_waits && ring->request.spread == wire::RingSpread::kFlows &&
                        consumers >= ring->request.blocks;
  if (is_full(process) || consumers >= limits_.ports_of_ring || too_many) {
    return refusal(request.header, Status::kTooManyRings);
  }
  RingAnswer answer = add_port(process, *ring, request.header);
  begin_if_due(*ring);
  return answer;
}

Status FrameRings::close(const Process& process, std::uint32_t port) {
  const auto found = ports_.find(port);
  if (found == ports_.end() || found->second.process != &process) return Status::kUnknownRing;
  remove(found);
  return Status::kOk;
}

void FrameRings::leave(const Process& process) {
  for (auto port = ports_.begin(); port != ports_.end();) {
    const auto next = std::next(port);
    if (port->second.process == &process) remove(port);
    port = next;
  }
  for (const auto& ring : rings_) {
    if (ring->payer == &process) ring->payer = nullptr;
  }
}

void FrameRings::remove(std::map<std::uint32_t, Port>::iterator port) {
  const Port leaver = port->second;
  ports_.erase(port);
  OpenRing& ring = *leaver.ring;
  if (ring.opener == leaver.process && ports_of(*leaver.process, &ring) == 0) {
    ring.opener = nullptr;
  }
  ring.frames->leave(leaver.consumer);
  if (ring.frames->consumers() > 0) return begin_if_due(ring);
  backplane_.remove(*ring.frames);
  bytes_ -= ring.charge;
  std::erase_if(rings_, [&](const auto& one) { return one.get() == &ring; });
}

FrameRings::OpenRing* FrameRings::find(const Process* opener, std::uint32_t id) const {
  const auto found = std::find_if(rings_.begin(), rings_.end(), [&](const auto& ring) {
    return ring->opener == opener && ring->id == id;
  });
  return found == rings_.end() ? nullptr : found->get();
}

FrameRings::OpenRing* FrameRings::find(const wire::JoinRingRequest& request) const {
  const auto found = std::find_if(rings_.begin(), rings_.end(), [&](const auto& ring) {
    return ring->opener != nullptr && ring->opener->node == request.node &&
           ring->opener->id == request.process && ring->id == request.ring;
  });
  return found == rings_.end() ? nullptr : found->get();
}

// `ring`: nullptr: of all.
std::size_t FrameRings::ports_of(const Process& process, const OpenRing* ring) const {
  return static_cast<std::size_t>(
      std::count_if(ports_.begin(), ports_.end(), [&](const auto& entry) {
        const Port& port = entry.second;
        return port.process == &process && (ring == nullptr || port.ring == ring);
      }));
}

bool FrameRings::is_full(const Process& process) const {
  return ports_.size() >= limits_.ports || ports_of(process, nullptr) >= limits_.ports_of_process;
}

}  // namespace vmmc::nicsim
