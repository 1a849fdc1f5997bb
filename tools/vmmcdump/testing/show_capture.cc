// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// show_capture FILE [FILTER]: what libpcap alone makes of a capture: time, length and bytes of each frame that matches, in
// a line. Ends with 1 if the file ends in the middle of a frame.
#include <pcap/pcap.h>

#include <cstdio>

int main(int argc, char** argv) {
  char error[PCAP_ERRBUF_SIZE] = "no file is named";
  pcap_t* const pcap = argc < 2 ? nullptr
                                : ::pcap_open_offline_with_tstamp_precision(
                                      argv[1], PCAP_TSTAMP_PRECISION_NANO, error);
  bpf_program filter{};
  if (pcap == nullptr ||
      ::pcap_compile(pcap, &filter, argc > 2 ? argv[2] : "", 1, PCAP_NETMASK_UNKNOWN) != 0) {
    std::fprintf(stderr, "show_capture: %s\n", pcap == nullptr ? error : ::pcap_geterr(pcap));
    return 2;
  }
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  int outcome = 0;
  while ((outcome = ::pcap_next_ex(pcap, &header, &data)) == 1) {
    if (::pcap_offline_filter(&filter, header, data) == 0) continue;
    std::printf("%lld.%09lld %u ", static_cast<long long>(header->ts.tv_sec),
                static_cast<long long>(header->ts.tv_usec), header->len);
    for (bpf_u_int32 i = 0; i < header->caplen; ++i) std::printf("%02x", data[i]);
    std::printf("\n");
  }
  ::pcap_freecode(&filter);
  ::pcap_close(pcap);
  return outcome == PCAP_ERROR_BREAK ? 0 : 1;
}
