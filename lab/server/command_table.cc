// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/command_table.h"

#include <algorithm>
#include <array>
#include <boost/json/value.hpp>
#include <cctype>
#include <cstdint>
#include <span>
#include <string_view>

namespace vmmc::lab {
namespace {

namespace json = boost::json;
using std::string_view;

enum class Kind { kNumber, kFlag, kName, kText, kChoice, kPeer };

struct Member {
  string_view name;
  Kind kind = Kind::kNumber;
  bool needed = false;
  std::int64_t least = 0;
  std::uint64_t most = 0;
  string_view choices = {};  // "|one|two|"
};

struct Command {
  string_view name;
  std::span<const Member> members;
  // Groups of members, of which exactly one is there: "|text|" and "|value|bytes|".
  std::array<string_view, 2> groups = {};
};

constexpr std::uint64_t kMostId = 0xffffffff;
constexpr std::uint64_t kMostWord = 0xffffffff;
constexpr std::uint64_t kMostBufferBytes = 64 * 4096;
// A transfer past the end of the buffer is something to be tried, too.
constexpr std::uint64_t kMostOffset = 2 * kMostBufferBytes;
constexpr std::uint64_t kMostSent = 1 << 20;
constexpr std::uint64_t kMostShown = 64;
constexpr std::uint64_t kMostCount = 1'000'000;
constexpr std::uint64_t kMostWaitMs = 60'000;
constexpr std::uint64_t kMostNs = 60'000'000'000;
constexpr std::uint64_t kMostInterval = 1'000'000'000;  // ns
constexpr std::uint64_t kMostText = 4096;

constexpr Member number(string_view name, std::int64_t least, std::uint64_t most,
                        bool needed = false) {
  return {name, Kind::kNumber, needed, least, most};
}
constexpr Member flag(string_view name) { return {name, Kind::kFlag}; }
constexpr Member name(string_view name) { return {name, Kind::kName, true}; }
constexpr Member text(string_view name) { return {name, Kind::kText}; }
constexpr Member choice(string_view name, string_view choices, bool needed = false) {
  return {name, Kind::kChoice, needed, 0, 0, choices};
}
constexpr Member peer(string_view name, bool needed) { return {name, Kind::kPeer, needed}; }

constexpr Member kBuffer = number("buffer", 0, kMostId, true);
constexpr Member kOwnBuffer = number("buffer", 0, kMostId);
constexpr Member kOffset = number("offset", 0, kMostOffset);
constexpr Member kTimeout = number("timeout_ms", 0, kMostWaitMs);
constexpr Member kWord = number("value", 0, kMostWord);
constexpr Member kNeededWord = number("value", 0, kMostWord, true);
constexpr Member kComparison = choice("comparison", "|equal|at_least|not_equal|");
constexpr Member kShown = number("bytes", 1, kMostShown);
constexpr Member kProxy = name("proxy");
constexpr Member kBinding = name("binding");
constexpr Member kInterval = number("interval_ns", 0, kMostInterval);
constexpr Member kWaitBy = choice("by", "|spin|adaptive|block|notification|", true);
constexpr Member kAccess = choice("access", "|r|w|rw|");
constexpr Member kCount = number("count", 1, kMostCount, true);
constexpr Member kMessages = number("messages", 1, kMostCount, true);
constexpr Member kMessageBytes = number("bytes", 4, kMostBufferBytes - 4, true);

constexpr Member kExport[] = {kBuffer,         number("pages", 1, 64), kAccess, peer("for", false),
                              flag("handler"), flag("redirectable")};
constexpr Member kOnlyBuffer[] = {kBuffer};
constexpr Member kImport[] = {peer("from", true), kBuffer, name("as"), kAccess, kTimeout};
constexpr Member kOnlyProxy[] = {kProxy};
constexpr Member kSend[] = {kProxy,         kOffset,
                            text("text"),   kWord,
                            flag("notify"), number("bytes", 1, kMostSent),
                            flag("fence"),  number("immediate", 0, kMostWord)};
constexpr Member kFetch[] = {kProxy, kOffset, kShown};
constexpr Member kAdd[] = {kProxy, kOffset, kNeededWord};
constexpr Member kBind[] = {kProxy,
                            name("as"),
                            number("pages", 1, 64),
                            kOwnBuffer,
                            choice("capture", "|trap|shared|typed|"),
                            choice("combining", "|timer|block|single|off|"),
                            number("timer_us", 1, 60'000'000)};
constexpr Member kStore[] = {kBinding, kOffset, text("text"), number("value", 0, UINT64_MAX),
                             number("size", 1, 8)};
constexpr Member kStores[] = {
    kBinding, kOffset, kCount, number("stride", 1, 4096), number("size", 1, 8), flag("flush")};
constexpr Member kOnlyBinding[] = {kBinding};
constexpr Member kWait[] = {kBuffer,     kOffset,  kNeededWord,
                            kComparison, kTimeout, number("look_at", 0, kMostBufferBytes),
                            kShown};
constexpr Member kRead[] = {kBuffer, kOffset, kShown};
constexpr Member kHandled[] = {number("await", 0, 1000)};
constexpr Member kWaitNotification[] = {kBuffer, kTimeout};
constexpr Member kCompute[] = {number("ns", 0, kMostNs, true)};
constexpr Member kStream[] = {kProxy,
                              kMessages,
                              kMessageBytes,
                              kInterval,
                              number("credit", 0, kMostId),
                              number("window", 1, kMostCount)};
constexpr Member kConsume[] = {
    kBuffer, kMessages, kMessageBytes, kInterval, {"credit", Kind::kName}};
constexpr Member kRoundTrip[] = {kProxy, kBuffer, kWaitBy, kCount};
constexpr Member kUpdate[] = {kProxy, number("bytes", 4, kMostBufferBytes, true),
                              number("density", 1, 100, true),
                              choice("by", "|deliberate|automatic|", true)};
constexpr Member kAbort[] = {kOwnBuffer, kOffset, kWord, kComparison, kTimeout};
constexpr Member kForge[] = {kProxy,
                             choice("how", "|past_end|stale_generation|foreign_proxy|", true)};

constexpr Command kActorCommands[] = {
    {"export", kExport},
    {"unexport", kOnlyBuffer},
    {"import", kImport},
    {"unimport", kOnlyProxy},
    {"send", kSend, {"|text|", "|value|bytes|"}},
    {"fetch", kFetch},
    {"add", kAdd},
    {"fence", {}},
    {"bind", kBind},
    {"store", kStore, {"|text|", "|value|"}},
    {"stores", kStores},
    {"flush", {}},
    {"unbind", kOnlyBinding},
    {"wait", kWait},
    {"read", kRead},
    {"block", {}},
    {"unblock", {}},
    {"handled", kHandled},
    {"wait_notification", kWaitNotification},
    {"compute", kCompute},
    {"stream", kStream},
    {"consume", kConsume},
    {"round_trip", kRoundTrip},
    {"answer", kRoundTrip},
    {"update", kUpdate},
    {"counters", {}},
    {"abort", kAbort},
    {"forge", kForge},
};

constexpr std::uint64_t kMostNode = 4095;
constexpr Member kFaultMembers[] = {choice("action", "|drop|corrupt|delay|clear|", true),
                                    number("from", 0, kMostNode), number("to", 0, kMostNode),
                                    number("skip", 0, kMostCount), number("delay_ns", 0, kMostNs)};
constexpr Member kPaceMembers[] = {choice("mode", "|full|paused|step|slow|", true),
                                   number("interval_ms", 0, 10'000),
                                   number("slowdown", 1, 1'000'000'000)};
constexpr Member kReference[] = {choice("kind", "|store|load|", true),
                                 {"proxy", Kind::kName},
                                 kOffset,
                                 number("bytes", -1, kMostText),
                                 text("text")};
constexpr Member kContextSwitch[] = {flag("invalidate")};

constexpr Command kStageCommands[] = {
    {"kill", {}},
    {"restart", {}},
    {"await", {}},
    {"fault", kFaultMembers},
    {"pace", kPaceMembers},
    {"reference", kReference},
    {"context_switch", kContextSwitch},
};

bool lists(string_view list, string_view word) {
  return word.find('|') == string_view::npos &&
         list.find("|" + std::string(word) + "|") != string_view::npos;
}

bool is_name(string_view word) {
  return !word.empty() && word.size() <= 32 && std::all_of(word.begin(), word.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-';
  });
}

bool is_number(const json::value& value, std::int64_t least, std::uint64_t most) {
  if (value.is_uint64()) return value.get_uint64() <= most;
  if (!value.is_int64() || value.get_int64() < least) return false;
  return value.get_int64() < 0 || static_cast<std::uint64_t>(value.get_int64()) <= most;
}

bool is_peer(const json::value& value) {
  if (value.is_string()) return is_name(value.get_string());
  if (!value.is_object()) return false;
  const json::object& peer = value.get_object();
  return std::all_of(peer.begin(), peer.end(), [](const auto& member) {
    return lists("|node|process|", member.key()) && is_number(member.value(), 0, kMostId);
  });
}

std::string range_text(const Member& member) {
  return "a whole number from " + std::to_string(member.least) + " to " +
         std::to_string(member.most);
}

// What the value should be, if it is not.
std::string problem_of_value(const Member& member, const json::value& value) {
  switch (member.kind) {
    case Kind::kNumber:
      return is_number(value, member.least, member.most) ? "" : range_text(member);
    case Kind::kFlag:
      return value.is_bool() ? "" : "true or false";
    case Kind::kName:
      return value.is_string() && is_name(value.get_string())
                 ? ""
                 : "a name of 1 to 32 letters, digits and '-'";
    case Kind::kText:
      return value.is_string() && value.get_string().size() <= kMostText
                 ? ""
                 : "a text of at most " + std::to_string(kMostText) + " bytes";
    case Kind::kChoice:
      return value.is_string() && lists(member.choices, value.get_string())
                 ? ""
                 : "one of " + std::string(member.choices);
    case Kind::kPeer:
      return is_peer(value) ? "" : "an actor's name, or an object of node and process";
  }
  return "";
}

std::string problem_of_groups(const Command& command, const json::object& given) {
  if (command.groups[0].empty()) return "";
  int chosen = 0;
  std::string all;
  for (const string_view group : command.groups) {
    chosen += std::any_of(given.begin(), given.end(), [&](const auto& member) {
      return lists(group, member.key()) && !member.value().is_null();
    });
    all += (all.empty() ? "" : " or ") + std::string(group);
  }
  return chosen == 1 ? "" : std::string(command.name) + ": exactly one of " + all + " is needed";
}

std::string problem_of_members(const Command& command, const json::object& given,
                               string_view others) {
  const std::string verb(command.name);
  for (const auto& entry : given) {
    const string_view key = entry.key();
    const json::value& value = entry.value();
    if (lists(others, key)) continue;
    const auto member = std::find_if(command.members.begin(), command.members.end(),
                                     [&](const Member& one) { return one.name == key; });
    if (member == command.members.end()) {
      return verb + ": there is no member \"" + std::string(key) + "\"";
    }
    // A null is a member that is not there.
    if (value.is_null() && !member->needed) continue;
    if (const std::string due = problem_of_value(*member, value); !due.empty()) {
      return verb + ": \"" + std::string(key) + "\" is " + due;
    }
  }
  for (const Member& member : command.members) {
    if (member.needed && !given.contains(member.name)) {
      return verb + ": \"" + std::string(member.name) + "\" is missing";
    }
  }
  return problem_of_groups(command, given);
}

std::string problem_in(std::span<const Command> table, const json::object& given) {
  const json::value* verb = given.if_contains("do");
  if (verb == nullptr || !verb->is_string()) return "a command has a \"do\" that says what to do";
  const string_view word = verb->get_string();
  const auto command = std::find_if(table.begin(), table.end(),
                                    [&](const Command& one) { return one.name == word; });
  if (command == table.end())
    return "there is no command \"" + std::string(word.substr(0, 32)) + "\"";
  return problem_of_members(*command, given, "|do|actor|start|");
}

}  // namespace

std::string problem_of_actor_command(const json::object& command) {
  return problem_in(kActorCommands, command);
}

bool is_stage_command(const json::object& command) {
  const json::value* verb = command.if_contains("do");
  return verb != nullptr && verb->is_string() &&
         std::any_of(std::begin(kStageCommands), std::end(kStageCommands), [&](const Command& one) {
           return one.name == string_view(verb->get_string());
         });
}

std::string problem_of_stage_command(const json::object& command) {
  return problem_in(kStageCommands, command);
}

std::string problem_of_fault(const json::object& fault) {
  return problem_of_members({"fault", kFaultMembers}, fault, "|type|do|");
}

std::string problem_of_pace(const json::object& pace) {
  return problem_of_members({"pace", kPaceMembers}, pace, "|type|do|");
}

}  // namespace vmmc::lab
