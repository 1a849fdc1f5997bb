// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The lab's server: the page, and the WebSocket over which pages see the machine and play scenes
// (lab/protocol.md).
//
// Threads: nicsim's one thread. While no page is open it does nothing.
//
// Invariants
//   What a page is sent unasked (snapshots, records, bytes) is skipped while the page does not keep up, and
//   what was skipped is told as lost; answers are never skipped. No page makes another one wait.
//   Whoever does not know the token finds nothing here.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lab/server/machine_view.h"
#include "lab/server/record_sampler.h"
#include "lab/server/scene_library.h"
#include "lab/server/stage.h"
#include "nicsim/web/site.h"

namespace vmmc::lab {

inline constexpr std::size_t kMostPages = 8;
inline constexpr std::size_t kMostLookedAt = 4;
inline constexpr std::chrono::milliseconds kRecordsInterval{50};
inline constexpr std::chrono::milliseconds kSnapshotInterval{100};

struct LabOptions {
  std::string token;          // 32 hexadecimal digits
  std::string actor_program;  // a path
  std::string scene;          // to be begun at once; empty: none
};

class LabServer final : public nicsim::web::Site, private Audience {
 public:
  // All that is referred to outlives the server.
  LabServer(boost::asio::io_context& context, MachineView& view, const SceneLibrary& library,
            LabOptions options);
  // Ends the actors. The WebSockets have ended before.
  ~LabServer() override;
  LabServer(const LabServer&) = delete;
  LabServer& operator=(const LabServer&) = delete;

  std::optional<nicsim::web::Document> get(std::string_view path) override;
  bool is_admitted(std::string_view path) const override;
  bool has_socket(std::string_view path) const override;
  bool has_room_for_socket() const override { return pages_.size() < kMostPages; }
  std::unique_ptr<nicsim::web::SocketUser> opened(nicsim::web::WebSocket& socket) override;

 private:
  class Page;

  void tell(boost::json::object message, const Asker& asker) override;
  void problem(const std::string& sentence, const Asker& asker) override;
  void actors_changed() override { actors_changed_ = true; }
  void catch_up() override;

  void greet(Page& page);
  void tick();
  void show_what_is_new();
  void show_actors();
  void show_records();
  void show_snapshot();
  void show_bytes();

  void take(Page& page, std::string_view text);
  void take_message(Page& page, const boost::json::object& message);
  void look(Page& page, const boost::json::object& message);
  void change_machine(const Asker& asker, const boost::json::object& message);
  void play(const Asker& asker, const std::string& type, const boost::json::object& message);

  MachineView& view_;
  const SceneLibrary& library_;
  const LabOptions options_;
  boost::asio::steady_timer timer_;
  bool ticking_ = false;
  std::string last_failure_;  // to show something
  std::chrono::steady_clock::time_point last_snapshot_{};
  std::vector<Page*> pages_;
  std::uint64_t last_page_ = 0;
  std::uint64_t generation_ = 0;  // of a page's bytes
  bool actors_changed_ = false;
  std::string snapshot_;  // the last one, but for the time
  RecordSampler sampler_;
  Stage stage_;  // the last: it tells the others
};

// A token of 128 random bits; throws std::system_error if the kernel has none.
std::string make_token();
bool is_token(std::string_view text);

}  // namespace vmmc::lab
