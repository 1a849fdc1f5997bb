// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The receive ring that the command line asks for, and the filter of its frames.
//
// Threads: one. A process has one RingStream: it attaches to nicsim and detaches at its end.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "platform/file_descriptor.h"
#include "tools/vmmcdump/exit_code.h"
#include "tools/vmmcdump/frame_filter.h"
#include "tools/vmmcdump/frame_stream.h"
#include "tools/vmmcdump/options.h"

namespace vmmc::dump {

class RingStream final : public FrameStream {
 public:
  // A filter that the kernel can apply is given to it; filter() has the other ones.
  static std::variant<std::unique_ptr<RingStream>, Failure> open(const Options& options);
  ~RingStream() override;

  int next(const vmmc_frame*& frame, std::uint64_t timeout) override;
  vmmc_ring_counters counters() const override;

  // What capture() is to apply; nullptr: nothing.
  FrameFilter* filter() { return filter_ ? &*filter_ : nullptr; }
  std::uint32_t link_type() const;
  // The descriptor of the file that is read; -1: none.
  int input() const { return input_.get(); }

 private:
  RingStream() = default;
  std::optional<Failure> open_ring(const Options& options);
  std::optional<Failure> open_file(const Options& options);
  std::optional<Failure> open_interface(const Options& options);
  std::optional<Failure> compile_filter(const Options& options);

  platform::FileDescriptor input_;
  vmmc_ring* ring_ = nullptr;
  bool attached_ = false;
  bool kernel_filters_ = false;
  std::optional<FrameFilter> filter_;
};

// The exit code and the sentence for what a stream has ended by, or could not be opened by; `subject` names the
// source. Not for VMMC_OK and VMMC_END.
Failure stream_failure(int status, const std::string& subject);

}  // namespace vmmc::dump
