/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Simulated time: what a program would take on a machine with SHRIMP's network interface, or another one
 * that nicsim has a timing model of (nicsim --model NAME; docs/shrimp.md).
 *
 * Under a timing model each process has a clock. Its operations advance it, as the model says, and
 * vmmc_compute does for the program's own work; the program's real speed does not matter. A wait ends at
 * the simulated time at which what it waits for has arrived, and timeouts are in simulated time. Bytes
 * arrive while the process waits, computes or asks for its clock: a program that looks at its memory in a
 * loop must do one of these in it, or it looks for ever. Results are the same on every run and on every
 * machine, whatever the load, as long as the processes speak to each other by VMMC alone and each uses
 * it in one thread (and its notification handlers).
 *
 * While a process does something else (reads a file, sleeps), simulated time stands still for all, unless it
 * says so before (vmmc_leave_time). A
 * program that waits for another one by other means than VMMC may wait for ever; so does a thread that
 * joins another thread which waits by VMMC: let that one end its calls first, or look
 * for its end in a loop with vmmc_compute. A thread takes part from its first call of the library on until
 * it ends: before that first call time does not wait for it. While a thread waits for an import, handlers
 * that are delivered by signal run when the import has ended; those that are delivered by thread run
 * meanwhile.
 *
 * The same program runs in real time: there the clock is the host's, and vmmc_compute does nothing.
 */
#ifndef VMMC_SIMULATED_TIME_H_
#define VMMC_SIMULATED_TIME_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether nicsim runs under a timing model: 1 or 0. 0 when not attached. */
int vmmc_time_is_simulated(void);

/* The process's clock in ns: simulated, or CLOCK_MONOTONIC. In simulated time all operations that were
 * asked for before have been begun, and what arrives up to then is in memory. 0 when not attached.
 * Rules: S12.1-S12.3 */
uint64_t vmmc_clock(void);

/* The program has worked for so many ns. In simulated time the clock is that much later when the call
 * returns (more if notification handlers ran meanwhile), and what arrives until then is in memory. In
 * real time it returns at once: the program's own work has taken its time.
 * Errors: NICSIM_GONE. Rules: S12.4 */
int vmmc_compute(uint64_t ns);

/* The calling thread is about to wait for something outside: to read a file, or in poll(). From then on, and
 * until it says that it is back, simulated time goes on without it. It comes back, at the process's
 * clock, when everything has happened that happens without it, so that results do not depend
 * on how long it was away; but if others keep time going it waits for no more than what nicsim does in a
 * second of processor time, and comes back at whatever time it is then. Handlers that are delivered by signal wait until it is back.
 *
 * In between the thread makes no call of the library, and nor do signal handlers that run in it; one that
 * waits in simulated time comes back first. In real time both do nothing.
 * Errors: NICSIM_GONE of vmmc_return_to_time. Rules: S12.10 */
int vmmc_leave_time(void);
int vmmc_return_to_time(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VMMC_SIMULATED_TIME_H_ */
