// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// One open page: its WebSocket, and what it has and has not been sent.
//
// Threads: nicsim's one thread.
#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lab/server/lab_server.h"

namespace vmmc::lab {

class LabServer::Page final : public nicsim::web::SocketUser {
 public:
  Page(LabServer& server, nicsim::web::WebSocket& socket, std::uint64_t number);
  ~Page() override;
  void received(std::string_view text) override { server_.take(*this, text); }

  std::uint64_t number() const { return number_; }

  void send(const boost::json::object& message);  // never skipped
  // `array`: of the records that are shown, as text.
  void send_records(const std::string& array, std::size_t shown, const RecordSampler::Look& look);
  void send_snapshot(const std::shared_ptr<const std::string>& message, bool changed);
  void send_bytes(MachineView& view, std::uint64_t& generation);

  void look_at(const std::vector<LookedAt>& pages);

 private:
  bool offer(std::shared_ptr<const std::string> text);  // false: skipped

  struct Looked {
    LookedAt at;
    std::optional<PageBytes> sent;
  };

  LabServer& server_;
  nicsim::web::WebSocket& socket_;
  const std::uint64_t number_;
  bool needs_snapshot_ = true;
  std::uint64_t skipped_total_ = 0;  // of records messages that were skipped
  std::uint64_t skipped_lost_ = 0;
  std::vector<Looked> looked_at_;
};

}  // namespace vmmc::lab
