// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/requestserver/clients.h"

#include <algorithm>
#include <cstdio>
#include <span>
#include <utility>

namespace examples::requestserver {

Answer Clients::hello(std::string_view text) const {
  if (text == "plain") return {false, "welcome"};
  if (text != "notify") return {true, "a hello says plain or notify"};
  if (!may_notify_) return {true, "this server sends no notifications"};
  return {false, "welcome"};
}

void Clients::welcome(vmmc::identity client, std::string_view text) {
  if (sessions_[client.process]) forget(client.process);
  vmmc_import_options options = vmmc::import_defaults;
  options.timeout = 0;  // the client exports before it says hello: the loop waits for nobody
  auto imported = vmmc::proxy::import(client, kResponsesId, options);
  if (!imported || imported->size() != sizeof(responses)) {
    std::printf("server: cannot answer client %u: %s\n", client.process,
                imported ? "its buffer has another size" : vmmc::last_error());
    return;
  }
  std::printf("server: client %u on node %u says hello\n", client.process, client.node);
  sessions_[client.process].emplace(Session{*std::move(imported)});
  const Answer answer = hello(text);
  respond(client.process, 0, answer);
  sessions_[client.process]->notify = !answer.refused && text == "notify";
  forget_if_lost(client.process);
}

bool Clients::respond(std::uint32_t process, std::size_t lane, const Answer& answer) {
  auto& session = sessions_[process];
  if (!session || session->lost) return true;
  response out{};
  out.number = ++session->numbers[lane];
  out.refused = answer.refused;
  out.length = static_cast<std::uint32_t>(answer.text.copy(out.text, sizeof out.text));
  const auto bytes = std::as_bytes(std::span(&out, 1));
  constexpr std::size_t kBody = offsetof(response, refused);
  const std::size_t at = offsetof(responses, lanes) + lane * sizeof(response);
  const auto body = bytes.subspan(kBody, offsetof(response, text) - kBody + out.length);
  const auto number = bytes.first(kBody);
  return sent(*session, session->responses.send(body, at + kBody)) &&
         sent(*session, session->notify ? session->responses.send_notify(
                                              number, at, static_cast<std::uint32_t>(lane))
                                        : session->responses.send(number, at));
}

bool Clients::sent(Session& session, const vmmc::result<void>& result) {
  session.lost = session.lost || result.has_error();
  return !session.lost;
}

void Clients::forget_if_lost(std::uint32_t process) {
  if (sessions_[process] && sessions_[process]->lost) forget(process);
}

void Clients::forget(std::uint32_t process) {
  sessions_[process].reset();
  ++gone_;
  std::printf("server: client %u has gone\n", process);
}

void Clients::beat() {
  ++beat_;
  for (std::uint32_t process = 0; process < kMaxClients; ++process) {
    auto& session = sessions_[process];
    if (session && !sent(*session, session->responses.send(beat_, offsetof(responses, beat)))) {
      forget(process);
    }
  }
}

std::size_t Clients::known() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(sessions_, [](const auto& session) { return session.has_value(); }));
}

}  // namespace examples::requestserver
