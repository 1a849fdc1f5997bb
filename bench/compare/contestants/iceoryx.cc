// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// iceoryx: chunks of shared memory that are lent to a publisher and handed to a subscriber. Its
// daemon RouDi is started for the measurement and ended after it; there can be only one of it.

#include <fcntl.h>

#include <memory>

#include "bench/compare/contestant.h"
#include "iceoryx_hoofs/log/logmanager.hpp"
#include "iceoryx_posh/popo/untyped_publisher.hpp"
#include "iceoryx_posh/popo/untyped_subscriber.hpp"
#include "iceoryx_posh/popo/wait_set.hpp"
#include "iceoryx_posh/runtime/posh_runtime.hpp"

namespace {

using namespace contestant;

enum class Waiting { kPolling, kAsleep };

// Streams have fewer places than others': a subscriber can hold 256 chunks.
std::size_t chunks_for(const Options& options) {
  return std::min<std::size_t>(slots_for(options), 200);
}

// The daemon, with memory for what is to be measured. Ends in the process that started it.
class Roudi {
 public:
  explicit Roudi(const Options& options) : owner_(::getpid()) {
    int output[2];
    require(::pipe(output) == 0, "pipe");
    const int config = config_file(options);
    pid_ = ::fork();
    require(pid_ >= 0, "fork");
    if (pid_ == 0) become_daemon(output[1], config);
    ::close(output[1]);
    ::close(config);
    await_readiness(output[0]);
  }
  Roudi(const Roudi&) = delete;
  Roudi& operator=(const Roudi&) = delete;
  ~Roudi() {
    if (::getpid() != owner_) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  static int config_file(const Options& options) {
    constexpr std::size_t kHeader = 128;
    constexpr std::size_t kSpare = 20;  // each publisher also keeps its last chunk
    const std::size_t chunk = (options.bytes + kHeader + 31) / 32 * 32;
    std::ostringstream text;
    text << "[general]\nversion = 1\n[[segment]]\n[[segment.mempool]]\nsize = " << chunk
         << "\ncount = " << 2 * chunks_for(options) + kSpare << "\n";
    const int file = ::memfd_create("roudi", 0);
    require(file >= 0, "memfd_create");
    require(::write(file, text.str().data(), text.str().size()) > 0, "write");
    return file;
  }

  [[noreturn]] static void become_daemon(int output, int config) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    const std::string path = "/proc/self/fd/" + std::to_string(config);
    ::execlp("iox-roudi", "iox-roudi", "-m", "off", "-c", path.c_str(), nullptr);
    std::perror("iox-roudi");
    ::_exit(1);
  }

  // It says so itself; nothing that it says later is read, and its pipe stays open.
  static void await_readiness(int output) {
    std::string said;
    char text[256];
    while (said.find("ready for clients") == std::string::npos) {
      const ssize_t length = ::read(output, text, sizeof(text));
      if (length <= 0)
        fail(kPeerRefuses, "%s\niox-roudi ended at its start: is another one running?",
             said.c_str());
      said.append(text, static_cast<std::size_t>(length));
    }
  }

  pid_t owner_;
  pid_t pid_ = -1;
};

iox::capro::ServiceDescription topic(int sender) {
  using Description = iox::capro::ServiceDescription;
  return sender == 0 ? Description("vmmc", "compare", "forth")
                     : Description("vmmc", "compare", "back");
}

iox::popo::PublisherOptions patient_publisher() {
  iox::popo::PublisherOptions options;
  options.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
  return options;
}
iox::popo::SubscriberOptions patient_subscriber() {
  iox::popo::SubscriberOptions options;
  options.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
  return options;
}

// The program composes its message in memory of its own, which is copied to a chunk when it is
// sent; or (kInPlace) in the chunk itself, which is then handed over without a copy.
template <Waiting kWaiting, bool kInPlace>
class ChunkLink {
 public:
  ChunkLink(const Options& options, Control& control)
      : bytes_(options.bytes),
        source_(private_memory(bytes_ * chunks_for(options))),
        publisher_(topic(control.rank()), patient_publisher()),
        subscriber_(topic(1 - control.rank()), patient_subscriber()) {
    if (kWaiting == Waiting::kAsleep) {
      const auto attached =
          wait_set_.attachState(subscriber_, iox::popo::SubscriberState::HAS_DATA);
      if (attached.has_error()) fail(kPeerRefuses, "iceoryx: the wait set takes no subscriber");
    }
    poll_until([&] {
      return publisher_.hasSubscribers() &&
             subscriber_.getSubscriptionState() == iox::SubscribeState::SUBSCRIBED;
    });
    control.barrier();
  }
  ChunkLink(const ChunkLink&) = delete;
  ChunkLink& operator=(const ChunkLink&) = delete;
  ~ChunkLink() {
    if (kWaiting == Waiting::kAsleep) {
      wait_set_.detachState(subscriber_, iox::popo::SubscriberState::HAS_DATA);
    }
  }

