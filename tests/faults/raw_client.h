// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A client that speaks the control protocol by hand, so that tests can say what the library never
// would; and a pair of such clients that behave well, to see whether they are disturbed.
#pragma once

#include <doctest/doctest.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "nicsim/wire/channel.h"
#include "nicsim/wire/control.h"
#include "platform/shared_memory.h"
#include "platform/unix_socket.h"

namespace vmmc::testing {

class RawClient {
 public:
  static constexpr int kPatience = 30;  // seconds; nicsim itself has 5 with one that says nothing

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
  requires(!std::is_convertible_v<const Message&, std::span<const std::byte>>) bool send(
      const Message& message, std::span<const int> descriptors = {}) {
    return send(std::as_bytes(std::span(&message, 1)), descriptors);
  }

  // The next message, or an empty one after the hang-up. Fails the test if nothing comes in 30 s.
  std::vector<std::byte> receive() {
    pollfd poll{socket_.get(), POLLIN, 0};
    REQUIRE(::poll(&poll, 1, kPatience * 1000) == 1);
    std::array<std::byte, wire::kMaxMessageBytes> buffer;
    auto received = platform::receive_message(socket_.get(), buffer);
    if (!received.ok()) return {};
    descriptors_[0] = std::move(received.value().descriptors[0]);
    descriptors_[1] = std::move(received.value().descriptors[1]);
    descriptors_[2] = std::move(received.value().descriptors[2]);
    return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(received.value().bytes)};
  }
  bool hung_up() { return receive().empty(); }
  // The first descriptor that came with the last message.
  platform::FileDescriptor take_descriptor() { return std::move(descriptors_[0]); }

  std::optional<wire::MessageHeader> receive_header() {
    const auto message = receive();
    if (message.size() < sizeof(wire::MessageHeader)) return std::nullopt;
    wire::MessageHeader result;
    std::memcpy(&result, message.data(), sizeof result);
    return result;
  }

