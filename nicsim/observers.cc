// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/observers.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "nicsim/trace/trace.h"
#include "platform/system_calls.h"

namespace vmmc::nicsim {
namespace {

template <typename Reply>
ObserverAnswer answer_of(const Reply& reply, platform::FileDescriptor descriptor = {}) {
  ObserverAnswer answer;
  static_assert(sizeof reply <= sizeof answer.bytes);
  std::memcpy(answer.bytes.data(), &reply, sizeof reply);
  answer.length = sizeof reply;
  answer.descriptor = std::move(descriptor);
  return answer;
}

ObserverAnswer verdict(const wire::MessageHeader& request, wire::Status status) {
  wire::PlainReply reply{request};
  reply.header.status = status;
  return answer_of(reply);
}

bool write_all(int file, const std::string& text) {
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = ::write(file, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    written += static_cast<std::size_t>(count);
  }
  return true;
}

// In memory that nobody can change any more; not valid if there is none.
platform::FileDescriptor sealed_memory(const std::string& text) {
  const platform::SystemCalls& calls = platform::system_calls();
  platform::FileDescriptor file(
      calls.memfd_create("vmmc-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  if (!file.valid() || !write_all(file.get(), text) || calls.add_seals(file.get(), kSeals) != 0) {
    return {};
  }
  return file;
}

}  // namespace

ObserverAnswer Observers::answer(const wire::MessageHeader& header,
                                 std::span<const std::byte> message) {
  if (header.type == wire::MessageType::kStartTrace) {
    if (message.size() == sizeof(wire::StartTraceRequest)) return start_trace(message);
  } else if (message.size() == sizeof(wire::MessageHeader)) {
    if (header.type == wire::MessageType::kSnapshot) return snapshot(header);
    if (header.type == wire::MessageType::kStopTrace) {
      return verdict(header, services_.stop_trace());
    }
    if (header.type == wire::MessageType::kReadTrace) return read_trace(header);
  }
  return verdict(header, wire::Status::kMalformed);
}

ObserverAnswer Observers::snapshot(const wire::MessageHeader& header) {
  const std::string text = boost::json::serialize(services_.snapshot());
  platform::FileDescriptor file = sealed_memory(text);
  if (!file.valid()) return verdict(header, wire::Status::kOutOfMemory);
  return answer_of(wire::SnapshotReply{header, text.size()}, std::move(file));
}

ObserverAnswer Observers::start_trace(std::span<const std::byte> message) {
  wire::StartTraceRequest request;
  std::memcpy(&request, message.data(), sizeof request);
  if (request.records > Trace::kMostRecords) {
    return verdict(request.header, wire::Status::kMalformed);
  }
  return verdict(request.header, services_.start_trace(request.records));
}

ObserverAnswer Observers::read_trace(const wire::MessageHeader& header) {
  auto ring = services_.read_trace();
  if (const auto* refused = std::get_if<wire::Status>(&ring)) return verdict(header, *refused);
  auto& file = std::get<platform::FileDescriptor>(ring);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return verdict(header, wire::Status::kOutOfMemory);
  return answer_of(wire::ReadTraceReply{header, static_cast<std::uint64_t>(status.st_size)},
                   std::move(file));
}

}  // namespace vmmc::nicsim
