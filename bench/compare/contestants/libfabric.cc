// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// libfabric's provider for shared memory: writes into the other process's memory, and messages.

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_rma.h>

#include <memory>

#include "bench/compare/contestant.h"

namespace {

using namespace contestant;

void check(ssize_t result, const char* what) {
  if (result < 0) fail(kPeerRefuses, "%s: %s", what, fi_strerror(static_cast<int>(-result)));
}

struct Close {
  template <class Object>
  void operator()(Object* object) const {
    fi_close(&object->fid);
  }
};
template <class Object>
using Owned = std::unique_ptr<Object, Close>;

struct FreeInfo {
  void operator()(fi_info* info) const { fi_freeinfo(info); }
};

// One endpoint that knows the other process, and the two queues of its completions. Every polling
// loop lets the provider work, also those of barriers: the other process may need its answers.
class Endpoint {
 public:
  explicit Endpoint(Control& control, std::uint64_t capabilities) : control_(control) {
    const std::unique_ptr<fi_info, FreeInfo> hints(fi_allocinfo());
    hints->caps = capabilities;
    hints->ep_attr->type = FI_EP_RDM;
    hints->fabric_attr->prov_name = ::strdup("shm");
    hints->domain_attr->threading = FI_THREAD_DOMAIN;
    fi_info* info = nullptr;
    check(fi_getinfo(FI_VERSION(1, 11), nullptr, nullptr, 0, hints.get(), &info), "fi_getinfo");
    info_.reset(info);
    fabric_ = open<fid_fabric>("fi_fabric", [&](fid_fabric** object) {
      return fi_fabric(info->fabric_attr, object, nullptr);
    });
    domain_ = open<fid_domain>("fi_domain", [&](fid_domain** object) {
      return fi_domain(fabric_.get(), info, object, nullptr);
    });
    fi_av_attr av{};
    av.type = FI_AV_TABLE;
    av_ = open<fid_av>("fi_av_open", [&](fid_av** object) {
      return fi_av_open(domain_.get(), &av, object, nullptr);
    });
    sent_ = open_queue();
    received_ = open_queue();
    endpoint_ = open<fid_ep>("fi_endpoint", [&](fid_ep** object) {
      return fi_endpoint(domain_.get(), info, object, nullptr);
    });
    check(fi_ep_bind(endpoint_.get(), &av_->fid, 0), "fi_ep_bind");
    check(fi_ep_bind(endpoint_.get(), &sent_->fid, FI_TRANSMIT), "fi_ep_bind");
    check(fi_ep_bind(endpoint_.get(), &received_->fid, FI_RECV), "fi_ep_bind");
    check(fi_enable(endpoint_.get()), "fi_enable");
    learn_peer();
    polled = this;
    while_polling = [] { polled->progress(); };
  }
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;
  ~Endpoint() { while_polling = nullptr; }

  fid_domain* domain() const { return domain_.get(); }
  fid_ep* get() const { return endpoint_.get(); }
  fi_addr_t peer() const { return peer_; }
  std::size_t inject_size() const { return info_->tx_attr->inject_size; }

  // Repeats a call while the provider has no place for it.
  template <class Call>
  void post(const char* what, Call call) {
    for (Patience patience;; patience()) {
      const ssize_t result = call();
      if (result != -FI_EAGAIN) return check(result, what);
      progress();
    }
  }

  // After a post that will complete.
  void expect_completion() { ++outstanding_; }
  void await_completions() {
    poll_until([&] {
      progress();
      return outstanding_ == 0;
    });
  }

  // Whether a completion of the receiving side was there.
  bool poll_received(fi_cq_data_entry& entry) {
    if (!pending_.empty()) {
      entry = pending_.front();
      pending_.erase(pending_.begin());
      return true;
    }
    if (read(received_.get(), entry)) return true;
    if (outstanding_ > 0) reap_sent();
    return false;
  }

 private:
  template <class Object, class Call>
  static Owned<Object> open(const char* what, Call call) {
    Object* object = nullptr;
    check(call(&object), what);
    return Owned<Object>(object);
  }

  Owned<fid_cq> open_queue() {
    fi_cq_attr attributes{};
    attributes.format = FI_CQ_FORMAT_DATA;
    attributes.size = 8192;
    attributes.wait_obj = FI_WAIT_NONE;
    return open<fid_cq>("fi_cq_open", [&](fid_cq** object) {
      return fi_cq_open(domain_.get(), &attributes, object, nullptr);
    });
  }

  void learn_peer() {
    std::size_t length = sizeof(control_.block().addresses[0]);
    check(fi_getname(&endpoint_->fid, control_.block().addresses[control_.rank()], &length),
          "fi_getname");
    control_.barrier();
    const int inserted = fi_av_insert(av_.get(), control_.block().addresses[1 - control_.rank()], 1,
                                      &peer_, 0, nullptr);
    if (inserted != 1) fail(kPeerRefuses, "fi_av_insert did not take the other's address");
    control_.barrier();
  }

