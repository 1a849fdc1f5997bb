// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/actor/actor.h"

namespace vmmc::lab {
namespace {

template <typename Map>
typename Map::mapped_type& named(Map& map, const typename Map::key_type& key,
                                 const std::string& what) {
  const auto found = map.find(key);
  if (found == map.end()) throw Nonsense("there is no " + what);
  return found->second;
}

}  // namespace

Buffer& Actor::buffer(const Command& command, std::string_view member) {
  const auto id = static_cast<std::uint32_t>(command.number(member, 0, UINT32_MAX));
  return named(buffers, id, "buffer " + std::to_string(id));
}

Proxy& Actor::proxy(const Command& command, std::string_view member) {
  const std::string name = command.name(member);
  return named(proxies, name, "proxy " + name);
}

Binding& Actor::binding(const Command& command) {
  const std::string name = command.name("binding");
  return named(bindings, name, "binding " + name);
}

void Actor::announce() {
  if (begun != nullptr) begun();
  begun = nullptr;
}

unsigned char* Actor::source(std::uint64_t bytes) {
  if (bytes <= source_bytes_) return source_;
  void* memory = nullptr;
  const std::uint64_t pages = (bytes + kPage - 1) / kPage;
  if (vmmc_alloc(pages * kPage, &memory) != VMMC_OK) return nullptr;
  if (source_ != nullptr) (void)vmmc_free(source_);
  source_ = static_cast<unsigned char*>(memory);
  source_bytes_ = pages * kPage;
  return source_;
}

void check_inside(std::uint64_t offset, std::uint64_t bytes, std::uint64_t all) {
  if (bytes <= all && offset <= all - bytes) return;
  throw Nonsense(
      print("%llu bytes at %llu do not lie in %llu", static_cast<unsigned long long>(bytes),
            static_cast<unsigned long long>(offset), static_cast<unsigned long long>(all)));
}

}  // namespace vmmc::lab