  // Attaches in the ordinary way and maps the channel.
  void attach(std::uint32_t process = wire::kAnyProcess) {
    wire::AttachRequest request{
        header(wire::MessageType::kAttach), wire::kAnyNode, process, 0, 0, 0};
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

  // A request of so many bytes, and its reply of the ordinary size.
  template <typename Reply>
  Reply ask_bytes(std::span<const std::byte> request, std::span<const int> descriptors = {}) {
    REQUIRE(send(request, descriptors));
    const auto message = receive();
    Reply reply{};
    REQUIRE(message.size() == sizeof reply);
    std::memcpy(&reply, message.data(), sizeof reply);
    return reply;
  }
  template <typename Reply, typename Request>
  Reply ask(const Request& request, std::span<const int> descriptors = {}) {
    return ask_bytes<Reply>(std::as_bytes(std::span(&request, 1)), descriptors);
  }
  // The same for a request that carries request.extent_count extents.
  template <typename Reply, typename Request>
  Reply ask_with_extents(const Request& request) {
    const std::size_t bytes =
        offsetof(Request, extents) + request.extent_count * sizeof(wire::Extent);
    return ask_bytes<Reply>(std::as_bytes(std::span(&request, 1)).first(bytes));
  }

  struct Memory {
    std::uint32_t segment;
    platform::SharedMapping mapping;
  };
  Memory register_memory(std::uint32_t pages) {
    const std::uint64_t bytes = std::uint64_t{pages} * wire::kPageSize;
    auto file = platform::create_shared_memory("test", bytes);
    REQUIRE(file.ok());
    const int fd = file.value().get();
    const auto reply = ask<wire::RegisterSegmentReply>(
        wire::RegisterSegmentRequest{header(wire::MessageType::kRegisterSegment), bytes, 0, 0},
        std::span(&fd, 1));
    REQUIRE(reply.header.status == wire::Status::kOk);
    return {reply.segment, std::move(platform::SharedMapping::map(fd, bytes).value())};
  }

  // Whole pages of a segment, for everybody to read and write.
  wire::ExportRequest export_request(std::uint32_t id, const wire::Extent& extent,
                                     std::uint32_t flags) {
    wire::ExportRequest request{};
    request.header = header(wire::MessageType::kExport);
    request.buffer_id = id;
    request.access = wire::kAccessRead | wire::kAccessWrite;
    request.user = request.node = request.process = wire::kAnyNode;
    request.length = std::uint64_t{extent.pages} * wire::kPageSize;
    request.flags = flags;
    request.cookie = id;
    request.extent_count = 1;
    request.extents[0] = extent;
    return request;
  }
  void export_pages(std::uint32_t id, const wire::Extent& extent, std::uint32_t flags) {
    const auto reply = ask_with_extents<wire::PlainReply>(export_request(id, extent, flags));
    REQUIRE(reply.header.status == wire::Status::kOk);
  }
  wire::ImportReply import(const RawClient& exporter, std::uint32_t id) {
    const auto reply = ask<wire::ImportReply>(wire::ImportRequest{
        header(wire::MessageType::kImport), exporter.identity.node, exporter.identity.process, id,
        wire::kAccessRead | wire::kAccessWrite, wire::ExecutorDemand::kNic, 0, 0});
    REQUIRE(reply.header.status == wire::Status::kOk);
    return reply;
  }

  // The next free send slot, filled in but for what the operation needs.
  wire::SendDescriptor& next_slot(const wire::ImportReply& import, std::uint64_t offset) {
    await([&] { return tickets_ - completed() < wire::kSendSlots; });
    wire::SendDescriptor& slot = channel().send_queue[tickets_ % wire::kSendSlots];
    slot.import_slot = import.import_slot;
    slot.import_generation = import.import_generation;
    slot.destination = import.destination + offset;
    return slot;
  }
  std::uint64_t publish(wire::SendDescriptor& slot, wire::LocalPlace place,
                        wire::Operation operation, std::uint8_t flags, std::uint8_t length) {
    slot.header.store(wire::make_header(tickets_, place, operation, flags, length),
                      std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (channel().doorbell.nic_sleeps.exchange(0) == 1) ring();
    return tickets_++;
  }
  std::uint64_t completed() { return channel().send_status.completed.load(); }
  // Waits for the operation; its result.
  wire::Status result(std::uint64_t ticket) {
    await([&] { return completed() > ticket; });
    return static_cast<wire::Status>(channel().results[ticket % wire::kSendSlots].load());
  }
  int doorbell() const { return doorbell_.get(); }
  int notification_pipe() const { return notification_pipe_.get(); }

  // Fails the test if it does not come true in 30 s.
  template <typename Condition>
  static void await(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kPatience);
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= deadline) FAIL("nothing happened for 30 s");
      ::sched_yield();
    }
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
  std::uint64_t tickets_ = 0;
};

// Two processes that use everything in the ordinary way, one round after the other, and check all
// that comes of it.
class GoodPair {
 public:
  explicit GoodPair(const std::string& socket) : sender_(socket), receiver_(socket) {
    sender_.attach();
    receiver_.attach();
    memory_ = receiver_.register_memory(8);
    receiver_.export_pages(kBuffer, {memory_.segment, 0, 4, 0},
                           wire::kExportNotifies | wire::kExportRedirectable);
    import_ = sender_.import(receiver_, kBuffer);
  }

  // A message with its notification, a fetch of it, an atomic operation; now and then a redirection.
  void round() {
    ++number_;
    const std::uint64_t offset = 64 + number_ * 40 % 16'000;
    std::byte* const staging = sender_.channel().staging;
    for (std::uint32_t i = 0; i < kMessage; ++i) staging[i] = std::byte(number_ * 7 + i);
    CHECK(operate(offset, wire::Operation::kDeliberateUpdate, 0, wire::kNotify) ==
          wire::Status::kOk);
    check_notification(offset);
    CHECK(std::memcmp(memory_.mapping.data() + offset, staging, kMessage) == 0);
    CHECK(operate(offset, wire::Operation::kFetch, 4096, 0) == wire::Status::kOk);
    CHECK(std::memcmp(staging + 4096, staging, kMessage) == 0);
    check_atomic();
    if (number_ % 16 == 0) check_redirection();
  }
  std::uint32_t rounds() const { return number_; }

  RawClient& receiver() { return receiver_; }

