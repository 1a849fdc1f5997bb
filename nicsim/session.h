// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A session: one connection, of a client or of an observer. Reads its requests, has the machine carry them
// out, sends the replies. A client's hang-up is its death.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <span>

#include "nicsim/frames/frame_rings.h"
#include "nicsim/loop.h"
#include "nicsim/machine.h"
#include "nicsim/observers.h"
#include "platform/unix_socket.h"

namespace vmmc::nicsim {

// Threads: used by nicsim's one thread. Kept alive by its pending reads.
class Session : public std::enable_shared_from_this<Session> {
 public:
  // What a session tells the rest of nicsim.
  struct Events {
    std::function<void(Process&, Session&)> attached;
    std::function<void(Process&)> doorbell;  // the client has published descriptors
    std::function<void(Process*)> ended;     // once; nullptr if it never attached
    std::function<void(Process&, const Loop::Asked&)> asked = [](Process&, const Loop::Asked&) {};
    std::function<void()> observes = [] {};        // it is an observer, and no client
    std::function<void()> observer_ended = [] {};  // in place of ended()
    Observers* observers = nullptr;                // who answers them; nullptr: none are served
    FrameRings* rings = nullptr;                   // nullptr: receive rings are not served
  };

  Session(boost::asio::io_context& context, platform::FileDescriptor socket,
          platform::PeerCredentials peer, bool serve_peer, Machine& machine, const Events& events);

  void start();
  void stop();

  template <typename Reply>
  void send(const Reply& reply) {
    send_bytes(std::as_bytes(std::span(&reply, 1)), {});
  }
  void send(const ImportAnswer& answer);

 private:
  void await_request();
  void await_doorbell();
  void read_requests();
  void handle(std::span<const std::byte> message, platform::ReceivedMessage& received);
  void handle_first(const wire::MessageHeader& header, std::span<const std::byte> message);
  void handle_attach(const wire::AttachRequest& request);
  void dispatch(const wire::MessageHeader& header, std::span<const std::byte> message,
                platform::ReceivedMessage& received);
  bool on_register_segment(std::span<const std::byte> message, platform::ReceivedMessage& received);
  bool on_mapping_request(const wire::MessageHeader& header, std::span<const std::byte> message);
  bool on_buffer_request(const wire::MessageHeader& header, std::span<const std::byte> message);
  // session_observer.cc
  void handle_observer(const wire::MessageHeader& header, std::span<const std::byte> message);
  // session_rings.cc
  static bool concerns_rings(wire::MessageType type);
  void handle_ring(const wire::MessageHeader& header, std::span<const std::byte> message,
                   platform::ReceivedMessage& received);
  bool on_ring_request(const wire::MessageHeader& header, std::span<const std::byte> message,
                       platform::ReceivedMessage& received);
  void answer_ring(const wire::MessageHeader& request, const RingAnswer& answer);
  // session_real_time.cc
  void on_channel_request(const wire::MessageHeader& header, std::span<const std::byte> message);
  void refuse(const wire::MessageHeader& request, wire::Status status);
  void reply_status(const wire::MessageHeader& request, wire::Status status);
  void stop_soon();
  void send_bytes(std::span<const std::byte> bytes, std::span<const int> descriptors);

  boost::asio::posix::stream_descriptor socket_;
  boost::asio::posix::stream_descriptor doorbell_;
  boost::asio::steady_timer patience_;  // with a connection that has not attached
  platform::PeerCredentials peer_;
  bool serve_peer_;
  bool stopped_ = false;
  bool observes_ = false;
  Machine& machine_;
  const Events& events_;
  Process* process_ = nullptr;
};

}  // namespace vmmc::nicsim
