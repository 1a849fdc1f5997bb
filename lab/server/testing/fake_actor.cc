// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Speaks the actor's protocol without VMMC: answers each command with its members, who it is, and how many
// descriptors it has. `compute` with a certain number of ns does what actors should not: 13 dies, 14 answers at length and ends, 15 cannot attach, 99 hangs,
// 77 writes a line without an end, 78 answers twice, 79 answers nonsense. 66 makes no sense to it, 55 takes
// some time.

#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <string>

namespace json = boost::json;

namespace {

[[noreturn]] void flood() {
  const std::string block(4096, 'x');
  while (true) std::cout << block << std::flush;
}

// All at once, as long as the pipe holds it; in several reads for who reads it.
[[noreturn]] void answer_and_end() {
  std::cout << json::serialize(json::object{{"ok", true}, {"filler", std::string(60'000, 'x')}})
            << std::endl;
  ::_exit(0);
}

void misbehave(std::int64_t how) {
  if (how == 13) ::raise(SIGTERM);
  if (how == 14) answer_and_end();
  if (how == 15) {
    std::cout << "{\"attached\":false,\"sentence\":\"the machine is full\"}" << std::endl;
    ::_exit(1);
  }
  if (how == 99) {
    while (true) ::pause();
  }
  if (how == 55) ::usleep(100'000);
  if (how == 77) flood();
  if (how == 78) std::cout << "{\"ok\":true}\n";
  if (how == 79) std::cout << "what?\n" << std::flush;
}

// Without the one that looks.
std::int64_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), std::filesystem::directory_iterator()) - 1;
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    json::object answer = json::parse(line).as_object();
    const std::string verb(answer.at("do").as_string());
    if (verb == "compute" && answer.at("ns") == 66) {
      std::cout << "{\"ok\":false,\"sentence\":\"no\"}" << std::endl;
      continue;
    }
    const json::value* start = answer.if_contains("start");
    if (start != nullptr && *start == true) std::cout << "{\"begun\":true}" << std::endl;
    if (verb == "abort") ::_exit(0);
    if (verb == "compute") misbehave(answer.at("ns").as_int64());
    answer["ok"] = true;
    answer["status"] = "OK";
    answer["me"] = std::string(std::getenv("VMMC_NODE")) + "/" + std::getenv("VMMC_PROCESS") + "@" +
                   std::getenv("VMMC_SOCKET");
    answer["descriptors"] = open_descriptors();
    std::cout << json::serialize(answer) << std::endl;
  }
}
