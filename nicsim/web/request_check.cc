// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/web/request_check.h"

#include <boost/asio/ip/address.hpp>

namespace vmmc::nicsim::web {
namespace {

// Browsers do so in Host and Origin.
constexpr std::string_view kPortLeftOut = ":80";

std::string in_brackets(const std::string& address) {
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

bool is_number(std::string_view host) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  boost::system::error_code error;
  boost::asio::ip::make_address(std::string(host), error);
  return !error;
}

}  // namespace

RequestCheck::RequestCheck(const std::string& address, std::uint16_t port)
    : address_(in_brackets(address)),
      port_(":" + std::to_string(port)),
      any_address_(address == "0.0.0.0" || address == "::") {}

bool RequestCheck::host_is_own(std::string_view host) const {
  if (host.size() > port_.size() && host.substr(host.size() - port_.size()) == port_) {
    host.remove_suffix(port_.size());
  } else if (port_ != kPortLeftOut) {
    return false;
  }
  if (host == "127.0.0.1" || host == "localhost" || host == "[::1]" || host == address_)
    return true;
  return any_address_ && is_number(host);
}

bool RequestCheck::origin_is_own(std::string_view origin, std::string_view host) {
  constexpr std::string_view kScheme = "http://";
  return origin.substr(0, kScheme.size()) == kScheme && origin.substr(kScheme.size()) == host;
}

}  // namespace vmmc::nicsim::web
