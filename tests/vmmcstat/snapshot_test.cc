// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// What processes have done by the public API is what vmmcstat shows.
#include <doctest/doctest.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "tests/conformance/automatic_update.h"
#include "tests/vmmcstat/vmmcstat_run.h"

using namespace vmmc::testing;
namespace json = boost::json;

namespace {

std::string socket_of_job() { return std::getenv("VMMC_SOCKET"); }

json::object entry(const json::object& snapshot, const char* member, std::size_t index) {
  EXPECT(snapshot.at(member).as_array().size() > index);
  return snapshot.at(member).as_array()[index].as_object();
}

std::uint64_t number(const json::object& object, const char* member) {
  return object.at(member).to_number<std::uint64_t>();
}

constexpr std::uint32_t kOpen = 10;
constexpr std::uint32_t kRestricted = 11;
constexpr std::uint32_t kNobody = 12;  // is never exported
constexpr std::uint64_t kSends = 25;

void export_buffers() {
  unsigned char* const open = export_new(4 * kPage, kOpen);
  vmmc_export_options rights = VMMC_EXPORT_DEFAULTS;
  rights.access = VMMC_READ;
  rights.process = 2;
  rights.node = 2;
  EXPECT(vmmc_export(allocate(kPage), kPage, kRestricted, &rights) == VMMC_OK);
  EXPECT(open != nullptr);
}

void check_exports(const json::object& snapshot) {
  const json::object open = entry(snapshot, "exports", 0);
  EXPECT(number(open, "buffer") == kOpen);
  EXPECT(number(open, "bytes") == 4 * kPage);
  EXPECT(number(open, "pages") == 4);
  EXPECT(open.at("access") == "rw");
  EXPECT(open.at("for_process").is_null());
  EXPECT(open.at("importers").as_array().size() == 1);
  EXPECT(number(open.at("importers").as_array()[0].as_object(), "process") == 1);
  const json::object restricted = entry(snapshot, "exports", 1);
  EXPECT(number(restricted, "buffer") == kRestricted);
  EXPECT(restricted.at("access") == "r");
  EXPECT(number(restricted, "for_process") == 2);
  EXPECT(number(restricted, "for_node") == 2);
  EXPECT(restricted.at("importers").as_array().empty());
  EXPECT(snapshot.at("incoming_pages").as_array().size() == 2);
}

void check_processes(const json::object& snapshot) {
  EXPECT(snapshot.at("processes").as_array().size() == 3);
  const json::object receiver = entry(snapshot, "processes", 0);
  const json::object sender = entry(snapshot, "processes", 1);
  EXPECT(number(sender, "process") == 1);
  EXPECT(number(sender, "node") == 1);
  EXPECT(number(sender, "pid") == static_cast<std::uint64_t>(::getpid()));
  EXPECT(number(sender, "user") == ::getuid());
  EXPECT(number(sender.at("counters").as_object(), "transfers_sent") == kSends);
  EXPECT(number(sender.at("counters").as_object(), "bytes_sent") == kSends * 4);
  EXPECT(number(receiver.at("counters").as_object(), "bytes_received") == kSends * 4);
  EXPECT(number(sender.at("send_queue").as_object(), "depth") == 0);
}

void check_bindings(const json::object& snapshot, unsigned char* first) {
  EXPECT(snapshot.at("bindings").as_array().size() == 2);
  const json::object typed = entry(snapshot, "bindings", 0);
  EXPECT(number(typed, "process") == 1);
  EXPECT(number(typed, "buffer") == kOpen);
  EXPECT(number(typed.at("exporter").as_object(), "process") == 0);
  EXPECT(number(typed, "offset") == kPage);
  EXPECT(number(typed, "bytes") == kPage);
  EXPECT(number(typed, "address") == reinterpret_cast<std::uint64_t>(first));
  EXPECT(typed.at("capture") == "typed");
  EXPECT(typed.at("combining") == "timer");
  EXPECT(number(typed, "timer_ns") == 50'000);
  EXPECT(entry(snapshot, "bindings", 1).at("combining") == "block");
}

// Part 1, when part 0 has exported.
void import_and_bind() {
  const Proxy proxy = import_by(VMMC_EXECUTOR_NIC, 0, kOpen, VMMC_READ | VMMC_WRITE);
  for (std::uint32_t i = 0; i < kSends; ++i) send_word(i, proxy.address);
  EXPECT(vmmc_fence() == VMMC_OK);
  auto* const local = static_cast<unsigned char*>(allocate(2 * kPage));
  vmmc_binding* const typed = bind(local, proxy.address + kPage, kPage,
                                   bind_options(VMMC_CAPTURE_TYPED, VMMC_COMBINE_TIMER));
  bind(local + kPage, proxy.address + 2 * kPage, kPage,
       bind_options(VMMC_CAPTURE_TYPED, VMMC_COMBINE_BLOCK));
  json::object snapshot = json_of(socket_of_job());
  check_exports(snapshot);
  check_processes(snapshot);
  check_bindings(snapshot, local);
  const json::object import = entry(snapshot, "imports", 0);
  EXPECT(import.at("state") == "granted");
  EXPECT(import.at("access") == "rw");
  EXPECT(number(entry(snapshot, "outgoing_pages", 0), "count") == 4);
  EXPECT(number(entry(snapshot, "outgoing_pages", 0), "first_incoming_page") ==
         number(entry(snapshot, "exports", 0), "first_incoming_page"));
  EXPECT(vmmc_unbind(typed) == VMMC_OK);
  EXPECT(json_of(socket_of_job()).at("bindings").as_array().size() == 1);
  EXPECT(vmmc_unimport(proxy.address) == VMMC_OK);
  snapshot = json_of(socket_of_job());
  EXPECT(snapshot.at("bindings").as_array().empty());
  EXPECT(snapshot.at("imports").as_array().empty());
  EXPECT(snapshot.at("outgoing_pages").as_array().empty());
}

}  // namespace

TEST_CASE("exports, imports, bindings, counters and page tables are what the processes made") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           export_buffers();
                           part.meet();
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           import_and_bind();
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           part.meet();
                         }});
  CHECK(json_of(nicsim.socket()).at("processes").as_array().empty());
}

