// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The control server: listens on nicsim's Unix socket and gives every client a session.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>

#include "nicsim/machine.h"
#include "nicsim/session.h"

namespace vmmc::nicsim {

// Threads: used by nicsim's one thread.
class ControlServer {
 public:
  struct Events {
    std::function<void(Process&)> attached;
    std::function<void(Process&)> doorbell;
    std::function<void(Process&)> leaving;  // about to be detached
    std::function<void()> last_left;        // no client is left, and none is expected
    // As Loop's functions of these names.
    std::function<void(Process&, const Loop::Asked&)> asked = [](Process&, const Loop::Asked&) {};
    std::function<void(Process&, std::uint32_t)> answered = [](Process&, std::uint32_t) {};
  };

  // `listener` is a listening non-blocking socket. Serves `own_user` and root, or everybody if
  // `any_user`.
  ControlServer(boost::asio::io_context& context, platform::FileDescriptor listener,
                std::uint32_t nodes, bool any_user, Events events);

  Machine& machine() { return machine_; }

  // From now on observers are served: nicsim's own user and root, whatever `any_user` says. They are no
  // clients: nothing waits for one to come, or to leave.
  void serve_observers(Observers& observers) { session_events_.observers = &observers; }
  // From now on receive rings are served.
  void serve_rings(FrameRings& rings) { session_events_.rings = &rings; }
  std::size_t observers() const { return observers_; }  // that are connected

  // From then on, a server that no client has ever reached counts as left.
  void expect_client_within(std::chrono::nanoseconds patience);

 private:
  void await_client();
  void accept_clients();
  void accept_client(platform::FileDescriptor socket);
  void session_ended(Process* process);
  void session_observes();
  void count_connection_out();

  boost::asio::io_context& context_;
  boost::asio::posix::stream_descriptor listener_;
  boost::asio::steady_timer retry_;
  boost::asio::steady_timer patience_;
  bool any_user_;
  Events events_;
  Machine machine_;
  Session::Events session_events_;
  std::map<const Process*, Session*> sessions_;
  std::size_t connections_ = 0;  // without those of observers
  std::size_t observers_ = 0;
  bool expects_client_ = true;  // the first one is still to come
};

}  // namespace vmmc::nicsim
