// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The connection of an observer to nicsim: one question after the other.
//
// Threads: one. nicsim may end at any time: then every question fails with kExitNicsimDied.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "nicsim/wire/control.h"
#include "platform/file_descriptor.h"
#include "platform/unix_socket.h"
#include "tools/vmmcstat/exit_code.h"

namespace vmmc::stat {

class NicsimConnection {
 public:
  static std::variant<NicsimConnection, Failure> connect(const std::string& socket);

  std::variant<boost::json::object, Failure> snapshot();

  // Empty if it was done.
  using Verdict = std::variant<std::monostate, Failure>;
  Verdict start_trace(std::uint64_t records);
  Verdict stop_trace();
  // The ring, which may be written to meanwhile.
  std::variant<platform::FileDescriptor, Failure> read_trace();

 private:
  NicsimConnection(platform::FileDescriptor socket, std::string name)
      : socket_(std::move(socket)), name_(std::move(name)) {}

  wire::MessageHeader header(wire::MessageType type);
  // The message that answers it has `bytes` bytes, if its verdict is kOk.
  std::variant<platform::ReceivedMessage, Failure> ask(std::span<const std::byte> request,
                                                       std::span<std::byte> reply);
  Failure refused(const wire::MessageHeader& reply) const;
  Failure died() const;

  platform::FileDescriptor socket_;
  std::string name_;
  std::uint32_t questions_ = 0;
};

}  // namespace vmmc::stat
