// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Finds attacks in the frames of a receive ring. See README.md.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "examples/intrusiondetector/capture_maker.h"
#include "examples/intrusiondetector/detector.h"
#include "examples/intrusiondetector/meeting_point.h"
#include "examples/support/must.h"
#include "vmmc/ring.h"
#include "vmmc/vmmc.h"

namespace examples::intrusiondetector {
namespace {

constexpr std::uint32_t kRing = 1;
constexpr std::uint64_t kNap = 10'000'000;  // ns until rank 0 looks for what the others have sent
constexpr std::uint64_t kFramesPerLook = 1024;
std::atomic<bool> stop{false};

struct Options {
  std::string rules;
  std::string file;
  std::string interface;
  std::string made;
  std::uint32_t frames = 20'000;
};

int fail(const std::string& what) {
  std::fprintf(stderr, "intrusiondetector: %s\n", what.c_str());
  return 1;
}

void print_alert(const Alert& alert) {
  std::printf("alert %s %s > %s at %llu.%09llu\n", alert.rule.c_str(), alert.from.c_str(),
              alert.to.c_str(), static_cast<unsigned long long>(alert.time / 1'000'000'000),
              static_cast<unsigned long long>(alert.time % 1'000'000'000));
}

vmmc_ring* open_ring(const Options& options) {
  vmmc_ring_options ring = VMMC_RING_DEFAULTS;
  ring.spread = VMMC_RING_BY_FLOW;
  ring.consumers = vmmc_size();  // else rank 0 would get flows that are another one's later
  vmmc_ring* opened = nullptr;
  if (!options.interface.empty()) {
    must(vmmc_ring_open_interface(options.interface.c_str(), nullptr, 0, kRing, &ring, &opened),
         options.interface.c_str());
    return opened;
  }
  const int fd = ::open(options.file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) std::exit(fail(options.file + ": cannot be opened"));
  must(vmmc_ring_open_file(fd, kRing, &ring, &opened), options.file.c_str());
  ::close(fd);
  return opened;
}

vmmc_ring* join_ring() {
  vmmc_identity opener{};
  vmmc_ring* joined = nullptr;
  must(vmmc_identity_of_rank(0, &opener), "vmmc_identity_of_rank");
  must(vmmc_ring_join(opener, kRing, &joined), "vmmc_ring_join");
  return joined;
}

class Run {
 public:
  Run(const Rules& rules, const Options& options)
      : detector_(
            rules, [this](const Alert& alert) { on_alert(alert); },
            [this](const Opening& opening) { meeting_.add(opening); }),
        ring_(vmmc_rank() == 0 ? open_ring(options) : nullptr),
        meeting_([this](const Opening& opening) { on_opening(opening); },
                 [this] { ring_ = join_ring(); }) {
    for (const ScanRule& rule : rules.scans) scans_.emplace_back(rule);
  }

  // Until the source ends, or somebody asks for the end; how the source has ended.
  int read() {
    const auto start = std::chrono::steady_clock::now();
    int status = VMMC_OK;
    while (!stop && (status == VMMC_OK || status == VMMC_ERR_TIMEOUT)) {
      const vmmc_frame* frame = nullptr;
      status = vmmc_ring_next(ring_, &frame, kNap);
      if (status == VMMC_OK) {
        detector_.look_at({vmmc_frame_data(frame), frame->captured}, frame->time);
        ++own_.frames;
        own_.bytes += frame->captured;
      }
      if (status != VMMC_OK || own_.frames % kFramesPerLook == 0) meeting_.exchange();
    }
    seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (status == VMMC_OK || status == VMMC_ERR_TIMEOUT || status == VMMC_END) return 0;
    return fail(vmmc_last_error());
  }

  void finish() {
    vmmc_ring_counters counters{};
    must(vmmc_ring_get_counters(ring_, &counters), "vmmc_ring_get_counters");
    own_.flows = detector_.flows().begun();
    own_.forgotten = detector_.flows().forgotten();
    own_.dropped = counters.dropped;
    // Is the ring's: the same for everybody.
    if (vmmc_rank() == 0) own_.source_dropped = counters.source_dropped;
    const Sums sums = meeting_.finish(own_);
    must(vmmc_ring_close(ring_), "vmmc_ring_close");
    if (vmmc_rank() == 0) print_summary(sums);
  }

 private:
  void on_alert(const Alert& alert) {
    ++own_.alerts;
    print_alert(alert);
  }
  void on_opening(const Opening& opening) {
    for (ScanWatch& scan : scans_) {
      if (!scan.add(opening)) continue;
      on_alert({scan.rule().name, text_of(opening.from), text_of(opening.to), opening.time});
    }
  }
  void print_summary(const Sums& sums) const {
    using Number = unsigned long long;
    std::printf("frames: %llu, %llu bytes\n", static_cast<Number>(sums.frames),
                static_cast<Number>(sums.bytes));
    std::printf("flows: %llu, %llu of them forgotten\n", static_cast<Number>(sums.flows),
                static_cast<Number>(sums.forgotten));
    std::printf("alerts: %llu\n", static_cast<Number>(sums.alerts));
    std::printf("dropped: %llu by the ring, %llu by the source\n",
                static_cast<Number>(sums.dropped), static_cast<Number>(sums.source_dropped));
    std::printf("time: %.1f ms, %.0f frames/s, %u %s\n", seconds_ * 1e3,
                static_cast<double>(sums.frames) / seconds_, vmmc_size(),
                vmmc_size() == 1 ? "process" : "processes");
  }

  Sums own_;
  std::vector<ScanWatch> scans_;
  Detector detector_;
  vmmc_ring* ring_;
  MeetingPoint meeting_;
  double seconds_ = 0;
};

int write_capture(const Options& options) {
  const MadeCapture made = make_capture(options.frames);
  std::ofstream file(options.made, std::ios::binary | std::ios::trunc);
  file << made.pcap;
  if (!file.flush()) return fail(options.made + ": cannot be written");
  for (const std::string& planted : made.planted) std::printf("planted %s\n", planted.c_str());
  return 0;
}

int detect(const Options& options) {
  std::ifstream file(options.rules);
  if (!file) return fail(options.rules + ": cannot be opened");
  const auto parsed = parse_rules({std::istreambuf_iterator<char>(file), {}});
  if (const auto* wrong = std::get_if<std::string>(&parsed))
    return fail(options.rules + ": " + *wrong);
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { stop = true; });
  must(vmmc_init(nullptr), "vmmc_init");
  int result = 0;
  {
    Run run(std::get<Rules>(parsed), options);
    result = run.read();
    run.finish();
  }
  must(vmmc_finalize(), "vmmc_finalize");
  return result;
}

}  // namespace
}  // namespace examples::intrusiondetector

int main(int argc, char** argv) {
  examples::intrusiondetector::Options options;
  CLI::App app{"Finds attacks in captured frames. Alone, or with vmmcrun -n PROCESSES."};
  auto* rules = app.add_option("--rules", options.rules, "the rules");
  auto* file = app.add_option("file", options.file, "pcap or pcapng file to replay");
  auto* interface =
      app.add_option("-i,--interface", options.interface, "capture from this interface instead");
  auto* made = app.add_option("--make-capture", options.made,
                              "write a capture with known attacks, and name them");
  app.add_option("--frames", options.frames, "harmless frames of the capture")
      ->check(CLI::Range(examples::intrusiondetector::kFewestFrames, 10'000'000u))
      ->needs(made);
  interface->excludes(file);
  made->excludes(file)->excludes(interface)->excludes(rules);
  CLI11_PARSE(app, argc, argv);
  if (!made->empty()) return examples::intrusiondetector::write_capture(options);
  if (rules->empty() || (file->empty() && interface->empty())) {
    std::fprintf(stderr, "intrusiondetector: --rules and a file or -i are needed; see --help\n");
    return 2;
  }
  return examples::intrusiondetector::detect(options);
}
