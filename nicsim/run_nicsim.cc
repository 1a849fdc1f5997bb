// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/run_nicsim.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>

#include "nicsim/assembly.h"
#include "nicsim/log.h"
#include "nicsim/options.h"
#include "nicsim/recording/file_recorder.h"
#include "nicsim/trace/trace_file.h"
#include "platform/unix_socket.h"

namespace vmmc::nicsim {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitMistake = 2;
constexpr int kExitAlreadyRunning = 3;

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
    log(LogLevel::kError, std::string("fork: ") + std::strerror(errno));
    std::_Exit(kExitFailure);
  }
  if (child > 0) std::_Exit(0);
  ::setsid();
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2; ++fd) ::dup2(null, fd);
  ::close(null);
}

int serve(const Options& options, platform::FileDescriptor listener, OutputFiles files,
          Extension* extension) {
  Assembly assembly(options, std::move(listener), std::move(files));
  const bool traces = assembly.begin_trace();
  if (traces) assembly.run(extension);
  // While it still listens: afterwards the path may be another nicsim's.
  platform::remove_unix_socket(options.socket);
  return traces ? 0 : kExitFailure;
}

int run(const Options& options, OutputFiles files, Extension* extension) {
  auto listener = platform::listen_unix_socket(options.socket);
  if (!listener.ok()) {
    const int number = listener.error().number;
    log(LogLevel::kError, number == EADDRINUSE
                              ? "another nicsim serves " + options.socket + " already"
                              : "cannot listen at " + options.socket + ": " +
                                    listener.error().call + ": " + std::strerror(number));
    return number == EADDRINUSE ? kExitAlreadyRunning : kExitFailure;
  }
  if (!options.foreground) go_to_background();
  configure_log(options.log_level, !options.foreground);
  return serve(options, std::move(listener.value()), std::move(files), extension);
}

// Says on stderr why a file cannot be written to.
bool take(std::variant<platform::FileDescriptor, std::string> opened,
          platform::FileDescriptor& file) {
  if (const auto* problem = std::get_if<std::string>(&opened)) {
    std::fprintf(stderr, "nicsim: %s\n", problem->c_str());
    return false;
  }
  file = std::move(std::get<platform::FileDescriptor>(opened));
  return true;
}

bool open_files(const Options& options, OutputFiles& files) {
  return (options.record.empty() ||
          take(recording::open_recording(options.record, options.record_overwrite),
               files.record)) &&
         (options.trace.empty() ||
          take(open_trace_file(options.trace, options.trace_overwrite), files.trace));
}

}  // namespace

int run_nicsim(int argc, char** argv, Extension* extension) {
  const auto parsed = parse_options(argc, argv, [extension](CLI::App& app) {
    if (extension != nullptr) extension->add_options(app);
  });
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const auto& options = std::get<Options>(parsed);
  configure_log(options.log_level, false);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a recording that may grow no longer is told of by write()
  raise_descriptor_limit();
  OutputFiles files;
  if (!open_files(options, files)) return kExitMistake;
  if (extension != nullptr) {
    if (const std::string problem = extension->prepare(options); !problem.empty()) {
      std::fprintf(stderr, "nicsim: %s\n", problem.c_str());
      return kExitMistake;
    }
  }
  try {
    return run(options, std::move(files), extension);
  } catch (const std::exception& error) {
    log(LogLevel::kError, error.what());
    return kExitFailure;
  }
}

}  // namespace vmmc::nicsim
