// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// VMMC as a contestant of the comparison, with either executor and with the C++ interface.
//
// Threads and processes: a nicsim of its own and the ranks, all of which die with rank 0.
#include "vmmc/vmmc.h"

#include <fcntl.h>

#include "bench/compare/contestant.h"
#include "bench/compare/contestants/held_output.h"
#include "bench/compare/contestants/vmmc_links.h"

namespace {

using namespace vmmc_contestant;
using contestant::Control;

// -------------------------------------------------------------------------------------- nicsim

class Nicsim {
 public:
  Nicsim(int nodes, int core) {
    std::uint64_t random = now_mixed();
    char name[48];
    std::snprintf(name, sizeof name, "@vmmc-compare-%016llx",
                  static_cast<unsigned long long>(random));
    socket_ = name;
    int ready[2];
    contestant::require(::pipe2(ready, O_CLOEXEC) == 0, "pipe2");
    const pid_t parent = ::getpid();
    process_ = ::fork();
    contestant::require(process_ >= 0, "fork");
    if (process_ == 0) become_nicsim(parent, nodes, core, ready[1]);
    ::close(ready[1]);
    char byte = 0;
    const bool is_ready = ::read(ready[0], &byte, 1) == 1;
    ::close(ready[0]);
    if (!is_ready) contestant::fail(1, "nicsim did not start; set VMMC_NICSIM to its path");
  }

  const std::string& socket() const { return socket_; }

  // Nanoseconds that it has used a core.
  std::uint64_t cpu_time() const {
    clockid_t clock{};
    contestant::require(::clock_getcpuclockid(process_, &clock) == 0, "clock_getcpuclockid");
    return contestant::clock_ns(clock);
  }

  void end() const {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }

 private:
  static std::uint64_t now_mixed();
  [[noreturn]] void become_nicsim(pid_t parent, int nodes, int core, int ready) const;

