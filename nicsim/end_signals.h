// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// SIGTERM and SIGINT, by which nicsim is asked to end.
//
// Threads and processes
//   Used by nicsim's one thread, before there are others. From construction on the signals are blocked,
//   for ever and across an exec: one that comes while nobody waits, such as while nicsim starts itself
//   anew, is kept until somebody does. Whoever starts another program unblocks them first.
//
// What a crash at any instruction leaves behind: nothing.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>

namespace vmmc::nicsim {

class EndSignals {
 public:
  // Throws std::system_error: no descriptor is left.
  explicit EndSignals(boost::asio::io_context& context);

  // Calls `asked` when one of them comes, or has come. What comes later is kept.
  void wait(std::function<void()> asked);

 private:
  boost::asio::posix::stream_descriptor descriptor_;
};

}  // namespace vmmc::nicsim
