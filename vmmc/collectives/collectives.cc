// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The C interface: checks the arguments and hands over to Group.

#include "vmmc/collectives.h"

#include <exception>
#include <memory>

#include "vmmc/collectives/arithmetic.h"
#include "vmmc/collectives/group.h"
#include "vmmc/internal/error.h"

struct vmmc_group : vmmc::collectives::Group {
  using Group::Group;
};

namespace {

using vmmc::collectives::Group;
using vmmc::internal::fail;

constexpr std::size_t kChunkUnit = 64;
constexpr std::size_t kSmallestChunk = vmmc::collectives::kExchangeBytes;
constexpr std::size_t kLargestChunk = std::size_t{1} << 20;

// Attached, and not in a forked child?
int check_attached() {
  vmmc_identity unused{};
  return vmmc_identity_of_rank(vmmc_rank(), &unused);
}

// No exception leaves the library; the only one that the code below throws is for want of memory.
template <typename Function>
int guarded(Function function) {
  try {
    return function();
  } catch (const std::exception&) {
    return fail(VMMC_ERR_OUT_OF_MEMORY, "the heap is exhausted");
  }
}

class Inside {
 public:
  explicit Inside(Group& group) : group_(group), alone_(group.enter()) {}
  ~Inside() {
    if (alone_) group_.leave();
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  bool alone() const { return alone_; }

 private:
  Group& group_;
  const bool alone_;
};

// What all operations have in common: check() says whether the arguments will do, then run().
template <typename Check, typename Run>
int operate(const char* name, vmmc_group* group, Check check, Run run) {
  if (group == nullptr) return fail(VMMC_ERR_INVALID_ARGUMENT, "group is a null pointer");
  return guarded([&] {
    if (const int status = check_attached(); status != VMMC_OK) return status;
    const Inside inside(*group);
    if (!inside.alone()) {
      return fail(VMMC_ERR_INVALID_ARGUMENT, "%s: another thread is in a call of this group", name);
    }
    int status = group->check(name);
    if (status == VMMC_OK) status = check();
    if (status != VMMC_OK) return status;
    status = guarded(run);
    return status == VMMC_OK ? status : group->fail(name, status);
  });
}

int check_root(const vmmc_group& group, std::uint32_t root) {
  if (root < group.size()) return VMMC_OK;
  return fail(VMMC_ERR_INVALID_ARGUMENT, "root %u is no rank of a job of %u", root, group.size());
}

// `count` pieces of `bytes` each, at an address that is called `name`.
int check_area(const char* name, const void* address, std::size_t count, std::size_t bytes,
               std::size_t alignment = 1) {
  if (address == nullptr) return fail(VMMC_ERR_INVALID_ARGUMENT, "%s is a null pointer", name);
  if (count == 0 || bytes == 0) return fail(VMMC_ERR_ZERO_LENGTH, "%s has no bytes", name);
  const auto start = reinterpret_cast<std::uintptr_t>(address);
  if (count > (UINTPTR_MAX - start) / bytes) {
    return fail(VMMC_ERR_LENGTH_OVERFLOW,
                "%s: %zu times %zu bytes from %p go past the end of the address space", name, count,
                bytes, address);
  }
  if (start % alignment == 0) return VMMC_OK;
  return fail(VMMC_ERR_MISALIGNED, "%s: %p is not aligned to %zu bytes", name, address, alignment);
}

int check_apart(const char* one, const void* first, const char* other, const void* second,
                std::size_t bytes) {
  const auto a = reinterpret_cast<std::uintptr_t>(first);
  const auto b = reinterpret_cast<std::uintptr_t>(second);
  if ((a < b ? b - a : a - b) >= bytes) return VMMC_OK;
  return fail(VMMC_ERR_INVALID_ARGUMENT, "%s at %p and %s at %p, of %zu bytes each, overlap", one,
              first, other, second, bytes);
}

int check_reduction(vmmc_type type, vmmc_operation operation) {
  using namespace vmmc::collectives;
  if (!is_type(type)) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "there is no type %d", static_cast<int>(type));
  }
  if (!is_operation(operation)) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "there is no operation %d", static_cast<int>(operation));
  }
  if (combine_of(type, operation) != nullptr) return VMMC_OK;
  return fail(VMMC_ERR_INVALID_ARGUMENT, "%s is not defined for %s", name_of(operation),
              name_of(type));
}

int check_contribution(const void* contribution, std::size_t count, vmmc_type type,
                       vmmc_operation operation) {
  if (const int status = check_reduction(type, operation); status != VMMC_OK) return status;
  const std::size_t element = vmmc::collectives::size_of(type);
  return check_area("contribution", contribution, count, element, element);
}

