// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Ranks that die, do not come, come late, or disagree; arguments that are refused.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <string>
#include <thread>

#include "vmmc/collectives/testing/ranks.h"

using namespace vmmc::testing;

namespace {

constexpr vmmc_group_options kDefaults = VMMC_GROUP_DEFAULTS;
constexpr vmmc_group_options kImpatient = {2'000'000'000, 1024, VMMC_WAIT_ADAPTIVE};
constexpr std::size_t kMost = 16;  // ranks

struct Operation {
  std::string name;
  int (*call)(vmmc_group*);
};

std::vector<double> values(std::size_t count) { return std::vector<double>(count, 1.0); }

const Operation kOperations[] = {
    {"barrier", vmmc_barrier},
    {"broadcast",
     [](vmmc_group* group) {
       auto data = values(9000);
       return vmmc_broadcast(group, data.data(), data.size() * 8, 1);
     }},
    {"reduce",
     [](vmmc_group* group) {
       auto data = values(9000);
       return vmmc_reduce(group, data.data(), data.data(), data.size(), VMMC_DOUBLE, VMMC_SUM, 1);
     }},
    {"allreduce, small",
     [](vmmc_group* group) {
       auto data = values(1);
       return vmmc_allreduce(group, data.data(), data.data(), 1, VMMC_DOUBLE, VMMC_SUM);
     }},
    {"allreduce, large",
     [](vmmc_group* group) {
       auto data = values(9000);
       return vmmc_allreduce(group, data.data(), data.data(), data.size(), VMMC_DOUBLE, VMMC_SUM);
     }},
    {"all-to-all",
     [](vmmc_group* group) {
       const auto outgoing = values(kMost * 2000);
       auto incoming = values(kMost * 2000);
       return vmmc_all_to_all(group, outgoing.data(), incoming.data(), 2000 * 8);
     }},
};

// Calls until it fails; then all later calls fail alike, and the group can be given up.
void expect_failure(vmmc_group* group, const Operation& operation, int expected) {
  int status = VMMC_OK;
  while (status == VMMC_OK) status = operation.call(group);
  EXPECT(status == expected);
  const std::string sentence = vmmc_last_error();
  EXPECT(sentence.find("rank") != std::string::npos);
  EXPECT(vmmc_barrier(group) == expected);
  EXPECT(sentence == vmmc_last_error());
  EXPECT(vmmc_group_destroy(group) == VMMC_OK);
  vmmc_fence();  // reports what of the failed call could not be delivered, once
  EXPECT(vmmc_fence() == VMMC_OK);
}

}  // namespace

TEST_CASE("a rank is killed: all others are told, whatever they are doing") {
  const std::uint64_t seed = random_seed();
  for (const Operation& operation : kOperations) {
    for (const std::uint32_t size : {2u, 3u, 8u, 13u}) {
      CAPTURE(operation.name);
      run_ranks(size, [&](Part& part) {
        const std::uint64_t dice =
            scramble(seed, size, static_cast<std::uint64_t>(operation.name[4]));
        vmmc_group* const group = create_group();
        // The victim passes only when all have made the group; others may find it dead already.
        const int passed = vmmc_barrier(group);
        EXPECT(passed == VMMC_OK || passed == VMMC_ERR_PEER_DEAD);
        if (vmmc_rank() == dice % size) {
          for (std::uint64_t i = 0; i < dice / 64 % 20; ++i)
            EXPECT(operation.call(group) == VMMC_OK);
          if (dice / 4096 % 2 == 0) part.die();
          part.expect_to_be_killed();
          std::thread killer([=] {
            ::usleep(dice / 8192 % 3000);
            ::kill(::getpid(), SIGKILL);
          });
          for (;;) operation.call(group);
        }
        expect_failure(group, operation, VMMC_ERR_PEER_DEAD);
      });
    }
  }
}

TEST_CASE("a rank ends without giving the group up, or while the others do") {
  run_ranks(3, [](Part& part) {
    vmmc_group* const group = create_group();
    part.meet();
    if (vmmc_rank() == 1) return;
    expect_failure(group, kOperations[0], VMMC_ERR_PEER_DEAD);
  });
  run_ranks(3, [](Part& part) {
    vmmc_group* const group = create_group();
    part.meet();
    if (vmmc_rank() == 1) return;
    EXPECT(vmmc_group_destroy(group) == VMMC_ERR_PEER_DEAD);
    vmmc_fence();
  });
}

TEST_CASE("a rank that does not come is noticed by the timeout") {
  for (const Operation& operation : kOperations) {
    CAPTURE(operation.name);
    run_ranks(4, [&](Part& part) {
      part.meet();  // all of them have that time for making the group
      vmmc_group* const group = create_group(&kImpatient);
      if (vmmc_rank() != 2) expect_failure(group, operation, VMMC_ERR_TIMEOUT);
      part.meet();
      if (vmmc_rank() == 2) expect_failure(group, operation, VMMC_ERR_TIMEOUT);
    });
  }
}

TEST_CASE("a group that not all make is noticed by the timeout") {
  run_ranks(3, [](Part& part) {
    vmmc_group* group = nullptr;
    if (vmmc_rank() != 1) {
      const int status = vmmc_group_create(kGroupId, &kImpatient, &group);
      // The second one to notice may find the first one gone.
      EXPECT(status == VMMC_ERR_TIMEOUT || status == VMMC_ERR_PEER_DEAD);
      EXPECT(group == nullptr);
      vmmc_fence();
    }
    part.meet();
  });
}

TEST_CASE("a rank that is late is waited for") {
  for (const Operation& operation : kOperations) {
    CAPTURE(operation.name);
    run_ranks(3, [&](Part&) {
      vmmc_group* const group = create_group();
      for (std::uint32_t late = 0; late < 3; ++late) {
        if (vmmc_rank() == late) ::usleep(130'000);
        EXPECT(operation.call(group) == VMMC_OK);
      }
      if (vmmc_rank() == 1) ::usleep(250'000);
      EXPECT(vmmc_fence() == VMMC_OK);
      EXPECT(vmmc_group_destroy(group) == VMMC_OK);
    });
  }
}

TEST_CASE("ranks that disagree") {
  // The receiver notices, and the others learn it from it.
  run_ranks(3, [](Part&) {
    vmmc_group* const group = create_group();
    const Operation disagreeing = {"broadcast", [](vmmc_group* with) {
                                     char data[20] = {};
                                     const std::size_t length = vmmc_rank() == 1 ? 20 : 10;
                                     return vmmc_broadcast(with, data, length, 0);
                                   }};
    if (vmmc_rank() == 1) {
      expect_failure(group, disagreeing, VMMC_ERR_INVALID_ARGUMENT);
    } else {
      const int status = disagreeing.call(group);
      EXPECT(status == VMMC_OK || status == VMMC_ERR_INVALID_ARGUMENT);
      expect_failure(group, kOperations[0], VMMC_ERR_INVALID_ARGUMENT);
    }
  });
  for (const std::uint32_t size : {2u, 4u}) {
    run_ranks(size, [](Part&) {
      vmmc_group* const group = create_group();
      const Operation disagreeing = {"allreduce", [](vmmc_group* with) {
                                       std::uint64_t value = 1;
                                       return vmmc_allreduce(
                                           with, &value, &value, 1, VMMC_UINT64,
                                           vmmc_rank() == 1 ? VMMC_SUM : VMMC_MAX);
                                     }};
      expect_failure(group, disagreeing, VMMC_ERR_INVALID_ARGUMENT);
    });
  }
}

TEST_CASE("a group that is made with different options") {
  run_ranks(2, [](Part& part) {
    part.meet();
    vmmc_group_options options = kImpatient;
    options.chunk_bytes = vmmc_rank() == 0 ? 4096 : 8192;
    vmmc_group* group = nullptr;
    const int status = vmmc_group_create(kGroupId, &options, &group);
    EXPECT(group == nullptr);
    if (status == VMMC_ERR_INVALID_ARGUMENT) {
      part.value(0).fetch_add(1);
    } else {
      // The other one had noticed, and was gone, before this one could.
      EXPECT(status == VMMC_ERR_TIMEOUT || status == VMMC_ERR_PEER_DEAD);
    }
    vmmc_fence();
    part.meet();
    EXPECT(part.value(0).load() > 0);
  });
}

TEST_CASE("arguments that are refused leave the group as it was") {
  run_ranks(2, [](Part&) {
    vmmc_group* const group = create_group();
    alignas(8) char in[64] = {};
    alignas(8) char out[64] = {};
    const auto refused = [](int status, int expected, const char* word) {
      EXPECT(status == expected);
      if (std::strstr(vmmc_last_error(), word) == nullptr) fail_part(__FILE__, __LINE__, word);
    };
    constexpr int kInvalid = VMMC_ERR_INVALID_ARGUMENT;
    constexpr std::size_t kHuge = SIZE_MAX / 4;
    refused(vmmc_barrier(nullptr), kInvalid, "group");
    refused(vmmc_broadcast(group, nullptr, 1, 0), kInvalid, "data");
    refused(vmmc_broadcast(group, in, 0, 0), VMMC_ERR_ZERO_LENGTH, "data");
    refused(vmmc_broadcast(group, in, SIZE_MAX, 0), VMMC_ERR_LENGTH_OVERFLOW, "data");
    refused(vmmc_broadcast(group, in, 1, 2), kInvalid, "root 2");

    const auto reduce = [&](const void* from, void* to, std::size_t count, int type, int operation,
                            std::uint32_t root) {
      return vmmc_reduce(group, from, to, count, static_cast<vmmc_type>(type),
                         static_cast<vmmc_operation>(operation), root);
    };
    refused(reduce(nullptr, out, 1, VMMC_INT32, VMMC_SUM, 0), kInvalid, "contribution");
    refused(reduce(in, nullptr, 1, VMMC_INT32, VMMC_SUM, vmmc_rank()), kInvalid, "result");
    refused(reduce(in, out, 0, VMMC_INT32, VMMC_SUM, 0), VMMC_ERR_ZERO_LENGTH, "contribution");
    refused(reduce(in, out, 1, 6, VMMC_SUM, 0), kInvalid, "type 6");
    refused(reduce(in, out, 1, 7, VMMC_SUM, 0), kInvalid, "type 7");
    refused(reduce(in, out, 1, VMMC_INT32, 7, 0), kInvalid, "operation 7");
    refused(reduce(in, out, 1, VMMC_FLOAT, VMMC_AND, 0), kInvalid, "VMMC_AND is not defined");
    refused(reduce(in, out, 1, VMMC_DOUBLE, VMMC_XOR, 0), kInvalid, "VMMC_DOUBLE");
    refused(reduce(in, out, 1, VMMC_INT32, VMMC_SUM, 2), kInvalid, "root 2");
    refused(reduce(in + 4, out, 1, VMMC_INT64, VMMC_SUM, 0), VMMC_ERR_MISALIGNED, "contribution");
    refused(reduce(in, out + 2, 1, VMMC_INT32, VMMC_SUM, vmmc_rank()), VMMC_ERR_MISALIGNED,
            "result");
    refused(reduce(in, in + 4, 2, VMMC_INT32, VMMC_SUM, vmmc_rank()), kInvalid, "overlap");
    refused(reduce(in, out, kHuge, VMMC_INT64, VMMC_SUM, 0), VMMC_ERR_LENGTH_OVERFLOW,
            "contribution");
    refused(vmmc_allreduce(group, in, nullptr, 1, VMMC_INT32, VMMC_SUM), kInvalid, "result");
    refused(vmmc_allreduce(group, in, out, 1, VMMC_FLOAT, VMMC_OR), kInvalid, "VMMC_OR");

    refused(vmmc_all_to_all(group, nullptr, out, 1), kInvalid, "outgoing");
    refused(vmmc_all_to_all(group, in, nullptr, 1), kInvalid, "incoming");
    refused(vmmc_all_to_all(group, in, out, 0), VMMC_ERR_ZERO_LENGTH, "outgoing");
    refused(vmmc_all_to_all(group, in, out, SIZE_MAX), VMMC_ERR_LENGTH_OVERFLOW, "outgoing");
    refused(vmmc_all_to_all(group, in, in + 8, 8), kInvalid, "overlap");

    vmmc_group* none = nullptr;
    vmmc_group_options options = VMMC_GROUP_DEFAULTS;
    refused(vmmc_group_create(1, &options, nullptr), kInvalid, "group");
    refused(vmmc_group_create(UINT32_MAX, &options, &none), kInvalid, "id");
    for (const std::size_t chunk : {0u, 1000u, 1025u, 2u << 20}) {
      options.chunk_bytes = chunk;
      refused(vmmc_group_create(1, &options, &none), kInvalid, "chunk_bytes");
    }
    options = kDefaults;
    options.strategy = static_cast<vmmc_wait_strategy>(5);
    refused(vmmc_group_create(1, &options, &none), kInvalid, "strategy 5");
    refused(vmmc_group_create(kGroupId, nullptr, &none), VMMC_ERR_DUPLICATE_ID, "40");
    EXPECT(none == nullptr);

    EXPECT(vmmc_barrier(group) == VMMC_OK);
    EXPECT(vmmc_group_destroy(group) == VMMC_OK);
    EXPECT(vmmc_group_destroy(nullptr) == VMMC_OK);
  });
}

TEST_CASE("a second thread in a group is refused") {
  run_ranks(2, [](Part& part) {
    vmmc_group* const group = create_group();
    if (vmmc_rank() == 0) {
      std::thread first([&] { EXPECT(vmmc_barrier(group) == VMMC_OK); });
      // Refused arguments reach nobody, so they may be asked for until the first thread is inside.
      while (vmmc_broadcast(group, nullptr, 1, 0) == VMMC_ERR_INVALID_ARGUMENT &&
             std::strstr(vmmc_last_error(), "another thread") == nullptr) {
        ::usleep(100);
      }
      EXPECT(vmmc_barrier(group) == VMMC_ERR_INVALID_ARGUMENT);
      part.meet();
      first.join();
    } else {
      part.meet();
      EXPECT(vmmc_barrier(group) == VMMC_OK);
    }
    EXPECT(vmmc_group_destroy(group) == VMMC_OK);
  });
}

TEST_CASE("neither a forked child nor a detached process can use a group") {
  run_ranks(1, [](Part&) {
    vmmc_group* const group = create_group();
    const pid_t child = ::fork();
    if (child == 0) {
      EXPECT(vmmc_barrier(group) == VMMC_ERR_FORKED);
      EXPECT(vmmc_group_destroy(group) == VMMC_ERR_FORKED);
      ::_exit(0);
    }
    int status = -1;
    EXPECT(::waitpid(child, &status, 0) == child && status == 0);
    EXPECT(vmmc_barrier(group) == VMMC_OK);
    EXPECT(vmmc_finalize() == VMMC_OK);
    EXPECT(vmmc_barrier(group) == VMMC_ERR_NOT_ATTACHED);
    EXPECT(vmmc_group_destroy(group) == VMMC_ERR_NOT_ATTACHED);
    EXPECT(vmmc_group_create(1, nullptr, nullptr) == VMMC_ERR_INVALID_ARGUMENT);
    vmmc_group* none = nullptr;
    EXPECT(vmmc_group_create(1, nullptr, &none) == VMMC_ERR_NOT_ATTACHED);
    EXPECT(vmmc_init(nullptr) == VMMC_OK);
  });
}

TEST_CASE("nicsim is killed") {
  for (const Operation& operation : kOperations) {
    CAPTURE(operation.name);
    NicsimProcess nicsim;
    const pid_t pid = nicsim.pid();
    const auto body = [&](Part& part) {
      EXPECT(vmmc_init(nullptr) == VMMC_OK);
      vmmc_group* const group = create_group();
      part.meet();
      if (vmmc_rank() == 1) {
        ::usleep(2'000);
        ::kill(pid, SIGKILL);
      }
      int status = VMMC_OK;
      while (status == VMMC_OK) status = operation.call(group);
      EXPECT(status == VMMC_ERR_NICSIM_GONE);
      EXPECT(vmmc_group_destroy(group) == VMMC_OK);
      EXPECT(vmmc_finalize() == VMMC_ERR_NICSIM_GONE);
    };
    run_processes(nicsim, std::vector<std::function<void(Part&)>>(3, body));
  }
}
