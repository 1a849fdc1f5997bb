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
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>

#include "nicsim/control_server.h"
#include "nicsim/engine_loop.h"
#include "nicsim/log.h"
#include "nicsim/options.h"
#include "nicsim/recording/file_recorder.h"
#include "nicsim/simulated/simulated_loop.h"
#include "platform/unix_socket.h"

namespace {

using namespace vmmc;

constexpr int kExitFailure = 1;
constexpr int kExitMistake = 2;
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

// In real time, or as the timing model says.
std::unique_ptr<nicsim::Loop> make_loop(boost::asio::io_context& context, nicsim::Machine& machine,
                                        const nicsim::Options& options) {
  if (!options.model) return std::make_unique<nicsim::EngineLoop>(context, machine);
  machine.use_simulated_time();
  return std::make_unique<nicsim::simulated::SimulatedLoop>(
      context, machine, *options.model,
      nicsim::parts::MachineShape{options.shape.rows, options.shape.columns},
      options.expected_processes);
}

// The recording that is asked for ends with this object; it is empty if none is.
std::unique_ptr<nicsim::recording::FileRecorder> make_recorder(const nicsim::Options& options,
                                                               platform::FileDescriptor file) {
  if (!file.valid()) return nullptr;
  return std::make_unique<nicsim::recording::FileRecorder>(
      std::move(file), options.record, options.shape.rows, options.shape.columns);
}

int serve(const nicsim::Options& options, platform::FileDescriptor listener,
          platform::FileDescriptor record) {
  const auto recorder = make_recorder(options, std::move(record));
  boost::asio::io_context context(1);
  std::unique_ptr<nicsim::Loop> loop;
  nicsim::ControlServer server(
      context, std::move(listener), options.shape.nodes(), options.any_user,
      {.attached = [&](nicsim::Process& process) { loop->attached(process); },
       .doorbell = [&](nicsim::Process& process) { loop->doorbell(process); },
       .leaving = [&](nicsim::Process& process) { loop->leaving(process); },
       .last_left =
           [&] {
             if (options.leave_with_last_client) loop->stop();
           },
       .asked = [&](nicsim::Process& process,
                    const nicsim::Loop::Asked& asked) { loop->asked(process, asked); },
       .answered = [&](nicsim::Process& process,
                       std::uint32_t request) { loop->answered(process, request); }});
  if (recorder != nullptr) server.machine().record(*recorder);
  if (options.leave_with_last_client) server.expect_client_within(kPatienceForFirstClient);
  loop = make_loop(context, server.machine(), options);
  boost::asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (!error) loop->stop();
  });
  say_ready(options.ready_fd);
  loop->run();
  // While it still listens: afterwards the path may be another nicsim's.
  platform::remove_unix_socket(options.socket);
  return 0;
}

int run(const nicsim::Options& options, platform::FileDescriptor record) {
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
  return serve(options, std::move(listener.value()), std::move(record));
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = nicsim::parse_options(argc, argv);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const auto& options = std::get<nicsim::Options>(parsed);
  nicsim::configure_log(options.log_level, false);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a recording that may grow no longer is told of by write()
  raise_descriptor_limit();
  platform::FileDescriptor record;
  if (!options.record.empty()) {
    auto opened = nicsim::recording::open_recording(options.record, options.record_overwrite);
    if (const auto* problem = std::get_if<std::string>(&opened)) {
      std::fprintf(stderr, "nicsim: %s\n", problem->c_str());
      return kExitMistake;
    }
    record = std::move(std::get<platform::FileDescriptor>(opened));
  }
  try {
    return run(options, std::move(record));
  } catch (const std::exception& error) {
    nicsim::log(nicsim::LogLevel::kError, error.what());
    return kExitFailure;
  }
}
