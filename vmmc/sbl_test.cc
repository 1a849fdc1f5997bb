// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/sbl.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/support/processes/nicsim_process.h"
#include "tests/support/processes/run_processes.h"
#include "vmmc/vmmc.h"

using namespace vmmc::testing;

namespace {

constexpr int kPageWords = 1024;

Int32* new_pages(int pages) {
  void* memory = std::aligned_alloc(4096, static_cast<std::size_t>(pages) * 4096);
  std::memset(memory, 0, static_cast<std::size_t>(pages) * 4096);
  return static_cast<Int32*>(memory);
}

void await(const Int32* word, Int32 value) {
  while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) ::usleep(100);
}

std::atomic<int> calls{0};
std::atomic<int> last_first_word{0};
std::atomic<int> unblocked_inside{1};
std::atomic<unsigned> from{0};

void handler(unsigned int rbufid, Int32* words, int nwords, NodeID node, SBL_Squid squid) {
  if (rbufid == 7 && nwords == 2 && node < vmmc_nodes()) {
    last_first_word = words[0];
    from = squid;
    unblocked_inside = SBL_UnblockNotifications();
    ++calls;
  }
}

}  // namespace

TEST_CASE("words go from process to process, and the request form of import comes back later") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   Int32* inbox = new_pages(1);
                   EXPECT(SBL_PageSize() == 4096);
                   EXPECT(SBL_WordSize() == 4);
                   part.meet();  // the import is asked for before the export
                   EXPECT(SBL_ExportRecvBuf(inbox, 100, 7, nullptr, 0) == 0);
                   await(inbox + 51, 6);
                   EXPECT(inbox[50] == 5);
                   int count = 0;
                   SBL_Squid* squids = nullptr;
                   NodeId* hosts = nullptr;
                   EXPECT(SBL_Importers(7, &count, &squids, &hosts) == 0);
                   EXPECT(count == 1);
                   EXPECT(squids[0] == 1);
                   std::free(squids);
                   std::free(hosts);
                   part.meet();
                   part.meet();  // the other one still imports from here
                 },
                 [](Part& part) {
                   Int32* proxy = nullptr;
                   volatile int nwords = -7;
                   EXPECT(SBL_ImportRecvBufReq(0, 0, 7, &proxy, const_cast<int*>(&nwords), 0) == 0);
                   EXPECT(nwords == 0);
                   part.meet();
                   while (nwords == 0) ::usleep(100);
                   EXPECT(nwords == 100);
                   Int32 words[2] = {5, 6};
                   EXPECT(SBL_SendMsg(words, proxy + 50, 2) == 0);
                   part.meet();
                   Int32* again = nullptr;
                   int size = 0;
                   EXPECT(SBL_ImportRecvBuf(0, 0, 7, &again, &size) == 0);
                   EXPECT(size == 100);
                   EXPECT(again != proxy);
                   EXPECT(vmmc_unimport(again) == VMMC_OK);
                   part.meet();
                 }});
}

TEST_CASE("notifications are counted, blocked, and never undone inside a handler") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  Int32* inbox = new_pages(1);
                  SBL_BlockNotifications();
                  SBL_BlockNotifications();
                  EXPECT(SBL_ExportRecvBuf(inbox, 100, 7, handler, 0) == 0);
                  Int32* proxy = nullptr;
                  int nwords = 0;
                  EXPECT(SBL_ImportRecvBuf(SBL_MyNode(), SBL_MySquid(), 7, &proxy, &nwords) == 0);
                  Int32 words[2] = {1, 2};
                  for (words[0] = 1; words[0] <= 3; ++words[0]) {
                    EXPECT(SBL_SendMsgWithNotify(words, proxy + 10, 2) == 0);
                  }
                  EXPECT(vmmc_fence() == VMMC_OK);
                  EXPECT(calls == 0);
                  EXPECT(SBL_UnblockNotifications() == 0);
                  EXPECT(calls == 0);
                  EXPECT(SBL_UnblockNotifications() > 0);
                  EXPECT(calls == 3);
                  EXPECT(last_first_word == 3);
                  EXPECT(from == SBL_MySquid());
                  EXPECT(unblocked_inside == SBL_ENotInHandler);
                  EXPECT(SBL_UnblockNotifications() > 0);  // the manual's idiom ends
                }});
}

