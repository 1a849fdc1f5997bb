// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The pcapng file that frames are written to. Frames are collected and written in large pieces, so that there is no
// system call for each.
//
// Threads: one.
//
// What a crash at any instruction leaves behind: a pcapng file of the frames up to some piece, the last of which may be
// cut off. A write that fails leaves what was written before.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "platform/file_descriptor.h"
#include "tools/vmmcdump/exit_code.h"
#include "tools/vmmcdump/frame_bytes.h"
#include "vmmc/ring.h"

namespace vmmc::dump {

// What is said of the frames in the file.
struct Origin {
  std::string name;               // of the source: an interface, or empty
  bool numbered = false;          // its interfaces have the number of the frame's behind the name
  bool directed = false;          // frames that are not outbound are inbound
  std::uint32_t snap_length = 0;  // 0: not known
  std::string filter;
};

class PacketFile {
 public:
  // "-" is standard output. Refused: a terminal; a file that is not empty, unless it is to be overwritten; the file
  // that `input` is open on, always.
  static std::variant<PacketFile, Failure> open(const std::string& path, bool overwrite, int input,
                                                Origin origin);

  // `whole` is `frame`, with its VLAN tag. Whether it could be written is known at the end.
  void add(const vmmc_frame& frame, const WholeFrame& whole);
  // A frame that is not written; what was dropped before it is said with the next one that is.
  void leave_out(const vmmc_frame& frame) { dropped_ += frame.dropped; }
  // Writes what has been collected. False: the file takes no more, close() says why.
  bool flush();
  bool works() const { return error_ == 0; }
  // After the last frame: writes the counters, and says whether everything has been written.
  std::optional<Failure> close(const vmmc_ring_counters& counters);

 private:
  static constexpr std::size_t kEnough = 1 << 20;  // bytes

  PacketFile(std::string path, platform::FileDescriptor file, Origin origin);
  std::uint32_t interface_of(const vmmc_frame& frame);

  std::string path_;
  platform::FileDescriptor file_;
  Origin origin_;
  std::string text_;
  std::map<std::pair<std::uint16_t, std::uint16_t>, std::uint32_t> interfaces_;
  std::uint64_t frames_ = 0;
  std::uint64_t time_ = 0;
  std::uint64_t dropped_ = 0;  // before frames that were left out
  int error_ = 0;              // errno of the first write that failed
};

}  // namespace vmmc::dump
