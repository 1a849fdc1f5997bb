// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/collectives/mesh.h"

#include <algorithm>

#include "vmmc/collectives/layout.h"
#include "vmmc/internal/error.h"

namespace vmmc::collectives {
namespace {

using internal::fail;

// Waits are looked after at first soon, in case the peer is gone, then seldom: each look costs.
constexpr std::uint64_t kFirstSlice = 10'000'000;  // ns
constexpr std::uint64_t kLongestSlice = 100'000'000;

// An alarm: bit 63 set, status (negated) in bits 32..62, the rank to blame below.
constexpr std::uint64_t kAlarm = std::uint64_t{1} << 63;
constexpr std::uint64_t make_alarm(int status, std::uint32_t blamed) {
  return kAlarm | static_cast<std::uint64_t>(-status) << 32 | blamed;
}
constexpr int alarm_status(std::uint64_t alarm) {
  return -static_cast<int>((alarm & ~kAlarm) >> 32);
}

// What a rank that has failed with `status` has to say about the rank to blame.
const char* complaint(int status) {
  switch (status) {
    case VMMC_ERR_PEER_DEAD:
      return "it has ended or left the group";
    case VMMC_ERR_TIMEOUT:
      return "it has sent nothing in the time allowed";
    case VMMC_ERR_INVALID_ARGUMENT:
      return "it makes another call than others, or passes other arguments";
    default:
      return vmmc_strerror(status);
  }
}

bool is_gone(int status) { return status == VMMC_ERR_PEER_DEAD || status == VMMC_ERR_UNEXPORTED; }

}  // namespace

int Mesh::open() {
  void* memory = nullptr;
  if (const int status = vmmc_alloc(options_.bytes, &memory); status != VMMC_OK) return status;
  memory_ = static_cast<std::byte*>(memory);
  const int status = vmmc_export(memory_, options_.bytes, options_.buffer_id, nullptr);
  exported_ = status == VMMC_OK;
  return status;
}

std::uint64_t Mesh::word_at(std::size_t offset) const {
  return __atomic_load_n(reinterpret_cast<const std::uint64_t*>(memory_ + offset),
                         __ATOMIC_ACQUIRE);
}

int Mesh::proxy_of(std::uint32_t peer, std::byte** proxy) {
  *proxy = proxies_[peer];
  if (*proxy != nullptr) return VMMC_OK;
  const int status = import_from(peer, all_open_ ? 0 : options_.timeout, proxy);
  if (status != VMMC_ERR_TIMEOUT) return status;
  if (all_open_) return miss(peer);
  blamed_ = peer;
  return fail(VMMC_ERR_TIMEOUT, "rank %u has not made the group", peer);
}

int Mesh::import_from(std::uint32_t peer, std::uint64_t timeout, std::byte** proxy) {
  vmmc_identity exporter{};
  int status = vmmc_identity_of_rank(peer, &exporter);
  if (status != VMMC_OK) return status;
  vmmc_import_options options = VMMC_IMPORT_DEFAULTS;
  options.timeout = timeout;
  void* imported = nullptr;
  std::size_t bytes = 0;
  status = vmmc_import(exporter, options_.buffer_id, &options, &imported, &bytes);
  if (status != VMMC_OK) return status;
  proxies_[peer] = static_cast<std::byte*>(imported);
  *proxy = proxies_[peer];
  if (bytes == options_.bytes) return VMMC_OK;
  blamed_ = peer;
  return fail(VMMC_ERR_INVALID_ARGUMENT,
              "buffer %u of rank %u has %zu bytes instead of %zu: the group was made there with "
              "other options",
              options_.buffer_id, peer, bytes, options_.bytes);
}

int Mesh::miss(std::uint32_t peer) {
  blamed_ = peer;
  return fail(VMMC_ERR_PEER_DEAD, "rank %u has ended or left the group", peer);
}

int Mesh::disagree(std::uint32_t peer) {
  blamed_ = peer;
  return fail(VMMC_ERR_INVALID_ARGUMENT,
              "rank %u makes another call than rank %u, or passes another root, type, operation, "
              "count or length",
              peer, rank_);
}

int Mesh::send(std::uint32_t peer, const void* source, std::size_t offset, std::size_t bytes) {
  std::byte* proxy = nullptr;
  if (const int status = proxy_of(peer, &proxy); status != VMMC_OK) return status;
  const int status = vmmc_send(source, proxy + offset, bytes);
  if (!is_gone(status)) return status;
  // It may have left after a failure that it has told us the reason of.
  if (const int alarm = check_alarm(); alarm != VMMC_OK) return alarm;
  return miss(peer);
}

int Mesh::await(std::size_t offset, std::uint64_t value, std::uint32_t peer) {
  const auto* const word = reinterpret_cast<const std::uint64_t*>(memory_ + offset);
  const auto wait = [&](std::uint64_t time) {
    return vmmc_wait_64(word, VMMC_AT_LEAST, value, options_.strategy, time);
  };
  std::uint64_t slice = kFirstSlice;
  std::uint64_t left = options_.timeout;
  for (;;) {
    const std::uint64_t time = std::min(slice, left);
    if (const int status = wait(time); status != VMMC_ERR_TIMEOUT) return status;
    if (options_.timeout != VMMC_FOREVER) left -= time;
    int status = check_alarm();
    if (status == VMMC_OK) status = probe(peer);
    if (status != VMMC_OK) {
      const Sentence sentence;
      return wait(0) == VMMC_OK ? VMMC_OK : fail(status, "%s", sentence.text());
    }
    if (left == 0) {
      blamed_ = peer;
      return fail(VMMC_ERR_TIMEOUT, "rank %u has sent nothing for %.3f s", peer,
                  static_cast<double>(options_.timeout) * 1e-9);
    }
    slice = std::min(2 * slice, kLongestSlice);
  }
}

int Mesh::check_alarm() {
  const std::uint64_t alarm = word_at(kAlarmOffset);
  if (alarm == 0) return VMMC_OK;
  blamed_ = static_cast<std::uint32_t>(alarm);
  return fail(alarm_status(alarm), "another rank has failed, because of rank %u: %s", blamed_,
              complaint(alarm_status(alarm)));
}

// A send that is started reports its end itself: vmmc_fence, which is the program's, does not.
int Mesh::probe(std::uint32_t peer) {
  if (!all_open_ && proxies_[peer] == nullptr) return VMMC_OK;
  std::byte* proxy = nullptr;
  if (const int status = proxy_of(peer, &proxy); status != VMMC_OK) return status;
  constexpr std::uint64_t kNothing = 0;
  vmmc_send_handle handle = 0;
  int status = vmmc_send_start(&kNothing, proxy + kScratchOffset, sizeof kNothing, &handle);
  if (status == VMMC_OK) status = vmmc_send_wait(handle);
  if (!is_gone(status)) return status;
  // The reason that it gave for leaving has arrived by now, if it gave us one.
  if (const int alarm = check_alarm(); alarm != VMMC_OK) return alarm;
  return miss(peer);
}

int Mesh::barrier(std::size_t offset, std::uint64_t number) {
  for (std::uint32_t k = 0; k < distances(size()); ++k) {
    const std::uint64_t distance = std::uint64_t{1} << k;
    int status = send_word(rank_above(rank_, distance, size()), number, offset + k * kWord);
    if (status != VMMC_OK) return status;
    status = await(offset + k * kWord, number, rank_below(rank_, distance, size()));
    if (status != VMMC_OK) return status;
  }
  return VMMC_OK;
}

void Mesh::raise_alarm(int status) {
  const std::uint64_t alarm = make_alarm(status, blamed_);
  std::byte* unused = nullptr;
  // Before all are open, a buffer of this id may be another group's.
  for (std::uint32_t k = 0; all_open_ && k < distances(size()); ++k) {
    const std::uint64_t distance = std::uint64_t{1} << k;
    for (const std::uint32_t peer :
         {rank_above(rank_, distance, size()), rank_below(rank_, distance, size())}) {
      if (proxies_[peer] == nullptr && peer != rank_) import_from(peer, 0, &unused);
    }
  }
  for (std::byte* proxy : proxies_) {
    // Whoever cannot be told has ended or left already.
    if (proxy != nullptr) vmmc_send(&alarm, proxy + kAlarmOffset, sizeof alarm);
  }
}

void Mesh::unimport_all() {
  for (std::byte*& proxy : proxies_) {
    if (proxy != nullptr) vmmc_unimport(proxy);
    proxy = nullptr;
  }
}

void Mesh::close() {
  unimport_all();
  if (exported_) vmmc_unexport(options_.buffer_id);
  exported_ = false;
  if (memory_ != nullptr) vmmc_free(memory_);
  memory_ = nullptr;
}

}  // namespace vmmc::collectives