TEST_CASE("mapped pages are updated by plain stores, in every write type") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        Int32* far = new_pages(4);
        Int32* near = new_pages(4);
        EXPECT(SBL_ExportRecvBuf(far, 4 * kPageWords, 7, nullptr, 0) == 0);
        Int32* proxy = nullptr;
        int nwords = 0;
        EXPECT(SBL_ImportRecvBuf(SBL_MyNode(), SBL_MySquid(), 7, &proxy, &nwords) == 0);
        const SBL_AUWriteType types[] = {AU_Disable, AU_SingleWrite, AU_BlockWrite, AU_TimerWrite};
        for (int page = 0; page < 4; ++page) {
          EXPECT(SBL_AUMap(near + page * kPageWords, proxy + page * kPageWords, kPageWords, 0,
                           types[page]) == 0);
          static_cast<volatile Int32*>(near)[page * kPageWords + 3] = 40 + page;
        }
        EXPECT(vmmc_fence() == VMMC_OK);
        for (int page = 0; page < 4; ++page) EXPECT(far[page * kPageWords + 3] == 40 + page);
        EXPECT(SBL_AUMap(near + 1, proxy, kPageWords, 0, AU_TimerWrite) == VMMC_ERR_MISALIGNED);
        EXPECT(SBL_AUMap(near, proxy, kPageWords, 0, static_cast<SBL_AUWriteType>(9)) ==
               VMMC_ERR_INVALID_ARGUMENT);
      }});
}

TEST_CASE("what is wrong is refused, with a sentence") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        Int32* inbox = new_pages(1);
        Int32* proxy = nullptr;
        int nwords = 0;
        auto* const odd = reinterpret_cast<Int32*>(reinterpret_cast<char*>(inbox) + 1);
        EXPECT(SBL_ExportRecvBuf(inbox, 0, 7, nullptr, 0) == VMMC_ERR_ZERO_LENGTH);
        EXPECT(SBL_ExportRecvBuf(inbox, -1, 7, nullptr, 0) == VMMC_ERR_ZERO_LENGTH);
        EXPECT(SBL_ExportRecvBuf(odd, 1, 7, nullptr, 0) == VMMC_ERR_MISALIGNED);
        EXPECT(SBL_ExportRecvBuf(inbox, 1, 7, nullptr, 1) == VMMC_ERR_INVALID_ARGUMENT);
        EXPECT(SBL_ExportRecvBuf(inbox, 100, 7, nullptr, 0) == 0);
        EXPECT(SBL_ExportRecvBuf(inbox + 500, 100, 7, nullptr, 0) == VMMC_ERR_DUPLICATE_ID);
        EXPECT(SBL_ImportRecvBuf(99, 0, 7, &proxy, &nwords) == VMMC_ERR_NO_SUCH_NODE);
        EXPECT(SBL_ImportRecvBuf(0, 0, 7, nullptr, &nwords) == VMMC_ERR_INVALID_ARGUMENT);
        EXPECT(SBL_ImportRecvBufReq(0, 0, 7, &proxy, &nwords, 1) == VMMC_ERR_INVALID_ARGUMENT);
        EXPECT(SBL_ImportRecvBuf(SBL_MyNode(), SBL_MySquid(), 7, &proxy, &nwords) == 0);
        EXPECT(SBL_SendMsg(odd, proxy, 1) == VMMC_ERR_MISALIGNED);
        EXPECT(SBL_SendMsg(inbox, proxy + 100, 1) == VMMC_ERR_OUTSIDE_PROXY);
        EXPECT(SBL_SendMsg(inbox, proxy + 99, 2) == VMMC_ERR_OUTSIDE_PROXY);
        EXPECT(SBL_SendMsgWithNotify(inbox, proxy, 0) == VMMC_ERR_ZERO_LENGTH);
        int count = 0;
        SBL_Squid* squids = nullptr;
        NodeId* hosts = nullptr;
        EXPECT(SBL_Importers(8, &count, &squids, &hosts) == VMMC_ERR_UNKNOWN_EXPORT);
        NodeID* nodes = nullptr;
        EXPECT(SBL_Hosts(&count, &nodes) == 0);
        EXPECT(count == static_cast<int>(vmmc_nodes()));
        EXPECT(nodes[count - 1] == vmmc_nodes() - 1);
        std::free(nodes);
        SBL_Squid squid = 0;
        char nothing[] = "/nowhere/nothing";
        EXPECT(SBL_Spawn(nothing, nullptr, 0, &squid) == VMMC_ERR_SYSTEM);
        EXPECT(std::string(vmmc_last_error()).find("/nowhere/nothing") != std::string::npos);
        EXPECT(SBL_Spawn(nothing, nullptr, 99, &squid) == VMMC_ERR_NO_SUCH_NODE);
        EXPECT(SBL_Spawn(nullptr, nullptr, 0, &squid) == VMMC_ERR_INVALID_ARGUMENT);
      }});
}
