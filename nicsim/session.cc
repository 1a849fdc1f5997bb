// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/session.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <optional>
#include <string>

#include "nicsim/log.h"
#include "nicsim/traced_operation.h"
#include "platform/system_calls.h"

namespace vmmc::nicsim {
namespace {

// A connection that does not attach, for example a stranger's, holds a descriptor no longer.
constexpr std::chrono::seconds kPatienceForAttach{5};

// A request of type T if the message is exactly one; descriptors are checked by the caller.
template <typename T>
std::optional<T> as(std::span<const std::byte> message) {
  if (message.size() != sizeof(T)) return std::nullopt;
  T request;
  std::memcpy(&request, message.data(), sizeof request);
  return request;
}

// The same for a request that carries only as many extents as it says.
template <typename T>
std::optional<T> as_with_extents(std::span<const std::byte> message) {
  constexpr std::size_t kFixed = offsetof(T, extents);
  T request{};
  if (message.size() < kFixed || message.size() > sizeof request) return std::nullopt;
  std::memcpy(&request, message.data(), message.size());
  if (message.size() != kFixed + std::uint64_t{request.extent_count} * sizeof(wire::Extent)) {
    return std::nullopt;
  }
  return request;
}

// Hands a request that makes sense to `serve`; false if it makes none.
template <typename Request, typename Serve>
bool given(const std::optional<Request>& request, Serve serve) {
  if (request) serve(*request);
  return request.has_value();
}

bool has_hung_up(int socket) {
  pollfd poll{socket, 0, 0};
  return ::poll(&poll, 1, 0) == 1 && (poll.revents & POLLHUP) != 0;
}

// The client holds the same file description: it may have made it blocking, and may read it first,
// so the call itself must be one that does not wait. (Linux below 5.8 has none for an eventfd.)
void take_rings(int doorbell) {
  std::uint64_t rings = 0;
  const iovec there{&rings, sizeof rings};
  if (::preadv2(doorbell, &there, 1, -1, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP) {
    (void)!::read(doorbell, &rings, sizeof rings);
  }
}

}  // namespace

Session::Session(boost::asio::io_context& context, platform::FileDescriptor socket,
                 platform::PeerCredentials peer, bool serve_peer, Machine& machine,
                 const Events& events)
    : socket_(context, socket.release()),
      doorbell_(context),
      patience_(context),
      peer_(peer),
      serve_peer_(serve_peer),
      machine_(machine),
      events_(events) {}

void Session::start() {
  await_request();
  patience_.expires_after(kPatienceForAttach);
  patience_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error && self->process_ == nullptr && !self->observes_) self->stop();
  });
}

void Session::stop() {
  if (stopped_) return;
  stopped_ = true;
  boost::system::error_code ignored;
  patience_.cancel();
  socket_.close(ignored);
  doorbell_.close(ignored);
  if (observes_) return events_.observer_ended();
  events_.ended(std::exchange(process_, nullptr));
}

void Session::await_request() {
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (error) return self->stop();
                       self->read_requests();
                       if (!self->stopped_) self->await_request();
                     });
}

void Session::await_doorbell() {
  doorbell_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                         if (error || self->stopped_) return;
                         take_rings(self->doorbell_.native_handle());
                         self->events_.doorbell(*self->process_);
                         self->await_doorbell();
                       });
}

// One request a time, so that a client that keeps asking does not keep nicsim from the others.
// Requests that a client left behind when it ended are dropped: nobody waits for their replies, and
// its successor may be waiting for its process id.
void Session::read_requests() {
  if (has_hung_up(socket_.native_handle())) return stop();
  std::array<std::byte, wire::kMaxMessageBytes> buffer;
  auto received = platform::receive_message(socket_.native_handle(), buffer);
  if (!received.ok()) {
    if (received.error().number != EAGAIN && received.error().number != EINTR) stop();
    return;
  }
  platform::ReceivedMessage& message = received.value();
  if (message.bytes == 0) return stop();
  const bool whole = !message.truncated || message.descriptors_lost;
  if (!whole || message.bytes < sizeof(wire::MessageHeader)) {
    log(LogLevel::kWarning, "a client sent a message that is none; closing its connection");
    return stop();
  }
  try {
    handle(std::span(buffer.data(), message.bytes), message);
  } catch (const std::exception& error) {
    // For want of memory or descriptors: this client goes, the others stay.
    log(LogLevel::kError, std::string("cannot serve a client: ") + error.what());
    stop();
  }
}

