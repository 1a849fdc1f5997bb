// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Buffers that the host executor can serve, and who moved their bytes.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "platform/shared_memory.h"
#include "tests/conformance/conformance.h"
#include "tests/faults/raw_client.h"

namespace vmmc::testing {

inline constexpr std::size_t kPage = 4096;
inline constexpr std::uint32_t kReadWrite = VMMC_READ | VMMC_WRITE;

inline int import_by(std::uint32_t part, std::uint32_t id, std::uint32_t executor, Proxy* proxy,
                     std::uint32_t access = kReadWrite) {
  const vmmc_import_options options{access, executor, kPatience};
  void* address = nullptr;
  const int status = vmmc_import(identity_of(part), id, &options, &address, &proxy->length);
  proxy->address = static_cast<unsigned char*>(address);
  return status;
}

inline Proxy import_by_host(std::uint32_t part, std::uint32_t id) {
  Proxy proxy;
  EXPECT(import_by(part, id, VMMC_EXECUTOR_HOST, &proxy) == VMMC_OK);
  return proxy;
}

inline vmmc_counters counters() {
  vmmc_counters counters;
  EXPECT(vmmc_get_counters(&counters) == VMMC_OK);
  return counters;
}

// A client that imports by hand what is exported by a part, and keeps a mapping of its own.
class OwnMapping {
 public:
  OwnMapping(const std::string& socket, vmmc_identity exporter, std::uint32_t id) : client(socket) {
    client.attach();
    const auto reply = client.ask<wire::ImportReply>(
        wire::ImportRequest{client.header(wire::MessageType::kImport), exporter.node,
                            exporter.process, id, kReadWrite, wire::ExecutorDemand::kHost, 0, 0});
    EXPECT(reply.header.status == wire::Status::kOk);
    const platform::FileDescriptor memory = client.take_descriptor();
    auto mapped = platform::SharedMapping::map(memory.get(), reply.length + kPage);
    EXPECT(mapped.ok());
    mapping = std::move(mapped.value());
  }

  RawClient client;
  platform::SharedMapping mapping;
};

}  // namespace vmmc::testing
