// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The ends of senders, receivers, nicsim and attachments.

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <string>
#include <vector>

#include "nicsim/wire/real_time_channel.h"
#include "tests/rtz/channels.h"

using namespace vmmc::testing;

namespace {

constexpr vmmc_rtz_budget kMixed{
    .messages = 4, .period = kMillisecond, .longest = 20'000, .deadline = kSecond};
constexpr vmmc_rtz_budget kShort{
    .messages = 10, .period = kMillisecond, .longest = 4096, .deadline = 20 * kMillisecond};
std::size_t length_of(std::uint64_t number) { return number % 3 == 2 ? 20'000 : 1000; }

constexpr int kPid = 0;  // indices of Part::value
constexpr int kLetGo = 1;

vmmc_rtz_channel* open_with(int executor, const vmmc_rtz_budget& budget) {
  vmmc_rtz_options options = with_depth(8);
  options.executor = executor;
  vmmc_rtz_channel* channel = nullptr;
  EXPECT(vmmc_rtz_open(kChannel, &budget, &options, &channel) == VMMC_OK);
  return channel;
}

// Of this process, as the receiver: the library's own mapping.
template <typename Memory>
Memory& own_mapping(const char* name) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(" rw-s ") == std::string::npos) continue;
    if (line.find(name) == std::string::npos) continue;
    return *reinterpret_cast<Memory*>(std::stoull(line, nullptr, 16));
  }
  fail_part(__FILE__, __LINE__, std::string("no mapping of ") + name);
}

// What it tells the others.
vmmc::wire::ChannelDemand& own_demand() {
  return own_mapping<vmmc::wire::ChannelDemand>("vmmc-channel-demand");
}

// Whether so many have been carried out, taken or not.
bool have_arrived(std::uint64_t count) {
  const auto& arrival = own_mapping<vmmc::wire::ChannelArrival>("vmmc-channel-arrival");
  return arrival.slots[count - 1].sequence.load() == count;
}

// Leaves this process so many descriptors that it may open still, until it ends.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t count) {
    EXPECT(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    std::vector<int> free;
    for (rlim_t i = 0; i <= count; ++i) free.push_back(::fcntl(0, F_DUPFD_CLOEXEC, 0));
    for (const int descriptor : free) ::close(descriptor);
    rlimit few = before_;
    few.rlim_cur = static_cast<rlim_t>(free.back());
    EXPECT(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("S14.9 what a killed sender has sent is received, lent pages included; then PEER_DEAD") {
  NicsimProcess nicsim;
  constexpr std::uint64_t kSent = 6;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   vmmc_rtz_channel* const channel = open(kMixed, 8);
                   const vmmc_rtz_datagram first = receive(channel);
                   part.meet();
                   while (!have_arrived(kSent)) ::usleep(100);  // nicsim carries them out
                   while (part.value(kPid) == 0) ::usleep(100);
                   const auto killed = static_cast<pid_t>(part.value(kPid).load());
                   ::kill(killed, SIGKILL);
                   ::usleep(30'000);
                   std::vector<vmmc_rtz_datagram> held{first};
                   vmmc_rtz_datagram datagram{};
                   int status = VMMC_OK;
                   while ((status = vmmc_rtz_receive(channel, &datagram, kPatience)) == VMMC_OK) {
                     held.push_back(datagram);
                   }
                   EXPECT(status == VMMC_ERR_PEER_DEAD);
                   EXPECT(held.size() == kSent);
                   for (std::uint64_t i = 0; i < kSent; ++i) {
                     EXPECT(held[i].length == length_of(i));
                     EXPECT(is_filled(held[i], i));
                     give_back(channel, held[i]);
                   }
                   EXPECT(vmmc_rtz_close(channel) == VMMC_OK);
                   // Its place and its budget are free again.
                   (void)open(kMixed, 8);
                 },
                 [](Part& part) {
                   attach();
                   vmmc_rtz_channel* const channel = connect(0);
                   for (std::uint64_t i = 0; i < kSent; ++i) {
                     send(channel, length_of(i), i);
                   }
                   void* memory = nullptr;  // acquired, and never sent
                   EXPECT(vmmc_rtz_acquire(channel, 1, &memory) == VMMC_OK);
                   part.meet();
                   part.expect_to_be_killed();
                   part.value(kPid) = static_cast<std::uint64_t>(::getpid());
                   for (;;) ::pause();
                 }});
}

