// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// What vmmcstat shows of bindings is what there is, whatever captures them, and whatever happens to the
// process that has them.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json/array.hpp>

#include "tests/conformance/automatic_update.h"
#include "tests/vmmcstat/vmmcstat_run.h"

using namespace vmmc::testing;
namespace json = boost::json;

namespace {

constexpr std::uint32_t kBuffer = 6;

json::array bindings() { return json_of(std::getenv("VMMC_SOCKET")).at("bindings").as_array(); }

json::object only_binding() {
  const json::array all = bindings();
  EXPECT(all.size() == 1);
  return all[0].as_object();
}

std::uint64_t number(const json::object& object, const char* member) {
  return object.at(member).to_number<std::uint64_t>();
}

// Of the process that has the binding, as far as it is shown.
bool is_in_a_segment(const json::object& binding) {
  const json::object snapshot = json_of(std::getenv("VMMC_SOCKET"));
  for (const json::value& process : snapshot.at("processes").as_array()) {
    if (process.as_object().at("process") != binding.at("process")) continue;
    for (const json::value& each : process.as_object().at("segments").as_array()) {
      const json::object& segment = each.as_object();
      if (segment.at("segment") != binding.at("segment")) continue;
      return number(binding, "page") + number(binding, "bytes") / kPage <= number(segment, "pages");
    }
  }
  return false;
}

unsigned char* private_pages(std::size_t bytes) {
  void* const pages =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT(pages != MAP_FAILED);
  return static_cast<unsigned char*>(pages);
}

// Runs `work` on an import of another process's buffer of 4 pages.
void run(const std::function<void(const Proxy&)>& work) {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           export_new(4 * kPage, kBuffer);
                           part.meet();
                           part.meet();
                         },
                         [&](Part& part) {
                           attach();
                           part.meet();
                           work(import_by(VMMC_EXECUTOR_AUTO, 0, kBuffer, VMMC_READ | VMMC_WRITE));
                           part.meet();
                         }});
}

}  // namespace

TEST_CASE("trapped, shared and typed bindings are told as what they are") {
  run([](const Proxy& there) {
    struct Wanted {
      int capture;
      const char* name;
    };
    for (const auto& [capture, name] :
         {Wanted{VMMC_CAPTURE_TRAP, "trap"}, Wanted{VMMC_CAPTURE_SHARED, "shared"},
          Wanted{VMMC_CAPTURE_TYPED, "typed"}}) {
      unsigned char* const local = private_pages(2 * kPage);
      vmmc_binding* const binding =
          bind(local, there.address + kPage, 2 * kPage, bind_options(capture, VMMC_COMBINE_TIMER));
      const json::object shown = only_binding();
      EXPECT(shown.at("capture") == name);
      EXPECT(number(shown, "process") == 1);
      EXPECT(number(shown, "buffer") == kBuffer);
      EXPECT(number(shown, "offset") == kPage);
      EXPECT(number(shown, "bytes") == 2 * kPage);
      EXPECT(number(shown, "address") == reinterpret_cast<std::uint64_t>(local));
      // With shared capture the pages are the remote ones. Others become pages of a segment.
      EXPECT(shown.at("segment").is_null() == (capture == VMMC_CAPTURE_SHARED));
      EXPECT(shown.at("page").is_null() == (capture == VMMC_CAPTURE_SHARED));
      if (capture != VMMC_CAPTURE_SHARED) EXPECT(is_in_a_segment(shown));
      EXPECT(vmmc_unbind(binding) == VMMC_OK);
      EXPECT(bindings().empty());
    }
  });
}

TEST_CASE("where the local bytes are, if they are in a buffer of the process's own") {
  run([](const Proxy& there) {
    unsigned char* const mine = export_new(4 * kPage, kBuffer + 1);
    bind(mine + 2 * kPage, there.address, kPage,
         bind_options(VMMC_CAPTURE_TYPED, VMMC_COMBINE_BLOCK));
    const json::object shown = only_binding();
    const json::object snapshot = json_of(std::getenv("VMMC_SOCKET"));
    for (const json::value& each : snapshot.at("exports").as_array()) {
      const json::object& buffer = each.as_object();
      if (number(buffer, "buffer") != kBuffer + 1) continue;
      const json::object& extent = buffer.at("extents").as_array()[0].as_object();
      EXPECT(number(shown, "segment") == number(extent, "segment"));
      EXPECT(number(shown, "page") == number(extent, "first_page") + 2);
      return;
    }
    EXPECT(false);
  });
}

TEST_CASE("a forked child has no bindings, and takes none from its parent") {
  run([](const Proxy& there) {
    vmmc_binding* const binding = bind(private_pages(kPage), there.address, kPage,
                                       bind_options(VMMC_CAPTURE_TRAP, VMMC_COMBINE_TIMER));
    const pid_t child = ::fork();
    if (child == 0) ::_exit(vmmc_unbind(binding) == VMMC_OK ? 1 : 0);
    int status = 1;
    EXPECT(::waitpid(child, &status, 0) == child);
    EXPECT(status == 0);
    EXPECT(number(only_binding(), "process") == 1);
    EXPECT(vmmc_unbind(binding) == VMMC_OK);
    EXPECT(bindings().empty());
  });
}

TEST_CASE("signals that come while bindings are made and ended leave none behind, and lose none") {
  run([](const Proxy& there) {
    struct sigaction action {};
    action.sa_handler = [](int) {};  // without SA_RESTART: every system call may be interrupted
    EXPECT(::sigaction(SIGALRM, &action, nullptr) == 0);
    const itimerval often{{0, 200}, {0, 200}};
    const itimerval never{};
    unsigned char* const local = private_pages(4 * kPage);
    for (int round = 0; round < 50; ++round) {
      EXPECT(::setitimer(ITIMER_REAL, &often, nullptr) == 0);
      vmmc_binding* made[4];
      for (std::size_t page = 0; page < 4; ++page) {
        made[page] = bind(local + page * kPage, there.address + page * kPage, kPage,
                          bind_options(page % 2 == 0 ? VMMC_CAPTURE_TRAP : VMMC_CAPTURE_TYPED,
                                       VMMC_COMBINE_BLOCK));
      }
      EXPECT(::setitimer(ITIMER_REAL, &never, nullptr) == 0);
      if (round % 10 == 0) EXPECT(bindings().size() == 4);
      EXPECT(::setitimer(ITIMER_REAL, &often, nullptr) == 0);
      for (vmmc_binding* const binding : made) EXPECT(vmmc_unbind(binding) == VMMC_OK);
      EXPECT(::setitimer(ITIMER_REAL, &never, nullptr) == 0);
      if (round % 10 == 0) EXPECT(bindings().empty());
    }
  });
}
