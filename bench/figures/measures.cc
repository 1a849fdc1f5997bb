// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "bench/figures/measures.h"

#include <algorithm>
#include <stdexcept>

#include "bench/figures/nx.h"
#include "bench/figures/rpc.h"
#include "bench/figures/sockets.h"
#include "nicsim/sim/machine.h"

namespace vmmc::figures {

using nicsim::parts::MachineShape;
using nicsim::sim::Binding;
using nicsim::sim::Buffer;
using nicsim::sim::Combining;
using nicsim::sim::Comparison;
using nicsim::sim::ExportOptions;
using nicsim::sim::Notification;
using nicsim::sim::Process;
using nicsim::sim::Proxy;
using nicsim::sim::SimulatedMachine;
using nicsim::sim::Task;

namespace {

constexpr MachineShape kTwoNodes{.rows = 1, .columns = 2};
constexpr double kSettled = 1e6;  // ns: all exports and imports are over
constexpr std::uint32_t kPage = 4096;

std::uint32_t whole_pages(std::uint32_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

void fill(const Buffer& buffer, std::uint32_t salt) {
  std::uint32_t value = salt;
  for (std::uint32_t& word : buffer.words<std::uint32_t>()) word = ++value;
}

// The first `bytes` of both.
void check_same(const Buffer& found, const Buffer& expected, std::uint32_t bytes) {
  if (!std::equal(found.data(), found + bytes, expected.data()))
    throw std::runtime_error("bytes have not arrived as they were sent");
}

// What a process of a two-node measurement does, and the time between two of its moments.
struct Clocks {
  double begun = 0;
  double ended = 0;
  double us() const { return (ended - begun) / 1000; }
};

// Sends `messages` of `bytes` each, one after the other; the receiver waits for the last word.
Clocks transfer(const TimingModel& model, Update update, std::uint32_t bytes,
                std::uint32_t messages) {
  Clocks clocks;
  SimulatedMachine machine(model, kTwoNodes);
  const std::uint32_t total = bytes * messages;
  const bool combine = bytes > 4;
  machine.start(0, "sender", [&](Process& self) -> Task<> {
    Buffer source = self.allocate(total);
    fill(source, 1);
    const Proxy proxy = co_await self.import(1, 1);
    const Binding bound =
        self.bind(self.allocate(total), proxy, whole_pages(total),
                  {.combining = combine ? Combining::kBlockWrite : Combining::kSingleWrite});
    co_await self.compute(kSettled);
    clocks.begun = self.clock();
    for (std::uint32_t at = 0; at < total; at += bytes) {
      if (update == Update::kDeliberate) {
        co_await self.send(source + at, proxy + at, bytes);
      } else {
        co_await self.store_bytes(bound + at, source + at, bytes);
        if (combine) co_await self.flush();
      }
    }
  });
  machine.start(1, "receiver", [&](Process& self) -> Task<> {
    Buffer inbox = self.allocate(total);
    Buffer expected = self.allocate(total);
    fill(expected, 1);
    co_await self.export_buffer(1, inbox);
    co_await self.wait(&inbox.word<std::uint32_t>(total - 4), Comparison::kNotEqual, 0);
    clocks.ended = self.clock();
    check_same(inbox, expected, total);
  });
  machine.run();
  return clocks;
}

// Half of a round trip of `bytes` between two endpoints, the second one: the first warms up.
// connect, send(offset), receive(offset): coroutines of an endpoint.
template <typename Endpoint, typename Make, typename Connect, typename SendTo, typename Receive>
double half_round_trip_us(const TimingModel& model, Make make, Connect connect, SendTo send,
                          Receive receive, std::uint32_t bytes) {
  Clocks clocks;
  SimulatedMachine machine(model, kTwoNodes);
  for (std::uint32_t me = 0; me < 2; ++me) {
    machine.start(me, me == 0 ? "caller" : "answerer", [&, me](Process& self) -> Task<> {
      Buffer out = self.allocate(bytes);
      Buffer in = self.allocate(bytes);
      Buffer expected = self.allocate(bytes);
      Endpoint endpoint = make(self);
      co_await connect(endpoint, 1 - me);
      co_await self.compute(kSettled);
      for (std::uint32_t round = 0; round < 2; ++round) {
        fill(out, 100 * round + me + 1);
        fill(expected, 100 * round + 2 - me);
        clocks.begun = me == 0 ? self.clock() : clocks.begun;
        if (me == 0) co_await send(endpoint, 1u, out);
        co_await receive(endpoint, 1 - me, in);
        if (me == 0) clocks.ended = self.clock();
        check_same(in, expected, bytes);
        if (me == 1) co_await send(endpoint, 0u, out);
      }
    });
  }
  machine.run();
  return clocks.us() / 2;
}

}  // namespace

double message_latency_us(const TimingModel& model, Update update, std::uint32_t bytes) {
  return transfer(model, update, bytes, 1).us();
}

double stream_mb_per_s(const TimingModel& model, Update update, std::uint32_t message_bytes,
                       std::uint32_t messages) {
  return message_bytes * messages / transfer(model, update, message_bytes, messages).us();
}

std::optional<double> crossover_bytes(const TimingModel& model) {
  for (std::uint32_t bytes = 4; bytes <= 8192; bytes += 4) {
    if (message_latency_us(model, Update::kDeliberate, bytes) <
        message_latency_us(model, Update::kAutomatic, bytes))
      return bytes;
  }
  return std::nullopt;
}

double hardware_minimum_us(const TimingModel& model) {
  TimingModel without = model;
  without.processor.store_ns = 0;
  without.processor.poll_ns = 0;
  return message_latency_us(without, Update::kAutomatic, 4);
}

namespace {

// From the moment when the word is in memory until its handler runs.
double notification_us(const TimingModel& model) {
  Clocks clocks;
  TimingModel seen_at_once = model;
  seen_at_once.processor.poll_ns = 0;
  SimulatedMachine machine(seen_at_once, kTwoNodes);
  machine.start(0, "sender", [&](Process& self) -> Task<> {
    const Proxy proxy = co_await self.import(1, 1);
    Buffer word = self.allocate(4);
    word.word<std::uint32_t>(0) = 1;
    co_await self.send_notify(word.data(), proxy, 4);
  });
  machine.start(1, "receiver", [&](Process& self) -> Task<> {
    Buffer inbox = self.allocate(4);
    ExportOptions options;
    options.handler = [&](Process& me, Notification) -> Task<> {
      clocks.ended = me.clock();
      co_return;
    };
    co_await self.export_buffer(1, inbox, options);
    co_await self.wait(&inbox.word<std::uint32_t>(0), Comparison::kEqual, 1);
    clocks.begun = self.clock();
  });
  machine.run();
  return clocks.us();
}

}  // namespace

double interrupt_us(const TimingModel& model) {
  TimingModel without = model;
  without.processor.interrupt_ns = 0;
  return notification_us(model) - notification_us(without);
}

double signal_us(const TimingModel& model) { return notification_us(model) - interrupt_us(model); }

double export_us(const TimingModel& model) {
  Clocks clocks;
  SimulatedMachine machine(model, kTwoNodes);
  machine.start(0, "exporter", [&](Process& self) -> Task<> {
    Buffer page = self.allocate(kPage);
    clocks.begun = self.clock();
    co_await self.export_buffer(1, page);
    clocks.ended = self.clock();
  });
  machine.run();
  return clocks.us();
}

double import_us(const TimingModel& model) {
  Clocks clocks;
  SimulatedMachine machine(model, kTwoNodes);
  machine.start(0, "exporter", [&](Process& self) -> Task<> {
    Buffer page = self.allocate(kPage);
    co_await self.export_buffer(1, page);
  });
  machine.start(1, "importer", [&](Process& self) -> Task<> {
    co_await self.compute(kSettled);
    clocks.begun = self.clock();
    static_cast<void>(co_await self.import(0, 1));
    clocks.ended = self.clock();
  });
  machine.run();
  return clocks.us();
}

// ------------------------------------------------------------------------------- the libraries

double nx_latency_us(const TimingModel& model, const LibraryCosts& costs, std::uint32_t bytes) {
  const std::uint32_t in_at = whole_pages(bytes);
  return half_round_trip_us<NxEndpoint>(
      model,
      [&](Process& self) {
        return NxEndpoint(self, 2, 2 * std::size_t{in_at}, {costs.nx_send, costs.nx_receive});
      },
      [](NxEndpoint& end, std::uint32_t peer) { return end.connect({peer}); },
      [=](NxEndpoint& end, std::uint32_t peer, Buffer out) {
        std::copy(out.data(), out + bytes, end.memory().data());
        return end.csend(peer, 0, bytes);
      },
      [=](NxEndpoint& end, std::uint32_t peer, Buffer in) -> Task<> {
        co_await end.crecv(peer, in_at, bytes);
        std::copy(end.memory() + in_at, end.memory() + in_at + bytes, in.data());
      },
      bytes);
}

namespace {

double socket_us(const TimingModel& model, SocketCosts costs, std::uint32_t bytes) {
  return half_round_trip_us<Socket>(
      model, [=](Process& self) { return Socket(self, costs); },
      [](Socket& end, std::uint32_t peer) { return end.connect(peer); },
      [=](Socket& end, std::uint32_t, Buffer out) { return end.write(out.data(), bytes); },
      [=](Socket& end, std::uint32_t, Buffer in) { return end.read(in.data(), bytes); }, bytes);
}

}  // namespace

double socket_latency_us(const TimingModel& model, const LibraryCosts& costs, std::uint32_t bytes) {
  return socket_us(model, {costs.sockets_write, costs.sockets_read, false}, bytes);
}

double redirected_socket_latency_us(const TimingModel& model, const LibraryCosts& costs,
                                    std::uint32_t bytes) {
  return socket_us(model, {costs.vmmc2_sockets_write, costs.vmmc2_sockets_read, true}, bytes);
}

namespace {

double socket_stream(const TimingModel& model, SocketCosts costs, std::uint32_t message_bytes,
                     std::uint32_t messages) {
  Clocks clocks;
  SimulatedMachine machine(model, kTwoNodes);
  machine.start(0, "writer", [&](Process& self) -> Task<> {
    Socket socket(self, costs);
    Buffer message = self.allocate(message_bytes);
    co_await socket.connect(1);
    co_await self.compute(kSettled);
    clocks.begun = self.clock();
    for (std::uint32_t m = 0; m < messages; ++m) {
      fill(message, m);
      co_await socket.write(message.data(), message_bytes);
    }
  });
  machine.start(1, "reader", [&](Process& self) -> Task<> {
    Socket socket(self, costs);
    Buffer message = self.allocate(message_bytes);
    Buffer expected = self.allocate(message_bytes);
    co_await socket.connect(0);
    for (std::uint32_t m = 0; m < messages; ++m) {
      fill(expected, m);
      co_await socket.read(message.data(), message_bytes);
      check_same(message, expected, message_bytes);
    }
    clocks.ended = self.clock();
  });
  machine.run();
  return static_cast<double>(message_bytes) * messages / clocks.us();
}

}  // namespace

double socket_stream_mb_per_s(const TimingModel& model, const LibraryCosts& costs,
                              std::uint32_t message_bytes, std::uint32_t messages) {
  return socket_stream(model, {costs.sockets_write, costs.sockets_read, false}, message_bytes,
                       messages);
}

double redirected_socket_stream_mb_per_s(const TimingModel& model, const LibraryCosts& costs,
                                         std::uint32_t message_bytes, std::uint32_t messages) {
  return socket_stream(model, {costs.vmmc2_sockets_write, costs.vmmc2_sockets_read, true},
                       message_bytes, messages);
}

namespace {

double call_us(const TimingModel& model, RpcCosts costs) {
  Clocks clocks;
  SimulatedMachine machine(model, kTwoNodes);
  machine.start(0, "client", [&](Process& self) -> Task<> {
    RpcEnd end(self, costs);
    co_await end.connect(1);
    co_await self.compute(kSettled);
    for (std::uint32_t call = 1; call <= 2; ++call) {  // the second counts
      clocks.begun = self.clock();
      co_await end.call();
      clocks.ended = self.clock();
    }
  });
  machine.start(1, "server", [&](Process& self) -> Task<> {
    RpcEnd end(self, costs);
    co_await end.connect(0);
    for (std::uint32_t call = 1; call <= 2; ++call) co_await end.serve();
  });
  machine.run();
  return clocks.us();
}

}  // namespace

double vrpc_round_trip_us(const TimingModel& model, const LibraryCosts& costs) {
  return call_us(model, {.client_ns = costs.vrpc_client,
                         .server_ns = costs.vrpc_server,
                         .call_words = 10,
                         .reply_words = 6});
}

double fast_rpc_round_trip_us(const TimingModel& model) {
  return call_us(model, {.client_ns = 0, .server_ns = 0, .call_words = 0, .reply_words = 0});
}

}  // namespace vmmc::figures
