// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/make_source.h"

#include <utility>

#include "nicsim/frames/capture/capture_file_source.h"
#include "nicsim/frames/packet_socket_source.h"

namespace vmmc::nicsim {

std::variant<std::unique_ptr<FrameSource>, wire::Status> make_source(
    const wire::OpenRingRequest& request, platform::FileDescriptor descriptor) {
  if (request.source == wire::FrameSourceKind::kInterface) {
    return PacketSocketSource::open(std::move(descriptor));
  }
  const bool known =
      request.pace == wire::RingPace::kFull || request.pace == wire::RingPace::kRecorded;
  if (request.source != wire::FrameSourceKind::kCaptureFile || !known) {
    return wire::Status::kMalformed;
  }
  return CaptureFileSource::open(std::move(descriptor), request.pace);
}

}  // namespace vmmc::nicsim