TEST_CASE("S14.9 what a sender has sent before it closed is received; then VMMC_END") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           vmmc_rtz_channel* const channel = open(kMixed, 8);
                           part.meet();
                           for (std::uint64_t i = 0; i < 8; ++i) {
                             const vmmc_rtz_datagram datagram = receive(channel);
                             EXPECT(is_filled(datagram, i));
                           }
                           vmmc_rtz_datagram none{};
                           EXPECT(vmmc_rtz_receive(channel, &none, kPatience) == VMMC_END);
                           EXPECT(vmmc_rtz_receive(channel, &none, 0) == VMMC_END);
                         },
                         [](Part& part) {
                           attach();
                           vmmc_rtz_channel* const channel = connect(0);
                           for (std::uint64_t i = 0; i < 8; ++i) send(channel, length_of(i), i);
                           EXPECT(vmmc_rtz_close(channel) == VMMC_OK);
                           EXPECT(vmmc_rtz_close(channel) == VMMC_ERR_BAD_HANDLE);
                           part.meet();
                         }});
}

TEST_CASE("S14.10 a sender learns that its receiver was killed, or has closed") {
  for (const bool killed : {true, false}) {
    NicsimProcess nicsim;
    run_processes(nicsim, {[killed](Part& part) {
                             attach();
                             vmmc_rtz_channel* const channel = open(kMixed, 8);
                             (void)receive(channel);
                             part.meet();
                             if (killed) part.die();
                             EXPECT(vmmc_rtz_close(channel) == VMMC_OK);
                             part.meet();
                           },
                           [killed](Part& part) {
                             attach();
                             vmmc_rtz_channel* const channel = connect(0);
                             void* memory = nullptr;
                             EXPECT(vmmc_rtz_acquire(channel, 100, &memory) == VMMC_OK);
                             send(channel, 100, 0);
                             part.meet();
                             int status = VMMC_OK;
                             for (std::uint64_t i = 1; status == VMMC_OK; ++i) {
                               status = try_send(channel, length_of(i), i);
                             }
                             EXPECT(status == VMMC_ERR_PEER_DEAD);
                             EXPECT(vmmc_rtz_send(channel, memory, 100, 0) == VMMC_ERR_PEER_DEAD);
                             EXPECT(vmmc_rtz_acquire(channel, 1, &memory) == VMMC_ERR_PEER_DEAD);
                             EXPECT(vmmc_rtz_close(channel) == VMMC_OK);
                             if (!killed) part.meet();
                             EXPECT(vmmc_finalize() == VMMC_OK);
                           }});
  }
}

TEST_CASE("S14.10 a close waits for nicsim, and for nobody else: nicsim goes on, or is killed") {
  for (const bool goes_on : {true, false}) {
    NicsimProcess nicsim;
    const pid_t server = nicsim.pid();
    run_processes(nicsim, {[](Part& part) {
                             attach();
                             vmmc_rtz_options options = with_depth(8);
                             options.executor = VMMC_EXECUTOR_NIC;
                             EXPECT(open_status(kMixed, options) == VMMC_OK);
                             part.expect_to_be_killed();
                             part.value(kPid) = static_cast<std::uint64_t>(::getpid());
                             for (;;) ::pause();  // receives nothing
                           },
                           [goes_on, server](Part& part) {
                             attach();
                             vmmc_rtz_channel* const channel = connect(0);
                             while (part.value(kPid) == 0) ::usleep(1000);
                             EXPECT(::kill(server, SIGSTOP) == 0);
                             for (std::uint64_t i = 0; i < 3; ++i) send(channel, length_of(i), i);
                             const pid_t child = ::fork();  // who lets it end, while we wait
                             if (child == 0) {
                               ::usleep(50'000);
                               part.value(kLetGo) = 1;
                               ::kill(static_cast<pid_t>(part.value(kPid).load()), SIGKILL);
                               ::kill(server, goes_on ? SIGCONT : SIGKILL);
                               ::_exit(0);
                             }
                             EXPECT(vmmc_rtz_close(channel) == VMMC_OK);
                             EXPECT(part.value(kLetGo) == 1);  // not before
                             EXPECT(vmmc_rtz_close(channel) == VMMC_ERR_BAD_HANDLE);
                             int status = -1;
                             EXPECT(::waitpid(child, &status, 0) == child);
                           }});
  }
}

TEST_CASE("S14.11 when nicsim has been killed, what has arrived is received, and then it is told") {
  NicsimProcess nicsim;
  const pid_t server = nicsim.pid();
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   vmmc_rtz_channel* const channel = open(kMixed, 8);
                   const vmmc_rtz_datagram first = receive(channel);
                   part.meet();
                   vmmc_rtz_datagram datagram{};
                   // Asleep when it happens.
                   EXPECT(vmmc_rtz_receive(channel, &datagram, kPatience) == VMMC_ERR_NICSIM_GONE);
                   EXPECT(vmmc_rtz_receive(channel, &datagram, 0) == VMMC_ERR_NICSIM_GONE);
                   EXPECT(is_filled(first, 0));
                   give_back(channel, first);
                   EXPECT(vmmc_rtz_close(channel) == VMMC_OK);
                   EXPECT(open_status(kModest, with_depth(1)) == VMMC_ERR_NICSIM_GONE);
                 },
                 [server](Part& part) {
                   attach();
                   vmmc_rtz_channel* const channel = connect(0);
                   send(channel, 20'000, 0);
                   part.meet();
                   ::usleep(50'000);
                   ::kill(server, SIGKILL);
                   void* memory = nullptr;
                   int status = VMMC_OK;
                   while ((status = vmmc_rtz_acquire(channel, 1, &memory)) == VMMC_OK) {
                     EXPECT(vmmc_rtz_release(channel, memory) == VMMC_OK);
                     ::usleep(100);
                   }
                   EXPECT(status == VMMC_ERR_NICSIM_GONE);
                   EXPECT(vmmc_rtz_send_copy(channel, "x", 1, 0) == VMMC_ERR_NICSIM_GONE);
                   EXPECT(vmmc_finalize() == VMMC_ERR_NICSIM_GONE);
                 }});
}

