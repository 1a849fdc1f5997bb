// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/ring/network.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <initializer_list>

#include "bench/support/processes.h"

namespace vmmc::bench {
namespace {

void write_file(const char* path, const std::string& text) { std::ofstream(path) << text; }

// Root in a namespace of users, where we are nobody outside.
bool enter_as_user() {
  const std::string user = std::to_string(::geteuid());
  const std::string group = std::to_string(::getegid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
  write_file("/proc/self/setgroups", "deny");
  write_file("/proc/self/uid_map", "0 " + user + " 1");
  write_file("/proc/self/gid_map", "0 " + group + " 1");
  return true;
}

bool run_ip(std::initializer_list<const char*> words) {
  std::vector<char*> arguments{const_cast<char*>("ip")};
  for (const char* word : words) arguments.push_back(const_cast<char*>(word));
  arguments.push_back(nullptr);
  const pid_t child = start_child(kAnywhere, [&] {
    ::execvp("ip", arguments.data());
    ::execv("/usr/sbin/ip", arguments.data());
    std::_Exit(127);
  });
  int status = 0;
  return ::waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace

std::optional<std::string> enter_own_network(bool with_tap) {
  if (::unshare(CLONE_NEWNET) != 0 && !enter_as_user()) {
    return std::string("a network namespace is not permitted (root or user namespaces): ") +
           std::strerror(errno);
  }
  // Nobody but us is to speak here.
  write_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
  write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
  if (!run_ip({"link", "add", kSendingEnd, "type", "veth", "peer", "name", kReceivingEnd}) ||
      !run_ip({"link", "set", kSendingEnd, "up"}) ||
      !run_ip({"link", "set", kReceivingEnd, "up"})) {
    return "ip cannot make a veth pair";
  }
  if (!with_tap) return std::nullopt;
  // With what the kernel keeps of each frame some 16 MiB.
  if (!run_ip({"tuntap", "add", "dev", kTapName, "mode", "tap"}) ||
      !run_ip({"link", "set", kTapName, "txqueuelen", "16384"}) ||
      !run_ip({"link", "set", kTapName, "up"}))
    return "ip cannot make a tap (/dev/net/tun); --contestant leaves it out";
  return std::nullopt;
}

InterfaceDrops interface_drops(const std::string& interface) {
  constexpr std::size_t kReceivingColumn = 3;
  constexpr std::size_t kSendingColumn = 11;
  std::ifstream file("/proc/self/net/dev");
  for (std::string line; std::getline(file, line);) {
    const std::size_t name = line.find_first_not_of(' ');
    if (line.compare(name, interface.size() + 1, interface + ":") != 0) continue;
    std::uint64_t columns[kSendingColumn + 1] = {};
    char* at = line.data() + name + interface.size() + 1;
    for (std::uint64_t& column : columns) column = std::strtoull(at, &at, 10);
    return {columns[kReceivingColumn], columns[kSendingColumn]};
  }
  fail(interface, "is not in /proc/net/dev");
}

}  // namespace vmmc::bench
