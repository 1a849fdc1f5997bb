// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the HTTP server serves. It knows of addresses and messages; what they mean is the site's.
//
// Threads: everything is called in nicsim's one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace vmmc::nicsim::web {

// One end of an open WebSocket, as the site sees it.
class WebSocket {
 public:
  enum class Weight {
    kMayBeSkipped,  // not sent if too much waits to be sent
    kNeeded,  // if even these do not find room, the other end has stopped reading and is cut off
  };

  virtual ~WebSocket() = default;
  // False: skipped, or it is closed. Nothing is ever waited for.
  virtual bool send(std::shared_ptr<const std::string> text, Weight weight) = 0;
};

// Ends when its WebSocket has ended, for whatever reason.
class SocketUser {
 public:
  virtual ~SocketUser() = default;
  // May call send(). Valid UTF-8, within the limit of length.
  virtual void received(std::string_view text) = 0;
};

struct Document {
  std::string_view type;  // "text/html; charset=utf-8"
  std::string body;
};

class Site {
 public:
  virtual ~Site() = default;
  // What is at this path; nothing: there is none.
  virtual std::optional<Document> get(std::string_view path) = 0;

  // Whether who asks for this path has shown by it that he is no stranger.
  virtual bool is_admitted(std::string_view path) const = 0;

  // Whether a WebSocket is at this path.
  virtual bool has_socket(std::string_view path) const = 0;
  virtual bool has_room_for_socket() const = 0;
  // One has been opened; it lives until the user has been destroyed.
  virtual std::unique_ptr<SocketUser> opened(WebSocket& socket) = 0;
};

}  // namespace vmmc::nicsim::web
