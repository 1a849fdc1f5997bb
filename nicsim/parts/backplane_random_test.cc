// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Long seeded runs of random traffic from all to all, with buffers and receivers that are too small and
// too slow: nothing is lost, doubled or overtaken, nothing overflows, nothing stands still for ever,
// and a second run is the same run. VMMC_SOAK=1: much longer.

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <vector>

#include "nicsim/parts/crossbar.h"
#include "nicsim/parts/mesh.h"
#include "nicsim/parts/testing/random.h"

namespace vmmc::nicsim::parts {
namespace {

using testing::Random;

struct Scene {
  bool mesh;
  std::uint32_t rows;
  std::uint32_t columns;
  double buffer_bytes;
  std::uint64_t parcels;  // of each node
};

constexpr std::uint32_t kLongest = 600;
constexpr std::uint64_t kRoom = 1000;  // bytes of a node

class Nodes final : public BackplaneClient {
 public:
  Nodes(const Scene& scene, std::uint64_t seed)
      : scene_(scene), count_(scene.rows * scene.columns), random_{seed}, nodes_(count_) {
    for (Node& node : nodes_) {
      node.sent.resize(count_);
      node.came.resize(count_);
    }
    const model::BackplaneParameters parameters{.mesh = scene.mesh ? 1.0 : 0.0,
                                                .link_mb_per_s = 200,
                                                .hop_ns = 40,
                                                .buffer_bytes = scene.buffer_bytes};
    if (scene.mesh) {
      port_ = std::make_unique<Mesh>(queue_, parameters, scene.rows, scene.columns, *this);
    } else {
      port_ = std::make_unique<Crossbar>(queue_, parameters, count_, *this);
    }
  }

  void run() {
    for (std::uint32_t node = 0; node < count_; ++node)
      queue_.at<&Nodes::inject>(random_.below(1000), *this, node);
    queue_.run();
  }

  void injected(std::uint32_t node) override {
    REQUIRE(nodes_[node].injects);
    nodes_[node].injects = false;
    injected_bytes_ += nodes_[node].bytes;
    // What is in the backplane as a whole and is not about to leave it lies in its buffers.
    if (scene_.mesh && injected_bytes_ > reserved_bytes_)
      REQUIRE(injected_bytes_ - reserved_bytes_ <= 5 * count_ * scene_.buffer_bytes);
    if (random_.below(4) == 0) {
      queue_.after<&Nodes::inject>(random_.below(5'000'000), *this, node);
    } else {
      inject(node);
    }
  }

  bool reserve(std::uint32_t destination, std::uint32_t bytes) override {
    Node& node = nodes_[destination];
    REQUIRE(!node.takes);
    if (node.used + bytes > kRoom) {
      ++refused;
      return false;
    }
    node.used += bytes;
    node.takes = true;
    reserved_bytes_ += bytes;
    return true;
  }

  void arrived(const Parcel& parcel) override {
    Node& node = nodes_[parcel.destination];
    REQUIRE(node.takes);
    REQUIRE(parcel.content == node.came[parcel.source]);  // in order, not lost, not doubled
    ++node.came[parcel.source];
    node.takes = false;
    ++came;
    for (const std::uint64_t word :
         {queue_.now(), std::uint64_t{parcel.source} << 32 | parcel.destination, parcel.content})
      hash = (hash ^ word) * 0x100000001b3;
    const std::uint64_t event = std::uint64_t{parcel.destination} << 32 | parcel.bytes;
    if (random_.below(3) == 0) {
      free_room(event);
    } else {
      queue_.after<&Nodes::free_room>(random_.below(10'000'000), *this, event);
    }
  }

  std::uint64_t came = 0;
  std::uint64_t refused = 0;
  std::uint64_t hash = 0xcbf29ce484222325;

 private:
  struct Node {
    std::uint64_t left = 0;  // parcels that it has begun to send
    std::uint32_t bytes = 0;
    bool injects = false;
    bool takes = false;
    std::uint64_t used = 0;  // of kRoom
    std::vector<std::uint64_t> sent;
    std::vector<std::uint64_t> came;
  };

  void inject(std::uint64_t argument) {
    const auto source = static_cast<std::uint32_t>(argument);
    Node& node = nodes_[source];
    if (node.left == scene_.parcels) return;
    ++node.left;
    const auto destination = static_cast<std::uint32_t>(random_.below(count_));
    const std::uint64_t longest = random_.below(4) == 0 ? kLongest : 40;
    node.bytes = static_cast<std::uint32_t>(1 + random_.below(longest));
    node.injects = true;
    port_->inject({source, destination, node.bytes, node.sent[destination]++});
  }

  void free_room(std::uint64_t argument) {
    const auto node = static_cast<std::uint32_t>(argument >> 32);
    nodes_[node].used -= argument & UINT32_MAX;
    port_->room_freed(node);
  }

  const Scene scene_;
  const std::uint32_t count_;
  Random random_;
  EventQueue queue_;
  std::vector<Node> nodes_;
  std::unique_ptr<BackplanePort> port_;
  std::uint64_t injected_bytes_ = 0;
  std::uint64_t reserved_bytes_ = 0;
};

void check(Scene scene, std::uint64_t seed) {
  CAPTURE(scene.mesh);
  CAPTURE(scene.rows);
  CAPTURE(scene.columns);
  CAPTURE(scene.buffer_bytes);
  CAPTURE(seed);
  auto nodes = std::make_unique<Nodes>(scene, seed);
  nodes->run();
  // Nothing happens any more: had they blocked each other, some would still be under way.
  CHECK(nodes->came == scene.parcels * scene.rows * scene.columns);
  CHECK(nodes->refused > 0);

  auto again = std::make_unique<Nodes>(scene, seed);
  again->run();
  CHECK(again->hash == nodes->hash);
  auto other = std::make_unique<Nodes>(scene, seed + 1);
  other->run();
  CHECK(other->hash != nodes->hash);
}

TEST_CASE("random traffic from all to all") {
  const char* soak = std::getenv("VMMC_SOAK");
  const bool is_long = soak != nullptr && *soak != '\0';
  const std::uint64_t first_seed = 20260;
  const std::uint64_t seeds = is_long ? 50 : 2;
  MESSAGE("seeds from ", first_seed, ", so many: ", seeds);
  for (std::uint64_t seed = first_seed; seed < first_seed + seeds; ++seed) {
    for (const double buffer_bytes : {0.0, 8.0, 64.0, 1000.0}) {
      check({true, 1, 1, buffer_bytes, 4000}, seed);
      check({true, 1, 8, buffer_bytes, 1000}, seed);
      check({true, 8, 1, buffer_bytes, 1000}, seed);
      check({true, 4, 4, buffer_bytes, 1000}, seed);
      check({true, 8, 8, buffer_bytes, 300}, seed);
    }
    check({false, 4, 4, 0, 1000}, seed);
  }
}

}  // namespace
}  // namespace vmmc::nicsim::parts
