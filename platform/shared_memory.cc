// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/shared_memory.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/interprocess/exceptions.hpp>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>

#include "platform/system_calls.h"

namespace vmmc::platform {
namespace {

// Boost maps whatever can name its handle.
struct Mappable {
  int fd;
  boost::interprocess::mapping_handle_t get_mapping_handle() const { return {fd, false}; }
  boost::interprocess::mode_t get_mode() const { return boost::interprocess::read_write; }
};

// Below this a request is not worth the look at /proc/meminfo (some 20 us).
constexpr std::size_t kSmall = std::size_t{16} << 20;

// What the kernel could give without killing anybody: MemAvailable and SwapFree, in bytes; the
// largest number if it does not say.
std::uint64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  std::string unit;
  std::uint64_t kibibytes = 0;
  std::uint64_t sum = 0;
  bool found = false;
  while (file >> name >> kibibytes && std::getline(file, unit)) {
    if (name != "MemAvailable:" && name != "SwapFree:") continue;
    sum += kibibytes * 1024;
    found = true;
  }
  return found ? sum : UINT64_MAX;
}

// An empty file, if so much may be allocated.
Result<FileDescriptor> create_file(const char* label, std::size_t bytes) {
  // Beyond this limit the kernel would send SIGXFSZ, which kills.
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && bytes > limit.rlim_cur) {
    return SystemError{"posix_fallocate", EFBIG};
  }
  if (bytes == 0) return SystemError{"posix_fallocate", EINVAL};
  // The kernel does not know in advance how much will be allocated: asked for more than there is,
  // it would kill processes to get it.
  if (bytes > kSmall && bytes > available_memory()) return SystemError{"posix_fallocate", ENOMEM};
  FileDescriptor file(system_calls().memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.valid()) return last_system_error("memfd_create");
  return file;
}

Result<FileDescriptor> seal_size(Result<FileDescriptor> file) {
  if (system_calls().add_seals(file.value().get(), F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    return last_system_error("fcntl(F_ADD_SEALS)");
  }
  return file;
}

}  // namespace

Result<FileDescriptor> create_shared_memory(const char* label, std::size_t bytes) {
  auto file = create_file(label, bytes);
  if (!file.ok()) return file;
  if (!allocate_shared_memory(file.value().get(), 0, bytes)) {
    return last_system_error("posix_fallocate");
  }
  return seal_size(std::move(file));
}

Result<FileDescriptor> reserve_shared_memory(const char* label, std::size_t bytes) {
  auto file = create_file(label, bytes);
  if (!file.ok()) return file;
  if (::ftruncate(file.value().get(), static_cast<off_t>(bytes)) != 0) {
    return last_system_error("ftruncate");
  }
  return seal_size(std::move(file));
}

bool allocate_shared_memory(int fd, std::size_t first, std::size_t bytes) {
  int outcome = 0;
  do {
    outcome = system_calls().allocate(fd, static_cast<off_t>(first), static_cast<off_t>(bytes));
  } while (outcome != 0 && errno == EINTR);
  return outcome == 0;
}

bool is_sealed_shared_memory(int fd, std::size_t bytes) {
  const int seals = ::fcntl(fd, F_GET_SEALS);  // fails for what is no memfd
  struct stat status {};
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && ::fstat(fd, &status) == 0 &&
         static_cast<std::size_t>(status.st_size) >= bytes &&
         static_cast<std::size_t>(status.st_blocks) * 512 >= bytes;
}

Result<SharedMapping> SharedMapping::map(int fd, std::size_t bytes) {
  if (bytes == 0) return SystemError{"mmap", EINVAL};  // to Boost, 0 means the whole file
  // The table's mmap is asked first so that tests can make mapping fail; Boost makes the mapping
  // that is kept.
  const SystemCalls& calls = system_calls();
  void* probe = calls.mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (probe == MAP_FAILED) return last_system_error("mmap");
  ::munmap(probe, bytes);
  try {
    SharedMapping mapping;
    mapping.region_ =
        boost::interprocess::mapped_region(Mappable{fd}, boost::interprocess::read_write, 0, bytes);
    return mapping;
  } catch (const boost::interprocess::interprocess_exception& error) {
    return SystemError{"mmap", error.get_native_error()};
  }
}

}  // namespace vmmc::platform
