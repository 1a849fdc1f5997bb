// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// libpcap: files by pcap_fopen_offline, interfaces by pcap_create with a large buffer.
#include <pcap/pcap.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "bench/ring/receiver.h"
#include "bench/support/processes.h"

namespace vmmc::bench {
namespace {

constexpr int kBlockTimeout =
    20;  // ms, as nicsim has it, after which a block that is not full is handed over
constexpr int kNoLimit = -1;

class PcapReceiver final : public Receiver {
 public:
  PcapReceiver(pcap_t* source, bool is_file) : source_(source), is_file_(is_file) {}
  ~PcapReceiver() override { ::pcap_close(source_); }
  PcapReceiver(const PcapReceiver&) = delete;
  PcapReceiver& operator=(const PcapReceiver&) = delete;

  bool drain(Tally& tally, std::uint64_t timeout) override {
    const int frames = ::pcap_dispatch(source_, kNoLimit, take, reinterpret_cast<u_char*>(&tally));
    if (frames < 0) fail("pcap_dispatch", ::pcap_geterr(source_));
    if (is_file_) return false;  // it has been read to its end
    if (frames == 0) wait(timeout);
    return true;
  }

  Losses losses() override {
    pcap_stat statistics{};
    if (!is_file_ && ::pcap_stats(source_, &statistics) != 0)
      fail("pcap_stats", ::pcap_geterr(source_));
    return {.frames = statistics.ps_drop, .waits = waits_};
  }

 private:
  // A dispatch that blocks would do so for ever when no frames come any more.
  void wait(std::uint64_t timeout) {
    pollfd poll{::pcap_get_selectable_fd(source_), POLLIN, 0};
    (void)::poll(&poll, 1, static_cast<int>(timeout / 1'000'000));
    ++waits_;
  }

  static void take(u_char* tally, const pcap_pkthdr* header, const u_char* frame) {
    reinterpret_cast<Tally*>(tally)->add(frame, header->caplen, header->len);
  }

  pcap_t* source_;
  bool is_file_;
  std::uint64_t waits_ = 0;
};

}  // namespace

std::unique_ptr<Receiver> open_pcap_file(int file) {
  char error[PCAP_ERRBUF_SIZE];
  // pcap_close closes the stream; the caller keeps its descriptor.
  std::FILE* const stream = ::fdopen(::dup(file), "rb");
  if (stream == nullptr) fail_by_errno("fdopen");
  std::rewind(stream);
  pcap_t* const source = ::pcap_fopen_offline(stream, error);
  if (source == nullptr) fail("pcap_fopen_offline", error);
  return std::make_unique<PcapReceiver>(source, true);
}

std::unique_ptr<Receiver> open_pcap_interface(const std::string& interface) {
  char error[PCAP_ERRBUF_SIZE];
  pcap_t* const source = ::pcap_create(interface.c_str(), error);
  if (source == nullptr) fail("pcap_create", error);
  ::pcap_set_snaplen(source, kSnapLength);
  ::pcap_set_promisc(source, 1);
  ::pcap_set_immediate_mode(source, 0);
  ::pcap_set_timeout(source, kBlockTimeout);
  ::pcap_set_buffer_size(source, kBufferBytes);
  if (::pcap_activate(source) < 0) fail("pcap_activate", ::pcap_geterr(source));
  if (::pcap_setnonblock(source, 1, error) != 0) fail("pcap_setnonblock", error);
  return std::make_unique<PcapReceiver>(source, false);
}

}  // namespace vmmc::bench
