// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Asks the server many things, compares each answer with its own, and measures. See README.md.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "examples/requestserver/protocol.h"
#include "examples/requestserver/service.h"
#include "vmmc/vmmc.hpp"

namespace examples::requestserver {
namespace {

using Clock = std::chrono::steady_clock;
constexpr vmmc::identity kServer{0, 0};
constexpr std::chrono::seconds kPatience{30};

struct Options {
  std::size_t requests = 10000;
  std::vector<std::size_t> sizes{16, 256, 4000};
  std::size_t lanes = 1;
  unsigned seed = 1;
};

struct Request {
  std::uint32_t kind;
  std::string text;
  Answer expected;
};

class Lane {
 public:
  Lane(const vmmc::proxy& slot, const response& answer, std::size_t index)
      : slot_(slot), answer_(answer), offset_(index * kLaneBytes) {}

  bool busy() const { return number_ != answered_; }

  // The request stays where it is until its answer is there.
  void ask(const Request& request) {
    asked_ = &request;
    ++number_;
    start_ = Clock::now();
    slot_.send_notify(std::as_bytes(std::span(request.text)), offset_, request.kind).value();
  }

  // Waits for the answer; the time since the request.
  Clock::duration await() {
    vmmc::wait(answer_.number, VMMC_AT_LEAST, number_, VMMC_WAIT_ADAPTIVE, kPatience).value();
    answered_ = number_;
    return Clock::now() - start_;
  }

  std::string_view text() const { return {answer_.text, answer_.length}; }
  bool right() const {
    return asked_->expected.refused == (answer_.refused != 0) && asked_->expected.text == text();
  }

 private:
  const vmmc::proxy& slot_;
  const response& answer_;
  const std::size_t offset_;
  const Request* asked_ = nullptr;
  std::uint32_t number_ = 0;
  std::uint32_t answered_ = 0;
  Clock::time_point start_;
};

// Requests and their answers, made before the clock runs.
std::vector<Request> random_requests(const Options& options) {
  std::mt19937_64 random(options.seed);
  const auto below = [&](std::uint64_t limit) {
    return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random);
  };
  std::vector<Request> requests(std::min<std::size_t>(options.requests, 1000));
  for (auto& [kind, text, expected] : requests) {
    kind = static_cast<std::uint32_t>(kReverse + below(kKinds - kReverse));
    if (kind == kFactor) {
      text = std::to_string(2 + below(kLargestNumber - 1));
    } else {
      text.resize(options.sizes[below(options.sizes.size())]);
      for (char& letter : text) letter = "etaoin shrdlu"[below(13)];
    }
    expected = answer(kind, text);
  }
  return requests;
}

void print_result(std::vector<Clock::duration>& times, Clock::duration all) {
  std::ranges::sort(times);
  const auto microseconds = [&](std::size_t percent) {
    const auto at = times[std::min(times.size() - 1, times.size() * percent / 100)];
    return std::chrono::duration<double, std::micro>(at).count();
  };
  std::printf(
      "client %u: %zu requests, every answer right, %.0f requests/s, p50 %.1f us, p99 %.1f us\n",
      vmmc::self().process, times.size(),
      static_cast<double>(times.size()) / std::chrono::duration<double>(all).count(),
      microseconds(50), microseconds(99));
}

// False: a wrong answer, or no welcome; says so.
bool run(const Options& options, const vmmc::proxy& slot, const responses& incoming) {
  std::vector<Lane> lanes;
  for (std::size_t i = 0; i < options.lanes; ++i) lanes.emplace_back(slot, incoming.lanes[i], i);
  const Request hello{kHello, "plain", {false, "welcome"}};
  lanes[0].ask(hello);
  lanes[0].await();
  if (!lanes[0].right()) {
    std::fprintf(stderr, "client: the server says: %s\n", std::string(lanes[0].text()).c_str());
    return false;
  }
  const std::vector<Request> requests = random_requests(options);
  std::vector<Clock::duration> times;
  const auto start = Clock::now();
  for (std::size_t i = 0; i < options.requests + lanes.size(); ++i) {
    Lane& lane = lanes[i % lanes.size()];
    if (lane.busy()) {
      times.push_back(lane.await());
      if (!lane.right()) {
        std::fprintf(stderr, "client: a wrong answer (seed %u)\n", options.seed);
        return false;
      }
    }
    if (i < options.requests) lane.ask(requests[i % requests.size()]);
  }
  print_result(times, Clock::now() - start);
  return true;
}

int attach_and_run(const Options& options) {
  vmmc_init_options init = vmmc::init_defaults;
  init.never_start = 1;
  const auto attached = vmmc::attachment::attach(init).value();
  const auto memory = vmmc::memory::allocate(sizeof(responses)).value();
  const auto exported = vmmc::receive_buffer::export_memory(memory.bytes(), kResponsesId).value();
  vmmc_import_options import = vmmc::import_defaults;
  import.timeout = vmmc::timeout_of(kPatience);
  const auto slot = vmmc::proxy::import(kServer, vmmc::self().process, import).value();
  return run(options, slot, memory.as<responses>()[0]) ? 0 : 1;
}

}  // namespace
}  // namespace examples::requestserver

int main(int argc, char** argv) {
  using namespace examples::requestserver;
  Options options;
  CLI::App app{"Asks the request server, checks the answers and measures."};
  app.add_option("--requests", options.requests, "how many")->check(CLI::Range(1, 1000000000));
  app.add_option("--sizes", options.sizes,
                 "bytes of the texts, e.g. 16,256,4000: one is drawn each time")
      ->delimiter(',')
      ->check(CLI::Range(1, static_cast<int>(kLaneBytes)));
  app.add_option("--lanes", options.lanes, "requests under way at a time")
      ->check(CLI::Range(1, static_cast<int>(kLanes)));
  app.add_option("--seed", options.seed, "of the random requests");
  CLI11_PARSE(app, argc, argv);
  try {
    return attach_and_run(options);
  } catch (const boost::system::system_error& error) {
    std::fprintf(stderr, "client: %s\n", vmmc::last_error());
    return 1;
  }
}
