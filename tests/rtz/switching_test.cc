// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A channel changes its executor all the time, while datagrams flow.

#include "nicsim/wire/control.h"
#include "tests/faults/raw_client.h"
#include "tests/rtz/channels.h"

using namespace vmmc::testing;

namespace {

constexpr int kStop = 0;  // indices of Part::value
constexpr int kByHost = 1;
constexpr int kByNic = 2;
constexpr std::uint32_t kSwitches = 600;
constexpr vmmc_rtz_budget kQuick{
    .messages = 20, .period = kMillisecond, .longest = 10'000, .deadline = kSecond};

std::size_t length_of(std::uint64_t number) { return number * 7919 % 10'000; }

void receive_all(Part& part) {
  attach();
  vmmc_rtz_channel* const channel = open(kQuick, 8);
  part.meet();
  vmmc_rtz_datagram datagram{};
  int status = VMMC_OK;
  std::uint64_t number = 0;
  for (; (status = vmmc_rtz_receive(channel, &datagram, kPatience)) == VMMC_OK; ++number) {
    EXPECT(datagram.number == number);
    EXPECT(datagram.length == length_of(number));
    EXPECT(is_filled(datagram, number));
    give_back(channel, datagram);
  }
  EXPECT(status == VMMC_END);
  EXPECT(counters_of(channel).lost == 0);
  EXPECT(counters_of(channel).received == number);
}

void send_all(Part& part) {
  attach();
  part.meet();
  vmmc_rtz_channel* const channel = connect(0);
  std::uint64_t number = 0;
  while (part.value(kStop) == 0) {
    send(channel, length_of(number), number);
    ++number;
    ++part.value(counters_of(channel).executor == VMMC_EXECUTOR_HOST ? kByHost : kByNic);
  }
  EXPECT(part.value(kByHost) > 0);
  EXPECT(part.value(kByNic) > 0);
  EXPECT(vmmc_rtz_close(channel) == VMMC_OK);
}

}  // namespace

TEST_CASE("S14.13 nothing is lost, repeated or overtaken while a watch comes and goes") {
  NicsimProcess nicsim;
  run_processes(nicsim, {receive_all, send_all, [&](Part& part) {
                           part.meet();
                           RawClient watcher(nicsim.socket());
                           watcher.attach();
                           const auto both_have_sent = [&] {
                             return part.value(kByHost) > 0 && part.value(kByNic) > 0;
                           };
                           for (std::uint32_t i = 1; i <= kSwitches || !both_have_sent(); ++i) {
                             const auto answer =
                                 watcher.ask<vmmc::wire::PlainReply>(vmmc::wire::WatchRequest{
                                     watcher.header(vmmc::wire::MessageType::kWatch), i % 2, 0});
                             EXPECT(answer.header.status == vmmc::wire::Status::kOk);
                             ::usleep(i * 7919 % 5000);
                           }
                           part.value(kStop) = 1;
                         }});
}
