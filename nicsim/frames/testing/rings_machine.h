// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests: the rings of a machine, whose sources do what the test says.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <variant>

#include "nicsim/frames/frame_rings.h"
#include "nicsim/frames/testing/rings_fixture.h"
#include "nicsim/frames/testing/scripted_source.h"
#include "nicsim/testing/fake_client.h"

namespace vmmc::nicsim::testing {

struct RingsFixture : MachineFixture {
  boost::asio::io_context context{1};
  Script script;
  Script of_second;  // of the ring with id 2
  wire::Status source_status = wire::Status::kOk;
  FrameRings::Limits limits;
  FakeClient opener{machine, 0};
  FakeClient stranger{machine, 1};
  std::unique_ptr<FrameRings> rings = make();

  std::unique_ptr<FrameRings> make() {
    return std::make_unique<FrameRings>(
        context, machine,
        [this](const wire::OpenRingRequest& request, platform::FileDescriptor)
            -> std::variant<std::unique_ptr<FrameSource>, wire::Status> {
          if (source_status != wire::Status::kOk) return source_status;
          return std::make_unique<ScriptedSource>(request.ring == 2 ? of_second : script);
        },
        limits);
  }
  RingAnswer open(wire::OpenRingRequest request) {
    const bool comes = request.source != wire::FrameSourceKind::kBackplane;
    return rings->open(*opener.process, request,
                       comes ? some_descriptor() : platform::FileDescriptor());
  }
  static std::uint64_t passed(const RingClient& client) {
    return client.consumer->port().counters.delivered + client.consumer->port().counters.dropped;
  }
  wire::Status refused(const wire::OpenRingRequest& request) {
    return open(request).reply.header.status;
  }
  RingAnswer join(FakeClient& joiner, std::uint32_t id = 1) {
    wire::JoinRingRequest request{};
    request.node = opener.process->node;
    request.process = opener.process->id;
    request.ring = id;
    return rings->join(*joiner.process, request);
  }
  static std::uint64_t read(RingClient& client) {
    std::uint64_t count = 0;
    while (client.consumer->next() != nullptr) ++count;
    return count;
  }
};

}  // namespace vmmc::nicsim::testing
