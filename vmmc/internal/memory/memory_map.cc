// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/memory_map.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <optional>

#include "platform/file_descriptor.h"
#include "platform/system_calls.h"

namespace vmmc::internal {
namespace {

// "7f0000000000-7f0000001000 rw-p 00000000 00:01 1234    /path"
std::optional<MemoryRegion> parse_line(const std::string& line) {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  char rights[5] = {};
  unsigned long inode = 0;
  int name_at = 0;
  const int fields = std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %lu %n",
                                 &begin, &end, rights, &inode, &name_at);
  if (fields != 4 || begin >= end) return std::nullopt;
  MemoryRegion region;
  region.range = {begin, end};
  region.readable = rights[0] == 'r';
  region.writable = rights[1] == 'w';
  region.executable = rights[2] == 'x';
  region.shared = rights[3] == 's';
  region.of_file = inode != 0;
  region.name = line.substr(static_cast<std::size_t>(name_at));
  return region;
}

bool starts_with(std::string_view text, std::string_view beginning) {
  return text.substr(0, beginning.size()) == beginning;
}

bool has_huge_pages(const MemoryRegion& region) {
  if (starts_with(region.name, "/anon_hugepage")) return true;
  if (!region.of_file) return false;
  struct statfs file_system {};
  return ::statfs(region.name.c_str(), &file_system) == 0 && file_system.f_type == HUGETLBFS_MAGIC;
}

// A page of a file mapping that lies past the end of the file raises SIGBUS; the kernel reading on
// our behalf gets an error instead. Where reading across is forbidden the page counts as sound, as
// it nearly always is.
bool can_be_loaded(std::uintptr_t page) {
  char byte = 0;
  iovec local{&byte, 1};
  iovec remote{reinterpret_cast<void*>(page), 1};
  return ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) == 1 || errno != EFAULT;
}

MemoryRefusal judge(const MemoryRegion& region, PageRange part) {
  if (starts_with(region.name, "[v")) return MemoryRefusal::kSpecial;
  if (region.name == "[stack]") return MemoryRefusal::kStack;
  if (region.shared) return MemoryRefusal::kShared;
  if (!region.readable) return MemoryRefusal::kNotReadable;
  if (!region.writable) return MemoryRefusal::kNotWritable;
  if (region.executable) return MemoryRefusal::kExecutable;
  if (has_huge_pages(region)) return MemoryRefusal::kHugePages;
  if (region.of_file) {
    for (std::uintptr_t page = part.begin; page < part.end; page += wire::kPageSize) {
      if (!can_be_loaded(page)) return MemoryRefusal::kBeyondFile;
    }
  }
  return MemoryRefusal::kNone;
}

PageRange common_part(PageRange a, PageRange b) {
  return {std::max(a.begin, b.begin), std::min(a.end, b.end)};
}

const char* words_for(MemoryRefusal refusal) {
  switch (refusal) {
    case MemoryRefusal::kNone:
      return "is private, readable and writable";
    case MemoryRefusal::kUnmapped:
      return "is not mapped";
    case MemoryRefusal::kNotReadable:
      return "is not readable";
    case MemoryRefusal::kNotWritable:
      return "is not writable";
    case MemoryRefusal::kExecutable:
      return "is executable";
    case MemoryRefusal::kShared:
      return "is a shared mapping";
    case MemoryRefusal::kStack:
      return "is the stack of a thread";
    case MemoryRefusal::kThreadStorage:
      return "holds thread-local variables";
    case MemoryRefusal::kHugePages:
      return "has huge pages";
    case MemoryRefusal::kBeyondFile:
      return "maps a file past its end";
    case MemoryRefusal::kSpecial:
      return "belongs to the kernel";
  }
  return "cannot be exported";
}

}  // namespace

std::string describe(const MemoryAnswer& answer) {
  char text[128];
  std::snprintf(text, sizeof text, "the memory from 0x%" PRIxPTR " to 0x%" PRIxPTR " %s",
                answer.where.begin, answer.where.end, words_for(answer.refusal));
  return text;
}

platform::Result<MemoryMap> MemoryMap::read() {
  platform::FileDescriptor file(
      platform::system_calls().open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return platform::last_system_error("open");
  std::string text;
  char piece[16384];
  for (;;) {
    const ssize_t got = ::read(file.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return platform::last_system_error("read");
    if (got == 0) break;
    text.append(piece, static_cast<std::size_t>(got));
  }
  return parse(text);
}

MemoryMap MemoryMap::parse(std::string_view text) {
  MemoryMap map;
  while (!text.empty()) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    if (auto region = parse_line(std::string(text.substr(0, length))))
      map.regions_.push_back(std::move(*region));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return map;
}

const MemoryRegion* MemoryMap::region_at(std::uintptr_t address) const {
  const auto after = std::upper_bound(regions_.begin(), regions_.end(), address,
                                      [](std::uintptr_t wanted, const MemoryRegion& region) {
                                        return wanted < region.range.begin;
                                      });
  if (after == regions_.begin()) return nullptr;
  const MemoryRegion& region = *std::prev(after);
  return address < region.range.end ? &region : nullptr;
}

MemoryAnswer MemoryMap::check(PageRange range, std::span<const ThreadMemory> except) const {
  std::uintptr_t next = range.begin;
  while (next < range.end) {
    const MemoryRegion* region = region_at(next);
    if (region == nullptr) {
      PageRange hole{next, range.end};
      for (const MemoryRegion& other : regions_) {
        if (other.range.begin > next) hole.end = std::min(hole.end, other.range.begin);
      }
      return {MemoryRefusal::kUnmapped, hole};
    }
    const PageRange part = common_part(region->range, {next, range.end});
    if (const MemoryRefusal refusal = judge(*region, part); refusal != MemoryRefusal::kNone)
      return {refusal, part};
    next = part.end;
  }
  for (const ThreadMemory& memory : except) {
    if (memory.range.overlaps(range)) return {memory.kind, common_part(memory.range, range)};
  }
  return {};
}

}  // namespace vmmc::internal
