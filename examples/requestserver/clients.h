// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The clients that the server knows, by process id, and how it answers them.
//
// Threads and processes
//   One thread. respond() only sends, so a notification handler may call it; the others import or
//   unimport, which a handler may not.
//
// Invariants
//   A client is known from its hello until a send to it fails, or the next hello of its process id.
//   Answers to strangers are dropped.
//
// What a crash at any instruction leaves behind
//   Of the server: nothing. Of a client: its session, until the next send to it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "examples/requestserver/protocol.h"
#include "examples/requestserver/service.h"
#include "vmmc/vmmc.hpp"

namespace examples::requestserver {

class Clients {
 public:
  // may_notify: whether clients get notifications who ask for them.
  explicit Clients(bool may_notify) : may_notify_(may_notify) {}

  // The answer to a hello with this text.
  Answer hello(std::string_view text) const;

  // Imports the responses of a client that has said hello with this text, and answers. Whoever had
  // this process id before is forgotten.
  void welcome(vmmc::identity client, std::string_view text);

  // False: the client is known and cannot be reached any more.
  bool respond(std::uint32_t process, std::size_t lane, const Answer& answer);

  // Forgets a client if it cannot be reached any more.
  void forget_if_lost(std::uint32_t process);

  // Sends every client a beat, which finds those who died while they had nothing to ask.
  void beat();

  std::size_t known() const;
  std::size_t gone() const { return gone_; }

 private:
  struct Session {
    vmmc::proxy responses;
    bool notify = false;
    bool lost = false;
    std::array<std::uint32_t, kLanes> numbers{};
  };
  void forget(std::uint32_t process);
  // Whether the send succeeded; if not, the session is lost.
  static bool sent(Session& session, const vmmc::result<void>& result);

  const bool may_notify_;
  std::array<std::optional<Session>, kMaxClients> sessions_;
  std::uint32_t beat_ = 0;
  std::size_t gone_ = 0;
};

}  // namespace examples::requestserver
