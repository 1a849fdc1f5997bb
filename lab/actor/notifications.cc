// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Notifications: block, unblock, handled, wait_notification.

#include "lab/actor/table.h"
#include "lab/actor/waits.h"

namespace vmmc::lab {
namespace {

Answer block(Actor& actor, const Command&) {
  Answer answer{"vmmc_block_notifications()", vmmc_block_notifications(), {}};
  if (answer.status == VMMC_OK) answer.members["blocked"] = ++actor.blocks;
  return answer;
}

Answer unblock(Actor& actor, const Command&) {
  const int done = vmmc_unblock_notifications();
  Answer answer{"vmmc_unblock_notifications()", done < 0 ? done : VMMC_OK, {}};
  if (done < 0) return answer;
  actor.blocks = done > 0 ? 0 : actor.blocks - 1;
  answer.members["blocked"] = actor.blocks;
  return answer;
}

boost::json::object shown(const vmmc_notification& notification) {
  return {{"buffer", notification.buffer_id},
          {"offset", notification.offset},
          {"length", notification.length},
          {"immediate", notification.immediate}};
}

constexpr std::uint64_t kBetweenLooks = 100'000;    // ns
constexpr std::uint64_t kPatience = 5'000'000'000;  // ns

// Handlers run on their own: waits until there have been so many calls, or in vain.
void await_calls(HandlerCalls& noted, std::uint64_t count) {
  const std::uint64_t end = vmmc_clock() + kPatience;
  const auto there = [&] {
    const std::lock_guard lock(noted.mutex);
    return noted.calls.size() >= count;
  };
  while (!there() && vmmc_clock() < end) let_pass(kBetweenLooks);
}

Answer handled(Actor& actor, const Command& command) {
  HandlerCalls& noted = actor.handler_calls;
  await_calls(noted, command.number("await", 0, HandlerCalls::kMostKept, 0));
  boost::json::array calls;
  const std::lock_guard lock(noted.mutex);
  for (const HandlerCalls::Call& call : noted.calls) {
    boost::json::object each = shown(call.notification);
    each["nested"] = call.nested;
    calls.push_back(each);
  }
  noted.calls.clear();
  const std::size_t count = calls.size();
  return {"handler(notification, argument)", VMMC_OK, {{"calls", calls}, {"count", count}}};
}

Answer wait_notification(Actor& actor, const Command& command) {
  const Buffer& buffer = actor.buffer(command);
  vmmc_notification notification{};
  Answer answer{print("vmmc_wait_notification(%u, timeout, &notification)", buffer.id),
                vmmc_wait_notification(buffer.id, timeout_of(command), &notification),
                {}};
  if (answer.status == VMMC_OK) answer.members = shown(notification);
  return answer;
}

}  // namespace

Table notification_commands() {
  return {{"block", block},
          {"unblock", unblock},
          {"handled", handled},
          {"wait_notification", wait_notification}};
}

}  // namespace vmmc::lab
