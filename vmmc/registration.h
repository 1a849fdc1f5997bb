/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * VMMC: registration, the counterpart of VMMC-2's user-managed TLB. Programs include vmmc/vmmc.h.
 *
 *   A transfer of more than 64 KiB goes without a copy where nicsim has the local pages mapped. That
 *   is so for memory from vmmc_alloc and for exported memory; for other memory the program can say
 *   that it will be used for transfers, and how much of it may be mapped ('pinned') at a time. */
#ifndef VMMC_REGISTRATION_H_
#define VMMC_REGISTRATION_H_

#include "vmmc/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Says that length bytes from address will be used for transfers, and promises that they stay mapped
 * until vmmc_unregister(address). Nothing is pinned now: the first transfer of more than 64 KiB that
 * uses a part (chunks of 1 MiB) pins it (a miss), later ones find it (hits), and the parts used
 * longest ago are unpinned when more than the limit would be pinned. What cannot be pinned is sent by
 * a copy and is no error.
 *
 * Pinning costs about as much as 15 to 30 copies of the same bytes: register what is sent often, and
 * set a limit that holds what is used in turns.
 *
 * Any transfer of the process may pin or unpin: threads that store there meanwhile wait, a system
 * call that writes there (e.g. read(2)) may fail with EFAULT, input under way there (O_DIRECT,
 * io_uring) is lost, and a thread that has SIGSEGV blocked and stores there is killed. A SIGSEGV
 * handler is installed as by vmmc_export. If the promise is broken, what is sent is undefined.
 *
 * Signals: not from a handler, and a handler may send more than 64 KiB from a region only if those
 * bytes are pinned, as pinning takes locks and allocates.
 * Errors: INVALID_ARGUMENT, ZERO_LENGTH, LENGTH_OVERFLOW, OVERLAP (with another region), BAD_MEMORY
 * (as vmmc_export), OUT_OF_MEMORY, SYSTEM. Rules: S9.8-S9.11 */
int vmmc_register(const void* address, size_t length);

/* Waits until transfers of this memory are complete; it is private again, content kept.
 * Errors: UNKNOWN_REGISTRATION. */
int vmmc_unregister(const void* address);

/* How many bytes may be pinned at a time; 64 MiB at first, 0: none. Unpins what is too much now. A
 * transfer that needs more (whole chunks count) is not pinned. Not from a signal handler. */
int vmmc_set_pin_limit(size_t bytes);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VMMC_REGISTRATION_H_ */
