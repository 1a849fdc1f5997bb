// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What each operation costs between two processes: sends, stores to bound pages, fetches, atomic
// operations, notifications. Rank 0 measures and prints, rank 1 takes part.
#include <poll.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "bench/operations/exchange.h"
#include "bench/support/launcher.h"
#include "bench/support/machine.h"
#include "bench/support/placement.h"
#include "platform/histogram.h"

namespace vmmc::bench {
namespace {

constexpr std::size_t kPage = Exchange::kPage;

struct Settings {
  std::uint64_t iterations = 20000;
  std::string placement = "spread";
};

void print_head() {
  std::printf("%-52s %9s %9s %9s %9s\n", "us", "p50", "p99", "p99.9", "samples");
}

void print(const std::string& what, const platform::Histogram& times, double divisor) {
  const auto shown = [&](double percent) {
    char text[32] = "-";
    if (times.resolves(percent)) {
      std::snprintf(text, sizeof text, "%.3f",
                    static_cast<double>(times.percentile(percent)) / divisor / 1000);
    }
    return std::string(text);
  };
  std::printf("%-52s %9.3f %9s %9s %9llu\n", what.c_str(),
              static_cast<double>(times.percentile(50)) / divisor / 1000, shown(99).c_str(),
              shown(99.9).c_str(), static_cast<unsigned long long>(times.count()));
  std::fflush(stdout);
}

// Rank 0 says a number, rank 1 repeats it; half of the round trip. `say` makes the number appear in
// the other process at kFlag.
void measure_ping_pong(const std::string& what, Exchange& exchange, std::uint64_t count,
                       const std::function<void(std::uint64_t)>& say) {
  exchange.word(Exchange::kFlag) = 0;
  exchange.meet();
  platform::Histogram times;
  const std::uint64_t warm_up = count / 10 + 1;
  for (std::uint64_t i = 1; i <= warm_up + count; ++i) {
    const std::uint64_t start = now();
    if (rank() == 0) say(i);
    exchange.await(Exchange::kFlag, i);
    if (rank() == 1) say(i);
    if (i > warm_up) times.record(now() - start);
  }
  exchange.meet();
  if (rank() == 0) print(what, times, 2);
}

// Rank 0 alone does something that has ended when the call returns.
void measure_alone(const std::string& what, Exchange& exchange, std::uint64_t count, double divisor,
                   const std::function<void(std::uint64_t)>& operation) {
  exchange.meet();
  if (rank() == 0) {
    platform::Histogram times;
    const std::uint64_t warm_up = count / 10 + 1;
    for (std::uint64_t i = 0; i < warm_up + count; ++i) {
      const std::uint64_t start = now();
      operation(i);
      if (i >= warm_up) times.record(now() - start);
    }
    print(what, times, divisor);
  }
  exchange.meet();
}

vmmc_bind_options bind_options(vmmc_capture capture, vmmc_combining combining) {
  vmmc_bind_options options = bind_defaults;
  options.capture = capture;
  options.combining = combining;
  return options;
}

void measure_bound_pages(Exchange& exchange, std::uint64_t count) {
  auto local = must(memory::allocate(2 * kPage), "vmmc_alloc");
  const auto bind = [&](vmmc_capture capture, vmmc_combining combining) {
    return must(binding::bind(local.bytes().first(kPage), exchange.remote(), Exchange::kFlag,
                              bind_options(capture, combining)),
                "vmmc_bind");
  };
  volatile std::uint64_t* const plain = local.as<std::uint64_t>().data();
  {
    const auto bound = bind(VMMC_CAPTURE_TRAP, VMMC_COMBINE_SINGLE);
    measure_ping_pong("automatic update, plain store of 8 B (trap), one way", exchange, count,
                      [&](std::uint64_t i) { *plain = i; });
  }
  {
    const auto bound = bind(VMMC_CAPTURE_TYPED, VMMC_COMBINE_SINGLE);
    const auto words = must(bound.as<std::uint64_t>(), "words");
    measure_ping_pong("automatic update, typed store of 8 B, one way", exchange, count,
                      [&](std::uint64_t i) { words[0] = i; });
  }
  {
    const auto bound = bind(VMMC_CAPTURE_TRAP, VMMC_COMBINE_BLOCK);
    measure_alone("plain store of 8 B (trap), combined, each", exchange, count / 20 + 1, 64,
                  [&](std::uint64_t i) {
                    for (std::size_t k = 0; k < 64; ++k) plain[64 + k] = i;
                  });
  }
  {
    const auto bound = bind(VMMC_CAPTURE_TYPED, VMMC_COMBINE_BLOCK);
    const auto words = must(bound.as<std::uint64_t>(), "words");
    measure_alone("typed store of 8 B, combined, each", exchange, count / 4 + 1, 448,
                  [&](std::uint64_t i) {
                    for (std::size_t k = 64; k < 512; ++k) words[k] = i;
                  });
    must(fence(), "vmmc_fence");
  }
}

// The pages are neither from vmmc_alloc nor on the stack.
void measure_shared_pages(Exchange& exchange, std::uint64_t count) {
  alignas(kPage) static std::byte local[kPage];
  auto outcome = binding::bind(local, exchange.remote(), Exchange::kFlag,
                               bind_options(VMMC_CAPTURE_SHARED, VMMC_COMBINE_SINGLE));
  // In both processes alike: the host executor is not to be used.
  if (!outcome && outcome.error() == VMMC_ERR_CAPTURE_UNAVAILABLE) return;
  const auto bound = must(std::move(outcome), "vmmc_bind");
  const auto words = must(bound.as<std::uint64_t>(), "words");
  measure_ping_pong("automatic update, plain store of 8 B (shared), one way", exchange, count,
                    [&](std::uint64_t i) {
                      std::atomic_ref(*words.data()).store(i, std::memory_order_release);
                      must(flush(), "vmmc_flush");  // a sleeper would not hear of it
                    });
  measure_ping_pong("automatic update, typed store of 8 B (shared), one way", exchange, count,
                    [&](std::uint64_t i) { words[0] = i; });
}

void measure_fetches(Exchange& exchange, std::uint64_t count) {
  auto local = must(memory::allocate(Exchange::kDataBytes), "vmmc_alloc");
  std::memset(exchange.local().data() + Exchange::kData, static_cast<int>(rank()) + 1,
              Exchange::kDataBytes);
  for (const std::size_t bytes : {std::size_t{8}, std::size_t{4096}, std::size_t{65536}}) {
    const auto target = local.bytes().first(bytes);
    const std::uint64_t times = std::max<std::uint64_t>(count / (1 + bytes / 4096), 10);
    measure_alone("fetch of " + std::to_string(bytes) + " B", exchange, times, 1,
                  [&](std::uint64_t) {
                    target.back() = {};
                    must(exchange.remote().fetch(target, Exchange::kData), "vmmc_fetch");
                    if (target.back() != std::byte{2}) {
                      std::fprintf(stderr, "a fetch brought the wrong bytes\n");
                      std::exit(1);
                    }
                  });
  }
  std::uint64_t expected = 0;
  measure_alone("fetch-and-add of 8 B", exchange, count, 1, [&](std::uint64_t) {
    const auto before =
        must(exchange.remote().fetch_add<std::uint64_t>(Exchange::kCounter, 1), "fetch_add");
    if (before != expected++) {
      std::fprintf(stderr, "a fetch-and-add was lost\n");
      std::exit(1);
    }
  });
}

// The handler of rank 1 answers with a send.
struct Answer {
  std::atomic<const proxy*> to{nullptr};
};
void answer(const vmmc_notification* notification, void* argument) {
  const proxy* const to = static_cast<Answer*>(argument)->to.load();
  const std::uint64_t value = notification->immediate;
  if (to != nullptr && rank() == 1) (void)to->send(value, Exchange::kFlag);
}

void dispatch_until(std::uint64_t last) {
  const int descriptor = vmmc_notification_fd();
  for (std::uint64_t handled = 0; handled < last;) {
    pollfd poll{descriptor, POLLIN, 0};
    if (::poll(&poll, 1, 60'000) != 1) {
      std::fprintf(stderr, "no notification in a minute\n");
      std::exit(1);
    }
    handled += must(dispatch(), "vmmc_dispatch");
  }
}

void measure_notifications(vmmc_delivery delivery, const char* name, std::uint64_t count) {
  Answer target;
  Exchange exchange(delivery, answer, &target);
  target.to = &exchange.remote();
  const std::uint64_t all = count + count / 10 + 1;
  exchange.meet();
  if (rank() == 0) {
    platform::Histogram times;
    const std::uint64_t word = 0;
    for (std::uint64_t i = 1; i <= all; ++i) {
      const std::uint64_t start = now();
      must(exchange.remote().send_notify(std::as_bytes(std::span(&word, 1)), Exchange::kCounter,
                                         static_cast<std::uint32_t>(i)),
           "vmmc_send_notify");
      exchange.await(Exchange::kFlag, i);
      if (i > all - count) times.record(now() - start);
    }
    print(std::string("notification and the handler's answer, by ") + name, times, 1);
  } else if (delivery == VMMC_DELIVER_BY_DISPATCH) {
    dispatch_until(all);
  }
  exchange.meet();
}

int run_rank(const Settings& settings) {
  if (rank() == 0) {
    const MachineFacts facts = read_machine_facts();
    std::printf(
        "VMMC operations between two processes, %s\n  machine    %s\n"
        "  placement  %s\n\n",
        facts.date.c_str(), describe_machine(facts).c_str(), placement_of_this_run().c_str());
    print_head();
  }
  const std::uint64_t count = settings.iterations;
  {
    Exchange exchange(VMMC_DELIVER_BY_THREAD, nullptr, nullptr);
    measure_ping_pong("deliberate update of 8 B, one way", exchange, count,
                      [&](std::uint64_t i) { exchange.send(Exchange::kFlag, i); });
    measure_bound_pages(exchange, count);
    measure_shared_pages(exchange, count);
    measure_fetches(exchange, count);
  }
  measure_notifications(VMMC_DELIVER_BY_THREAD, "thread", count / 2 + 1);
  measure_notifications(VMMC_DELIVER_BY_SIGNAL, "signal", count / 2 + 1);
  measure_notifications(VMMC_DELIVER_BY_DISPATCH, "dispatch", count / 2 + 1);
  return 0;
}

}  // namespace
}  // namespace vmmc::bench

int main(int argc, char** argv) {
  vmmc::bench::Settings settings;
  CLI::App app("What each operation costs between two processes.");
  bool smoke = false;
  app.add_option("--iterations", settings.iterations, "samples of each operation")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{100'000'000}));
  app.add_option("--placement", settings.placement, "none, split or spread (bench/README.md)")
      ->check(CLI::IsMember({"none", "split", "spread"}));
  app.add_flag("--smoke", smoke, "few samples: only shows that it works");
  CLI11_PARSE(app, argc, argv);
  if (smoke) settings.iterations = 20;
  if (vmmc::bench::is_rank()) return vmmc::bench::run_rank(settings);
  std::vector<std::string> arguments{std::filesystem::read_symlink("/proc/self/exe").string()};
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  return vmmc::bench::run_two_ranks(arguments,
                                    *vmmc::bench::placement_from_name(settings.placement));
}
