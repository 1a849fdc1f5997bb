// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/ring/capture_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <vector>

#include "bench/ring/receiver.h"
#include "bench/support/processes.h"

namespace vmmc::bench {
namespace {

// https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap
struct FileHeader {
  std::uint32_t magic = 0xa1b23c4d;  // ns
  std::uint16_t major = 2;
  std::uint16_t minor = 4;
  std::uint32_t reserved[2] = {0, 0};
  std::uint32_t snap_length = kSnapLength;
  std::uint32_t link_type = 1;  // Ethernet
};
static_assert(sizeof(FileHeader) == 24);

struct RecordHeader {
  std::uint32_t seconds;
  std::uint32_t nanoseconds;
  std::uint32_t captured;
  std::uint32_t length;
};
static_assert(sizeof(RecordHeader) == 16);

void write_all(int file, const void* data, std::size_t length) {
  const auto* at = static_cast<const char*>(data);
  while (length > 0) {
    const ssize_t written = ::write(file, at, length);
    if (written < 0) fail_by_errno("write of the capture file");
    at += written;
    length -= static_cast<std::size_t>(written);
  }
}

}  // namespace

CaptureFile::CaptureFile(std::uint64_t frames, std::uint32_t bytes)
    : file_(::memfd_create("capture", MFD_CLOEXEC)) {
  constexpr std::uint64_t kInChunk = 4096;
  if (file_ < 0) fail_by_errno("memfd_create");
  const FileHeader header;
  write_all(file_, &header, sizeof header);
  const std::size_t record_bytes = sizeof(RecordHeader) + bytes;
  std::vector<unsigned char> chunk(kInChunk * record_bytes);
  for (std::uint64_t i = 0; i < kInChunk; ++i)
    write_frame(&chunk[i * record_bytes + sizeof(RecordHeader)], bytes);
  for (std::uint64_t number = 0; number < frames;) {
    std::size_t filled = 0;
    for (; filled < kInChunk && number < frames; ++filled, ++number) {
      unsigned char* const record = &chunk[filled * record_bytes];
      const RecordHeader head{static_cast<std::uint32_t>(1'700'000'000 + number / 1'000'000),
                              static_cast<std::uint32_t>(number % 1'000'000 * 1000), bytes, bytes};
      std::memcpy(record, &head, sizeof head);
      number_frame(record + sizeof head, number);
      expected_.add(record + sizeof head, bytes, bytes);
    }
    write_all(file_, chunk.data(), filled * record_bytes);
  }
}

CaptureFile::~CaptureFile() { ::close(file_); }

}  // namespace vmmc::bench
