// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/capture/capture_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "platform/system_calls.h"

namespace vmmc::nicsim::capture {
namespace {

// Small enough to be still in the processor's cache when the frames are copied out of it.
constexpr std::size_t kChunkBytes = 512 * 1024;
constexpr std::size_t kBufferBytes = kMaxRecordBytes + kChunkBytes;

constexpr std::uint64_t kAheadBytes = 4u << 20;
constexpr unsigned kPatience = 64;  // refusals before the kernel is asked again for the same bytes

bool asks_another_process(int file) {
  struct statfs facts {};
  if (platform::system_calls().fstatfs(file, &facts) != 0) return true;
  return static_cast<std::uint32_t>(facts.f_type) == FUSE_SUPER_MAGIC;
}

bool can_be_read(int file) {
  const int flags = platform::system_calls().get_flags(file);
  if (flags < 0 || (flags & (O_PATH | O_DIRECT)) != 0) return false;
  return (flags & O_ACCMODE) != O_WRONLY;
}

}  // namespace

std::variant<CaptureFile, wire::Status> CaptureFile::open(platform::FileDescriptor file) {
  struct stat facts {};
  if (!file.valid() || platform::system_calls().fstat(file.get(), &facts) != 0 ||
      !S_ISREG(facts.st_mode) || !can_be_read(file.get()) || asks_another_process(file.get())) {
    return wire::Status::kBadFrameSource;
  }
  std::unique_ptr<std::byte[]> buffer(new (std::nothrow) std::byte[kBufferBytes]);
  if (buffer == nullptr) return wire::Status::kOutOfMemory;
  return CaptureFile(std::move(file), std::move(buffer));
}

void CaptureFile::use(std::size_t bytes) {
  const std::size_t here = std::min(bytes, end_ - begin_);
  begin_ += here;
  offset_ += bytes - here;
}

CaptureFile::Fill CaptureFile::fill(std::size_t wanted) { return fill_some(wanted, false); }

CaptureFile::Fill CaptureFile::fill_first(std::size_t wanted) { return fill_some(wanted, true); }

CaptureFile::Fill CaptureFile::fill_some(std::size_t wanted, bool may_wait) {
  if (begin_ > 0) std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  if (offset_ >= size_ && !refresh_size()) return Fill::kFailed;
  if (offset_ >= size_) return Fill::kEnd;
  // At least a chunk, so that a read is worth its call.
  const std::size_t room = std::min(std::max(wanted, end_ + kChunkBytes), kBufferBytes) - end_;
  const std::size_t length = std::min<std::uint64_t>(room, size_ - offset_);
  const bool nowait = std::exchange(nowait_, nowait_ && !may_wait);
  const std::int64_t got = read_some(buffer_.get() + end_, length);
  if (may_wait) nowait_ = nowait;
  if (got == -EAGAIN || got == -EINTR) return not_there();
  if (got < 0) return Fill::kFailed;
  if (got == 0) return Fill::kCutOff;
  refusals_ = 0;
  end_ += static_cast<std::size_t>(got);
  offset_ += static_cast<std::uint64_t>(got);
  if (asked_ != 0 && offset_ + kAheadBytes / 2 > asked_) ask_ahead();
  return Fill::kMore;
}

bool CaptureFile::refresh_size() {
  struct stat facts {};
  if (platform::system_calls().fstat(file_.get(), &facts) != 0) return false;
  size_ = static_cast<std::uint64_t>(facts.st_size);
  return true;
}

// Bytes, or -errno.
std::int64_t CaptureFile::read_some(std::byte* bytes, std::size_t length) {
  const auto offset = static_cast<off_t>(offset_);
  if (nowait_) {
    const iovec part{.iov_base = bytes, .iov_len = length};
    const ssize_t got = platform::system_calls().preadv2(file_.get(), &part, 1, offset, RWF_NOWAIT);
    if (got >= 0) return got;
    if (errno != EOPNOTSUPP && errno != ENOSYS) return -errno;
    nowait_ = false;
  }
  const ssize_t got = platform::system_calls().pread(file_.get(), bytes, length, offset);
  return got >= 0 ? got : -errno;
}

void CaptureFile::ask_ahead() {
  asked_ = std::max(asked_, offset_);
  if (asked_ >= size_) return;
  // Whether it helps shows in the next read.
  platform::system_calls().fadvise(file_.get(), static_cast<off_t>(asked_), kAheadBytes,
                                   POSIX_FADV_WILLNEED);
  asked_ += kAheadBytes;
}

CaptureFile::Fill CaptureFile::not_there() {
  // What was asked for may have been thrown out again before it was read.
  if (++refusals_ % kPatience == 0) asked_ = 0;
  if (asked_ <= offset_) ask_ahead();
  return Fill::kNotNow;
}

}  // namespace vmmc::nicsim::capture