TEST_CASE(
    "S14.11 a program that polls its channel's descriptor wakes when nicsim has been killed") {
  for (const bool connected : {true, false}) {
    NicsimProcess nicsim;
    const pid_t server = nicsim.pid();
    run_processes(nicsim, {[](Part& part) {
                             attach();
                             vmmc_rtz_channel* const channel = open(kMixed, 8);
                             int descriptor = -1;
                             EXPECT(vmmc_rtz_descriptor(channel, &descriptor) == VMMC_OK);
                             part.meet();
                             part.meet();
                             // The sender's coming may have rung.
                             EXPECT(vmmc_rtz_arm(channel) == VMMC_OK);
                             pollfd bell{descriptor, POLLIN, 0};
                             EXPECT(::poll(&bell, 1, 0) == 0);
                             part.meet();
                             EXPECT(::poll(&bell, 1, -1) == 1);
                             EXPECT(vmmc_rtz_arm(channel) == VMMC_PENDING);
                             vmmc_rtz_datagram none{};
                             EXPECT(vmmc_rtz_receive(channel, &none, 0) == VMMC_ERR_NICSIM_GONE);
                             part.meet();
                           },
                           [server, connected](Part& part) {
                             attach();
                             part.meet();
                             if (connected) (void)connect(0);
                             part.meet();
                             part.meet();
                             ::usleep(30'000);
                             ::kill(server, SIGKILL);
                             part.meet();  // this process, too, has the bell until then
                           }});
  }
}

TEST_CASE("S14.9 a receiver that takes back what it has said does not keep a sender from closing") {
  NicsimProcess nicsim;
  constexpr std::uint64_t kSent = vmmc::wire::kChannelSlots + 40;
  run_processes(
      nicsim, {[](Part& part) {
                 attach();
                 vmmc_rtz_channel* const channel = open_with(VMMC_EXECUTOR_NIC, kShort);
                 for (std::uint64_t i = 0; i < kSent; ++i) {
                   give_back(channel, receive(channel));
                 }
                 part.meet();  // the sender has its page: with what is said next it would get none
                 std::atomic<std::uint64_t>& received = own_demand().received;
                 const std::uint64_t before = received.exchange(0);
                 part.meet();
                 part.meet();  // the sender has closed
                 received = before;
                 const vmmc_rtz_datagram last = receive(channel);
                 EXPECT(last.number == kSent);
                 EXPECT(is_filled(last, kSent));
                 vmmc_rtz_datagram none{};
                 EXPECT(vmmc_rtz_receive(channel, &none, kPatience) == VMMC_END);
               },
               [](Part& part) {
                 attach();
                 vmmc_rtz_channel* const channel = connect(0);
                 for (std::uint64_t i = 0; i < kSent; ++i) send(channel, 100, i);
                 void* last = nullptr;
                 int status = VMMC_OK;
                 while ((status = vmmc_rtz_acquire(channel, 100, &last)) == VMMC_ERR_NO_PAGE) {
                   ::usleep(50);
                 }
                 EXPECT(status == VMMC_OK);
                 part.meet();
                 fill(last, 100, kSent);
                 part.meet();
                 ::usleep(2000);  // the budget allows it again
                 EXPECT(vmmc_rtz_send(channel, last, 100, 0) == VMMC_OK);
                 EXPECT(vmmc_rtz_close(channel) == VMMC_OK);
                 part.meet();
                 EXPECT(vmmc_finalize() == VMMC_OK);
               }});
}

TEST_CASE(
    "S14.6 a sender that cannot take a descriptor is refused, and the channel has had its sender") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           vmmc_rtz_channel* const channel = open_with(VMMC_EXECUTOR_HOST, kModest);
                           part.meet();
                           vmmc_rtz_datagram none{};
                           EXPECT(vmmc_rtz_receive(channel, &none, kPatience) == VMMC_END);
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           const vmmc_identity receiver = identity_of(0);
                           vmmc_rtz_channel* channel = nullptr;
                           {
                             const FewDescriptors few(4);  // one less than it would get
                             EXPECT(vmmc_rtz_connect(receiver, kChannel, kPatience, &channel) ==
                                    VMMC_ERR_SYSTEM);
                           }
                           EXPECT(std::string(vmmc_last_error()) ==
                                  "cannot receive the memory of a channel: recvmsg: "
                                  "Too many open files");
                           EXPECT(connect_status(0, 0) == VMMC_ERR_CHANNEL_TAKEN);
                           part.meet();
                         }});
}

