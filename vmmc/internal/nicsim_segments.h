// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Makes segments known to nicsim, over the control connection. Threads: any.
#pragma once

#include "vmmc/internal/control_connection.h"
#include "vmmc/internal/error.h"
#include "vmmc/internal/memory/shared_segments.h"
#include "vmmc/internal/send_queue.h"

namespace vmmc::internal {

class NicsimSegments : public SegmentRegistrar {
 public:
  NicsimSegments(ControlConnection& connection, SendQueue& queue)
      : connection_(connection), queue_(queue) {}

  int register_segment(int fd, std::size_t bytes, bool lendable, std::uint32_t* id) override {
    wire::RegisterSegmentRequest request{};
    request.bytes = bytes;
    request.lendable = lendable ? 1 : 0;
    ControlConnection::Reply reply;
    const int status =
        connection_.call(wire::MessageType::kRegisterSegment, request, &reply, sizeof request, fd);
    if (status == VMMC_ERR_NICSIM_GONE) return fail(status, "%s", status_sentence(status));
    if (status != VMMC_OK) return status;
    *id = reply.as<wire::RegisterSegmentReply>().segment;
    return reply.status() == wire::Status::kOk ? VMMC_OK : fail_refused(reply.status(), "refused");
  }

  // If nicsim has gone it has forgotten the segment already.
  void release_segment(std::uint32_t id) override {
    wire::ReleaseSegmentRequest request{};
    request.segment = id;
    ControlConnection::Reply reply;
    (void)connection_.call(wire::MessageType::kReleaseSegment, request, &reply);
  }

  // If nicsim has gone it reads nothing any more.
  void settle_transfers() override { (void)queue_.quiesce(); }

 private:
  ControlConnection& connection_;
  SendQueue& queue_;
};

}  // namespace vmmc::internal
