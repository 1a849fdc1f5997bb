// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "bench/figures/library_costs.h"

namespace vmmc::figures {

using nicsim::model::Kind;

namespace {

constexpr LibraryCost kTable[] = {
    {"nx.send_ns", &LibraryCosts::nx_send, 2887, Kind::kFitted, "nx-latency",
     "12 us for 4 B (WEB nx; TR-507-96, abstract); half of what is left of it"},
    {"nx.receive_ns", &LibraryCosts::nx_receive, 2887, Kind::kFitted, "nx-latency",
     "the other half"},
    {"sockets.write_ns", &LibraryCosts::sockets_write, 2337, Kind::kFitted, "sockets-latency",
     "11 us for a few bytes (WEB sockets; TR-513-96, abstract); half of what is left of it"},
    {"sockets.read_ns", &LibraryCosts::sockets_read, 2337, Kind::kFitted, "sockets-latency",
     "the other half"},
    {"vmmc2_sockets.write_ns", &LibraryCosts::vmmc2_sockets_write, 929, Kind::kFitted,
     "vmmc2-sockets-latency", "20 us (WEB sockets, vmmc-ii); half of what is left of it"},
    {"vmmc2_sockets.read_ns", &LibraryCosts::vmmc2_sockets_read, 929, Kind::kFitted,
     "vmmc2-sockets-latency",
     "the other half: posting the redirection, and the return to the program"},
    {"vrpc.client_ns", &LibraryCosts::vrpc_client, 8438, Kind::kFitted, "vrpc-round-trip",
     "33 us (WEB rpc; TR-512-96, abstract); half of what is left of it: SunRPC's header is made "
     "and "
     "taken apart by its ordinary stubs"},
    {"vrpc.server_ns", &LibraryCosts::vrpc_server, 8438, Kind::kFitted, "vrpc-round-trip",
     "the other half: the same, and the dispatch"},
    {"radix.key_ns", &LibraryCosts::radix_key, 705, Kind::kFitted, "radix-au",
     "speedup 9.2 on 16 nodes (design choices, ISCA'98, figure 4)"},
    {"ocean.point_ns", &LibraryCosts::ocean_point, 400, Kind::kChosen, "",
     "24 cycles at 60 MHz: one relaxation of a point with four neighbours"},
};

}  // namespace

std::span<const LibraryCost> library_cost_table() { return kTable; }

LibraryCosts library_costs() {
  LibraryCosts costs{};
  for (const LibraryCost& cost : kTable) costs.*cost.field = cost.value;
  return costs;
}

}  // namespace vmmc::figures