TEST_CASE("S14.12 a forked child has no channels, and its parent keeps them") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   vmmc_rtz_channel* const channel = open();
                   part.meet();
                   vmmc_rtz_datagram datagram = receive(channel);
                   const pid_t child = ::fork();
                   if (child == 0) {
                     const bool refused =
                         vmmc_rtz_receive(channel, &datagram, 0) == VMMC_ERR_FORKED &&
                         vmmc_rtz_return(channel, &datagram) == VMMC_ERR_FORKED &&
                         vmmc_rtz_close(channel) == VMMC_ERR_FORKED;
                     ::_exit(refused ? 0 : 1);
                   }
                   int status = -1;
                   EXPECT(::waitpid(child, &status, 0) == child);
                   EXPECT(status == 0);
                   EXPECT(is_filled(datagram, 0));
                   give_back(channel, datagram);
                   give_back(channel, receive(channel));
                   part.meet();
                 },
                 [](Part& part) {
                   attach();
                   vmmc_rtz_channel* const channel = connect(0);
                   part.meet();
                   send(channel, 100, 0);
                   const pid_t child = ::fork();
                   if (child == 0) {
                     void* memory = nullptr;
                     ::_exit(vmmc_rtz_acquire(channel, 1, &memory) == VMMC_ERR_FORKED ? 0 : 1);
                   }
                   int status = -1;
                   EXPECT(::waitpid(child, &status, 0) == child);
                   EXPECT(status == 0);
                   send(channel, 100, 1);
                   part.meet();
                 }});
}

TEST_CASE("S14.12 the end of the attachment closes what is open") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           vmmc_rtz_channel* const channel = open(kMixed, 8);
                           vmmc_rtz_channel* const silent = open(kModest, 4, 8);
                           part.meet();
                           for (std::uint64_t i = 0; i < 5; ++i) {
                             EXPECT(is_filled(receive(channel), i));
                           }
                           vmmc_rtz_datagram none{};
                           EXPECT(vmmc_rtz_receive(channel, &none, kPatience) == VMMC_END);
                           EXPECT(vmmc_finalize() == VMMC_OK);
                           EXPECT(vmmc_rtz_receive(channel, &none, 0) == VMMC_ERR_NOT_ATTACHED);
                           attach();
                           EXPECT(vmmc_rtz_receive(silent, &none, 0) == VMMC_ERR_BAD_HANDLE);
                           EXPECT(vmmc_rtz_receive(nullptr, &none, 0) == VMMC_ERR_BAD_HANDLE);
                           (void)open(kMixed, 8);
                         },
                         [](Part& part) {
                           attach();
                           vmmc_rtz_channel* const channel = connect(0);
                           for (std::uint64_t i = 0; i < 5; ++i) send(channel, length_of(i), i);
                           EXPECT(vmmc_finalize() == VMMC_OK);
                           part.meet();
                         }});
}