  static bool read(fid_cq* queue, fi_cq_data_entry& entry) {
    const ssize_t count = fi_cq_read(queue, &entry, 1);
    if (count == -FI_EAVAIL) {
      fi_cq_err_entry error{};
      fi_cq_readerr(queue, &error, 0);
      fail(kPeerRefuses, "libfabric operation failed: %s", fi_strerror(error.err));
    }
    if (count != -FI_EAGAIN) check(count, "fi_cq_read");
    return count == 1;
  }
  void reap_sent() {
    for (fi_cq_data_entry entry{}; read(sent_.get(), entry);) --outstanding_;
  }
  // Reading either queue lets the provider work; what was received meanwhile is kept.
  void progress() {
    reap_sent();
    fi_cq_data_entry entry{};
    if (read(received_.get(), entry)) pending_.push_back(entry);
  }

  inline static Endpoint* polled = nullptr;

  Control& control_;
  std::unique_ptr<fi_info, FreeInfo> info_;
  Owned<fid_fabric> fabric_;
  Owned<fid_domain> domain_;
  Owned<fid_av> av_;
  Owned<fid_cq> sent_;
  Owned<fid_cq> received_;
  Owned<fid_ep> endpoint_;
  fi_addr_t peer_ = FI_ADDR_UNSPEC;
  std::size_t outstanding_ = 0;
  std::vector<fi_cq_data_entry> pending_;
};

// Writes into a registered window; an announced one carries its number, which appears in the
// target's queue when the data are in its memory.
class WriteLink {
 public:
  WriteLink(const Options& options, Control& control)
      : bytes_(options.bytes),
        source_(private_memory(bytes_ * slots_for(options))),
        window_(private_memory(bytes_ * slots_for(options))),
        endpoint_(control, FI_RMA | FI_WRITE | FI_REMOTE_WRITE | FI_RMA_EVENT) {
    fid_mr* region = nullptr;
    check(fi_mr_reg(endpoint_.domain(), window_, bytes_ * slots_for(options), FI_REMOTE_WRITE, 0,
                    kKey, 0, &region, nullptr),
          "fi_mr_reg");
    region_.reset(region);
    control.barrier();
  }

  std::byte* source(std::size_t slot) { return source_ + slot * bytes_; }

  void send(std::size_t slot, std::uint64_t number, bool announce) {
    const std::uint64_t offset = slot * bytes_;
    if (announce && bytes_ <= endpoint_.inject_size()) {
      endpoint_.post("fi_inject_writedata", [&] {
        return fi_inject_writedata(endpoint_.get(), source(slot), bytes_, number, endpoint_.peer(),
                                   offset, kKey);
      });
      return;
    }
    endpoint_.post("fi_write", [&] {
      return announce ? fi_writedata(endpoint_.get(), source(slot), bytes_, nullptr, number,
                                     endpoint_.peer(), offset, kKey, nullptr)
                      : fi_write(endpoint_.get(), source(slot), bytes_, nullptr, endpoint_.peer(),
                                 offset, kKey, nullptr);
    });
    endpoint_.expect_completion();
  }
  void flush() { endpoint_.await_completions(); }

  const std::byte* wait(std::size_t slot, std::uint64_t number, bool announce) {
    if (announce) {
      poll_until([&] {
        fi_cq_data_entry entry{};
        if (arrived_ < number && endpoint_.poll_received(entry)) arrived_ = entry.data;
        return arrived_ >= number;
      });
    }
    return window_ + slot * bytes_;
  }

 private:
  static constexpr std::uint64_t kKey = 5;

  std::size_t bytes_;
  std::byte* source_;
  std::byte* window_;
  Endpoint endpoint_;
  Owned<fid_mr> region_;
  std::uint64_t arrived_ = 0;
};

// Messages; the receiver offers a buffer for each when it begins to wait for it.
class MessageLink {
 public:
  MessageLink(const Options& options, Control& control)
      : bytes_(options.bytes),
        source_(private_memory(bytes_ * slots_for(options))),
        destination_(private_memory(bytes_ * slots_for(options))),
        endpoint_(control, FI_MSG | FI_SEND | FI_RECV) {}

  std::byte* source(std::size_t slot) { return source_ + slot * bytes_; }

  void send(std::size_t slot, std::uint64_t, bool) {
    const bool inject = bytes_ <= endpoint_.inject_size();
    endpoint_.post("fi_send", [&] {
      return inject ? fi_inject(endpoint_.get(), source(slot), bytes_, endpoint_.peer())
                    : fi_send(endpoint_.get(), source(slot), bytes_, nullptr, endpoint_.peer(),
                              nullptr);
    });
    if (!inject) endpoint_.expect_completion();
  }
  void flush() { endpoint_.await_completions(); }

  const std::byte* wait(std::size_t slot, std::uint64_t, bool) {
    std::byte* const message = destination_ + slot * bytes_;
    endpoint_.post("fi_recv", [&] {
      return fi_recv(endpoint_.get(), message, bytes_, nullptr, endpoint_.peer(), nullptr);
    });
    poll_until([&] {
      fi_cq_data_entry entry{};
      return endpoint_.poll_received(entry);
    });
    return message;
  }

 private:
  std::size_t bytes_;
  std::byte* source_;
  std::byte* destination_;
  Endpoint endpoint_;
};

template <class Link>
void run(const Options& options) {
  Control control = fork_processes(options, 2);
  Link link(options, control);
  measure(options, control, link);
  control.barrier();
}

constexpr Variant kVariants[] = {
    {"libfabric-write", "latency,bandwidth,rate,idle", false, run<WriteLink>},
    {"libfabric-send", "latency,bandwidth,rate,idle", false, run<MessageLink>},
};

}  // namespace

int main(int argc, char** argv) { return contestant_main(argc, argv, kVariants); }