int check_result(const void* contribution, const void* result, std::size_t count, vmmc_type type) {
  const std::size_t element = vmmc::collectives::size_of(type);
  if (const int status = check_area("result", result, count, element, element); status != VMMC_OK) {
    return status;
  }
  if (contribution == result) return VMMC_OK;
  return check_apart("contribution", contribution, "result", result, count * element);
}

int check_options(std::uint32_t buffer_id, const vmmc_group_options& options) {
  if (buffer_id == UINT32_MAX) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "there is no buffer id after %u", buffer_id);
  }
  if (options.chunk_bytes < kSmallestChunk || options.chunk_bytes > kLargestChunk ||
      options.chunk_bytes % kChunkUnit != 0) {
    return fail(VMMC_ERR_INVALID_ARGUMENT,
                "chunk_bytes is %zu, which is no multiple of %zu from %zu to %zu",
                options.chunk_bytes, kChunkUnit, kSmallestChunk, kLargestChunk);
  }
  if (options.strategy >= VMMC_WAIT_ADAPTIVE && options.strategy <= VMMC_WAIT_BLOCK) {
    return VMMC_OK;
  }
  return fail(VMMC_ERR_INVALID_ARGUMENT, "wait strategy %d does not exist",
              static_cast<int>(options.strategy));
}

std::byte* bytes_of(void* address) { return static_cast<std::byte*>(address); }
const std::byte* bytes_of(const void* address) { return static_cast<const std::byte*>(address); }

}  // namespace

extern "C" {

int vmmc_group_create(uint32_t buffer_id, const vmmc_group_options* options, vmmc_group** group) {
  const vmmc_group_options defaults = VMMC_GROUP_DEFAULTS;
  const vmmc_group_options& chosen = options == nullptr ? defaults : *options;
  if (group == nullptr) return fail(VMMC_ERR_INVALID_ARGUMENT, "group is a null pointer");
  return guarded([&] {
    if (const int status = check_attached(); status != VMMC_OK) return status;
    if (const int status = check_options(buffer_id, chosen); status != VMMC_OK) return status;
    auto made = std::make_unique<vmmc_group>(buffer_id, chosen);
    if (const int status = made->open(); status != VMMC_OK) return status;
    *group = made.release();
    return static_cast<int>(VMMC_OK);
  });
}

int vmmc_group_destroy(vmmc_group* group) {
  if (group == nullptr) return VMMC_OK;
  const std::unique_ptr<vmmc_group> owned(group);
  return guarded([&] {
    if (const int status = check_attached(); status != VMMC_OK) return status;
    return group->has_failed() ? static_cast<int>(VMMC_OK) : group->farewell();
  });
}

int vmmc_barrier(vmmc_group* group) {
  return operate(
      "vmmc_barrier", group, [] { return static_cast<int>(VMMC_OK); },
      [&] { return group->barrier(); });
}

int vmmc_broadcast(vmmc_group* group, void* data, size_t length, uint32_t root) {
  const auto check = [&] {
    const int status = check_root(*group, root);
    return status != VMMC_OK ? status : check_area("data", data, 1, length);
  };
  return operate("vmmc_broadcast", group, check,
                 [&] { return group->broadcast(bytes_of(data), length, root); });
}

int vmmc_reduce(vmmc_group* group, const void* contribution, void* result, size_t count,
                enum vmmc_type type, enum vmmc_operation operation, uint32_t root) {
  const auto check = [&] {
    int status = check_root(*group, root);
    if (status == VMMC_OK) status = check_contribution(contribution, count, type, operation);
    if (status != VMMC_OK || vmmc_rank() != root) return status;
    return check_result(contribution, result, count, type);
  };
  return operate("vmmc_reduce", group, check, [&] {
    return group->reduce(bytes_of(contribution), bytes_of(result), count, type, operation, root);
  });
}

int vmmc_allreduce(vmmc_group* group, const void* contribution, void* result, size_t count,
                   enum vmmc_type type, enum vmmc_operation operation) {
  const auto check = [&] {
    const int status = check_contribution(contribution, count, type, operation);
    return status != VMMC_OK ? status : check_result(contribution, result, count, type);
  };
  return operate("vmmc_allreduce", group, check, [&] {
    return group->allreduce(bytes_of(contribution), bytes_of(result), count, type, operation);
  });
}

int vmmc_all_to_all(vmmc_group* group, const void* outgoing, void* incoming, size_t length) {
  const auto check = [&] {
    int status = check_area("outgoing", outgoing, group->size(), length);
    if (status == VMMC_OK) status = check_area("incoming", incoming, group->size(), length);
    if (status != VMMC_OK) return status;
    return check_apart("outgoing", outgoing, "incoming", incoming, group->size() * length);
  };
  return operate("vmmc_all_to_all", group, check,
                 [&] { return group->all_to_all(bytes_of(outgoing), bytes_of(incoming), length); });
}

}  // extern "C"
