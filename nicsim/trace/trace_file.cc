// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/trace/trace_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace vmmc::nicsim {

std::variant<platform::FileDescriptor, std::string> open_trace_file(const std::string& path,
                                                                    bool overwrite) {
  // Of a FIFO nobody would wait for the reader.
  platform::FileDescriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600));
  if (!file.valid()) return "cannot trace to " + path + ": " + std::strerror(errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return "cannot trace to " + path + ": it is no regular file";
  }
  if (status.st_size > 0 && !overwrite) {
    return "cannot trace to " + path + ": it is not empty; --trace-overwrite replaces it";
  }
  return file;
}

}  // namespace vmmc::nicsim
