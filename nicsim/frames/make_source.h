// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The source that a client asks for when it opens a ring.
//
// Threads: nicsim's one. Reading the first bytes of a file, and making the kernel's ring of a
// socket, may take some milliseconds.
#pragma once

#include <memory>
#include <variant>

#include "nicsim/frames/frame_source.h"
#include "nicsim/wire/frame_ring.h"
#include "platform/file_descriptor.h"

namespace vmmc::nicsim {

// kBadFrameSource, kNotACapture, kCorruptCapture, kTruncatedCapture, kFrameSourceGone,
// kOutOfMemory; kMalformed: a kind that has no source, or an unknown pace.
std::variant<std::unique_ptr<FrameSource>, wire::Status> make_source(
    const wire::OpenRingRequest& request, platform::FileDescriptor descriptor);

}  // namespace vmmc::nicsim
