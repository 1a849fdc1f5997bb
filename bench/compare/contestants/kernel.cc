// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the kernel offers between two processes: sockets, pipes, writing into the other's memory,
// and event counters beside shared memory.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "bench/compare/contestant.h"

namespace {

using namespace contestant;

enum class Waiting { kAsleep, kPolling };

// Bytes through a file descriptor for each direction; the receiver reads into slots of its own.
template <Waiting kWaiting>
class StreamLink {
 public:
  StreamLink(const Options& options, int read_end, int write_end)
      : bytes_(options.bytes),
        read_end_(read_end),
        write_end_(write_end),
        source_(private_memory(options.bytes * slots_for(options))),
        destination_(private_memory(options.bytes * slots_for(options))) {
    if (kWaiting == Waiting::kPolling) {
      require(::fcntl(read_end, F_SETFL, O_NONBLOCK) == 0, "fcntl");
      require(::fcntl(write_end, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    }
  }

  std::byte* source(std::size_t slot) { return source_ + slot * bytes_; }

  void send(std::size_t slot, std::uint64_t, bool) {
    transfer(source(slot), "write",
             [this](std::byte* at, std::size_t left) { return ::write(write_end_, at, left); });
  }
  void flush() {}

  const std::byte* wait(std::size_t slot, std::uint64_t, bool) {
    std::byte* const message = destination_ + slot * bytes_;
    transfer(message, "read",
             [this](std::byte* at, std::size_t left) { return ::read(read_end_, at, left); });
    return message;
  }

 private:
  template <class Call>
  void transfer(std::byte* memory, const char* name, Call call) {
    Patience patience;
    for (std::size_t moved = 0; moved < bytes_;) {
      const ssize_t result = call(memory + moved, bytes_ - moved);
      if (result > 0) {
        moved += static_cast<std::size_t>(result);
      } else {
        require(result < 0 && (errno == EAGAIN || errno == EINTR), name);
        patience();
      }
    }
  }

  std::size_t bytes_;
  int read_end_;
  int write_end_;
  std::byte* source_;
  std::byte* destination_;
};

template <Waiting kWaiting>
void run_stream(const Options& options, const int (&read_ends)[2], const int (&write_ends)[2]) {
  Control control = fork_processes(options, 2);
  StreamLink<kWaiting> link(options, read_ends[control.rank()], write_ends[control.rank()]);
  measure(options, control, link);
}

template <Waiting kWaiting>
void run_unix(const Options& options) {
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
  run_stream<kWaiting>(options, ends, ends);
}

template <Waiting kWaiting>
void run_tcp(const Options& options) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  require(::bind(listener, name, length) == 0 && ::listen(listener, 1) == 0, "listen");
  require(::getsockname(listener, name, &length) == 0, "getsockname");
  int ends[2] = {::socket(AF_INET, SOCK_STREAM, 0), -1};
  require(::connect(ends[0], name, length) == 0, "connect");
  ends[1] = ::accept(listener, nullptr, nullptr);
  require(ends[1] >= 0, "accept");
  for (const int end : ends) {
    const int yes = 1;
    require(::setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) == 0, "TCP_NODELAY");
  }
  run_stream<kWaiting>(options, ends, ends);
}

void run_pipe(const Options& options) {
  int forth[2];
  int back[2];
  require(::pipe(forth) == 0 && ::pipe(back) == 0, "pipe");
  run_stream<Waiting::kAsleep>(options, {back[0], forth[0]}, {forth[1], back[1]});
}

struct alignas(kCacheLine) Counter {
  std::atomic<std::uint64_t> value;
};

// The kernel copies into the other process's private memory, which has the same address there; then
// the sender counts in shared memory.
class RemoteWriteLink {
 public:
  // Before fork().
  explicit RemoteWriteLink(const Options& options)
      : bytes_(options.bytes),
        source_(private_memory(options.bytes * slots_for(options))),
        destination_(private_memory(options.bytes * slots_for(options))),
        arrived_(reinterpret_cast<Counter*>(shared_memory(2 * sizeof(Counter)))) {}

