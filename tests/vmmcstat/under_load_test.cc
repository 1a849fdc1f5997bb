// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Who looks disturbs nobody, and sees no half of anything.
#include <doctest/doctest.h>

#include <boost/json/array.hpp>

#include "tests/conformance/conformance.h"
#include "tests/vmmcstat/vmmcstat_run.h"

using namespace vmmc::testing;
namespace json = boost::json;

namespace {

constexpr std::uint32_t kBuffer = 3;
constexpr std::uint32_t kWords = 1024;
constexpr int kLooks = 50;

std::uint64_t counter(const json::object& snapshot, std::size_t process, const char* name) {
  const json::object& entry = snapshot.at("processes").as_array().at(process).as_object();
  return entry.at("counters").as_object().at(name).to_number<std::uint64_t>();
}

// Numbers in all words of the buffer, again and again, until part 2 has looked often enough.
void stream(Part& part) {
  const Proxy proxy = import_by(VMMC_EXECUTOR_NIC, 0, kBuffer);
  std::uint32_t block[kWords];
  std::uint32_t round = 0;
  while (part.value(0) == 0) {
    ++round;
    for (std::uint32_t& word : block) word = round;
    EXPECT(vmmc_send(block, proxy.address, sizeof block) == VMMC_OK);
  }
  EXPECT(vmmc_fence() == VMMC_OK);
  part.value(1) = round;
}

void look_often(Part& part, const std::string& socket) {
  std::uint64_t last = 0;
  for (int i = 0; i < kLooks || last == 0; ++i) {  // the sender may be late
    const json::object snapshot = json_of(socket);
    const std::uint64_t sent = counter(snapshot, 1, "bytes_sent");
    EXPECT(sent >= last);
    last = sent;
    // One moment: what has been sent has arrived, no byte is elsewhere. (A transfer is counted, at both
    // ends, when its last packet has landed.)
    EXPECT(counter(snapshot, 0, "bytes_received") == sent);
    EXPECT(counter(snapshot, 0, "transfers_received") == counter(snapshot, 1, "transfers_sent"));
    EXPECT(snapshot.at("exports").as_array().size() == 1);
    EXPECT(snapshot.at("imports").as_array().size() <= 1);
  }
  part.value(0) = 1;
}

}  // namespace

TEST_CASE("50 looks while a sender streams: nothing is lost, and all are consistent") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           const unsigned char* const buffer =
                               export_new(kWords * sizeof(std::uint32_t), kBuffer);
                           part.meet();
                           part.meet();
                           const auto rounds = static_cast<std::uint32_t>(part.value(1).load());
                           for (std::uint32_t i = 0; i < kWords; ++i) {
                             EXPECT(look(buffer + i * sizeof(std::uint32_t)) == rounds);
                           }
                           vmmc_counters counters{};
                           EXPECT(vmmc_get_counters(&counters) == VMMC_OK);
                           EXPECT(counters.transfers_received == rounds);
                           EXPECT(counters.bytes_received == std::uint64_t{rounds} * kWords * 4);
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           stream(part);
                           part.meet();
                         },
                         [&](Part& part) {
                           part.meet();
                           look_often(part, nicsim.socket());
                           part.meet();
                         }});
}

TEST_CASE("rates are those of the time between two looks") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           export_new(kWords * sizeof(std::uint32_t), kBuffer);
                           part.meet();
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           stream(part);
                           part.meet();
                         },
                         [&](Part& part) {
                           part.meet();
                           double sent = 0;
                           while (sent == 0) {  // the sender may have stood still all the time
                             const json::object seen = json_of(nicsim.socket(), "--interval 0.5");
                             const json::object& rates = seen.at("rates").as_object();
                             EXPECT(rates.at("seconds").to_number<double>() >= 0.5);
                             EXPECT(rates.at("processes").as_array().size() == 2);
                             const json::object& sender =
                                 rates.at("processes").as_array()[1].as_object();
                             sent = sender.at("transfers_sent").to_number<double>();
                             EXPECT(sent >= 0);
                           }
                           part.value(0) = 1;
                           part.meet();
                         }});
}
