// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// UCX's objects for the contestants that use it: a worker with an endpoint to each process, and
// memory that all of them may put to.
//
// Threads: one. Every polling loop calls progress(), also those of barriers: the other process may
// wait for an answer of UCX. There is one worker at a time.
// Refusals of UCX end the program (kPeerRefuses).
#pragma once

#include <ucp/api/ucp.h>

#include <span>

#include "bench/compare/contestant.h"

namespace contestant::ucx {

inline void check(ucs_status_t status, const char* what) {
  if (status != UCS_OK) fail(kPeerRefuses, "%s: %s", what, ucs_status_string(status));
}

// One context and worker, and an endpoint to each process.
class Worker {
 public:
  Worker(Control& control, const char* transports, std::uint64_t features) : control_(control) {
    require(::setenv("UCX_TLS", transports, 1) == 0, "setenv");
    ucp_config_t* config = nullptr;
    check(ucp_config_read(nullptr, nullptr, &config), "ucp_config_read");
    ucp_params_t parameters{};
    parameters.field_mask = UCP_PARAM_FIELD_FEATURES;
    parameters.features = features;
    check(ucp_init(&parameters, config, &context_), "ucp_init");
    ucp_config_release(config);
    ucp_worker_params_t worker{};
    worker.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
    worker.thread_mode = UCS_THREAD_MODE_SINGLE;
    check(ucp_worker_create(context_, &worker, &worker_), "ucp_worker_create");
    polled = this;
    while_polling = [] { polled->progress(); };
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    for (ucp_ep_h& endpoint : endpoints_) {
      if (endpoint != nullptr) finish(ucp_ep_close_nb(endpoint, UCP_EP_CLOSE_MODE_FLUSH));
    }
    control_.barrier();
    while_polling = nullptr;
    ucp_worker_destroy(worker_);
    ucp_cleanup(context_);
  }

  // Each publishes its address and `note` for the others, and learns theirs.
  void connect(std::span<const std::byte> note) {
    ucp_address_t* address = nullptr;
    std::size_t length = 0;
    check(ucp_worker_get_address(worker_, &address, &length), "ucp_worker_get_address");
    Card& mine = card(control_.rank());
    if (length > sizeof(mine.address) || note.size() > sizeof(mine.note)) {
      fail(kPeerRefuses, "UCX addresses of %zu bytes are longer than expected", length);
    }
    std::memcpy(mine.address, address, length);
    if (!note.empty()) std::memcpy(mine.note, note.data(), note.size());
    control_.barrier();
    endpoints_.assign(std::size_t(control_.processes()), nullptr);
    for (int peer = 0; peer < control_.processes(); ++peer) {
      if (peer == control_.rank()) continue;
      ucp_ep_params_t parameters{};
      parameters.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS;
      parameters.address = reinterpret_cast<ucp_address_t*>(card(peer).address);
      check(ucp_ep_create(worker_, &parameters, &endpoints_[std::size_t(peer)]), "ucp_ep_create");
    }
    ucp_worker_release_address(worker_, address);
  }

  std::byte* note_of(int peer) { return card(peer).note; }

  // Endpoints are complete when something has been flushed and all have answered all.
  void settle() {
    for (ucp_ep_h endpoint : endpoints_) {
      if (endpoint != nullptr) flush(endpoint);
    }
    control_.barrier();
  }

  unsigned progress() { return ucp_worker_progress(worker_); }

  void finish(ucs_status_ptr_t request) {
    if (request == nullptr) return;
    if (UCS_PTR_IS_ERR(request)) check(UCS_PTR_STATUS(request), "UCX request");
    for (Patience patience; ucp_request_check_status(request) == UCS_INPROGRESS; patience())
      progress();
    check(ucp_request_check_status(request), "UCX request");
    ucp_request_free(request);
  }
  void flush(ucp_ep_h endpoint) {
    const ucp_request_param_t parameters{};
    finish(ucp_ep_flush_nbx(endpoint, &parameters));
  }

