// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_set>

#include "platform/file_descriptor.h"

namespace vmmc::run {
namespace {

std::optional<Descendant> read_process(pid_t process) {
  const std::string path = "/proc/" + std::to_string(process) + "/stat";
  platform::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return std::nullopt;
  char text[512];
  const ssize_t length = ::read(file.get(), text, sizeof text - 1);
  if (length <= 0) return std::nullopt;
  text[length] = '\0';
  // pid (name) state parent ...; the name may hold anything, also parentheses.
  const char* name_end = std::strrchr(text, ')');
  char state = 0;
  int parent = 0;
  if (name_end == nullptr || std::sscanf(name_end + 1, " %c %d", &state, &parent) != 2) {
    return std::nullopt;
  }
  return Descendant{process, parent, state == 'Z' || state == 'X'};
}

std::vector<Descendant> all_processes() {
  std::vector<Descendant> all;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc"), ::closedir);
  if (!directory) return all;
  while (const dirent* entry = ::readdir(directory.get())) {
    pid_t process = 0;
    const char* end = entry->d_name + std::strlen(entry->d_name);
    const auto parsed = std::from_chars(entry->d_name, end, process);
    if (parsed.ec != std::errc() || parsed.ptr != end) continue;
    if (const auto found = read_process(process)) all.push_back(*found);
  }
  return all;
}

}  // namespace

std::vector<Descendant> descendants(pid_t root) {
  std::vector<Descendant> candidates = all_processes();
  std::vector<Descendant> below;
  std::unordered_set<pid_t> family{root};
  for (bool grown = true; grown;) {
    const std::size_t before = below.size();
    std::erase_if(candidates, [&](const Descendant& candidate) {
      if (!family.contains(candidate.parent)) return false;
      family.insert(candidate.process);
      below.push_back(candidate);
      return true;
    });
    grown = below.size() != before;
  }
  return below;
}

bool kill_and_reap_descendants(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    for (const Descendant& descendant : descendants(::getpid())) {
      if (!descendant.zombie) ::kill(descendant.process, SIGKILL);
    }
    pid_t reaped;
    while ((reaped = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    if (reaped < 0 && errno == ECHILD) return true;
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace vmmc::run
