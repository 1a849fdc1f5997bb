// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A filter expression of libpcap (pcap-filter(7)), compiled, for frames in memory and for the kernel.
//
// Threads: one thread at a time.
#pragma once

#include <pcap/pcap.h>

#include <cstdint>
#include <map>
#include <string>
#include <variant>

#include "tools/vmmcdump/exit_code.h"
#include "tools/vmmcdump/frame_bytes.h"

namespace vmmc::dump {

class FrameFilter {
 public:
  // For frames of `link_type` (LINKTYPE_...). An empty expression lets every frame through.
  static std::variant<FrameFilter, Failure> compile(const std::string& expression,
                                                    std::uint32_t link_type);
  ~FrameFilter();
  FrameFilter(FrameFilter&& other) noexcept;
  FrameFilter(const FrameFilter&) = delete;
  FrameFilter& operator=(const FrameFilter&) = delete;

  // Of a frame of another link type: by the expression compiled for that one; false if it does not compile.
  bool matches(const WholeFrame& frame);

  // For the kernel: classic BPF instructions, for the link type that it was compiled for; they live as long as the
  // filter. None: every frame.
  const bpf_program& program() const { return programs_.at(link_type_).code; }

  // Whether the kernel, which takes VLAN tags out of frames before it filters them, would say the same as matches().
  bool suits_kernel() const;

 private:
  struct Program {
    bpf_program code{};
    bool valid = false;
  };

  FrameFilter(std::string expression, std::uint32_t link_type)
      : expression_(std::move(expression)), link_type_(link_type) {}
  // "", or what libpcap says.
  std::string add(std::uint32_t link_type);

  std::string expression_;
  std::uint32_t link_type_;
  std::map<std::uint32_t, Program> programs_;
};

}  // namespace vmmc::dump