 private:
  static constexpr std::uint32_t kBuffer = 77;
  static constexpr std::uint32_t kMessage = 40;

  wire::Status operate(std::uint64_t offset, wire::Operation operation, std::uint64_t staged,
                       std::uint8_t flags) {
    wire::SendDescriptor& slot = sender_.next_slot(import_, offset);
    slot.local = {kMessage, staged, 0, 0, kMessage, 0, number_};
    return sender_.result(sender_.publish(slot, wire::LocalPlace::kStaged, operation, flags, 0));
  }

  void check_notification(std::uint64_t offset) {
    wire::Channel& channel = receiver_.channel();
    const auto there = [&] { return channel.notification_status.produced.load() > taken_; };
    if (number_ % 2 == 0) {
      channel.notification_demand.client_waits.exchange(1);
      pollfd poll{receiver_.notification_pipe(), POLLIN, 0};
      if (!there()) CHECK(::poll(&poll, 1, RawClient::kPatience * 1000) == 1);
      channel.notification_demand.client_waits.exchange(0);
      char byte[4];
      (void)!::read(receiver_.notification_pipe(), byte, sizeof byte);
    }
    RawClient::await(there);
    const wire::Notification notification =
        channel.notifications[taken_ % wire::kNotificationSlots];
    channel.notification_demand.consumed.store(++taken_);
    if (channel.notification_demand.nic_waits.exchange(0) == 1) receiver_.ring();
    CHECK(notification.cookie == kBuffer);
    CHECK(notification.offset == offset);
    CHECK(notification.length == kMessage);
    CHECK(notification.immediate == number_);
    CHECK(notification.sender_process == sender_.identity.process);
  }

  void check_atomic() {
    wire::SendDescriptor& slot = sender_.next_slot(import_, 8);
    slot.atomic = {wire::AtomicKind::kFetchAdd, 8, 1, 0, {}};
    const auto ticket =
        sender_.publish(slot, wire::LocalPlace::kInline, wire::Operation::kAtomic, 0, 0);
    CHECK(sender_.result(ticket) == wire::Status::kOk);
    CHECK(sender_.channel().previous[ticket % wire::kSendSlots].load() == number_ - 1);
  }

  void check_redirection() {
    wire::RedirectRequest request{};
    request.header = receiver_.header(wire::MessageType::kRedirect);
    request.buffer_id = kBuffer;
    request.length = 8;
    request.page_offset = 16;
    request.extent_count = 1;
    request.extents[0] = {memory_.segment, 4, 1, 0};
    CHECK(receiver_.ask_with_extents<wire::RedirectionReply>(request).header.status ==
          wire::Status::kOk);
    wire::SendDescriptor& slot = sender_.next_slot(import_, 0);
    std::memcpy(slot.inline_data, &number_, sizeof number_);
    std::memcpy(slot.inline_data + 4, "else", 4);
    CHECK(sender_.result(sender_.publish(slot, wire::LocalPlace::kInline,
                                         wire::Operation::kAutomaticUpdate, 0, 8)) ==
          wire::Status::kOk);
    std::byte* const elsewhere = memory_.mapping.data() + 4 * wire::kPageSize + 16;
    CHECK(std::memcmp(elsewhere, &number_, sizeof number_) == 0);
    CHECK(std::memcmp(elsewhere + 4, "else", 4) == 0);
    const auto ended = receiver_.ask<wire::RedirectionReply>(wire::EndRedirectionRequest{
        receiver_.header(wire::MessageType::kEndRedirection), kBuffer, 0, 0});
    CHECK(ended.header.status == wire::Status::kOk);
    CHECK(ended.direct == 8);
    const auto importers = receiver_.ask<wire::ListImportersReply>(wire::ListImportersRequest{
        receiver_.header(wire::MessageType::kListImporters), kBuffer, 0});
    CHECK(importers.total == 1);
    CHECK(importers.importers[0].process == sender_.identity.process);
  }

  RawClient sender_;
  RawClient receiver_;
  RawClient::Memory memory_;
  wire::ImportReply import_;
  std::uint32_t number_ = 0;
  std::uint64_t taken_ = 0;
};

}  // namespace vmmc::testing
