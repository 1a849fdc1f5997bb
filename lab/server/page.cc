// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/page.h"

#include <algorithm>
#include <boost/json/serialize.hpp>

namespace vmmc::lab {
namespace {

namespace json = boost::json;
using nicsim::web::WebSocket;

std::string hex(const PageBytes& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte one : bytes) {
    text.push_back(kDigits[std::to_integer<unsigned>(one) >> 4]);
    text.push_back(kDigits[std::to_integer<unsigned>(one) & 15]);
  }
  return text;
}

}  // namespace

LabServer::Page::Page(LabServer& server, WebSocket& socket, std::uint64_t number)
    : server_(server), socket_(socket), number_(number) {
  server_.pages_.push_back(this);
}

LabServer::Page::~Page() {
  auto& all = server_.pages_;
  all.erase(std::remove(all.begin(), all.end(), this), all.end());
}

void LabServer::Page::send(const json::object& message) {
  socket_.send(std::make_shared<const std::string>(json::serialize(message)),
               WebSocket::Weight::kNeeded);
}

bool LabServer::Page::offer(std::shared_ptr<const std::string> text) {
  return socket_.send(std::move(text), WebSocket::Weight::kMayBeSkipped);
}

void LabServer::Page::send_records(const std::string& array, std::size_t shown,
                                   const RecordSampler::Look& look) {
  if (look.total == 0 && skipped_total_ == 0) return;
  const std::uint64_t total = look.total + skipped_total_;
  const std::uint64_t lost = look.lost + skipped_lost_;
  const std::string head = "{\"type\":\"records\",\"total\":" + std::to_string(total) +
                           ",\"shown\":" + std::to_string(shown) +
                           ",\"lost\":" + std::to_string(lost) + ",\"records\":";
  if (offer(std::make_shared<const std::string>(head + array + "}"))) {
    skipped_total_ = skipped_lost_ = 0;
    return;
  }
  // What this page could have been shown is lost to it.
  skipped_total_ = total;
  skipped_lost_ = lost + shown;
}

void LabServer::Page::send_snapshot(const std::shared_ptr<const std::string>& message,
                                    bool changed) {
  if (!changed && !needs_snapshot_) return;
  needs_snapshot_ = !offer(message);
}

void LabServer::Page::send_bytes(MachineView& view, std::uint64_t& generation) {
  for (Looked& looked : looked_at_) {
    const std::optional<PageBytes> bytes = view.read_page(looked.at);
    if (!bytes || looked.sent == bytes) continue;
    const json::object message{{"type", "bytes"},
                               {"node", looked.at.node},
                               {"process", looked.at.process},
                               {"segment", looked.at.segment},
                               {"page", looked.at.page},
                               {"hex", hex(*bytes)},
                               {"generation", ++generation}};
    if (offer(std::make_shared<const std::string>(json::serialize(message)))) looked.sent = bytes;
  }
}

void LabServer::Page::look_at(const std::vector<LookedAt>& pages) {
  looked_at_.clear();
  for (const LookedAt& one : pages) looked_at_.push_back({one, std::nullopt});
}

}  // namespace vmmc::lab