void Session::handle(std::span<const std::byte> message, platform::ReceivedMessage& received) {
  wire::MessageHeader header;
  std::memcpy(&header, message.data(), sizeof header);
  if (header.magic != wire::kMagic) {
    log(LogLevel::kWarning, "a client does not speak VMMC; closing its connection");
    return stop();
  }
  if (header.version != wire::kVersion) {
    refuse(header, wire::Status::kVersionMismatch);
    return stop();
  }
  // We have no descriptors left, which is no fault of the client.
  if (received.descriptors_lost) return refuse(header, wire::Status::kOutOfMemory);
  if (observes_) {
    handle_observer(header, message);
  } else if (process_ == nullptr) {
    handle_first(header, message);
  } else {
    dispatch(header, message, received);
  }
}

void Session::handle_first(const wire::MessageHeader& header, std::span<const std::byte> message) {
  const bool observes = Observers::concerns(header.type) && events_.observers != nullptr;
  // An observer sees what belongs to all users.
  const bool serve = observes ? peer_.uid == 0 || peer_.uid == ::geteuid() : serve_peer_;
  if (!serve) {
    refuse(header, wire::Status::kUserNotAllowed);
    return stop();
  }
  if (observes) {
    observes_ = true;
    patience_.cancel();
    events_.observes();
    return handle_observer(header, message);
  }
  const auto request = as<wire::AttachRequest>(message);
  if (header.type != wire::MessageType::kAttach || !request) {
    refuse(header, wire::Status::kMalformed);
    return stop();
  }
  handle_attach(*request);
}

void Session::handle_attach(const wire::AttachRequest& request) {
  platform::FileDescriptor bell(platform::system_calls().eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell.valid()) return refuse(request.header, wire::Status::kOutOfMemory);
  int ends[2] = {-1, -1};
  if (platform::system_calls().pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return refuse(request.header, wire::Status::kOutOfMemory);
  }
  const platform::FileDescriptor reading_end(ends[0]);
  platform::FileDescriptor writing_end(ends[1]);
  auto outcome = machine_.attach(peer_, request);
  if (const auto* refused = std::get_if<wire::Status>(&outcome)) {
    return reply_status(request.header, *refused);
  }
  auto& attached = std::get<Machine::Attached>(outcome);
  process_ = attached.process;
  process_->notifications.set_pipe(std::move(writing_end));
  patience_.cancel();
  wire::AttachReply reply{};
  reply.header = request.header;
  reply.node = process_->node;
  reply.process = process_->id;
  reply.nodes = machine_.backplane().nodes();
  reply.can_read_memory = process_->can_read_memory ? 1 : 0;
  reply.destination_space_bytes = process_->destination_space_bytes;
  reply.clock = machine_.clock();
  reply.recorded = machine_.recorder() != nullptr ? 1 : 0;
  const std::array<int, 3> descriptors{attached.channel.get(), bell.get(), reading_end.get()};
  doorbell_.assign(bell.release());
  events_.attached(*process_, *this);
  await_doorbell();
  log(LogLevel::kInfo, "process " + std::to_string(process_->id) + " attached to node " +
                           std::to_string(process_->node));
  send_bytes(std::as_bytes(std::span(&reply, 1)), descriptors);
}

void Session::dispatch(const wire::MessageHeader& header, std::span<const std::byte> message,
                       platform::ReceivedMessage& received) {
  using wire::MessageType;
  if (concerns_rings(header.type)) return handle_ring(header, message, received);
  if (header.type >= MessageType::kOpenChannel) return on_channel_request(header, message);
  const bool understood =
      header.type == MessageType::kRegisterSegment
          ? on_register_segment(message, received)
          : (header.type <= MessageType::kUnimport ? on_mapping_request(header, message)
                                                   : on_buffer_request(header, message));
  if (!understood) refuse(header, wire::Status::kMalformed);
}

bool Session::on_register_segment(std::span<const std::byte> message,
                                  platform::ReceivedMessage& received) {
  const auto request = as<wire::RegisterSegmentRequest>(message);
  if (!request || received.descriptor_count != 1) return false;
  const auto outcome =
      machine_.register_segment(*process_, std::move(received.descriptors[0]), *request);
  wire::RegisterSegmentReply reply{};
  reply.header = request->header;
  if (const auto* refused = std::get_if<wire::Status>(&outcome)) {
    reply.header.status = *refused;
  } else {
    reply.segment = std::get<std::uint32_t>(outcome);
  }
  send(reply);
  return true;
}

