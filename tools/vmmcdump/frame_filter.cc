// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcdump/frame_filter.h"

#include <cctype>
#include <utility>

namespace vmmc::dump {
namespace {

constexpr int kSnapLength = 262'144;
constexpr std::uint32_t kBackplane = 147;
constexpr std::uint32_t kRawIp = 101;

// The numbers in files and those of libpcap's functions are the same but for a few old ones.
int library_number(std::uint32_t link_type) {
  return link_type == kRawIp ? DLT_RAW : static_cast<int>(link_type);
}

bool has_word(const std::string& text, const std::string& word) {
  const auto is_letter = [&](std::size_t at) {
    return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0);
  };
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    if ((at == 0 || !is_letter(at - 1)) && !is_letter(at + word.size())) return true;
  }
  return false;
}

}  // namespace

std::variant<FrameFilter, Failure> FrameFilter::compile(const std::string& expression,
                                                        std::uint32_t link_type) {
  FrameFilter filter(expression, link_type);
  const std::string wrong = filter.add(link_type);
  if (wrong.empty()) return filter;
  std::string what = "filter \"" + expression + "\": " + wrong;
  if (link_type == kBackplane) {
    what +=
        " (of packets of the backplane libpcap knows only bytes and lengths, as in "
        "'link[2] = 1' and 'len > 100')";
  }
  return Failure{kExitFilter, std::move(what)};
}

FrameFilter::FrameFilter(FrameFilter&& other) noexcept
    : expression_(std::move(other.expression_)),
      link_type_(other.link_type_),
      programs_(std::exchange(other.programs_, {})) {}

FrameFilter::~FrameFilter() {
  for (auto& [link_type, program] : programs_) {
    if (program.valid) ::pcap_freecode(&program.code);
  }
}

std::string FrameFilter::add(std::uint32_t link_type) {
  Program& program = programs_[link_type];
  pcap_t* const pcap = ::pcap_open_dead(library_number(link_type), kSnapLength);
  if (pcap == nullptr) return "not enough memory";
  std::string wrong;
  if (::pcap_compile(pcap, &program.code, expression_.c_str(), 1, PCAP_NETMASK_UNKNOWN) == 0) {
    program.valid = true;
  } else {
    wrong = ::pcap_geterr(pcap);
  }
  ::pcap_close(pcap);
  return wrong;
}

bool FrameFilter::matches(const WholeFrame& frame) {
  auto found = programs_.find(frame.link_type);
  if (found == programs_.end()) {
    (void)add(frame.link_type);
    found = programs_.find(frame.link_type);
  }
  if (!found->second.valid) return false;
  pcap_pkthdr header{};
  header.caplen = static_cast<bpf_u_int32>(frame.bytes.size());
  header.len = frame.length;
  return ::pcap_offline_filter(&found->second.code, &header,
                               reinterpret_cast<const u_char*>(frame.bytes.data())) != 0;
}

bool FrameFilter::suits_kernel() const { return !has_word(expression_, "vlan"); }

}  // namespace vmmc::dump
