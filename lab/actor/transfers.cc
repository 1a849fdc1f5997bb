// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Transfers through a proxy: send, fetch, add, fence; and what has been counted.

#include <cstring>

#include "lab/actor/table.h"
#include "lab/actor/waits.h"

namespace vmmc::lab {
namespace {

constexpr std::uint64_t kLongestText = 4096;
constexpr std::uint64_t kMostFetched = 64;

// What a `send` says, in memory to send from. Its offset is not checked: the library does that.
struct Message {
  const unsigned char* source = nullptr;  // nullptr: there is no memory
  std::uint64_t bytes = 0;
  const char* name = "source";
};

Message text_message(Actor& actor, const Command& command) {
  const std::string text = command.text("text", kLongestText);
  unsigned char* const source = actor.source(text.size());
  if (source != nullptr) std::memcpy(source, text.data(), text.size());
  return {source, text.size(), "text"};
}

// The word, as often as it fits.
Message value_message(Actor& actor, const Command& command) {
  const auto value = static_cast<std::uint32_t>(command.number("value", 0, UINT32_MAX));
  const std::uint64_t bytes = command.number("bytes", sizeof value, kMostSent, sizeof value);
  if (bytes % sizeof value != 0) throw Nonsense("\"bytes\" is not a multiple of 4");
  unsigned char* const source = actor.source(bytes);
  for (std::uint64_t at = 0; source != nullptr && at < bytes; at += sizeof value) {
    std::memcpy(source + at, &value, sizeof value);
  }
  return {source, bytes, bytes == sizeof value ? "&value" : "values"};
}

// Byte i of the pattern number n is n + i, so that two sends do not look alike.
Message pattern_message(Actor& actor, const Command& command) {
  const std::uint64_t bytes = command.number("bytes", 1, kMostSent);
  unsigned char* const source = actor.source(bytes);
  ++actor.patterns;
  for (std::uint64_t i = 0; source != nullptr && i < bytes; ++i) {
    source[i] = static_cast<unsigned char>(actor.patterns + i);
  }
  return {source, bytes, "source"};
}

Message message_of(Actor& actor, const Command& command) {
  const bool text = command.has("text");
  const bool other = command.has("value") || command.has("bytes");
  if (text == other) throw Nonsense("say \"text\", or \"value\", or \"bytes\", or the last two");
  if (text) return text_message(actor, command);
  return command.has("value") ? value_message(actor, command) : pattern_message(actor, command);
}

Answer send(Actor& actor, const Command& command) {
  const Proxy& proxy = actor.proxy(command);
  const std::uint64_t offset = command.number("offset", 0, 2 * kMostBytes, 0);
  const bool notifies = command.flag("notify", false);
  const auto immediate = static_cast<std::uint32_t>(command.number("immediate", 0, UINT32_MAX, 0));
  const Message message = message_of(actor, command);
  if (message.source == nullptr) return {"vmmc_alloc", VMMC_ERR_OUT_OF_MEMORY, {}};
  const std::string call =
      print("%s(%s, %s + %llu, %llu", notifies ? "vmmc_send_notify" : "vmmc_send", message.name,
            proxy.name.c_str(), static_cast<unsigned long long>(offset),
            static_cast<unsigned long long>(message.bytes));
  unsigned char* const to = proxy.address + offset;
  Answer answer;
  if (notifies) {
    answer.call = call + ", " + std::to_string(immediate) + ")";
    answer.status = vmmc_send_notify(message.source, to, message.bytes, immediate);
  } else {
    answer.call = call + ")";
    answer.status = vmmc_send(message.source, to, message.bytes);
  }
  if (!command.flag("fence", false)) return answer;
  answer.call += "; vmmc_fence()";
  end_with_fence(answer);
  return answer;
}

Answer fetch(Actor& actor, const Command& command) {
  const Proxy& proxy = actor.proxy(command);
  const std::uint64_t offset = command.number("offset", 0, 2 * kMostBytes, 0);
  const std::uint64_t bytes = command.number("bytes", 1, kMostFetched, kMostFetched);
  unsigned char content[kMostFetched] = {};
  Answer answer{
      print("vmmc_fetch(content, %s + %llu, %llu)", proxy.name.c_str(),
            static_cast<unsigned long long>(offset), static_cast<unsigned long long>(bytes)),
      vmmc_fetch(content, proxy.address + offset, bytes),
      {}};
  if (answer.status == VMMC_OK) answer.members["hex"] = hex_of(content, bytes);
  return answer;
}

Answer add(Actor& actor, const Command& command) {
  const Proxy& proxy = actor.proxy(command);
  const std::uint64_t offset = command.number("offset", 0, 2 * kMostBytes, 0);
  const auto value = static_cast<std::uint32_t>(command.number("value", 0, UINT32_MAX));
  std::uint32_t previous = 0;
  Answer answer{print("vmmc_fetch_add_32(%s + %llu, %u, &previous)", proxy.name.c_str(),
                      static_cast<unsigned long long>(offset), value),
                vmmc_fetch_add_32(proxy.address + offset, value, &previous),
                {}};
  if (answer.status == VMMC_OK) answer.members["previous"] = previous;
  return answer;
}

Answer fence(Actor&, const Command&) { return {"vmmc_fence()", vmmc_fence(), {}}; }

Answer counters(Actor&, const Command&) {
  vmmc_counters counted{};
  Answer answer{"vmmc_get_counters(&counters)", vmmc_get_counters(&counted), {}};
  if (answer.status != VMMC_OK) return answer;
  answer.members["counters"] =
      boost::json::object{{"transfers_sent", counted.transfers_sent},
                          {"bytes_sent", counted.bytes_sent},
                          {"packets_sent", counted.packets_sent},
                          {"transfers_refused", counted.transfers_refused},
                          {"transfers_received", counted.transfers_received},
                          {"bytes_received", counted.bytes_received},
                          {"automatic_updates", counted.automatic_updates},
                          {"fetches", counted.fetches},
                          {"atomics", counted.atomics},
                          {"notifications_sent", counted.notifications_sent},
                          {"notifications_received", counted.notifications_received},
                          {"notifications_discarded", counted.notifications_discarded},
                          {"notification_stalls", counted.notification_stalls},
                          {"wakeups", counted.wakeups},
                          {"doorbells", counted.doorbells},
                          {"nic_executor_sends", counted.nic_executor_sends},
                          {"host_executor_sends", counted.host_executor_sends}};
  return answer;
}

}  // namespace

Table transfer_commands() {
  return {{"send", send}, {"fetch", fetch}, {"add", add}, {"fence", fence}, {"counters", counters}};
}

}  // namespace vmmc::lab
