// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Ends a sleep of nicsim's loop when a descriptor that belongs to somebody else is readable.
//
// Threads: used by nicsim's one thread. Ends before the descriptor is closed.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>

namespace vmmc::nicsim {

class SourceWatch {
 public:
  // nullptr: the kernel cannot watch it.
  static std::unique_ptr<SourceWatch> make(boost::asio::io_context& context, int descriptor) {
    auto watch = std::unique_ptr<SourceWatch>(new SourceWatch(context));
    boost::system::error_code error;
    watch->descriptor_.assign(descriptor, error);
    return error ? nullptr : std::move(watch);
  }
  ~SourceWatch() {
    if (descriptor_.is_open()) descriptor_.release();
  }
  SourceWatch(const SourceWatch&) = delete;
  SourceWatch& operator=(const SourceWatch&) = delete;

  // From now on until it has been readable once.
  void arm() {
    if (*armed_) return;
    *armed_ = true;
    // This may run when the watch has gone.
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [armed = armed_](const boost::system::error_code&) { *armed = false; });
  }

 private:
  explicit SourceWatch(boost::asio::io_context& context) : descriptor_(context) {}

  boost::asio::posix::stream_descriptor descriptor_;
  const std::shared_ptr<bool> armed_ = std::make_shared<bool>(false);
};

}  // namespace vmmc::nicsim
