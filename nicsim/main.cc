// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>

#include "nicsim/control_server.h"
#include "nicsim/engine_loop.h"
#include "nicsim/log.h"
#include "nicsim/options.h"
#include "platform/unix_socket.h"

namespace {

using namespace vmmc;

constexpr int kExitFailure = 1;
constexpr int kExitAlreadyRunning = 3;

// A program that starts a nicsim connects within milliseconds, unless it has died.
constexpr std::chrono::seconds kPatienceForFirstClient{5};

// Each client costs two descriptors; the soft limit of 1024 would be the first thing that many
// clients hit.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Leaves the terminal. The parent ends with status 0 once the socket listens, which is the case
// already.
void go_to_background() {
  const pid_t child = ::fork();
  if (child < 0) {
    nicsim::log(nicsim::LogLevel::kError, std::string("fork: ") + std::strerror(errno));
    std::_Exit(kExitFailure);
  }
  if (child > 0) std::_Exit(0);
  ::setsid();
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2; ++fd) ::dup2(null, fd);
  ::close(null);
}

void say_ready(int fd) {
  if (fd < 0) return;
  (void)!::write(fd, "r", 1);
  ::close(fd);
}

int serve(const nicsim::Options& options, platform::FileDescriptor listener) {
  boost::asio::io_context context(1);
  nicsim::EngineLoop* loop_pointer = nullptr;
  nicsim::ControlServer server(
      context, std::move(listener), options.nodes, options.any_user,
      {.attached = [&](nicsim::Process& process) { loop_pointer->attached(process); },
       .doorbell = [&](nicsim::Process& process) { loop_pointer->doorbell(process); },
       .leaving = [&](nicsim::Process& process) { loop_pointer->leaving(process); },
       .last_left =
           [&] {
             if (options.leave_with_last_client) loop_pointer->stop();
           }});
  if (options.leave_with_last_client) server.expect_client_within(kPatienceForFirstClient);
  nicsim::EngineLoop loop(context, server.machine());
  loop_pointer = &loop;
  boost::asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (!error) loop.stop();
  });
  say_ready(options.ready_fd);
  loop.run();
  // While it still listens: afterwards the path may be another nicsim's.
  platform::remove_unix_socket(options.socket);
  return 0;
}

int run(const nicsim::Options& options) {
  auto listener = platform::listen_unix_socket(options.socket);
  if (!listener.ok()) {
    const int number = listener.error().number;
    nicsim::log(nicsim::LogLevel::kError,
                number == EADDRINUSE ? "another nicsim serves " + options.socket + " already"
                                     : "cannot listen at " + options.socket + ": " +
                                           listener.error().call + ": " + std::strerror(number));
    return number == EADDRINUSE ? kExitAlreadyRunning : kExitFailure;
  }
  if (!options.foreground) go_to_background();
  nicsim::configure_log(options.log_level, !options.foreground);
  return serve(options, std::move(listener.value()));
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = nicsim::parse_options(argc, argv);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const auto& options = std::get<nicsim::Options>(parsed);
  nicsim::configure_log(options.log_level, false);
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  try {
    return run(options);
  } catch (const std::exception& error) {
    nicsim::log(nicsim::LogLevel::kError, error.what());
    return kExitFailure;
  }
}
