// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/ring/receiver.h"

namespace vmmc::bench {

const char* contestant_name(Contestant contestant) {
  constexpr const char* kNames[kContestants] = {"ring", "libpcap", "tap"};
  return kNames[static_cast<int>(contestant)];
}

const char* copies_of(Contestant contestant, bool from_file) {
  switch (contestant) {
    case Contestant::kRing:
      return from_file ? "0 after the DMA" : "0 after the DMA; before it 1, into the kernel's ring";
    case Contestant::kPcap:
      return from_file ? "2: page cache to stdio's buffer, that to libpcap's"
                       : "1: into the kernel's ring, which is mapped";
    case Contestant::kTap:
      break;
  }
  return "1: by read()";
}

std::unique_ptr<Receiver> open_file(Contestant contestant, int file) {
  return contestant == Contestant::kRing ? open_ring_file(file) : open_pcap_file(file);
}

std::unique_ptr<Receiver> open_interface(Contestant contestant, const std::string& interface) {
  switch (contestant) {
    case Contestant::kRing:
      return open_ring_interface(interface);
    case Contestant::kPcap:
      return open_pcap_interface(interface);
    case Contestant::kTap:
      break;
  }
  return open_tap(interface);
}

}  // namespace vmmc::bench
