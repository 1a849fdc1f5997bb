// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "platform/write_all.h"

namespace vmmc::trace_tool {
namespace {

Failure unwritable(const std::string& path, int error) {
  return {kExitUnwritable, path + ": " + std::strerror(error)};
}

}  // namespace

std::variant<Sink, Failure> Sink::open(const std::string& path, const std::string& input,
                                       bool overwrite) {
  if (path == "-") {
    platform::FileDescriptor copy(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) return unwritable("standard output", errno);
    return Sink("standard output", std::move(copy), false);
  }
  platform::FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
  struct stat status;
  if (!file.valid() || ::fstat(file.get(), &status) != 0) return unwritable(path, errno);
  struct stat source;
  if (::stat(input.c_str(), &source) == 0 && source.st_dev == status.st_dev &&
      source.st_ino == status.st_ino) {
    return Failure{kExitOutputExists, path + ": is the trace itself"};
  }
  const bool regular = S_ISREG(status.st_mode);
  if (regular && status.st_size != 0 && !overwrite) {
    return Failure{kExitOutputExists, path + ": exists and is not empty; --overwrite replaces it"};
  }
  if (regular && ::ftruncate(file.get(), 0) != 0) return unwritable(path, errno);
  return Sink(path, std::move(file), regular);
}

void Sink::flush() {
  if (error_ == 0) error_ = platform::write_all(file_.get(), text_);
  text_.clear();
}

std::optional<Failure> Sink::close() {
  flush();
  if (::close(file_.release()) != 0 && error_ == 0) error_ = errno;
  if (error_ == 0) return std::nullopt;
  if (removable_) ::unlink(path_.c_str());
  return unwritable(path_, error_);
}

}  // namespace vmmc::trace_tool
