// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// MPI as a contestant: one source for Open MPI and MPICH, whose mpi.h says which.
//
// Threads and processes: started plainly, the program becomes the launcher of its MPI with itself
// as the ranks; they bind themselves to cores. Rank 0 prints.
// Crash: a rank that fails aborts the job; an alarm ends ranks whose launcher has been killed.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mpi.h>
#include <sys/syscall.h>

#include <cstddef>

#include "bench/compare/contestant.h"
#include "bench/compare/contestants/held_output.h"
#include "bench/compare/contestants/mpi_links.h"

#ifdef OPEN_MPI
#define VMMC_COMPARE_MPI "openmpi"
#else
#define VMMC_COMPARE_MPI "mpich"
#endif

namespace {

using contestant::Control;
using contestant::Options;
using mpi_contestant::must;

constexpr std::string_view kPeer = VMMC_COMPARE_MPI;
// ---------------------------------------------------------------------------------- launching

bool is_rank() {
  return std::getenv("OMPI_COMM_WORLD_RANK") != nullptr || std::getenv("PMI_RANK") != nullptr;
}

// mpiexec.mpich puts each rank into a session of its own. Where the kernel groups sessions
// (sched_autogroup_enabled), ranks that share a core cannot yield to each other then, and an all-to-all
// is a hundred times slower. Whoever knows that keeps them in one session: setsid succeeds and does
// nothing in what is started from here.
void stay_in_one_session() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{sizeof code / sizeof code[0], code};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  // Where filters are forbidden, MPICH runs as it comes.
  ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

// What a user who knows the launcher would give it.
std::vector<const char*> launcher(bool oversubscribed) {
  if (kPeer == "mpich") return {"mpiexec.mpich", "-bind-to", "none"};
  // Root is allowed as in any container; TCP is of no use between processes of one host. With the
  // usual limit a message of 4 KiB and its header are just too long to be sent at once.
  std::vector<const char*> command = {"mpirun.openmpi", "--allow-run-as-root", "--oversubscribe"};
  command.insert(command.end(), {"--bind-to", "none", "--mca", "btl", "self,vader"});
  command.insert(command.end(), {"--mca", "btl_vader_eager_limit", "8192"});
  if (oversubscribed) command.insert(command.end(), {"--mca", "mpi_yield_when_idle", "1"});
  return command;
}

// "mpirun.openmpi --bind-to none ...", and what else was done for the peer.
std::string settings(bool oversubscribed) {
  std::string text;
  for (const char* word : launcher(oversubscribed))
    text += (text.empty() ? "" : " ") + std::string(word);
  if (oversubscribed && kPeer == "mpich") text += ", ranks in one session";
  return text;
}

// Becomes the launcher.
[[noreturn]] void launch(char** argv, int processes) {
  const std::string count = std::to_string(processes);
  const bool oversubscribed = processes > 2;
  std::vector<const char*> command = launcher(oversubscribed);
  command.insert(command.end(), {"-n", count.c_str()});
  if (oversubscribed && kPeer == "mpich") stay_in_one_session();
  std::string self(4096, '\0');
  const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size());
  contestant::require(length > 0, "readlink");
  self.resize(static_cast<std::size_t>(length));
  command.push_back(self.c_str());
  for (char** argument = argv + 1; *argument != nullptr; ++argument) command.push_back(*argument);
  command.push_back(nullptr);
  ::execvp(command[0], const_cast<char**>(command.data()));
  contestant::fail(contestant::kPeerRefuses, "cannot run %s: %s", command[0], std::strerror(errno));
}

char** arguments_of_program = nullptr;

// ---------------------------------------------------------------------------------- measuring

template <class Link>
void run_two(const Options& options, Control& control) {
  Link link(options, control.rank());
  control.barrier();
  contestant::measure(options, control, link);
  control.barrier();
}

void run_mesh(const Options& options, Control& control) {
  mpi_contestant::SendMesh mesh(options, control.rank());
  contestant::measure_all_to_all(options, control, mesh);
  control.barrier();
}

void run(const Options& options, void (*body)(const Options&, Control&)) {
  const int processes = options.measure == "alltoall" ? options.processes : 2;
  if (!is_rank()) launch(arguments_of_program, processes);
  contestant::start_alarm(options);
  must(MPI_Init(nullptr, nullptr), "MPI_Init");
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size != processes) contestant::fail(1, "%d processes instead of %d", size, processes);
  contestant::place(options, rank, processes);
  void* mine = nullptr;
  MPI_Win window = MPI_WIN_NULL;
  const std::size_t bytes = rank == 0 ? sizeof(contestant::ControlBlock) : 0;
  must(MPI_Win_allocate_shared(static_cast<MPI_Aint>(bytes), 1, MPI_INFO_NULL, MPI_COMM_WORLD,
                               &mine, &window),
       "MPI_Win_allocate_shared");
  std::byte* const block = mpi_contestant::shared_part(window, 0);
  if (rank == 0) std::memset(block, 0, bytes);
  MPI_Barrier(MPI_COMM_WORLD);
  Control control(reinterpret_cast<contestant::ControlBlock*>(block), rank, processes);
  contestant::HeldOutput output;
  body(options, control);
  output.release("\"settings\":\"" + settings(processes > 2) + "\"");
  std::fflush(stdout);
  MPI_Win_free(&window);
  MPI_Finalize();
}

void run_send(const Options& options) {
  run(options, options.measure == "alltoall" ? run_mesh : run_two<mpi_contestant::SendLink>);
}
void run_put(const Options& options) { run(options, run_two<mpi_contestant::PutLink>); }
void run_shared(const Options& options) { run(options, run_two<mpi_contestant::SharedLink>); }

constexpr contestant::Variant kVariants[] = {
    {VMMC_COMPARE_MPI "-send", "latency,bandwidth,rate,alltoall,idle", false, run_send},
    {VMMC_COMPARE_MPI "-put", "latency,bandwidth,rate,idle", false, run_put},
    {VMMC_COMPARE_MPI "-shared", "latency,bandwidth,rate,idle", false, run_shared},
};

}  // namespace

int main(int argc, char** argv) {
  arguments_of_program = argv;
  return contestant::contestant_main(argc, argv, kVariants);
}
