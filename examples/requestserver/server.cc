// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Answers requests of other processes in a Boost.Asio loop. See README.md.
#include <CLI/CLI.hpp>
#include <boost/asio.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "examples/requestserver/clients.h"
#include "examples/requestserver/protocol.h"
#include "examples/requestserver/service.h"
#include "vmmc/vmmc.hpp"

namespace examples::requestserver {
namespace {

namespace asio = boost::asio;

struct Options {
  unsigned interval = 1000;
  std::size_t leave_after = 0;
  bool notify = false;
};

class Server {
 public:
  // Attached already.
  Server(asio::io_context& loop, const Options& options)
      : loop_(loop),
        options_(options),
        clients_(options.notify),
        memory_(vmmc::memory::allocate(kSlotBytes * kMaxClients).value()),
        signals_(loop, SIGINT, SIGTERM),
        ticks_(loop),
        notifications_(loop) {
    export_slots();
    signals_.async_wait([this](boost::system::error_code error, int) {
      if (!error) loop_.stop();
    });
    await_tick();
    const int fd = vmmc_notification_fd();
    vmmc::to_result(fd < 0 ? fd : VMMC_OK).value();
    notifications_.assign(fd);
    await_requests();
  }
  // The descriptor is the library's: it must not be closed.
  ~Server() { notifications_.release(); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void print_total() const {
    std::printf("server: answered %llu requests, refused %llu\n", answered_, refused_);
  }

 private:
  static constexpr std::size_t kSlotBytes = std::size_t{kLanes} * kLaneBytes;
  // Handlers that run before timer and signals get their turn.
  static constexpr std::size_t kMostAtOnce = 64;

  // One buffer for each process id, which nobody else may import: a request's sender needs no
  // proof.
  void export_slots() {
    for (std::uint32_t process = 0; process < kMaxClients; ++process) {
      vmmc_export_options options = vmmc::export_defaults;
      options.access = VMMC_WRITE;
      options.process = process;
      options.handler = [](const vmmc_notification* request, void* self) {
        static_cast<Server*>(self)->on_request(*request);
      };
      options.handler_argument = this;
      const auto slot = memory_.bytes().subspan(process * kSlotBytes, kSlotBytes);
      slots_.push_back(vmmc::receive_buffer::export_memory(slot, process, options).value());
    }
  }

  void await_requests() {
    notifications_.async_wait(asio::posix::stream_descriptor::wait_read,
                              [this](boost::system::error_code error) {
                                if (error) return;
                                vmmc::dispatch(kMostAtOnce).value();
                                await_requests();
                              });
  }

  // A notification handler, called by vmmc_dispatch: it may send, but not import; what needs more
  // is posted to the loop.
  void on_request(const vmmc_notification& request) {
    const std::uint32_t process = request.buffer_id;
    const std::size_t lane = request.offset / kLaneBytes;
    const std::string fault = fault_of_message(request.immediate, request.offset, request.length);
    // A copy, made once: the client can write while we read. Offset and length come from nicsim,
    // and lie within the buffer.
    const std::string text(static_cast<const char*>(request.buffer) + request.offset,
                           request.length);
    const bool hello = fault.empty() && request.immediate == kHello;
    const Answer answer = !fault.empty() ? Answer{true, fault}
                          : hello        ? clients_.hello(text)
                                         : requestserver::answer(request.immediate, text);
    ++(answer.refused ? refused_ : answered_);
    if (hello) {
      asio::post(loop_, [=, this, client = request.sender] { clients_.welcome(client, text); });
    } else if (!clients_.respond(process, lane, answer)) {
      asio::post(loop_, [=, this] { clients_.forget_if_lost(process); });
    }
  }

  void await_tick() {
    ticks_.expires_after(std::chrono::milliseconds(options_.interval));
    ticks_.async_wait([this](boost::system::error_code error) {
      if (error) return;
      clients_.beat();
      print_statistics();
      if (options_.leave_after > 0 && clients_.gone() >= options_.leave_after) return loop_.stop();
      await_tick();
    });
  }

  void print_statistics() {
    const auto total = answered_ + refused_;
    if (total != reported_) {
      std::printf("server: %zu known, %llu requests in the last %u ms\n", clients_.known(),
                  total - reported_, options_.interval);
    }
    reported_ = total;
    std::fflush(stdout);
  }

  asio::io_context& loop_;
  const Options options_;
  Clients clients_;
  vmmc::memory memory_;
  std::vector<vmmc::receive_buffer> slots_;  // by process id
  asio::signal_set signals_;
  asio::steady_timer ticks_;
  asio::posix::stream_descriptor notifications_;
  unsigned long long answered_ = 0;
  unsigned long long refused_ = 0;
  unsigned long long reported_ = 0;
};

int serve(const Options& options) {
  vmmc_init_options init = vmmc::init_defaults;
  init.process = 0;  // where clients look for it
  init.node = 0;
  init.delivery = VMMC_DELIVER_BY_DISPATCH;
  auto attached = vmmc::attachment::attach(init).value();
  asio::io_context loop(1);
  {
    Server server(loop, options);
    std::printf("server: ready\n");
    std::fflush(stdout);
    loop.run();
    server.print_total();
  }
  const auto ended = attached.finalize();
  // It reports sends that were lost, too: those to clients that died are no failure of ours.
  return ended.has_error() && ended.error() == VMMC_ERR_NICSIM_GONE ? 1 : 0;
}

}  // namespace
}  // namespace examples::requestserver

int main(int argc, char** argv) {
  examples::requestserver::Options options;
  CLI::App app{"Answers requests of other processes until SIGINT or SIGTERM."};
  app.add_option("--interval", options.interval, "ms between statistics and looks for dead clients")
      ->check(CLI::Range(1, 3600000));
  app.add_option("--leave-after", options.leave_after,
                 "end when so many clients have come and gone; 0: never");
  app.add_flag("--notify", options.notify,
               "notify clients who ask for it: only if they can be trusted, see README.md");
  CLI11_PARSE(app, argc, argv);
  try {
    return examples::requestserver::serve(options);
  } catch (const boost::system::system_error& error) {
    std::fprintf(stderr, "server: %s\n",
                 error.code().category() == vmmc::category() ? vmmc::last_error() : error.what());
    return 1;
  }
}
