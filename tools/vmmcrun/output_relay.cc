// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/output_relay.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

namespace vmmc::run {
namespace {

constexpr std::size_t kQueueLimit = 256 * 1024;  // bytes; above it the ranks wait
constexpr std::size_t kReadBytes = 64 * 1024;

}  // namespace

platform::Result<platform::FileDescriptor> OutputRelay::add_stream(std::string label, int target) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return platform::last_system_error("pipe2");
  platform::FileDescriptor reader(ends[0]);
  platform::FileDescriptor writer(ends[1]);
  if (::fcntl(reader.get(), F_SETFL, O_NONBLOCK) != 0) return platform::last_system_error("fcntl");
  streams_.push_back(std::make_unique<Stream>(
      Stream{std::move(reader), OutputPrefixer(std::move(label)), target, kNotPolled}));
  return writer;
}

void OutputRelay::say(const std::string& line) { push(STDERR_FILENO, "vmmcrun: " + line + "\n"); }

void OutputRelay::add_to_poll(std::vector<pollfd>& polled) {
  for (const auto& stream : streams_) {
    stream->poll_index = kNotPolled;
    if (!stream->pipe.valid() || queued_bytes_ >= kQueueLimit) continue;
    stream->poll_index = polled.size();
    polled.push_back({stream->pipe.get(), POLLIN, 0});
  }
  queue_poll_index_ = kNotPolled;
  if (queue_.empty()) return;
  queue_poll_index_ = polled.size();
  polled.push_back({queue_.front().target, POLLOUT, 0});
}

void OutputRelay::handle(std::span<const pollfd> polled) {
  if (queue_poll_index_ != kNotPolled && polled[queue_poll_index_].revents != 0) write_once();
  for (const auto& stream : streams_) {
    if (stream->poll_index != kNotPolled && polled[stream->poll_index].revents != 0) {
      read_once(*stream);
    }
  }
}

void OutputRelay::read_available() {
  for (const auto& stream : streams_) {
    while (read_once(*stream)) {
    }
  }
}

void OutputRelay::finish() {
  read_available();
  for (const auto& stream : streams_) end(*stream);
}

void OutputRelay::push(int target, std::string text) {
  if (text.empty()) return;
  queued_bytes_ += text.size();
  queue_.push_back({target, std::move(text), 0});
}

// False if there is nothing more to read for now.
bool OutputRelay::read_once(Stream& stream) {
  if (!stream.pipe.valid()) return false;
  std::array<char, kReadBytes> buffer;
  const ssize_t count = ::read(stream.pipe.get(), buffer.data(), buffer.size());
  if (count < 0) return errno == EINTR;
  if (count == 0) {
    end(stream);
    return false;
  }
  push(stream.target, stream.prefixer.feed({buffer.data(), static_cast<std::size_t>(count)}));
  return true;
}

void OutputRelay::end(Stream& stream) {
  stream.pipe.reset();
  push(stream.target, stream.prefixer.finish());
}

// A pipe that poll(2) calls writable takes PIPE_BUF bytes without blocking. (O_NONBLOCK is no
// choice: it would change the shared open file of whoever started us.)
void OutputRelay::write_once() {
  Piece& piece = queue_.front();
  const std::string_view rest = std::string_view(piece.text).substr(piece.written);
  const ssize_t count =
      ::write(piece.target, rest.data(), std::min<std::size_t>(rest.size(), PIPE_BUF));
  if (count < 0) {
    if (errno != EINTR && errno != EAGAIN) give_up(piece.target);
    return;
  }
  piece.written += static_cast<std::size_t>(count);
  queued_bytes_ -= static_cast<std::size_t>(count);
  if (piece.written == piece.text.size()) queue_.pop_front();
}

// Nobody reads `target` any more: its writers shall get SIGPIPE, as they would if they wrote there
// themselves.
void OutputRelay::give_up(int target) {
  for (const auto& stream : streams_) {
    if (stream->target == target) stream->pipe.reset();
  }
  std::erase_if(queue_, [&](const Piece& piece) { return piece.target == target; });
  queued_bytes_ = 0;
  for (const Piece& piece : queue_) queued_bytes_ += piece.text.size() - piece.written;
}

}  // namespace vmmc::run
