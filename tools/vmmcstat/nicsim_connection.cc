// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tools/vmmcstat/nicsim_connection.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <boost/json/parse.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "nicsim/status_name.h"

namespace vmmc::stat {
namespace {

// A nicsim that takes so long to accept a connection is not well.
constexpr std::uint64_t kPatience = 10'000'000'000;  // ns

Failure cannot_connect(const std::string& name, const platform::SystemError& error) {
  if (error.number == ECONNREFUSED || error.number == ENOENT) {
    return {kExitNoNicsim, "no nicsim runs at " + name};
  }
  if (error.number == EACCES || error.number == EPERM) {
    return {kExitOtherUser, "the nicsim at " + name + " belongs to another user"};
  }
  return {kExitFailure,
          "cannot connect to " + name + ": " + error.call + ": " + std::strerror(error.number)};
}

std::variant<std::string, Failure> read_all(int file, std::uint64_t bytes) {
  std::string text(bytes, '\0');
  std::uint64_t done = 0;
  while (done < bytes) {
    const ssize_t count = ::pread(file, text.data() + done, bytes - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Failure{kExitFailure, "cannot read what nicsim has sent"};
    done += static_cast<std::uint64_t>(count);
  }
  return text;
}

}  // namespace

std::variant<NicsimConnection, Failure> NicsimConnection::connect(const std::string& socket) {
  auto connected = platform::connect_unix_socket(socket, kPatience);
  if (!connected.ok()) return cannot_connect(socket, connected.error());
  return NicsimConnection(std::move(connected.value()), socket);
}

wire::MessageHeader NicsimConnection::header(wire::MessageType type) {
  return {wire::kMagic, wire::kVersion, type, ++questions_, wire::Status::kOk};
}

Failure NicsimConnection::died() const {
  return {kExitNicsimDied, "the nicsim at " + name_ + " has ended"};
}

Failure NicsimConnection::refused(const wire::MessageHeader& reply) const {
  switch (reply.status) {
    case wire::Status::kVersionMismatch:
      return {kExitOtherVersion, "the nicsim at " + name_ + " speaks wire version " +
                                     std::to_string(reply.version) + ", this vmmcstat " +
                                     std::to_string(wire::kVersion)};
    case wire::Status::kUserNotAllowed:
      return {kExitOtherUser, "the nicsim at " + name_ +
                                  " belongs to another user: only that user and root may look"};
    case wire::Status::kTraceIsOn:
      return {kExitTraceIsOn, "a trace is on already"};
    case wire::Status::kTraceIsOff:
      return {kExitTraceIsOff, reply.type == wire::MessageType::kReadTrace
                                   ? "there is no trace: none has been started"
                                   : "no trace is on"};
    default:
      return {kExitFailure, std::string("nicsim refuses: ") + nicsim::status_reason(reply.status)};
  }
}

std::variant<platform::ReceivedMessage, Failure> NicsimConnection::ask(
    std::span<const std::byte> request, std::span<std::byte> reply) {
  if (!platform::send_message(socket_.get(), request).ok()) return died();
  for (;;) {
    auto received = platform::receive_message(socket_.get(), reply);
    if (!received.ok() && received.error().number == EINTR) continue;
    if (!received.ok() || received.value().bytes < sizeof(wire::MessageHeader)) return died();
    wire::MessageHeader verdict;
    std::memcpy(&verdict, reply.data(), sizeof verdict);
    if (verdict.magic != wire::kMagic) {
      return Failure{kExitFailure, "what listens at " + name_ + " is no nicsim"};
    }
    if (verdict.status != wire::Status::kOk) return refused(verdict);
    if (received.value().bytes < reply.size()) {
      return Failure{kExitFailure, "nicsim's answer makes no sense"};
    }
    return std::move(received.value());
  }
}

std::variant<boost::json::object, Failure> NicsimConnection::snapshot() {
  const wire::PlainReply request{header(wire::MessageType::kSnapshot)};
  wire::SnapshotReply reply{};
  auto answer =
      ask(std::as_bytes(std::span(&request, 1)), std::as_writable_bytes(std::span(&reply, 1)));
  if (auto* failure = std::get_if<Failure>(&answer)) return std::move(*failure);
  const auto& message = std::get<platform::ReceivedMessage>(answer);
  auto text = read_all(message.descriptors[0].get(), reply.bytes);
  if (auto* failure = std::get_if<Failure>(&text)) return std::move(*failure);
  boost::json::error_code error;
  boost::json::value document = boost::json::parse(std::get<std::string>(text), error);
  if (error || !document.is_object()) {
    return Failure{kExitFailure, "nicsim's snapshot is no JSON document"};
  }
  const boost::json::value* const version = document.as_object().if_contains("version");
  if (version == nullptr || *version != 1) {
    return Failure{kExitOtherVersion, "nicsim's snapshot is of a version unknown here"};
  }
  return std::move(document.as_object());
}

NicsimConnection::Verdict NicsimConnection::start_trace(std::uint64_t records) {
  const wire::StartTraceRequest request{header(wire::MessageType::kStartTrace), records};
  wire::PlainReply reply{};
  auto answer =
      ask(std::as_bytes(std::span(&request, 1)), std::as_writable_bytes(std::span(&reply, 1)));
  if (auto* failure = std::get_if<Failure>(&answer)) return std::move(*failure);
  return {};
}

NicsimConnection::Verdict NicsimConnection::stop_trace() {
  const wire::PlainReply request{header(wire::MessageType::kStopTrace)};
  wire::PlainReply reply{};
  auto answer =
      ask(std::as_bytes(std::span(&request, 1)), std::as_writable_bytes(std::span(&reply, 1)));
  if (auto* failure = std::get_if<Failure>(&answer)) return std::move(*failure);
  return {};
}

std::variant<platform::FileDescriptor, Failure> NicsimConnection::read_trace() {
  const wire::PlainReply request{header(wire::MessageType::kReadTrace)};
  wire::ReadTraceReply reply{};
  auto answer =
      ask(std::as_bytes(std::span(&request, 1)), std::as_writable_bytes(std::span(&reply, 1)));
  if (auto* failure = std::get_if<Failure>(&answer)) return std::move(*failure);
  auto& message = std::get<platform::ReceivedMessage>(answer);
  if (message.descriptor_count != 1) {
    return Failure{kExitFailure, "nicsim's answer comes without the trace"};
  }
  return std::move(message.descriptors[0]);
}

}  // namespace vmmc::stat
