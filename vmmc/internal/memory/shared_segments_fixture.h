// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of SharedSegments start from: pages of the program, and a stand-in for nicsim.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "platform/shared_memory.h"
#include "vmmc/internal/memory/memory_test_support.h"
#include "vmmc/internal/memory/shared_segments.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

// Mapped without platform::system_calls(), whose failures are meant for the code under test.
struct View {
  View(int fd, std::size_t length) : bytes(length) {
    void* mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(mapped != MAP_FAILED, "the segment can be mapped");
    data = static_cast<std::byte*>(mapped);
  }
  ~View() { ::munmap(data, bytes); }
  View(const View&) = delete;
  View& operator=(const View&) = delete;
  std::byte* data = nullptr;
  std::size_t bytes;
};

// Stands for nicsim: keeps a mapping of every segment, and the descriptors of lendable ones.
class FakeRegistrar : public SegmentRegistrar {
 public:
  int register_segment(int fd, std::size_t bytes, bool lendable, std::uint32_t* id) override {
    if (refuse_after == 0 || (lendable && refuse_lendable)) return VMMC_ERR_NICSIM_GONE;
    if (refuse_after > 0) --refuse_after;
    must(platform::is_sealed_shared_memory(fd, bytes), "nicsim takes sealed memory only");
    *id = next_id++;
    segments.emplace(*id, std::make_unique<View>(fd, bytes));
    if (lendable) lendable_memory.emplace(*id, platform::FileDescriptor(::dup(fd)));
    return VMMC_OK;
  }
  void release_segment(std::uint32_t id) override {
    must(segments.erase(id) == 1, "only what was registered is released");
    lendable_memory.erase(id);
  }
  void settle_transfers() override {
    ++settled;
    if (when_settling) when_settling();
  }

  // The byte at `offset` of a covered buffer, as nicsim sees it.
  std::byte& at(const SharedSegments::Cover& cover, std::size_t offset) {
    std::size_t place = cover.page_offset + offset;
    for (const wire::Extent& extent : cover.extents) {
      if (place < extent.pages * kPage)
        return segments.at(extent.segment)->data[extent.first_page * kPage + place];
      place -= extent.pages * kPage;
    }
    must(false, "the offset is in the buffer");
    std::abort();
  }
  std::byte& at(const SegmentPosition& position) {
    return segments.at(position.segment)->data[position.offset];
  }

  // What an importer maps to whom the covered buffer is lent: all of its one segment.
  std::unique_ptr<View> lend(const SharedSegments::Cover& cover) {
    must(cover.bell != nullptr && cover.page_offset == 0, "the buffer can be lent");
    must(cover.extents.size() == 1 && cover.extents[0].first_page == 0, "it is in one segment");
    const std::uint32_t id = cover.extents[0].segment;
    const std::size_t bytes = (cover.extents[0].pages + std::size_t{1}) * kPage;
    must(segments.at(id)->bytes == bytes, "the segment is the buffer and its bell");
    return std::make_unique<View>(lendable_memory.at(id).get(), bytes);
  }

  std::map<std::uint32_t, std::unique_ptr<View>> segments;
  std::map<std::uint32_t, platform::FileDescriptor> lendable_memory;
  std::uint32_t next_id = 1;
  int refuse_after = -1;  // registrations that still work; -1: all
  bool refuse_lendable = false;
  int settled = 0;
  std::function<void()> when_settling;
};

// For several threads: transfers are carried out under the queue's lock at once, so that having it once is to wait for
// all that found their segment before.
class RacingRegistrar : public FakeRegistrar {
 public:
  int register_segment(int fd, std::size_t bytes, bool lendable, std::uint32_t* id) override {
    const std::lock_guard lock(queue);
    return FakeRegistrar::register_segment(fd, bytes, lendable, id);
  }
  void release_segment(std::uint32_t id) override {
    const std::lock_guard lock(queue);
    FakeRegistrar::release_segment(id);
  }
  void settle_transfers() override { const std::lock_guard lock(queue); }

  std::mutex queue;
};

struct Fixture {
  TestPages pages{8};  // outlives what covers it
  FakeRegistrar nicsim;
  SharedSegments shared{nicsim};

  SharedSegments::Cover cover(std::size_t offset, std::size_t length) {
    auto result = shared.cover(pages.data() + offset, length);
    CHECK(result.verdict.status == VMMC_OK);
    CHECK(result.verdict.detail.empty());
    return result;
  }
  SharedSegments::Cover cover_lendable(void* address, std::size_t length) {
    auto result = shared.cover(address, length, SharedSegments::Lending::kIfPossible);
    CHECK(result.verdict.status == VMMC_OK);
    return result;
  }
  void release(std::size_t offset, std::size_t length) {
    CHECK(shared.release(pages.data() + offset, length).ok());
  }
  bool found(std::size_t offset, std::size_t length) {
    return shared.find(pages.data() + offset, length).has_value();
  }
};

}  // namespace vmmc::internal
