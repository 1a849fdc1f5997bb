// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Latency and bandwidth between two processes. Started plainly it is the launcher; started by the
// launcher, or by vmmcrun -n 2, it is one of the two processes.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/pingpong/link.h"
#include "bench/pingpong/options.h"
#include "bench/pingpong/report.h"
#include "bench/pingpong/tasks.h"
#include "bench/support/launcher.h"
#include "bench/support/machine.h"

namespace vmmc::bench {
namespace {

constexpr std::uint64_t kMaxIterations = 200'000;
constexpr std::uint64_t kRateSlots = kMaxSlots;
constexpr std::uint64_t kRateBytes = 8;
constexpr std::uint64_t kWindow = 64;
constexpr std::uint64_t kProbe = 200'000'000;  // ns
constexpr std::uint64_t kFixedRateLargest = 64 * 1024;
constexpr std::uint64_t kFixedRateDefault = 64;
constexpr std::uint64_t kSmallestStreamed =
    256;  // of the default sizes: below it, the message rate says more

// How often, after a warm-up that is also a first estimate. The time for filling and checking
// payloads counts, since it is the user who waits.
template <typename Run>
std::uint64_t iterations_for(const Options& options, std::uint64_t warm_up, Run run) {
  if (options.iterations > 0) {
    run(std::min(warm_up, options.iterations));
    return options.iterations;
  }
  run(warm_up);
  const std::uint64_t start = now();
  run(warm_up);
  const std::uint64_t each = std::max<std::uint64_t>((now() - start) / warm_up, 1);
  return std::clamp<std::uint64_t>(options.budget / each, 10, kMaxIterations);
}

void run_pingpong(const Options& options, Link& link, Report& report) {
  for (const std::uint64_t bytes : options.sizes) {
    const std::uint64_t warm_up = bytes <= 64 * 1024 ? 200 : 5;
    const std::uint64_t count = iterations_for(
        options, warm_up, [&](std::uint64_t n) { measure_pingpong(link, bytes, n); });
    const ExecutorWatch watch;
    const platform::Histogram round_trips = measure_pingpong(link, bytes, count);
    report.pingpong(bytes, round_trips, watch.used());
  }
}

// A stream that is larger than the caches goes on for a while, so that the few milliseconds in which
// nicsim's core gets up to speed do not count for half. A smaller one would only repeat what the
// caches hold.
std::uint64_t passes_of_burst(std::uint64_t bytes) {
  constexpr std::uint64_t kPasses = 8;
  return bytes >= kBurstBytes ? kPasses : 1;
}

BurstResult run_bursts(const Options& options, Link& link, const BurstPlan& plan,
                       std::byte* copies) {
  const std::uint64_t count =
      iterations_for(options, 2, [&](std::uint64_t n) { measure_bursts(link, plan, copies, n); });
  return measure_bursts(link, plan, copies, count);
}

void run_bandwidth(const Options& options, Link& link, Report& report) {
  void* memory = nullptr;
  const std::size_t bytes_of_copies = kMaxSlots * kCacheLine + link.payload_capacity();
  must(vmmc_alloc(bytes_of_copies, &memory), "vmmc_alloc");
  for (const std::uint64_t bytes : options.sizes) {
    if (!options.sizes_chosen && bytes < kSmallestStreamed) continue;
    const BurstPlan plan{.bytes = bytes,
                         .slots = slots_of_burst(link, bytes),
                         .passes = passes_of_burst(bytes * slots_of_burst(link, bytes)),
                         .window = kWindow,
                         .with_memcpy = true};
    const ExecutorWatch watch;
    const BurstResult result = run_bursts(options, link, plan, static_cast<std::byte*>(memory));
    report.bandwidth(plan, result, watch.used());
  }
  must(vmmc_free(memory), "vmmc_free");
}

void run_rate(const Options& options, Link& link, Report& report) {
  const BurstPlan plan{
      .bytes = kRateBytes, .slots = kRateSlots, .passes = 1, .window = 0, .with_memcpy = false};
  const ExecutorWatch watch;
  const BurstResult result = run_bursts(options, link, plan, nullptr);
  report.rate(plan, result, watch.used());
}

std::vector<std::uint64_t> fixed_rate_sizes(const Options& options) {
  if (!options.sizes_chosen) return {kFixedRateDefault};
  std::vector<std::uint64_t> sizes = options.sizes;
  std::erase_if(sizes, [](std::uint64_t bytes) { return bytes > kFixedRateLargest; });
  return sizes;
}

void run_fixed_rate(const Options& options, Link& link, Report& report) {
  const std::uint64_t period = 1'000'000'000 / options.rate;
  const auto count = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(options.seconds * static_cast<double>(options.rate)));
  for (const std::uint64_t bytes : fixed_rate_sizes(options)) {
    measure_fixed_rate(link, bytes, std::min<std::uint64_t>(count, options.rate / 20 + 1), period);
    const ExecutorWatch watch;
    const FixedRateResult result = measure_fixed_rate(link, bytes, count, period);
    report.fixed_rate(bytes, count, result, watch.used());
  }
}

// Room for the payloads of everything that the options ask for.
std::size_t payload_bytes(const Options& options) {
  std::size_t bytes =
      std::max<std::size_t>(kRateSlots * kCacheLine, kFixedRateSlots * kFixedRateDefault);
  bytes = std::max<std::size_t>(
      bytes, SlotLayout{platform::Histogram::kBuckets * sizeof(std::uint64_t)}.stride());
  for (const std::uint64_t size : options.sizes) {
    const std::size_t stride = SlotLayout{size}.stride();
    if (options.wants("bandwidth") && !options.smoke) {
      bytes =
          std::max<std::size_t>(bytes, std::min<std::size_t>(kBurstSlots * stride, kBurstBytes));
    }
    if (options.wants("fixed-rate") && options.sizes_chosen && size <= kFixedRateLargest) {
      bytes = std::max(bytes, kFixedRateSlots * stride);
    }
    bytes = std::max(bytes, stride);
  }
  return bytes;
}

void initiate(const Options& options, const ClockProbe& probe, Link& link) {
  Report report(options);
  report.header(placement_of_this_run(), probe);
  if (options.wants("pingpong")) run_pingpong(options, link, report);
  if (options.wants("bandwidth")) run_bandwidth(options, link, report);
  if (options.wants("rate")) run_rate(options, link, report);
  if (options.wants("fixed-rate")) run_fixed_rate(options, link, report);
  link.give({.task = Task::kQuit,
             .stream = 0,
             .bytes = 0,
             .slots = 0,
             .count = 0,
             .start = 0,
             .period = 0});
  link.await_ready();
  report.footer();
}

void respond(Link& link) {
  for (;;) {
    const Command command = link.take();
    switch (command.task) {
      case Task::kPingpong:
        answer_pingpong(link, command);
        break;
      case Task::kBurst:
        answer_bursts(link, command);
        break;
      case Task::kFixedRate:
        answer_fixed_rate(link, command);
        break;
      case Task::kQuit:
        link.say_ready();
        return;
    }
  }
}

int run_rank(const Options& options) {
  // Rank 0 looks at the clock before they meet: rank 1 sleeps in its import and is not in the way.
  ClockProbe probe{};
  if (vmmc_rank() == 0) probe = probe_clock(kProbe);
  Link link(options, payload_bytes(options));
  link.is_initiator() ? initiate(options, probe, link) : respond(link);
  link.close();
  return 0;
}

}  // namespace
}  // namespace vmmc::bench

int main(int argc, char** argv) {
  const auto parsed = vmmc::bench::parse_options(argc, argv);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const auto& options = std::get<vmmc::bench::Options>(parsed);
  if (vmmc::bench::is_rank()) return vmmc::bench::run_rank(options);
  std::vector<std::string> arguments(argv, argv + argc);
  arguments[0] = std::filesystem::read_symlink("/proc/self/exe");
  return vmmc::bench::run_two_ranks(arguments, options.placement);
}
