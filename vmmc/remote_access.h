/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * VMMC: remote reads, atomic operations, and sends of several pieces. Programs include vmmc/vmmc.h.
 *
 *   All of them stand in the same queue as sends: they are carried out after what the process sent
 *   to the same buffer before, and before what it sends after. */
#ifndef VMMC_REMOTE_ACCESS_H_
#define VMMC_REMOTE_ACCESS_H_

#include "vmmc/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------- remote fetch */

/* Reads `length` bytes of the remote buffer, from the address that proxy stands for, into local
 * memory. Needs an import with VMMC_READ. The exporter's program takes no part. Aligned 4- and
 * 8-byte words are read whole. The destination is any writable memory of the program.
 *
 * The started form returns at once, and the destination is defined when vmmc_send_test or
 * vmmc_send_wait says so; where nicsim can neither find nor reach the destination, the fetch is
 * carried out before the call returns. A destination that cannot be written is SIGSEGV in
 * vmmc_fetch, as with memcpy, and BAD_SOURCE where nicsim writes it (vmmc_fetch_start).
 * Errors: OUTSIDE_PROXY, UNEXPORTED, PEER_DEAD, NOT_READABLE, BAD_SOURCE, ZERO_LENGTH,
 * LENGTH_OVERFLOW, INVALID_ARGUMENT, INTERRUPTED_SEND. Rules: S9.1-S9.3 */
int vmmc_fetch(void* destination, const void* proxy, size_t length);
int vmmc_fetch_start(void* destination, const void* proxy, size_t length, vmmc_send_handle* handle);

/* -------------------------------------------------------------------------- atomic operations */

/* On a naturally aligned word of the remote buffer, atomic with respect to all other atomic
 * operations on it, remote ones and those of the exporter's own code. Needs an import with VMMC_READ
 * and VMMC_WRITE. Waits for the result: *previous (may be NULL) is the word's value before.
 * Errors: MISALIGNED, OUTSIDE_PROXY, UNEXPORTED, PEER_DEAD, NOT_READABLE, NOT_WRITABLE,
 * INTERRUPTED_SEND. Rules: S10.1, S10.2 */
int vmmc_fetch_add_32(void* proxy, uint32_t addend, uint32_t* previous);
int vmmc_fetch_add_64(void* proxy, uint64_t addend, uint64_t* previous);
int vmmc_swap_32(void* proxy, uint32_t value, uint32_t* previous);
int vmmc_swap_64(void* proxy, uint64_t value, uint64_t* previous);
/* Stores `desired` if the word is `expected`; it did if *previous == expected. */
int vmmc_compare_swap_32(void* proxy, uint32_t expected, uint32_t desired, uint32_t* previous);
int vmmc_compare_swap_64(void* proxy, uint64_t expected, uint64_t desired, uint64_t* previous);

/* ------------------------------------------------------------------------- sends of many pieces */

typedef struct vmmc_piece {
  const void* address;
  size_t length; /* 0 is allowed */
} vmmc_piece;

/* Sends the pieces one behind the other to consecutive remote bytes, as vmmc_send would send their
 * concatenation. Errors: those of vmmc_send. Rules: S10.3 */
int vmmc_send_gather(const vmmc_piece* pieces, size_t count, void* proxy);

/* Sends `count` blocks of `block` bytes: block i from source + i * source_stride to proxy + i *
 * proxy_stride. Strides are bytes, and at least `block`. All of the destination lies in one proxy.
 * Errors: those of vmmc_send; INVALID_ARGUMENT (a stride below the block). Rules: S10.4 */
int vmmc_send_strided(const void* source, size_t source_stride, void* proxy, size_t proxy_stride,
                      size_t block, size_t count);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VMMC_REMOTE_ACCESS_H_ */
