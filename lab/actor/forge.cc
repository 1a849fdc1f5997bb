// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// `forge`: not the public interface (see raw_connection.h), but what a program can write that wants to get
// round it. The refusal comes from nicsim's own checks.

#include <unistd.h>

#include <cstdlib>

#include "lab/actor/raw_connection.h"
#include "lab/actor/table.h"

namespace vmmc::lab {
namespace {

constexpr std::uint32_t kValue = 0xbad0bad0;
constexpr std::uint32_t kNobodysSlot = wire::kImportSlots - 1;

enum How : std::size_t { kPastEnd, kStaleGeneration, kForeignProxy };

wire::Status forge(RawConnection& connection, const Proxy& proxy, std::size_t how) {
  const wire::ImportReply import = connection.import(proxy.exporter, proxy.buffer);
  if (import.header.status != wire::Status::kOk) return import.header.status;
  switch (how) {
    case kPastEnd:
      return connection.send_word(
          {import.import_slot, import.import_generation, import.destination + import.length},
          kValue);
    case kStaleGeneration:
      connection.unimport(import);
      (void)connection.import(proxy.exporter, proxy.buffer);  // the same slot, another generation
      return connection.send_word(
          {import.import_slot, import.import_generation, import.destination}, kValue);
    default:
      return connection.send_word({kNobodysSlot, import.import_generation, import.destination},
                                  kValue);
  }
}

std::string socket_name() {
  const char* const name = std::getenv("VMMC_SOCKET");
  return name != nullptr ? name : "@vmmc-" + std::to_string(::getuid());
}

Answer forge_descriptor(Actor& actor, const Command& command) {
  const Proxy& proxy = actor.proxy(command);
  const std::size_t how = command.choice("how", {"past_end", "stale_generation", "foreign_proxy"});
  static constexpr const char* kWhat[] = {"behind the buffer's end",
                                          "with the generation of an import that was given up",
                                          "with the number of an import that it does not hold"};
  wire::Status status = wire::Status::kMalformed;
  (void)vmmc_leave_time();
  {
    RawConnection connection;
    if (connection.attach(socket_name(), vmmc_self().node)) status = forge(connection, proxy, how);
  }
  (void)vmmc_return_to_time();
  const std::string name = vmmc_status_name(static_cast<int>(status));
  return {std::string("a descriptor, written by hand, ") + kWhat[how],
          VMMC_OK,
          {{"refused", name.starts_with("VMMC_ERR_") ? name.substr(9) : name}}};
}

}  // namespace

Table forging_commands() { return {{"forge", forge_descriptor}}; }

}  // namespace vmmc::lab
