// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// vmmcdump: captures frames from a receive ring. See README.md.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>

#include "tools/vmmcdump/capture.h"
#include "tools/vmmcdump/options.h"
#include "tools/vmmcdump/ring_stream.h"
#include "vmmc/vmmc.h"

namespace {

using namespace vmmc::dump;

std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

// The first one ends the capture, and everything is written. A second one ends the process.
void catch_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop = true; };
  action.sa_flags = SA_RESETHAND;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int fail(const Failure& failure) {
  std::fprintf(stderr, "vmmcdump: %s\n", failure.what.c_str());
  return failure.exit_code;
}

Origin origin_of(const Options& options) {
  Origin origin;
  // Who joins does not know what the ring cuts off. A tag that is put back is not cut off.
  if (options.source != Source::kJoin) origin.snap_length = options.ring_options.snap_length;
  if (options.source == Source::kInterface) origin.snap_length += FrameBytes::kTagBytes;
  origin.filter = options.filter;
  origin.directed = options.source == Source::kInterface;
  origin.numbered = options.source != Source::kInterface;
  switch (options.source) {
    case Source::kInterface:
      origin.name = options.name.empty() ? "any" : options.name;
      break;
    case Source::kBackplane:
      origin.name = "node";
      break;
    default:
      origin.name = "interface";
  }
  return origin;
}

CaptureOptions capture_options(const Options& options, FrameFilter* filter, PacketFile* file) {
  CaptureOptions capture;
  capture.filter = filter;
  capture.file = file;
  if (options.prints_frames()) capture.lines = stdout;
  capture.hex = options.hex;
  capture.count = options.count;
  const bool lines_on_terminal = options.prints_frames() && ::isatty(STDOUT_FILENO) != 0;
  if (!options.quiet && !lines_on_terminal && ::isatty(STDERR_FILENO) != 0) capture.live = stderr;
  return capture;
}

void announce(const Options& options) {
  if (options.source != Source::kInterface && options.source != Source::kBackplane) return;
  const vmmc_identity self = ::vmmc_self();
  std::fprintf(stderr, "vmmcdump: capturing; others join with --join %u:%u:%u\n", self.node,
               self.process, options.ring);
}

int run(const Options& options) {
  auto opened = RingStream::open(options);
  if (const auto* failure = std::get_if<Failure>(&opened)) return fail(*failure);
  RingStream& stream = *std::get<std::unique_ptr<RingStream>>(opened);
  std::optional<PacketFile> file;
  if (!options.output.empty()) {
    auto created =
        PacketFile::open(options.output, options.overwrite, stream.input(), origin_of(options));
    if (const auto* failure = std::get_if<Failure>(&created)) return fail(*failure);
    file.emplace(std::move(std::get<PacketFile>(created)));
  }
  announce(options);
  const CaptureEnd end =
      capture(stream, capture_options(options, stream.filter(), file ? &*file : nullptr), stop);
  std::optional<Failure> failure;
  if (end.status != VMMC_OK && end.status != VMMC_END)
    failure = stream_failure(end.status, "the capture ended");
  if (file) {
    if (auto unwritable = file->close(end.progress.ring)) failure = unwritable;
  } else if (end.output_failed) {
    failure = Failure{kExitUnwritable, "standard output takes no more"};
  }
  std::fprintf(stderr, "vmmcdump: %s\n", final_line(end.progress).c_str());
  return failure ? fail(*failure) : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = parse_options(argc, argv);
  if (const auto* early = std::get_if<EarlyExit>(&parsed)) {
    std::fputs(early->text.c_str(), early->exit_code == 0 ? stdout : stderr);
    return early->exit_code;
  }
  catch_signals();
  return run(std::get<Options>(parsed));
}
