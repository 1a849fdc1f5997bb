// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Session: the requests of real-time channels.

#include <cstring>
#include <optional>

#include "nicsim/session.h"

namespace vmmc::nicsim {
namespace {

template <typename T>
std::optional<T> exactly(std::span<const std::byte> message) {
  if (message.size() != sizeof(T)) return std::nullopt;
  T request;
  std::memcpy(&request, message.data(), sizeof request);
  return request;
}

}  // namespace

void Session::on_channel_request(const wire::MessageHeader& header,
                                 std::span<const std::byte> message) {
  const auto answer = [this](const real_time::ChannelAnswer& given) {
    send_bytes(std::as_bytes(std::span(&given.reply, 1)),
               std::span(given.descriptors.numbers).first(given.descriptors.count));
  };
  if (header.type == wire::MessageType::kOpenChannel) {
    if (const auto request = exactly<wire::OpenChannelRequest>(message)) {
      return answer(machine_.open_channel(*process_, *request));
    }
  } else if (header.type == wire::MessageType::kConnectChannel) {
    if (const auto request = exactly<wire::ConnectChannelRequest>(message)) {
      return answer(machine_.connect_channel(*process_, *request));
    }
  } else if (header.type == wire::MessageType::kCloseChannel) {
    if (const auto request = exactly<wire::CloseChannelRequest>(message)) {
      return reply_status(header, machine_.close_channel(*process_, *request));
    }
  }
  refuse(header, wire::Status::kMalformed);
}

}  // namespace vmmc::nicsim
