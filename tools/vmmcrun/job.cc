// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/job.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>

#include "platform/file_descriptor.h"
#include "tools/vmmcrun/exit_code.h"
#include "tools/vmmcrun/output_relay.h"
#include "tools/vmmcrun/private_nicsim.h"
#include "tools/vmmcrun/process_tree.h"
#include "tools/vmmcrun/rank_set.h"

namespace vmmc::run {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr auto kNever = Clock::time_point::max();
constexpr milliseconds kNicsimStartTime(30'000);
constexpr milliseconds kGrace(500);       // between SIGTERM and SIGKILL
constexpr milliseconds kKillTime(5'000);  // for a killed process to be gone
constexpr milliseconds kLastOutput(500);  // for output nobody reads, when the user is in a hurry
// What comes sooner after a SIGTERM is the same request: timeout(1), for one, signals its child and
// then the child's process group.
constexpr milliseconds kSameRequest(250);

class Job {
 public:
  Job(const Options& options, const KeeperWiring& wiring)
      : options_(options), wiring_(wiring), ranks_(options, wiring, relay_) {}

  int run();

 private:
  bool watch_children();
  void start_nicsim();
  void start_ranks();
  void stop_ranks();
  void stop_nicsim();
  void write_rest();

  template <typename Condition>
  bool wait_until(Condition condition, Clock::time_point deadline);
  void pump(Clock::time_point deadline);
  void on_guard();
  void on_signal(const GuardMessage& message);
  void on_stop_request(int signal);
  void on_children();
  void reap_orphans() const;
  bool everybody_below_ended() const;

  void fail(const Failure& failure);
  void decide(int exit_code);

  const Options& options_;
  const KeeperWiring& wiring_;
  OutputRelay relay_;
  platform::FileDescriptor child_signals_;
  PrivateNicsim nicsim_;
  RankSet ranks_;
  std::optional<Clock::time_point> stop_requested_;  // the first SIGINT or SIGTERM
  bool ending_ = false;                              // all ranks have ended or had their time
  bool hurry_ = false;                               // no more grace for anybody
  std::optional<int> verdict_;  // the exit code, when it is decided that the job must stop
};

int Job::run() {
  if (!watch_children()) return kExitFailure;
  if (options_.socket.empty()) start_nicsim();
  start_ranks();
  wait_until([&] { return ranks_.running() == 0 || verdict_; }, kNever);
  stop_ranks();
  stop_nicsim();
  if (!kill_and_reap_descendants(kKillTime)) relay_.say("a process cannot be killed");
  write_rest();
  return verdict_.value_or(0);
}

bool Job::watch_children() {
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  child_signals_.reset(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  return child_signals_.valid();
}

void Job::start_nicsim() {
  if (const auto failure = nicsim_.start(options_, wiring_.original_mask, relay_)) {
    return fail(*failure);
  }
  const bool in_time =
      wait_until([&] { return nicsim_.answered() || verdict_; }, Clock::now() + kNicsimStartTime);
  if (nicsim_.listens() || verdict_) return;
  // It gave up without a word; its end, which says more, is on its way.
  if (in_time) wait_until([&] { return verdict_.has_value(); }, Clock::now() + kGrace);
  if (!verdict_) fail({kExitFailure, nicsim_.path() + " did not say that it was ready"});
}

void Job::start_ranks() {
  const std::string& socket = options_.socket.empty() ? nicsim_.socket() : options_.socket;
  while (!verdict_ && ranks_.started() < options_.processes) {
    if (const auto failure = ranks_.start_next(socket)) fail(*failure);
    pump(Clock::now());  // a large job must be stoppable while it starts
  }
}

// Ends every process that is still there but nicsim: politely if the job has failed; what is left
// of a job that has ended well has no claim to time.
void Job::stop_ranks() {
  if (verdict_ && !ranks_.empty()) {
    ranks_.signal(SIGTERM, false);
    ranks_.signal(SIGCONT, false);  // a stopped process would not see it
    wait_until([&] { return hurry_ || everybody_below_ended(); }, Clock::now() + kGrace);
  }
  ending_ = true;
  const auto patience = Clock::now() + kKillTime;
  while (!everybody_below_ended() && Clock::now() < patience) {
    for (const Descendant& descendant : descendants(::getpid())) {
      if (descendant.process != nicsim_.process() && !descendant.zombie) {
        ::kill(descendant.process, SIGKILL);
      }
    }
    wait_until([&] { return everybody_below_ended(); }, Clock::now() + milliseconds(10));
  }
}

void Job::stop_nicsim() {
  nicsim_.ask_to_end();
  wait_until([&] { return nicsim_.process() == 0 || hurry_; }, Clock::now() + kGrace);
  nicsim_.kill();
  wait_until([&] { return nicsim_.process() == 0; }, Clock::now() + kKillTime);
}

void Job::write_rest() {
  relay_.finish();
  wait_until([&] { return relay_.idle() || hurry_; }, kNever);
  if (hurry_) wait_until([&] { return relay_.idle(); }, Clock::now() + kLastOutput);
}

// False if the deadline came first.
template <typename Condition>
bool Job::wait_until(Condition condition, Clock::time_point deadline) {
  while (!condition()) {
    if (Clock::now() >= deadline) return false;
    pump(deadline);
  }
  return true;
}

// Sleeps until something happens or the deadline comes, and deals with what has happened.
void Job::pump(Clock::time_point deadline) {
  std::vector<pollfd> polled{{child_signals_.get(), POLLIN, 0},
                             {hurry_ ? -1 : wiring_.guard_socket, POLLIN, 0},
                             {nicsim_.ready_fd(), POLLIN, 0}};
  relay_.add_to_poll(polled);
  int timeout = -1;
  if (deadline != kNever) {
    const auto rest = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
    timeout = static_cast<int>(std::max<std::int64_t>(rest, 0));
  }
  if (::poll(polled.data(), polled.size(), timeout) <= 0) return;
  if (polled[1].revents != 0) on_guard();
  if (polled[2].revents != 0) nicsim_.take_answer();
  relay_.handle(polled);
  if (polled[0].revents != 0) on_children();
}

void Job::on_guard() {
  GuardMessage message{};
  const ssize_t count = ::recv(wiring_.guard_socket, &message, sizeof message, MSG_DONTWAIT);
  if (count == static_cast<ssize_t>(sizeof message)) return on_signal(message);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  hurry_ = true;  // the guard was killed
  verdict_ = kExitSignal + SIGKILL;
}

// What a signal does is up to the ranks, but for three things: before there are any it ends the
// job, once they have ended it ends the wait for what is left, and a second request to stop kills.
void Job::on_signal(const GuardMessage& message) {
  const bool stop = message.signal == SIGINT || message.signal == SIGTERM;
  const bool fatal = stop || message.signal == SIGHUP || message.signal == SIGQUIT;
  if (ending_) {
    hurry_ = hurry_ || fatal;
    if (fatal) decide(kExitSignal + message.signal);
  } else if (!ranks_.empty()) {
    ranks_.signal(message.signal, message.from_terminal != 0);
    if (stop) on_stop_request(message.signal);
  } else if (fatal) {
    decide(kExitSignal + message.signal);
  }
}

void Job::on_stop_request(int signal) {
  const auto now = Clock::now();
  if (!stop_requested_) stop_requested_ = now;
  if (now - *stop_requested_ < kSameRequest) return;
  relay_.say("asked to stop a second time; killing all ranks");
  hurry_ = true;
  decide(kExitSignal + signal);
}

void Job::on_children() {
  // A signal that stands for several children names the one that ended first.
  pid_t first = 0;
  signalfd_siginfo signal;
  while (::read(child_signals_.get(), &signal, sizeof signal) > 0) {
    if (first == 0) first = static_cast<pid_t>(signal.ssi_pid);
  }
  if (const auto failure = nicsim_.note_end()) {
    relay_.read_available();  // what it said before it died
    verdict_.reset();         // ranks that failed meanwhile failed because of it
    fail({failure->exit_code, failure->what + (ranks_.empty() ? "" : "; stopping the ranks")});
  }
  const auto failure = ranks_.note_ends(first);
  if (failure && !verdict_) {
    const bool others = ranks_.running() > 0 || ranks_.started() < options_.processes;
    fail({failure->exit_code, failure->what + (others ? "; stopping the others" : "")});
  }
  reap_orphans();
}

// Those whose parents, ranks or their children, have died before them.
void Job::reap_orphans() const {
  const pid_t self = ::getpid();
  for (const Descendant& descendant : descendants(self)) {
    if (!descendant.zombie || descendant.parent != self) continue;
    if (ranks_.contains(descendant.process) || descendant.process == nicsim_.process()) continue;
    ::waitpid(descendant.process, nullptr, WNOHANG);
  }
}

bool Job::everybody_below_ended() const {
  const auto below = descendants(::getpid());
  return std::all_of(below.begin(), below.end(), [&](const Descendant& descendant) {
    return descendant.zombie || descendant.process == nicsim_.process();
  });
}

void Job::fail(const Failure& failure) {
  relay_.say(failure.what);
  decide(failure.exit_code);
}

// What comes first decides.
void Job::decide(int exit_code) {
  if (!verdict_) verdict_ = exit_code;
}

}  // namespace

int run_job(const Options& options, const KeeperWiring& wiring) {
  return Job(options, wiring).run();
}

}  // namespace vmmc::run
