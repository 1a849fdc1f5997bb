// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Session: what an observer asks.

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "nicsim/log.h"
#include "nicsim/session.h"

namespace vmmc::nicsim {

// One question after the other: answers that nobody takes would pile up here, memory and all.
void Session::handle_observer(const wire::MessageHeader& header,
                              std::span<const std::byte> message) {
  int not_taken = 0;
  if (::ioctl(socket_.native_handle(), SIOCOUTQ, &not_taken) == 0 && not_taken > 0) {
    log(LogLevel::kWarning, "an observer does not take its answers; closing its connection");
    return stop();
  }
  const ObserverAnswer answer = events_.observers->answer(header, message);
  const int descriptor = answer.descriptor.get();
  send_bytes(std::span(answer.bytes).first(answer.length),
             std::span(&descriptor, answer.descriptor.valid() ? 1 : 0));
}

}  // namespace vmmc::nicsim