  ucp_context_h context() const { return context_; }
  ucp_worker_h get() const { return worker_; }
  ucp_ep_h endpoint(int peer) const { return endpoints_[std::size_t(peer)]; }

 private:
  struct Card {
    std::byte address[2048];
    std::byte note[2048];
  };
  inline static Worker* polled = nullptr;

  Card& card(int rank) { return reinterpret_cast<Card&>(control_.block().addresses[rank]); }

  Control& control_;
  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  std::vector<ucp_ep_h> endpoints_;
};

// Memory from UCX that every other process may put to.
class Windows {
 public:
  Windows(Control& control, const char* transports, std::size_t bytes)
      : worker_(control, transports, UCP_FEATURE_RMA) {
    ucp_mem_map_params_t parameters{};
    parameters.field_mask = UCP_MEM_MAP_PARAM_FIELD_LENGTH | UCP_MEM_MAP_PARAM_FIELD_FLAGS;
    parameters.length = bytes;
    parameters.flags = UCP_MEM_MAP_ALLOCATE;
    check(ucp_mem_map(worker_.context(), &parameters, &memory_), "ucp_mem_map");
    ucp_mem_attr_t attributes{};
    attributes.field_mask = UCP_MEM_ATTR_FIELD_ADDRESS;
    check(ucp_mem_query(memory_, &attributes), "ucp_mem_query");
    here_ = static_cast<std::byte*>(attributes.address);
    std::memset(here_, 0, bytes);
    share(control);
  }
  Windows(const Windows&) = delete;
  Windows& operator=(const Windows&) = delete;
  ~Windows() {
    for (ucp_rkey_h key : keys_) {
      if (key != nullptr) ucp_rkey_destroy(key);
    }
    ucp_mem_unmap(worker_.context(), memory_);
  }

  std::byte* here() { return here_; }
  Worker& worker() { return worker_; }

  void put(int peer, const std::byte* from, std::size_t offset, std::size_t bytes) {
    const ucp_request_param_t parameters{};
    const auto index = std::size_t(peer);
    const ucs_status_ptr_t request = ucp_put_nbx(
        worker_.endpoint(peer), from, bytes, addresses_[index] + offset, keys_[index], &parameters);
    if (UCS_PTR_IS_ERR(request)) check(UCS_PTR_STATUS(request), "ucp_put_nbx");
    if (request != nullptr) ucp_request_free(request);  // it goes on: a flush waits for it
  }

 private:
  // A note holds the window's address and then the key.
  void share(Control& control) {
    void* key = nullptr;
    std::size_t length = 0;
    check(ucp_rkey_pack(worker_.context(), memory_, &key, &length), "ucp_rkey_pack");
    std::vector<std::byte> note(sizeof(here_) + length);
    std::memcpy(note.data(), &here_, sizeof(here_));
    std::memcpy(note.data() + sizeof(here_), key, length);
    ucp_rkey_buffer_release(key);
    worker_.connect(note);
    keys_.assign(std::size_t(control.processes()), nullptr);
    addresses_.assign(keys_.size(), 0);
    for (int peer = 0; peer < control.processes(); ++peer) {
      if (peer == control.rank()) continue;
      const auto index = std::size_t(peer);
      const std::byte* const theirs = worker_.note_of(peer);
      std::memcpy(&addresses_[index], theirs, sizeof(addresses_[index]));
      check(ucp_ep_rkey_unpack(worker_.endpoint(peer), theirs + sizeof(here_), &keys_[index]),
            "ucp_ep_rkey_unpack");
    }
    worker_.settle();
  }

  Worker worker_;
  ucp_mem_h memory_ = nullptr;
  std::byte* here_ = nullptr;
  std::vector<ucp_rkey_h> keys_;
  std::vector<std::uint64_t> addresses_;
};

}  // namespace contestant::ucx
