// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A worker process of a random run: attaches, and does what it is told with the public interface
// alone. It knows nothing of the model.
//
// Threads and processes: run_worker is the body of a forked child. Worker i delivers notifications
// by thread, signal or dispatch, i % 3.
#pragma once

#include <string>

namespace vmmc::testing::random_operations {

// Attaches as process `number` of node number % 2, as soon as that name is free, and carries out
// the commands that come over `socket` until it is closed.
[[noreturn]] void run_worker(unsigned number, const std::string& nicsim, int socket);

}  // namespace vmmc::testing::random_operations
