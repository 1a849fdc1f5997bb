// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Whether a request was made for this server. A browser puts into Host the name that the user went to:
// a page of another site whose name leads to this host (DNS rebinding) is told from our own by it; and into
// Origin the page that asks.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vmmc::nicsim::web {

class RequestCheck {
 public:
  // Where the server listens. An address that stands for all addresses of the host admits every
  // address in numbers, but no name other than localhost.
  RequestCheck(const std::string& address, std::uint16_t port);

  bool host_is_own(std::string_view host) const;
  // `host`: of the same request, which is own.
  static bool origin_is_own(std::string_view origin, std::string_view host);

 private:
  std::string address_;
  std::string port_;  // ":8080"
  bool any_address_;
};

}  // namespace vmmc::nicsim::web
