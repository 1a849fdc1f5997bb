// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Proxies: import and unimport.

#include "lab/actor/table.h"
#include "lab/actor/waits.h"

namespace vmmc::lab {
namespace {

Answer import_buffer(Actor& actor, const Command& command) {
  const vmmc_identity exporter = command.identity("from");
  if (exporter.node == VMMC_ANY || exporter.process == VMMC_ANY) {
    throw Nonsense("\"from\" names no process");
  }
  const auto id = static_cast<std::uint32_t>(command.number("buffer", 0, UINT32_MAX));
  const std::string name = command.name("as");
  if (actor.proxies.contains(name)) throw Nonsense("there is a proxy " + name + " already");
  if (actor.proxies.size() >= kMost) throw Nonsense("there are 16 proxies already");
  vmmc_import_options options = VMMC_IMPORT_DEFAULTS;
  options.access = access_of(command, "w");
  options.executor = VMMC_EXECUTOR_NIC;
  options.timeout = timeout_of(command, 0);
  void* address = nullptr;
  std::size_t bytes = 0;
  Answer answer{print("vmmc_import({%u, %u}, %u, &options, &%s, &length)", exporter.node,
                      exporter.process, id, name.c_str()),
                vmmc_import(exporter, id, &options, &address, &bytes),
                {}};
  if (answer.status != VMMC_OK) return answer;
  actor.proxies[name] = {name, static_cast<unsigned char*>(address), bytes, exporter, id};
  answer.members["bytes"] = bytes;
  return answer;
}

Answer unimport(Actor& actor, const Command& command) {
  const Proxy& proxy = actor.proxy(command);
  const auto exchange = actor.exchanges.find(proxy.name);
  if (exchange != actor.exchanges.end()) {
    (void)vmmc_unbind(exchange->second.handle);
    (void)vmmc_free(exchange->second.memory);
    actor.exchanges.erase(exchange);
  }
  Answer answer{"vmmc_unimport(" + proxy.name + ")", vmmc_unimport(proxy.address), {}};
  if (answer.status == VMMC_OK) actor.proxies.erase(std::string(proxy.name));
  return answer;
}

}  // namespace

Table import_commands() { return {{"import", import_buffer}, {"unimport", unimport}}; }

}  // namespace vmmc::lab