  std::byte* source(std::size_t slot) {
    if (!kInPlace) return source_ + slot * bytes_;
    if (loan_ == nullptr) loan_ = loan();
    return static_cast<std::byte*>(loan_);
  }

  void send(std::size_t slot, std::uint64_t, bool) {
    void* const chunk = kInPlace ? std::exchange(loan_, nullptr) : loan();
    if (!kInPlace) std::memcpy(chunk, source(slot), bytes_);
    publisher_.publish(chunk);
  }
  void flush() {}

  const std::byte* wait(std::size_t, std::uint64_t, bool) {
    const void* chunk = nullptr;
    poll_until([&] {
      auto taken = subscriber_.take();
      if (!taken.has_error()) {
        chunk = taken.value();
        return true;
      }
      if (taken.get_error() != iox::popo::ChunkReceiveResult::NO_CHUNK_AVAILABLE) {
        fail(kPeerRefuses, "iceoryx: the subscriber can take no chunk");
      }
      if (kWaiting == Waiting::kAsleep) wait_set_.wait();
      return false;
    });
    taken_.push_back(chunk);
    return static_cast<const std::byte*>(chunk);
  }
  // The library looks for a chunk among those that are held, the latest first.
  void release() {
    for (; !taken_.empty(); taken_.pop_back()) subscriber_.release(taken_.back());
  }

 private:
  void* loan() {
    auto loaned = publisher_.loan(static_cast<std::uint32_t>(bytes_));
    if (loaned.has_error()) fail(kPeerRefuses, "iceoryx lends no chunk of %zu bytes", bytes_);
    return loaned.value();
  }

  std::size_t bytes_;
  std::byte* source_;
  void* loan_ = nullptr;
  std::vector<const void*> taken_;
  iox::popo::UntypedPublisher publisher_;
  iox::popo::UntypedSubscriber subscriber_;
  iox::popo::WaitSet<1> wait_set_;
};

template <Waiting kWaiting, bool kInPlace>
void run(const Options& options) {
  start_alarm(options);
  // Older than the library's own static objects, so that it ends after they have said goodbye.
  static Roudi roudi(options);
  Control control = fork_processes(options, 2);
  iox::log::LogManager::GetLogManager().SetDefaultLogLevel(iox::log::LogLevel::kError,
                                                           iox::log::LogLevelOutput::kHideLogLevel);
  iox::runtime::PoshRuntime::initRuntime(control.rank() == 0 ? "compare-0" : "compare-1");
  ChunkLink<kWaiting, kInPlace> link(options, control);
  measure(options, control, link, chunks_for(options));
  control.barrier();
}

constexpr Variant kVariants[] = {
    {"iceoryx-copy", "latency,bandwidth,rate,idle", false, run<Waiting::kPolling, false>},
    {"iceoryx-in-place", "latency,rate,idle", false, run<Waiting::kPolling, true>},
    {"iceoryx-sleep", "latency,bandwidth,rate,wakeup,idle", true, run<Waiting::kAsleep, false>},
};

}  // namespace

int main(int argc, char** argv) { return contestant_main(argc, argv, kVariants); }
