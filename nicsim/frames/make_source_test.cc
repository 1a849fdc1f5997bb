// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/make_source.h"

#include <doctest/doctest.h>

#include <array>

#include "nicsim/frames/capture/testing/capture_bytes.h"
#include "nicsim/frames/capture/testing/capture_on_disk.h"

namespace vmmc::nicsim {
namespace {

using capture::testing::CaptureOnDisk;
using wire::FrameSourceKind;
using wire::RingPace;
using wire::Status;

wire::OpenRingRequest request_for(FrameSourceKind source, RingPace pace = RingPace::kFull) {
  wire::OpenRingRequest request{};
  request.source = source;
  request.pace = pace;
  return request;
}

Status status_of(const wire::OpenRingRequest& request, platform::FileDescriptor descriptor) {
  auto made = make_source(request, std::move(descriptor));
  const auto* status = std::get_if<Status>(&made);
  return status != nullptr ? *status : Status::kOk;
}

TEST_CASE("a capture file at either pace") {
  const CaptureOnDisk file(capture::testing::mixed_pcapng());
  for (const RingPace pace : {RingPace::kFull, RingPace::kRecorded}) {
    auto made = make_source(request_for(FrameSourceKind::kCaptureFile, pace), file.for_reading());
    auto& source = *std::get<std::unique_ptr<FrameSource>>(made);
    CHECK(source.waits_for_room() == (pace == RingPace::kFull));
    std::array<Frame, 1> frame;
    REQUIRE(source.take(frame) == 1);
    CHECK(capture::testing::text_of(frame[0].bytes) == "first frame");
  }
}

TEST_CASE("what is refused") {
  const CaptureOnDisk file(capture::testing::mixed_pcapng());
  const CaptureOnDisk other(capture::testing::bytes_of("no capture at all"));
  CHECK(status_of(request_for(FrameSourceKind::kCaptureFile), other.for_reading()) ==
        Status::kNotACapture);
  CHECK(status_of(request_for(FrameSourceKind::kInterface), file.for_reading()) ==
        Status::kBadFrameSource);
  CHECK(status_of(request_for(FrameSourceKind::kBackplane), file.for_reading()) ==
        Status::kMalformed);
  CHECK(status_of(request_for(static_cast<FrameSourceKind>(9)), file.for_reading()) ==
        Status::kMalformed);
  CHECK(status_of(request_for(FrameSourceKind::kCaptureFile, static_cast<RingPace>(2)),
                  file.for_reading()) == Status::kMalformed);
}

}  // namespace
}  // namespace vmmc::nicsim
