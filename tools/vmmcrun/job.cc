// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/job.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>

#include "tools/vmmcrun/child_end.h"
#include "tools/vmmcrun/nicsim_command.h"
#include "tools/vmmcrun/output_relay.h"
#include "tools/vmmcrun/process_tree.h"
#include "tools/vmmcrun/spawn.h"

namespace vmmc::run {
namespace {

using Clock = std::chrono::steady_clock;
using platform::FileDescriptor;
using std::chrono::milliseconds;

constexpr auto kNever = Clock::time_point::max();
constexpr milliseconds kNicsimStartTime(30'000);
constexpr milliseconds kGrace(500);       // between SIGTERM and SIGKILL
constexpr milliseconds kKillTime(5'000);  // for a killed process to be gone
constexpr milliseconds kLastOutput(500);  // for output nobody reads, when the user is in a hurry

class Job {
 public:
  Job(const Options& options, const KeeperWiring& wiring) : options_(options), wiring_(wiring) {}

  int run();

 private:
  struct Rank {
    pid_t process;
    bool ended;
  };

  bool watch_children();
  void start_nicsim();
  void wait_for_nicsim();
  void start_ranks();
  bool start_rank(std::uint32_t rank);
  platform::Result<pid_t> spawn_rank(std::uint32_t rank);
  void stop_ranks();
  void stop_nicsim();
  void write_rest();

  template <typename Condition>
  bool wait_until(Condition condition, Clock::time_point deadline);
  void pump(Clock::time_point deadline);
  void on_guard();
  void on_signal(const GuardMessage& message);
  void on_ready();
  void on_children();
  void on_nicsim();
  void on_rank(std::size_t rank);
  void reap_orphans();

  void signal_ranks(int signal, bool from_terminal);
  bool everybody_below_ended() const;
  bool is_rank(pid_t process) const;
  void fail(int exit_code, const std::string& what);

  const Options& options_;
  const KeeperWiring& wiring_;
  OutputRelay relay_;
  FileDescriptor child_signals_;
  std::string socket_;
  std::string nicsim_path_;
  pid_t nicsim_ = 0;  // 0: none is running
  bool nicsim_may_end_ = false;
  FileDescriptor ready_pipe_;
  bool ready_ = false;
  std::vector<Rank> ranks_;
  std::size_t running_ = 0;  // ranks
  int stop_requests_ = 0;
  bool ending_ = false;         // all ranks have ended
  bool hurry_ = false;          // no more grace for anybody
  std::optional<int> verdict_;  // the exit code, when it is decided that the job must stop
};

int Job::run() {
  if (!watch_children()) return kExitFailure;
  socket_ = options_.socket;
  if (socket_.empty()) {
    start_nicsim();
    if (!verdict_) wait_for_nicsim();
  }
  if (!verdict_) start_ranks();
  wait_until([&] { return running_ == 0 || verdict_; }, kNever);
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

// ------------------------------------------------------------------------------------------
// starting

void Job::start_nicsim() {
  socket_ = random_socket_name();
  auto output = relay_.add_stream("[nicsim] ", STDERR_FILENO);
  int ends[2];
  if (!output.ok() || ::pipe2(ends, O_CLOEXEC) != 0) {
    return fail(kExitFailure, std::string("no pipe for nicsim: ") + std::strerror(errno));
  }
  ready_pipe_.reset(ends[0]);
  const FileDescriptor ready_writer(ends[1]);
  SpawnPlan plan;
  plan.command = nicsim_command(options_, socket_, ready_writer.get());
  plan.output = plan.error = output.value().get();
  plan.kept = ready_writer.get();
  plan.signal_mask = wiring_.original_mask;
  nicsim_path_ = plan.command.front();
  const auto nicsim = spawn(plan);
  if (nicsim.ok()) {
    nicsim_ = nicsim.value();
  } else {
    fail(kExitFailure, "cannot start " + nicsim_path_ + ": " +
                           std::strerror(nicsim.error().number) +
                           " (--nicsim or $VMMC_NICSIM says where it is)");
  }
}

void Job::wait_for_nicsim() {
  const auto answered = [&] { return ready_ || verdict_ || !ready_pipe_.valid(); };
  const bool in_time = wait_until(answered, Clock::now() + kNicsimStartTime);
  if (ready_ || verdict_) return;
  // It gave up without the byte; its end, which says more, is on its way.
  if (in_time) wait_until([&] { return verdict_.has_value(); }, Clock::now() + kGrace);
  if (!verdict_) fail(kExitFailure, nicsim_path_ + " did not say that it was ready");
}

void Job::start_ranks() {
  for (std::uint32_t rank = 0; rank < options_.processes; ++rank) {
    if (!start_rank(rank)) return;
  }
}

bool Job::start_rank(std::uint32_t rank) {
  const auto process = spawn_rank(rank);
  if (process.ok()) {
    ranks_.push_back({process.value(), false});
    ++running_;
    return true;
  }
  const auto [call, number] = process.error();
  int exit_code = kExitFailure;
  if (std::string_view(call) == "execve") {
    exit_code = number == ENOENT || number == ENOTDIR ? kExitNotFound : kExitNotExecutable;
  }
  fail(exit_code, "cannot run " + options_.command.front() + ": " + std::strerror(number));
  return false;
}

platform::Result<pid_t> Job::spawn_rank(std::uint32_t rank) {
  const std::string number = std::to_string(rank);
  SpawnPlan plan;
  plan.command = options_.command;
  plan.environment = {"VMMC_SOCKET=" + socket_, "VMMC_RANK=" + number, "VMMC_PROCESS=" + number,
                      "VMMC_SIZE=" + std::to_string(options_.processes),
                      "VMMC_NODE=" + std::to_string(rank % options_.nodes)};
  plan.signal_mask = wiring_.original_mask;
  if (rank == 0) {
    plan.input = STDIN_FILENO;
    plan.group = wiring_.terminal_group;  // only this group may read from the terminal
  }
  FileDescriptor output, error;
  if (options_.prefix) {
    auto out = relay_.add_stream("[" + number + "] ", STDOUT_FILENO);
    if (!out.ok()) return out.error();
    auto err = relay_.add_stream("[" + number + "] ", STDERR_FILENO);
    if (!err.ok()) return err.error();
    output = std::move(out.value());
    error = std::move(err.value());
    plan.output = output.get();
    plan.error = error.get();
  }
  return spawn(plan);
}

// ------------------------------------------------------------------------------------------
// stopping

// Ends every process that is still there but nicsim: politely if the job has failed; what is left
// of a job that has ended well has no claim to time.
void Job::stop_ranks() {
  if (verdict_ && !ranks_.empty()) {
    signal_ranks(SIGTERM, false);
    signal_ranks(SIGCONT, false);  // a stopped process would not see it
    wait_until([&] { return hurry_ || everybody_below_ended(); }, Clock::now() + kGrace);
  }
  ending_ = true;
  const auto patience = Clock::now() + kKillTime;
  while (!everybody_below_ended() && Clock::now() < patience) {
    for (const Descendant& descendant : descendants(::getpid())) {
      if (descendant.process != nicsim_ && !descendant.zombie) {
        ::kill(descendant.process, SIGKILL);
      }
    }
    wait_until([&] { return everybody_below_ended(); }, Clock::now() + milliseconds(10));
  }
}

void Job::stop_nicsim() {
  nicsim_may_end_ = true;
  if (nicsim_ == 0) return;
  ::kill(nicsim_, SIGTERM);
  ::kill(nicsim_, SIGCONT);
  if (wait_until([&] { return nicsim_ == 0 || hurry_; }, Clock::now() + kGrace) && nicsim_ == 0) {
    return;
  }
  ::kill(nicsim_, SIGKILL);
  wait_until([&] { return nicsim_ == 0; }, Clock::now() + kKillTime);
}

void Job::write_rest() {
  relay_.finish();
  wait_until([&] { return relay_.idle() || hurry_; }, kNever);
  if (hurry_) wait_until([&] { return relay_.idle(); }, Clock::now() + kLastOutput);
}

// -------------------------------------------------------------------------------------- what
// happens

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
                             {ready_pipe_.get(), POLLIN, 0}};
  relay_.add_to_poll(polled);
  int timeout = -1;
  if (deadline != kNever) {
    const auto rest = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
    timeout = static_cast<int>(std::max<std::int64_t>(rest, 0));
  }
  if (::poll(polled.data(), polled.size(), timeout) <= 0) return;
  if (polled[1].revents != 0) on_guard();
  if (polled[2].revents != 0) on_ready();
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

void Job::on_signal(const GuardMessage& message) {
  const bool stop = message.signal == SIGINT || message.signal == SIGTERM;
  const bool fatal = stop || message.signal == SIGHUP || message.signal == SIGQUIT;
  if (ranks_.empty()) {
    if (fatal && !verdict_) verdict_ = kExitSignal + message.signal;
  } else {
    signal_ranks(message.signal, message.from_terminal != 0);
  }
  if (!stop) return;
  ++stop_requests_;
  if (stop_requests_ < 2 && !ending_) return;
  if (!ending_) relay_.say("asked to stop a second time; killing all ranks");
  hurry_ = true;
  if (!verdict_) verdict_ = kExitSignal + message.signal;
}

void Job::on_ready() {
  char byte;
  ready_ = ::read(ready_pipe_.get(), &byte, 1) == 1;
  ready_pipe_.reset();
}

void Job::on_children() {
  // A signal that stands for several children names the one that ended first.
  pid_t first = 0;
  signalfd_siginfo signal;
  while (::read(child_signals_.get(), &signal, sizeof signal) > 0) {
    if (first == 0) first = static_cast<pid_t>(signal.ssi_pid);
  }
  on_nicsim();
  for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
    if (ranks_[rank].process == first) on_rank(rank);
  }
  for (std::size_t rank = 0; rank < ranks_.size(); ++rank) on_rank(rank);
  reap_orphans();
}

void Job::on_nicsim() {
  if (nicsim_ == 0) return;
  const auto end = peek_end(nicsim_);
  if (!end) return;
  ::waitpid(nicsim_, nullptr, 0);
  nicsim_ = 0;
  if (nicsim_may_end_) return;
  relay_.read_available();  // what it said before it died
  verdict_.reset();         // ranks that failed meanwhile failed because of it
  const bool started = !ranks_.empty();
  fail(kExitFailure, "nicsim (" + nicsim_path_ + ") " + end->text() +
                         (started ? "; stopping the ranks" : " before it was ready"));
}

void Job::on_rank(std::size_t rank) {
  if (ranks_[rank].ended) return;
  const auto end = peek_end(ranks_[rank].process);
  if (!end) return;
  ranks_[rank].ended = true;
  --running_;
  const int exit_code = end->exit_code();
  if (exit_code == 0 || verdict_) return;
  fail(exit_code, "rank " + std::to_string(rank) + " " + end->text() +
                      (running_ > 0 ? "; stopping the others" : ""));
}

// Those whose parents, ranks or their children, have died before them.
void Job::reap_orphans() {
  const pid_t self = ::getpid();
  for (const Descendant& descendant : descendants(self)) {
    if (!descendant.zombie || descendant.parent != self || is_rank(descendant.process)) continue;
    if (descendant.process != nicsim_) ::waitpid(descendant.process, nullptr, WNOHANG);
  }
}

// -------------------------------------------------------------------------------------------
// helpers

void Job::signal_ranks(int signal, bool from_terminal) {
  for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
    const pid_t process = ranks_[rank].process;
    if (rank != 0 || wiring_.terminal_group == 0) {
      ::kill(-process, signal);
    } else if (!from_terminal) {
      // Its group is the guard's, which holds strangers too; and what the terminal sends reaches
      // the whole group.
      ::kill(process, signal);
      for (const Descendant& child : descendants(process)) ::kill(child.process, signal);
    }
  }
}

bool Job::everybody_below_ended() const {
  const auto below = descendants(::getpid());
  return std::all_of(below.begin(), below.end(), [&](const Descendant& descendant) {
    return descendant.zombie || descendant.process == nicsim_;
  });
}

bool Job::is_rank(pid_t process) const {
  return std::any_of(ranks_.begin(), ranks_.end(),
                     [&](const Rank& rank) { return rank.process == process; });
}

// Decides the exit code, unless something else has done so before.
void Job::fail(int exit_code, const std::string& what) {
  relay_.say(what);
  if (!verdict_) verdict_ = exit_code;
}

}  // namespace

int run_job(const Options& options, const KeeperWiring& wiring) {
  return Job(options, wiring).run();
}

}  // namespace vmmc::run
