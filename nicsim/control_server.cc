// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/control_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "nicsim/log.h"

namespace vmmc::nicsim {

ControlServer::ControlServer(boost::asio::io_context& context, platform::FileDescriptor listener,
                             std::uint32_t nodes, bool any_user, Events events)
    : context_(context),
      listener_(context, listener.release()),
      retry_(context),
      patience_(context),
      any_user_(any_user),
      events_(std::move(events)),
      machine_(nodes, {.import =
                           [this](Process& process, const ImportAnswer& answer) {
                             sessions_.at(&process)->send(answer);
                             events_.answered(process, answer.reply.header.request);
                           },
                       .unexport =
                           [this](Process& process, const wire::UnexportReply& reply) {
                             sessions_.at(&process)->send(reply);
                             events_.answered(process, reply.header.request);
                           },
                       .attend = [this](Process& process) { events_.doorbell(process); }}),
      session_events_{.attached =
                          [this](Process& process, Session& session) {
                            sessions_[&process] = &session;
                            events_.attached(process);
                          },
                      .doorbell = [this](Process& process) { events_.doorbell(process); },
                      .ended = [this](Process* process) { session_ended(process); },
                      .asked = [this](Process& process,
                                      const Loop::Asked& asked) { events_.asked(process, asked); },
                      .observes = [this] { session_observes(); },
                      .observer_ended = [this] { --observers_; }} {
  await_client();
}

void ControlServer::expect_client_within(std::chrono::nanoseconds patience) {
  patience_.expires_after(
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(patience));
  patience_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    expects_client_ = false;
    if (connections_ == 0) events_.last_left();
  });
}

void ControlServer::await_client() {
  listener_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this](const boost::system::error_code& error) {
                         if (!error) accept_clients();
                       });
}

void ControlServer::accept_clients() {
  for (;;) {
    const int fd =
        ::accept4(listener_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      accept_client(platform::FileDescriptor(fd));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return await_client();
    // Out of descriptors or memory: the client waits in the backlog until somebody leaves.
    log(LogLevel::kError, std::string("cannot accept a client: ") + std::strerror(errno));
    retry_.expires_after(std::chrono::milliseconds(100));
    retry_.async_wait([this](const boost::system::error_code& error) {
      if (!error) await_client();
    });
    return;
  }
}

void ControlServer::accept_client(platform::FileDescriptor socket) {
  const auto peer = platform::peer_credentials(socket.get());
  if (!peer.ok()) return;
  const uid_t uid = peer.value().uid;
  const bool serve = any_user_ || uid == 0 || uid == ::geteuid();
  ++connections_;
  std::make_shared<Session>(context_, std::move(socket), peer.value(), serve, machine_,
                            session_events_)
      ->start();
}

void ControlServer::session_ended(Process* process) {
  if (process != nullptr) {
    expects_client_ = false;
    log(LogLevel::kInfo, "process " + std::to_string(process->id) + " has left");
    sessions_.erase(process);
    events_.leaving(*process);
    machine_.detach(*process);
  }
  count_connection_out();
}

// Until now it might have become a client. Not at once: if nobody is left, this observer still gets its
// answer.
void ControlServer::session_observes() {
  ++observers_;
  boost::asio::post(context_, [this] { count_connection_out(); });
}

void ControlServer::count_connection_out() {
  if (--connections_ == 0 && !expects_client_) events_.last_left();
}

}  // namespace vmmc::nicsim
