// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/keyvalue/workload.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

#include "examples/keyvalue/verifier.h"
#include "examples/support/must.h"

namespace examples::keyvalue {
namespace {

std::uint64_t now() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                                    std::chrono::nanoseconds(1));
}

std::string name_of(std::uint32_t key) { return "key" + std::to_string(key); }

class Client {
 public:
  Client(const Mix& mix, Store& store, std::uint32_t number)
      : mix_(mix), store_(store), number_(number), verifier_(mix.keys, mix.value_bytes) {
    if (mix.history.empty()) return;
    const std::string file = mix.history + "." + std::to_string(number);
    history_.open(file);
    if (!history_) throw std::runtime_error("cannot write " + file);
  }

  Report run() {
    const std::uint32_t clients = store_.layout().clients();
    for (std::uint32_t key = number_; key < mix_.keys; key += clients) put(key);
    wait_for_others();
    put_times_.clear();
    const std::uint64_t start = now();
    mix_operations();
    const std::uint64_t end = now();
    // All of it has come to the file before anybody is told of our end.
    if (history_.is_open() && !history_.flush()) throw std::runtime_error("the history is cut");
    return report(end - start);
  }

 private:
  void mix_operations() {
    std::mt19937_64 random(mix_.seed * 1000 + number_);
    std::uniform_int_distribution<std::uint32_t> any_key(0, mix_.keys - 1);
    std::uniform_int_distribution<std::uint32_t> percent(0, 99);
    for (std::uint32_t n = 0; n < mix_.operations; ++n) {
      const std::uint32_t key = any_key(random);
      const std::uint32_t choice = percent(random);
      if (choice < mix_.gets) {
        get(key);
      } else if (choice < mix_.gets + mix_.deletes) {
        remove(key);
      } else {
        put(key);
      }
    }
  }

  void get(std::uint32_t key) {
    const std::string name = name_of(key);
    const std::uint64_t start = now();
    const Reply reply = store_.get(name);
    const std::uint64_t end = now();
    get_times_.push_back(end - start);
    demand(verifier_.saw(key, reply));
    note(key, reply.version, "get", start, end);
  }

  void put(std::uint32_t key) {
    const std::string name = name_of(key);
    const Stamp stamp{number_, ++writes_};
    const std::string value = make_value(key, stamp, mix_.value_bytes);
    const std::uint64_t start = now();
    const Reply reply = store_.put(name, value);
    const std::uint64_t end = now();
    put_times_.push_back(end - start);
    if (reply.status != Status::kDone) throw std::runtime_error("there is no room for " + name);
    demand(verifier_.changed(key, reply.version, stamp));
    note(key, reply.version, "put", start, end);
  }

  void remove(std::uint32_t key) {
    const std::string name = name_of(key);
    const std::uint64_t start = now();
    const Reply reply = store_.remove(name);
    const std::uint64_t end = now();
    ++deletes_;
    const bool deleted = reply.status == Status::kDone;
    demand(deleted ? verifier_.changed(key, reply.version, {}) : verifier_.saw(key, reply));
    note(key, reply.version, deleted ? "del" : "get", start, end);
  }

  // By looking at a word of the server's: it has nothing to do with this either.
  void wait_for_others() {
    using namespace std::chrono_literals;
    const std::size_t at = offsetof(Session, loaded);
    const std::uint64_t deadline = now() + kPatience;
    std::uint32_t loaded = store_.table().fetch_add<std::uint32_t>(at, 1).value() + 1;
    while (loaded < store_.layout().clients()) {
      if (now() > deadline) throw std::runtime_error("other clients do not come");
      std::this_thread::sleep_for(1ms);
      store_.table().fetch(std::as_writable_bytes(std::span(&loaded, 1)), at).value();
    }
  }

  void note(std::uint32_t key, std::uint64_t version, const char* kind, std::uint64_t start,
            std::uint64_t end) {
    if (!history_.is_open()) return;
    const std::optional<Stamp>& stamp = verifier_.stamp(key);
    history_ << key << ' ' << version << ' ' << kind << ' '
             << (stamp ? std::to_string(stamp->writer) : "-") << ' ' << (stamp ? stamp->number : 0)
             << ' ' << start << ' ' << end << '\n';
  }

  static void demand(const std::string& complaint) {
    if (!complaint.empty()) throw std::runtime_error(complaint);
  }

  // The time below which `share` of them stay; 0 of none.
  static std::uint64_t percentile(std::vector<std::uint64_t>& times, double share) {
    if (times.empty()) return 0;
    const auto at =
        times.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(times.size() - 1));
    std::nth_element(times.begin(), at, times.end());
    return *at;
  }

  Report report(std::uint64_t time) {
    return {.gets = get_times_.size(),
            .puts = put_times_.size(),
            .deletes = deletes_,
            .time = time,
            .get_p50 = percentile(get_times_, 0.5),
            .get_p99 = percentile(get_times_, 0.99),
            .put_p50 = percentile(put_times_, 0.5),
            .put_p99 = percentile(put_times_, 0.99),
            .stale_looks = store_.stale_looks(),
            .lost_swaps = store_.lost_swaps(),
            .fetches = vmmc::counters().value().fetches,
            .present = 1};
  }

  const Mix& mix_;
  Store& store_;
  const std::uint32_t number_;
  Verifier verifier_;
  std::ofstream history_;
  std::uint64_t writes_ = 0;
  std::uint64_t deletes_ = 0;
  std::vector<std::uint64_t> get_times_, put_times_;  // ns
};

}  // namespace

Report run_workload(const Mix& mix, Store& store, std::uint32_t client) {
  return Client(mix, store, client).run();
}

}  // namespace examples::keyvalue
