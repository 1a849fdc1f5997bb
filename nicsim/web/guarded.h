// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The boundary between nicsim's event loop and what the web and the lab do in it: no exception passes it,
// or it would end nicsim, and with it every transfer.
//
// Threads: any.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "nicsim/log.h"

namespace vmmc::nicsim::web {

// Calls `work`; if it throws, logs what and calls `failed` with it.
template <typename Work, typename Failed>
void guard(Work&& work, Failed&& failed) {
  try {
    work();
  } catch (const std::exception& error) {
    try {
      log(LogLevel::kError, std::string("web: ") + error.what());
      failed(std::string(error.what()));
    } catch (const std::exception&) {
      // There is no memory left even to say so.
    }
  }
}

// `handler`, guarded.
template <typename Handler, typename Failed>
auto guarded(Handler handler, Failed failed) {
  return [handler = std::move(handler), failed = std::move(failed)](auto&&... arguments) mutable {
    guard([&] { handler(std::forward<decltype(arguments)>(arguments)...); }, failed);
  };
}

}  // namespace vmmc::nicsim::web
