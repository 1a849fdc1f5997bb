// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/actor/table.h"

#include <string>

namespace vmmc::lab {
namespace {

constexpr std::size_t kPrefix = 9;  // VMMC_ERR_

std::string short_name(int status) {
  if (status == VMMC_OK) return "OK";
  const std::string_view name = vmmc_status_name(status);
  return std::string(name.starts_with("VMMC_ERR_") ? name.substr(kPrefix) : name);
}

Table everything() {
  Table all;
  for (const auto group :
       {buffer_commands, import_commands, transfer_commands, binding_commands,
        notification_commands, stream_commands, measurement_commands, forging_commands}) {
    const Table entries = group();
    all.insert(all.end(), entries.begin(), entries.end());
  }
  return all;
}

boost::json::object refuse(const std::string& sentence) {
  return {{"ok", false}, {"sentence", sentence}};
}

boost::json::object carry_out(Actor& actor, const Entry& entry, const Command& command) {
  const std::uint64_t began = vmmc_clock();
  const Answer answer = entry.carry_out(actor, command);
  boost::json::object said{{"ok", answer.status == VMMC_OK},
                           {"call", answer.call},
                           {"status", short_name(answer.status)}};
  if (answer.status != VMMC_OK) said["sentence"] = vmmc_last_error();
  said["began_ns"] = began;
  said["took_ns"] = vmmc_clock() - began;
  for (const auto& member : answer.members) said[member.key()] = member.value();
  return said;
}

boost::json::object answer_to(Actor& actor, const boost::json::value& read, void (*begun)()) {
  if (!read.is_object()) return refuse("this is no JSON object");
  try {
    const Command command(read.get_object());
    const std::string name = command.text("do", 32);
    const Entry* const entry = find_command(name);
    if (entry == nullptr) return refuse("there is no command " + name);
    const bool starts = command.flag("start", false);
    (void)vmmc_return_to_time();
    actor.begun = starts ? begun : nullptr;
    if (!entry->announces) actor.announce();
    return carry_out(actor, *entry, command);
  } catch (const Nonsense& nonsense) {
    return refuse(nonsense.what());
  }
}

}  // namespace

const Entry* find_command(std::string_view name) {
  static const Table all = everything();
  for (const Entry& entry : all) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

std::string answer_line(Actor& actor, std::string_view line, void (*begun)()) {
  boost::json::error_code error;
  const boost::json::value read = boost::json::parse({line.data(), line.size()}, error);
  const boost::json::object answer =
      error ? refuse("this is no JSON text") : answer_to(actor, read, begun);
  (void)vmmc_leave_time();
  return boost::json::serialize(answer) + "\n";
}

std::string could_not_attach_line(std::string_view sentence) {
  return boost::json::serialize(boost::json::object{
             {"attached", false},
             {"sentence", boost::json::string_view(sentence.data(), sentence.size())}}) +
         "\n";
}

}  // namespace vmmc::lab