  void connect(Control& control) {
    rank_ = control.rank();
    const pid_t self = ::getpid();
    ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    std::memcpy(control.block().addresses[rank_], &self, sizeof(self));
    control.barrier();
    std::memcpy(&peer_, control.block().addresses[1 - rank_], sizeof(peer_));
  }

  std::byte* source(std::size_t slot) { return source_ + slot * bytes_; }

  void send(std::size_t slot, std::uint64_t number, bool announce) {
    const iovec local{source(slot), bytes_};
    const iovec remote{destination_ + slot * bytes_, bytes_};
    const ssize_t written = ::process_vm_writev(peer_, &local, 1, &remote, 1, 0);
    require(written == static_cast<ssize_t>(bytes_), "process_vm_writev");
    if (announce) arrived_[1 - rank_].value.store(number, std::memory_order_release);
  }
  void flush() {}

  const std::byte* wait(std::size_t slot, std::uint64_t number, bool announce) {
    if (announce) {
      poll_until([&] { return arrived_[rank_].value.load(std::memory_order_acquire) >= number; });
    }
    return destination_ + slot * bytes_;
  }

 private:
  std::size_t bytes_;
  std::byte* source_;
  std::byte* destination_;
  Counter* arrived_;
  int rank_ = 0;
  pid_t peer_ = 0;
};

void run_remote_write(const Options& options) {
  RemoteWriteLink link(options);
  Control control = fork_processes(options, 2);
  link.connect(control);
  measure(options, control, link);
}

// Messages in shared memory; each is announced through an eventfd that counts one down per read.
class EventLink {
 public:
  // Before fork().
  explicit EventLink(const Options& options)
      : bytes_(options.bytes), source_(private_memory(options.bytes * slots_for(options))) {
    for (int rank = 0; rank < 2; ++rank) {
      windows_[rank] = shared_memory(options.bytes * slots_for(options));
      events_[rank] = ::eventfd(0, EFD_SEMAPHORE);
      require(events_[rank] >= 0, "eventfd");
    }
  }
  void connect(Control& control) { rank_ = control.rank(); }

  std::byte* source(std::size_t slot) { return source_ + slot * bytes_; }

  void send(std::size_t slot, std::uint64_t, bool announce) {
    std::memcpy(windows_[1 - rank_] + slot * bytes_, source(slot), bytes_);
    if (!announce) return;
    const std::uint64_t one = 1;
    require(::write(events_[1 - rank_], &one, sizeof(one)) == sizeof(one), "write");
  }
  void flush() {}

  const std::byte* wait(std::size_t slot, std::uint64_t, bool announce) {
    std::uint64_t one = 0;
    if (announce) require(::read(events_[rank_], &one, sizeof(one)) == sizeof(one), "read");
    return windows_[rank_] + slot * bytes_;
  }

 private:
  std::size_t bytes_;
  std::byte* source_;
  std::byte* windows_[2];
  int events_[2];
  int rank_ = 0;
};

void run_eventfd(const Options& options) {
  EventLink link(options);
  Control control = fork_processes(options, 2);
  link.connect(control);
  measure(options, control, link);
}

constexpr Variant kVariants[] = {
    {"kernel-unix-blocking", "latency,bandwidth,rate,wakeup,idle", true,
     run_unix<Waiting::kAsleep>},
    {"kernel-unix-polled", "latency,bandwidth,rate,idle", false, run_unix<Waiting::kPolling>},
    {"kernel-tcp-blocking", "latency,bandwidth,rate,wakeup,idle", true, run_tcp<Waiting::kAsleep>},
    {"kernel-tcp-polled", "latency,bandwidth,rate,idle", false, run_tcp<Waiting::kPolling>},
    {"kernel-pipe", "latency,bandwidth,rate,wakeup,idle", true, run_pipe},
    {"kernel-process-vm-writev", "latency,bandwidth,rate,idle", false, run_remote_write},
    {"kernel-eventfd", "latency,bandwidth,rate,wakeup,idle", true, run_eventfd},
};

}  // namespace

int main(int argc, char** argv) { return contestant_main(argc, argv, kVariants); }
