// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/rtz/port.h"
#include "vmmc/vmmc.h"

namespace vmmc::bench {

const char* contestant_name(Contestant contestant) {
  constexpr const char* kNames[kContestants] = {"rtz-host", "rtz-nic", "udp", "unix", "bare"};
  return kNames[static_cast<int>(contestant)];
}

std::unique_ptr<PortLink> make_link(Contestant contestant) {
  switch (contestant) {
    case Contestant::kRtzHost:
      return make_rtz_link(VMMC_EXECUTOR_HOST);
    case Contestant::kRtzNic:
      return make_rtz_link(VMMC_EXECUTOR_NIC);
    case Contestant::kUdp:
      return make_udp_link();
    case Contestant::kUnixDatagram:
      return make_unix_datagram_link();
    case Contestant::kBare:
      break;
  }
  return make_bare_link();
}

}  // namespace vmmc::bench
