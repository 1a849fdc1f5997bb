// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/output_relay.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

namespace vmmc::run {
namespace {

constexpr std::size_t kQueueLimit = std::size_t{256} * 1024;  // bytes; above it the ranks wait
constexpr std::size_t kReadBytes = std::size_t{64} * 1024;

// O_NONBLOCK on the descriptor itself would change the open file of whoever started us. Only a pipe
// or a terminal needs this: a file does not block, and a socket is told so at each write.
platform::FileDescriptor open_nonblocking(int target) {
  struct stat status {};
  if (::fstat(target, &status) != 0) return {};
  if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode)) return {};
  const std::string path = "/proc/self/fd/" + std::to_string(target);
  const int flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  return platform::FileDescriptor(::open(path.c_str(), flags));
}

}  // namespace

OutputRelay::OutputRelay() {
  for (const int target : {STDOUT_FILENO, STDERR_FILENO}) {
    nonblocking_[target] = open_nonblocking(target);
  }
}

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

// Where a second opening was refused (a terminal that belongs to another user), pieces of PIPE_BUF
// bytes do the best that can be done: what poll(2) calls writable takes one at once, unless
// somebody else fills it just now.
ssize_t OutputRelay::write_some(int target, std::string_view text) const {
  const std::string_view piece = text.substr(0, PIPE_BUF);
  const ssize_t sent = ::send(target, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0 || errno != ENOTSOCK) return sent;
  const int own = nonblocking_[target].get();
  return ::write(own >= 0 ? own : target, piece.data(), piece.size());
}

void OutputRelay::write_once() {
  Piece& piece = queue_.front();
  const ssize_t count =
      write_some(piece.target, std::string_view(piece.text).substr(piece.written));
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
