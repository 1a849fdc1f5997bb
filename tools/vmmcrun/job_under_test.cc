// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/job_under_test.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace vmmc::run {
namespace {

using platform::FileDescriptor;

constexpr unsigned kWatchdog = 120;  // seconds

struct Pipe {
  FileDescriptor reader, writer;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    reader.reset(ends[0]);
    writer.reset(ends[1]);
  }
};

std::string random_mark() {
  std::random_device random;
  return "VMMCRUN_TEST_MARK=" + std::to_string(random()) + "-" + std::to_string(random());
}

[[noreturn]] void become_vmmcrun(const std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  // The test itself may have been started in the background, where these are ignored.
  for (const int signal : {SIGINT, SIGQUIT, SIGHUP}) ::signal(signal, SIG_DFL);
  ::execv(pointers[0], pointers.data());
  ::_exit(99);
}

std::string file_content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool is_zombie(const std::string& directory) {
  const std::string status = file_content(directory + "/stat");
  const std::size_t name_end = status.rfind(')');
  return name_end == status.npos || status.substr(name_end).starts_with(") Z") ||
         status.substr(name_end).starts_with(") X");
}

}  // namespace

std::string runfile(const std::string& name) {
  std::string path = "tools/vmmcrun/" + name;
  const char* directory = std::getenv("TEST_SRCDIR");
  const char* workspace = std::getenv("TEST_WORKSPACE");
  if (directory == nullptr || workspace == nullptr) return path;
  return std::string(directory) + "/" + workspace + "/" + path;
}

std::vector<std::string> script(std::vector<std::string> options, const std::string& text) {
  options.insert(options.end(), {"/bin/sh", "-c", text});
  return options;
}

JobResult run(std::vector<std::string> arguments, const JobUnderTest::Setting& setting) {
  JobUnderTest job(std::move(arguments), setting);
  JobResult result = job.finish();
  CHECK(job.living().empty());  // at once, not after a while
  return result;
}

std::multiset<std::string> lines(const std::string& text) {
  std::multiset<std::string> all;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) all.insert(line);
  return all;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

JobUnderTest::JobUnderTest(std::vector<std::string> arguments, const Setting& setting)
    : mark_(random_mark()) {
  if (!setting.fake.empty()) {
    arguments.insert(arguments.begin(), {"--nicsim", runfile("fake_nicsim")});
  }
  arguments.insert(arguments.begin(), runfile("vmmcrun"));
  arguments.insert(arguments.begin(), setting.wrapper.begin(), setting.wrapper.end());
  Pipe output, error, input;
  int master = -1, slave = -1;
  if (setting.terminal && ::openpty(&master, &slave, nullptr, nullptr, nullptr) != 0) {
    throw std::runtime_error("openpty");
  }
  ::alarm(kWatchdog);
  process_ = ::fork();
  if (process_ < 0) throw std::runtime_error("fork");
  if (process_ == 0) {
    ::putenv(mark_.data());
    ::setenv("FAKE_NICSIM", setting.fake.c_str(), 1);
    for (const std::string& variable : setting.environment) {
      ::putenv(const_cast<char*>(variable.c_str()));
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // the watchdog's victim shall leave nothing either
    ::setsid();
    if (setting.terminal) ::ioctl(slave, TIOCSCTTY, 0);
    ::dup2(setting.terminal ? slave : input.reader.get(), 0);
    ::dup2(setting.terminal ? slave : output.writer.get(), 1);
    ::dup2(setting.terminal ? slave : error.writer.get(), 2);
    if (setting.terminal) {
      ::close(master);
      ::close(slave);
    }
    become_vmmcrun(arguments);
  }
  if (setting.terminal) {
    ::close(slave);
    output_.reset(master);
    return;
  }
  output_ = std::move(output.reader);
  error_ = std::move(error.reader);
  if (::write(input.writer.get(), setting.input.data(), setting.input.size()) !=
      static_cast<ssize_t>(setting.input.size())) {
    throw std::runtime_error("write");
  }
}

JobUnderTest::~JobUnderTest() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  for (const pid_t left : living()) ::kill(left, SIGKILL);
  ::alarm(0);
}

void JobUnderTest::signal(int number) const { ::kill(process_, number); }

void JobUnderTest::type(const std::string& text) const {
  if (::write(output_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw std::runtime_error("write to the terminal");
  }
}

bool JobUnderTest::wait_for(const std::string& text, int times) {
  for (;;) {
    int found = 0;
    for (const std::string* stream : {&result_.output, &result_.error}) {
      for (std::size_t at = 0; (at = stream->find(text, at)) != stream->npos; ++at) ++found;
    }
    if (found >= times) return true;
    if (!read_more()) return false;
  }
}

// Reads what comes next of either stream; false when both have ended.
bool JobUnderTest::read_more() {
  pollfd polled[2] = {{output_.get(), POLLIN, 0}, {error_.get(), POLLIN, 0}};
  if (!output_.valid() && !error_.valid()) return false;
  if (::poll(polled, 2, -1) < 0) return false;
  for (int i = 0; i < 2; ++i) {
    if (polled[i].revents == 0) continue;
    char buffer[65536];
    const ssize_t count = ::read(polled[i].fd, buffer, sizeof buffer);
    if (count > 0) {
      (i == 0 ? result_.output : result_.error).append(buffer, static_cast<std::size_t>(count));
    } else {
      (i == 0 ? output_ : error_).reset();  // end of a pipe; a terminal without users gives EIO
    }
  }
  return true;
}

JobResult JobUnderTest::finish() {
  while (read_more()) {
  }
  int status = 0;
  ::waitpid(process_, &status, 0);
  process_ = -1;
  result_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result_;
}

std::vector<pid_t> JobUnderTest::living() const {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    pid_t process = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), process);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
    const std::string environment = file_content(entry.path().string() + "/environ");
    if (environment.find(mark_) == environment.npos) continue;
    if (process != ::getpid() && !is_zombie(entry.path().string())) found.push_back(process);
  }
  return found;
}

bool JobUnderTest::all_gone() const {
  while (!living().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return true;
}

}  // namespace vmmc::run