// Requests that make and end mappings.
bool Session::on_mapping_request(const wire::MessageHeader& header,
                                 std::span<const std::byte> message) {
  const auto answer = [&](wire::Status status) { reply_status(header, status); };
  switch (header.type) {
    case wire::MessageType::kReleaseSegment:
      return given(as<wire::ReleaseSegmentRequest>(message), [&](const auto& request) {
        answer(machine_.release_segment(*process_, request.segment));
      });
    case wire::MessageType::kExport:
      return given(as_with_extents<wire::ExportRequest>(message), [&](const auto& request) {
        events_.asked(*process_, {.header = request.header});
        answer(machine_.export_buffer(*process_, request));
      });
    case wire::MessageType::kUnexport:
      return given(as<wire::UnexportRequest>(message), [&](const auto& request) {
        if (const auto status = machine_.unexport(*process_, request)) return answer(*status);
        const bool waits = machine_.waits_for_unexport(*process_, request.header.request);
        events_.asked(*process_, {.header = request.header, .waits = waits});
      });
    case wire::MessageType::kImport:
      return given(as<wire::ImportRequest>(message), [&](const auto& request) {
        const auto found = machine_.import(*process_, request);
        if (found) send(*found);
        events_.asked(*process_, {.header = request.header,
                                  .waits = !found && request.waits != 0,
                                  .timeout = request.timeout});
      });
    case wire::MessageType::kCancelImport:
      return given(as<wire::CancelImportRequest>(message), [&](const auto& request) {
        answer(machine_.cancel_import(*process_, request.import_request));
      });
    case wire::MessageType::kUnimport:
      return given(as<wire::UnimportRequest>(message),
                   [&](const auto& request) { answer(machine_.unimport(*process_, request)); });
    default:
      return false;
  }
}

// Requests of an exporter about a buffer, and what concerns the whole process.
bool Session::on_buffer_request(const wire::MessageHeader& header,
                                std::span<const std::byte> message) {
  using wire::MessageType;
  switch (header.type) {
    case MessageType::kAcceptNotifications:
      return given(as<wire::AcceptNotificationsRequest>(message), [&](const auto& request) {
        reply_status(header, machine_.accept_notifications(*process_, request));
      });
    case MessageType::kListImporters:
      return given(as<wire::ListImportersRequest>(message),
                   [&](const auto& request) { send(machine_.list_importers(*process_, request)); });
    case MessageType::kRedirect:
      return given(as_with_extents<wire::RedirectRequest>(message),
                   [&](const auto& request) { send(machine_.redirect(*process_, request)); });
    case MessageType::kEndRedirection:
      return given(as<wire::EndRedirectionRequest>(message), [&](const auto& request) {
        send(machine_.end_redirection(*process_, request));
      });
    case MessageType::kReadCounters:
      return given(as<wire::PlainReply>(message),
                   [&](const auto&) { reply_status(header, machine_.read_counters(*process_)); });
    case MessageType::kWatch:
      return given(as<wire::WatchRequest>(message), [&](const auto& request) {
        reply_status(header, machine_.watch(*process_, request));
      });
    case MessageType::kDeclareBinding:
      return given(as<wire::DeclareBindingRequest>(message), [&](const auto& request) {
        reply_status(header, machine_.declare_binding(*process_, request));
      });
    case MessageType::kEndBinding:
      return given(as<wire::EndBindingRequest>(message), [&](const auto& request) {
        reply_status(header, machine_.end_binding(*process_, request));
      });
    default:
      return false;
  }
}

// What the machine has not been asked, and so has not noted.
void Session::refuse(const wire::MessageHeader& request, wire::Status status) {
  note_refused(machine_.instruments(),
               {.type = request.type,
                .status = status,
                .node = process_ == nullptr ? 0 : process_->node,
                .process = process_ == nullptr ? wire::kAnyProcess : process_->id});
  reply_status(request, status);
}

void Session::reply_status(const wire::MessageHeader& request, wire::Status status) {
  wire::PlainReply reply{request};
  reply.header.magic = wire::kMagic;
  reply.header.version = wire::kVersion;
  reply.header.status = status;
  send(reply);
}

// How many descriptors may be on their way is limited for all clients together: one that does not
// take what it is sent must not cost another its connection.
void Session::send(const ImportAnswer& answer) {
  if (stopped_) return;
  if (answer.memory < 0) return send(answer.reply);
  const auto sent =
      platform::send_message(socket_.native_handle(), std::as_bytes(std::span(&answer.reply, 1)),
                             std::span(&answer.memory, 1));
  if (sent.ok()) return;
  if (sent.error().number == ETOOMANYREFS) {
    return send(machine_.without_memory(*process_, answer).reply);
  }
  stop_soon();
}

// A client that does not take its replies is cut off: nicsim waits for nobody.
void Session::send_bytes(std::span<const std::byte> bytes, std::span<const int> descriptors) {
  if (stopped_) return;
  if (platform::send_message(socket_.native_handle(), bytes, descriptors).ok()) return;
  stop_soon();
}

// Not at once: the caller may be in the middle of a change that concerns this process.
void Session::stop_soon() {
  boost::asio::post(socket_.get_executor(), [self = shared_from_this()] { self->stop(); });
}

}  // namespace vmmc::nicsim
