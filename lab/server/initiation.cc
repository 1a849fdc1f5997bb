// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/initiation.h"

#include <boost/json/value.hpp>
#include <functional>

namespace vmmc::lab {
namespace {

namespace json = boost::json;
namespace parts = nicsim::parts;

std::string text_or(const json::object& command, std::string_view key, std::string_view otherwise) {
  const json::value* value = command.if_contains(key);
  return std::string(value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                            : otherwise);
}

std::int64_t number_or(const json::object& command, std::string_view key, std::int64_t otherwise) {
  const json::value* value = command.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<std::int64_t>() : otherwise;
}

// Stands for an address: the same for the same text.
std::uint64_t address_of(const std::string& text) { return std::hash<std::string>{}(text); }

}  // namespace

Initiation::Result Initiation::refer(const std::string& actor, std::uint32_t node,
                                     const json::object& command) {
  Node& where = nodes_[node];
  return command.at("kind").as_string() == "store" ? store(where, actor, command)
                                                   : load(where, actor, command);
}

Initiation::Result Initiation::store(Node& node, const std::string& actor,
                                     const json::object& command) {
  const std::string proxy = text_or(command, "proxy", "");
  if (proxy.empty()) {
    return {{{"ok", false}, {"sentence", "a STORE needs a \"proxy\""}}, std::nullopt};
  }
  const std::int64_t offset = number_or(command, "offset", 0);
  const parts::ProxyAddress destination{
      parts::ProxySpace::kDevice,
      address_of(actor + "/" + proxy) + static_cast<std::uint64_t>(offset)};
  const parts::InitiationState before = node.state;
  node.state = parts::store(before, destination, number_or(command, "bytes", 0));
  if (node.state.phase == parts::InitiationState::Phase::kDestinationLoaded) {
    node.storer = actor;
    node.proxy = proxy;
    node.offset = offset;
  }
  return {{{"ok", true}, {"changed", !(node.state == before)}}, std::nullopt};
}

Initiation::Result Initiation::load(Node& node, const std::string& actor,
                                    const json::object& command) {
  const std::string text = text_or(command, "text", "");
  const parts::ProxyAddress source{parts::ProxySpace::kMemory, address_of(actor + "/" + text)};
  const parts::InitiationLoad loaded = parts::load(node.state, source);
  node.state = loaded.state;
  Result result{{{"ok", true},
                 {"initiated", loaded.status.initiated},
                 {"invalid", loaded.status.invalid},
                 {"transferring", loaded.status.transferring},
                 {"match", loaded.status.match}},
                std::nullopt};
  if (!loaded.status.initiated) return result;
  // As many bytes as the STORE has said, of the LOAD's source.
  std::string bytes = text;
  bytes.resize(static_cast<std::size_t>(loaded.status.remaining), '.');
  result.transfer =
      Transfer{node.storer,
               {{"do", "send"}, {"proxy", node.proxy}, {"offset", node.offset}, {"text", bytes}}};
  return result;
}

void Initiation::finished(std::uint32_t node) {
  nodes_[node].state = parts::done(nodes_[node].state);
}

void Initiation::context_switch(bool invalidate) {
  if (!invalidate) return;
  for (auto& [number, node] : nodes_) node.state = parts::inval(node.state);
}

}  // namespace vmmc::lab