TEST_CASE("imports that wait, and those whose exporter has gone") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   export_new(kPage, kOpen);
                   part.meet();
                   part.meet();
                   EXPECT(vmmc_finalize() == VMMC_OK);
                   part.meet();
                   part.meet();
                 },
                 [](Part& part) {
                   attach();
                   part.meet();
                   import_from(0, kOpen);
                   vmmc_import_request request = 0;
                   EXPECT(vmmc_import_start(identity_of(0), kNobody, nullptr, &request) == VMMC_OK);
                   void* proxy = nullptr;
                   EXPECT(vmmc_import_test(request, &proxy, nullptr) == VMMC_PENDING);
                   // Asked for over the same connection: then nicsim has seen the import.
                   vmmc_counters counters{};
                   EXPECT(vmmc_get_counters(&counters) == VMMC_OK);
                   const json::object before = json_of(socket_of_job());
                   EXPECT(number(entry(before, "waiting_imports", 0), "buffer") == kNobody);
                   part.meet();
                   part.meet();
                   const json::object after = json_of(socket_of_job());
                   EXPECT(entry(after, "imports", 0).at("state") == "unexported");
                   EXPECT(entry(after, "imports", 0).at("exporter").is_null());
                   part.meet();
                 }});
}

TEST_CASE("what is refused again and again is one error, with its count") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           export_buffers();
                           part.meet();
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           for (int i = 0; i < 30; ++i) {
                             EXPECT(import_status(identity_of(0), kRestricted, VMMC_READ,
                                                  kSecond) == VMMC_ERR_PERMISSION_DENIED);
                           }
                           const json::object snapshot = json_of(socket_of_job());
                           EXPECT(snapshot.at("errors").as_array().size() == 1);
                           const json::object error = entry(snapshot, "errors", 0);
                           EXPECT(error.at("status") == "PERMISSION_DENIED");
                           EXPECT(error.at("what") == "import");
                           EXPECT(number(error, "count") == 30);
                           EXPECT(number(error, "process") == 1);
                           EXPECT(number(error.at("peer").as_object(), "process") == 0);
                           EXPECT(number(error, "buffer") == kRestricted);
                           part.meet();
                         }});
}
