// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A client that speaks the control protocol by hand, so that tests can say what the library never
// would.
#pragma once

#include <doctest/doctest.h>
#include <poll.h>

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nicsim/wire/channel.h"
#include "nicsim/wire/control.h"
#include "platform/shared_memory.h"
#include "platform/unix_socket.h"

namespace vmmc::testing {

class RawClient {
 public:
  explicit RawClient(const std::string& socket) {
    auto connected = platform::connect_unix_socket(socket);
    REQUIRE(connected.ok());
    socket_ = std::move(connected.value());
  }

  // A header as the library would send it.
  wire::MessageHeader header(wire::MessageType type) {
    return {wire::kMagic, wire::kVersion, type, ++requests_, wire::Status::kOk};
  }

  bool send(std::span<const std::byte> bytes, std::span<const int> descriptors = {}) {
    return platform::send_message(socket_.get(), bytes, descriptors).ok();
  }
  template <typename Message>
  bool send(const Message& message, std::span<const int> descriptors = {}) {
    return send(std::as_bytes(std::span(&message, 1)), descriptors);
  }

  // The next message, or an empty one after the hang-up. Fails the test if nothing comes in 10 s.
  std::vector<std::byte> receive() {
    pollfd poll{socket_.get(), POLLIN, 0};
    REQUIRE(::poll(&poll, 1, 10'000) == 1);
    std::array<std::byte, wire::kMaxMessageBytes> buffer;
    auto received = platform::receive_message(socket_.get(), buffer);
    if (!received.ok()) return {};
    descriptors_[0] = std::move(received.value().descriptors[0]);
    descriptors_[1] = std::move(received.value().descriptors[1]);
    descriptors_[2] = std::move(received.value().descriptors[2]);
    return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(received.value().bytes)};
  }
  bool hung_up() { return receive().empty(); }

  std::optional<wire::MessageHeader> receive_header() {
    const auto message = receive();
    if (message.size() < sizeof(wire::MessageHeader)) return std::nullopt;
    wire::MessageHeader result;
    std::memcpy(&result, message.data(), sizeof result);
    return result;
  }

  // Attaches in the ordinary way and maps the channel.
  void attach() {
    wire::AttachRequest request{
        header(wire::MessageType::kAttach), wire::kAnyNode, wire::kAnyProcess, 0, 0, 0};
    REQUIRE(send(request));
    const auto message = receive();
    REQUIRE(message.size() == sizeof(wire::AttachReply));
    std::memcpy(&identity, message.data(), sizeof identity);
    REQUIRE(identity.header.status == wire::Status::kOk);
    mapping_ =
        std::move(platform::SharedMapping::map(descriptors_[0].get(), wire::kChannelBytes).value());
    doorbell_ = std::move(descriptors_[1]);
    notification_pipe_ = std::move(descriptors_[2]);
  }

  wire::Channel& channel() { return *reinterpret_cast<wire::Channel*>(mapping_.data()); }
  void ring() {
    const std::uint64_t one = 1;
    REQUIRE(::write(doorbell_.get(), &one, sizeof one) == sizeof one);
  }

  wire::AttachReply identity{};

 private:
  platform::FileDescriptor socket_;
  platform::FileDescriptor doorbell_;
  platform::FileDescriptor notification_pipe_;
  platform::FileDescriptor descriptors_[3];
  platform::SharedMapping mapping_;
  std::uint32_t requests_ = 0;
};

}  // namespace vmmc::testing
