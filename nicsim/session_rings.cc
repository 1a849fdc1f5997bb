// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Session: requests about receive rings.

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "nicsim/session.h"

namespace vmmc::nicsim {
namespace {

template <typename Request>
bool read(std::span<const std::byte> message, Request& request) {
  if (message.size() != sizeof request) return false;
  std::memcpy(&request, message.data(), sizeof request);
  return true;
}

}  // namespace

bool Session::concerns_rings(wire::MessageType type) {
  return type >= wire::MessageType::kOpenRing && type <= wire::MessageType::kCloseRing;
}

void Session::handle_ring(const wire::MessageHeader& header, std::span<const std::byte> message,
                          platform::ReceivedMessage& received) {
  if (!on_ring_request(header, message, received)) refuse(header, wire::Status::kMalformed);
}

bool Session::on_ring_request(const wire::MessageHeader& header, std::span<const std::byte> message,
                              platform::ReceivedMessage& received) {
  FrameRings* const rings = events_.rings;
  if (rings == nullptr) return false;
  if (header.type == wire::MessageType::kOpenRing) {
    wire::OpenRingRequest request;
    if (!read(message, request) || received.descriptor_count > 1) return false;
    answer_ring(header, rings->open(*process_, request, std::move(received.descriptors[0])));
    return true;
  }
  if (received.descriptor_count > 0) return false;
  if (header.type == wire::MessageType::kJoinRing) {
    wire::JoinRingRequest request;
    if (!read(message, request)) return false;
    answer_ring(header, rings->join(*process_, request));
    return true;
  }
  wire::CloseRingRequest request;
  if (!read(message, request)) return false;
  const wire::Status status = rings->close(*process_, request.port);
  status == wire::Status::kOk ? reply_status(header, status) : refuse(header, status);
  return true;
}

// As with lent memory, a client that does not take what it is sent must not cost this one its
// connection.
void Session::answer_ring(const wire::MessageHeader& request, const RingAnswer& answer) {
  if (answer.reply.header.status != wire::Status::kOk) {
    return refuse(request, answer.reply.header.status);
  }
  const std::array<int, 3> descriptors{answer.blocks, answer.port.memory.get(),
                                       answer.port.pipe.get()};
  const auto sent = platform::send_message(socket_.native_handle(),
                                           std::as_bytes(std::span(&answer.reply, 1)), descriptors);
  if (sent.ok()) return;
  events_.rings->close(*process_, answer.reply.port);
  if (sent.error().number == ETOOMANYREFS) return refuse(request, wire::Status::kOutOfMemory);
  stop_soon();
}

}  // namespace vmmc::nicsim