  std::string socket_;
  pid_t process_ = -1;
};

// No pid: other pid namespaces may share the abstract socket names.
std::uint64_t Nicsim::now_mixed() {
  std::uint64_t random = 0;
  const int file = ::open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  contestant::require(file >= 0 && ::read(file, &random, sizeof random) == sizeof random,
                      "/dev/urandom");
  ::close(file);
  return random;
}

void Nicsim::become_nicsim(pid_t parent, int nodes, int core, int ready) const {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  if (core != kAnywhere) contestant::pin(core);
  ::fcntl(ready, F_SETFD, 0);
  const char* given = std::getenv("VMMC_NICSIM");
  const char* program = given != nullptr ? given : "nicsim";
  ::execlp(program, program, "--socket", socket_.c_str(), "--nodes", std::to_string(nodes).c_str(),
           "--foreground", "--ready-fd", std::to_string(ready).c_str(), nullptr);
  contestant::fail(1, "cannot run %s: %s", program, std::strerror(errno));
}

void attach(const Setting& setting, const Nicsim& nicsim, int rank) {
  vmmc_init_options options = VMMC_INIT_DEFAULTS;
  options.socket = nicsim.socket().c_str();
  options.node = static_cast<std::uint32_t>(rank);
  options.process = static_cast<std::uint32_t>(rank);
  options.never_start = 1;
  must(vmmc_init(&options), "vmmc_init");
  must(vmmc_set_wait_strategy(setting.wait), "vmmc_set_wait_strategy");
}

// ------------------------------------------------------------------------------------ measuring

// The executor that carried all sends of this process. Any send by another one is an error.
const char* executor_used(vmmc_executor wanted) {
  vmmc_counters counters{};
  must(vmmc_get_counters(&counters), "vmmc_get_counters");
  const bool nic = wanted == VMMC_EXECUTOR_NIC;
  const std::uint64_t right = nic ? counters.nic_executor_sends : counters.host_executor_sends;
  const std::uint64_t wrong = nic ? counters.host_executor_sends : counters.nic_executor_sends;
  if (right == 0 || wrong != 0) {
    contestant::fail(1, "%s was asked for, and carried %llu sends; the other executor %llu",
                     nic ? "nic" : "host", static_cast<unsigned long long>(right),
                     static_cast<unsigned long long>(wrong));
  }
  return nic ? "nic" : "host";
}

std::string members(const Setting& setting) {
  const auto core = [](int number) {
    return number == kAnywhere ? std::string("anywhere") : "on core " + std::to_string(number);
  };
  std::string text = "\"executor\":\"";
  text += executor_used(setting.executor);
  text += "\",\"wait\":\"" + std::string(vmmc_wait_strategy_name(setting.wait));
  return text + "\",\"placement\":\"nicsim " + core(setting.nicsim_core) + "\"";
}

// As contestant::measure_idle, with the time that nicsim used counted in.
void measure_idle(const Options& options, Control& control, Link& link, const Nicsim& nicsim) {
  constexpr std::uint64_t kLongest = 1'000'000'000;
  constexpr std::uint64_t kShortest = 200'000'000;
  const std::uint64_t asked = static_cast<std::uint64_t>(options.milliseconds) * 1'000'000;
  const std::uint64_t length = std::clamp(asked, kShortest, kLongest);
  contestant::fill_pattern(link.source(0), options.bytes, control.rank(), 1);
  std::uint64_t used = 0;
  if (control.rank() == 0) {
    control.await_ready(1);
    const timespec pause{static_cast<time_t>(length / kLongest),
                         static_cast<long>(length % kLongest)};
    const std::uint64_t before = nicsim.cpu_time();
    ::nanosleep(&pause, nullptr);
    used = nicsim.cpu_time() - before;
    link.send(0, 1, true);
  } else {
    const std::uint64_t before = contestant::clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    control.say_ready(1);
    const std::byte* message = link.wait(0, 1, true);
    used = contestant::clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before;
    contestant::check_pattern(message, options.bytes, 0, 1);
  }
  const std::uint64_t all = control.agree(0, used) + control.agree(1, used);
  if (control.rank() != 0) return;
  std::printf("%s,\"cpu_seconds_per_second\":%.6f,\"checked\":true}\n",
              contestant::json_start(options).c_str(), double(all) / double(length));
}

template <class TwoSided>
void measure_two(const Setting& setting, Control& control, const Nicsim& nicsim) {
  TwoSided link(setting, control.rank());
  control.barrier();
  if constexpr (std::is_same_v<TwoSided, Link>) {
    if (setting.options.measure == "idle") {
      return measure_idle(setting.options, control, link, nicsim);
    }
  }
  contestant::measure(setting.options, control, link);
}

template <class TwoSided>
void run(const Options& options, vmmc_executor executor) {
  const Setting setting = setting_for(options, executor);
  const bool mesh = options.measure == "alltoall";
  const int processes = mesh ? options.processes : 2;
  const Nicsim nicsim(processes, setting.nicsim_core);
  Control control = contestant::fork_processes(setting.options, processes);
  attach(setting, nicsim, control.rank());
  control
      .barrier();  // so that a refused import finds all attached, and its sentence is the only one
  contestant::HeldOutput output;
  if (mesh) {
    Mesh all(setting, control.rank());
    contestant::measure_all_to_all(setting.options, control, all);
  } else {
    measure_two<TwoSided>(setting, control, nicsim);
  }
  output.release(control.rank() == 0 ? members(setting) : "");
  control.barrier();
  must(vmmc_finalize(), "vmmc_finalize");
  if (control.rank() != 0) ::_exit(0);
  contestant::join_processes();
  nicsim.end();
}

void run_nic(const Options& options) { run<Link>(options, VMMC_EXECUTOR_NIC); }
void run_host(const Options& options) { run<Link>(options, VMMC_EXECUTOR_HOST); }
void run_host_cxx(const Options& options) {
  if (options.bytes != kWord) contestant::fail(contestant::kWrongArguments, "only words of 8 B");
  run<WordLink>(options, VMMC_EXECUTOR_HOST);
}

constexpr const char* kAll = "latency,bandwidth,rate,wakeup,alltoall,idle";
constexpr contestant::Variant kVariants[] = {
    {"vmmc-nic", kAll, true, run_nic},
    {"vmmc-host", kAll, true, run_host},
    {"vmmc-host-cxx", "latency,rate", true, run_host_cxx},
};

}  // namespace

int main(int argc, char** argv) { return contestant::contestant_main(argc, argv, kVariants); }
