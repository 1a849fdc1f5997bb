/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Collective operations among all processes of a job, by deliberate update alone. The C interface.
 *
 *   Every rank makes the group once, and then calls the same operations in the same order:
 *
 *     vmmc_group_create(100, NULL, &group);
 *     vmmc_allreduce(group, &mine, &largest, 1, VMMC_DOUBLE, VMMC_MAX);
 *     vmmc_group_destroy(group);
 *
 * Units       Lengths are bytes, counts are elements, times are nanoseconds.
 *
 * Collective  A call is complete when every rank of the job (vmmc_size()) has made it, in the same
 *             place of its sequence of calls on this group, with the same root, type, operation and
 *             count or length. No barrier is needed between two calls. Ranks that disagree get
 *             INVALID_ARGUMENT where they meet in the same kind of transfer; where they do not, they
 *             wait for each other until the timeout.
 *
 *             A call returns when this rank's part is done: its result is there, its arguments may
 *             be changed. Only vmmc_barrier, vmmc_allreduce and vmmc_all_to_all promise that
 *             the others have made the call as well.
 *
 * Errors      As in vmmc.h: VMMC_OK or a negative enum vmmc_status, and a sentence in
 *             vmmc_last_error(). There are two kinds.
 *
 *             A refused argument: nothing was done, the group is as before, and the rank may call
 *             again, this time well. (The others wait for it meanwhile.)
 *
 *             A failure: somebody did not come, or does not agree. This rank has then left the
 *             group: every later call returns the same status at once, but vmmc_group_destroy. The
 *             other ranks fail too, when they wait for this one. What results contain is undefined.
 *             vmmc_fence may report a send of the failed call. Every operation can fail with:
 *
 *               PEER_DEAD         a process of the group has ended, or has left the group after a
 *                                 failure of its own
 *               TIMEOUT           a rank that this one waited for has sent nothing for the
 *                                 group's timeout
 *               INVALID_ARGUMENT  another rank passes other arguments, or makes another call
 *               NICSIM_GONE, OUT_OF_MEMORY, TOO_MANY_IMPORTS, DESTINATION_SPACE_FULL, SYSTEM
 *
 * Death       A rank that waits looks every 10 to 100 ms whether the one it waits for is still
 *             there. It learns so of the death of a rank that it waits for itself; of that of
 *             others when the rank that it waits for has learnt of it and left the group. So the
 *             operation that a dead process has not finished fails, within 0.1 s and some ms for
 *             each step between the dead process and the one that waits (at most twice the binary
 *             logarithm of the number of processes), in all ranks that need anything of it; ranks
 *             whose part was done may still return VMMC_OK and fail in a later call. A process that
 *             lives but does not come (stopped, in an endless loop) is noticed by the timeout alone.
 *             While the group is being made, a process that has not made it yet cannot be told from
 *             one that never will, or that could not: the timeout decides. VMMC_FOREVER then needs
 *             somebody who ends the job, as vmmcrun does when a process of it fails.
 *
 * Results     A reduction combines in an order that depends on the number of processes and on the
 *             root alone, not on counts, timing or the machine: see vmmc_reduce. The results of
 *             vmmc_allreduce are equal in every bit on all ranks.
 *
 * Memory      With n processes and chunks of c bytes (vmmc_group_options): 8 c (log2(n) + 1) bytes
 *             exported, and about 2100 (log2(n) + 2) + 8 n for words and small payloads; at most
 *             2 log2(n) imports, made at first use. (log2(n) is rounded up.) The first
 *             vmmc_all_to_all imports all others. Longer messages travel in chunks, of which four
 *             may be under way to a receiver; any length will do.
 *
 * Threads     One thread at a time in a group; a second one is refused with INVALID_ARGUMENT. Groups
 *             are independent of each other. Not for signal handlers.
 *
 * Fork        A forked child cannot use the group: FORKED. Its vmmc_group_destroy frees its copy.
 */
#ifndef VMMC_COLLECTIVES_H_
#define VMMC_COLLECTIVES_H_

#include <stddef.h>
#include <stdint.h>

#include "vmmc/vmmc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------- group */

typedef struct vmmc_group vmmc_group;

typedef struct vmmc_group_options {
  uint64_t timeout;   /* how long a call waits for a rank that sends nothing; or VMMC_FOREVER */
  size_t chunk_bytes; /* multiple of 64 from 1024 to 1 MiB; the same on all ranks */
  enum vmmc_wait_strategy strategy;
} vmmc_group_options;

#define VMMC_GROUP_DEFAULTS \
  { VMMC_FOREVER, 32768, VMMC_WAIT_ADAPTIVE }

/* Makes a group of all processes of the job: collective. NULL options mean VMMC_GROUP_DEFAULTS.
 *
 * The group exports two buffers, with the ids buffer_id and buffer_id + 1, the same on all ranks. No
 * other use of these ids is allowed in the job until vmmc_group_destroy has returned VMMC_OK; then
 * they are free on every rank, also for another group. After a failure use other ids.
 *
 * Errors: INVALID_ARGUMENT (also for a chunk_bytes that is not that of another rank), DUPLICATE_ID,
 * TOO_MANY_EXPORTS, and those of every operation. After an error *group is unchanged. */
int vmmc_group_create(uint32_t buffer_id, const vmmc_group_options* options, vmmc_group** group);

/* Ends the group: collective, unless it has failed. Waits until all ranks have called it, so that
 * what they have sent in earlier calls arrives. Call it before vmmc_finalize.
 *
 * The group's memory is freed in any case, and `group` must not be used again. NULL is allowed.
 * Errors: those of every operation, if the others did not come. A group that had failed before is
 * freed with VMMC_OK. */
int vmmc_group_destroy(vmmc_group* group);

/* -------------------------------------------------------------------------------- operations */

/* The values are part of the ABI: they never change their meaning. */
enum vmmc_type {
  VMMC_INT32 = 0,
  VMMC_UINT32 = 1,
  VMMC_INT64 = 2,
  VMMC_UINT64 = 3,
  VMMC_FLOAT = 4,
  VMMC_DOUBLE = 5
};

/* Integer sums and products wrap around. Minimum and maximum compare by <: where a NaN takes part
 * the result is one of the two. The bitwise operations are for integers only. */
enum vmmc_operation {
  VMMC_SUM = 0,
  VMMC_MIN = 1,
  VMMC_MAX = 2,
  VMMC_PRODUCT = 3,
  VMMC_AND = 4,
  VMMC_OR = 5,
  VMMC_XOR = 6
};

/* Returns when all ranks have called it. What a rank has sent before (vmmc_send) need not have
 * arrived: vmmc_fence says that. */
int vmmc_barrier(vmmc_group* group);

/* Copies length > 0 bytes from `data` of the root to `data` of all others.
 * Errors: INVALID_ARGUMENT (null pointer, no such root), ZERO_LENGTH, LENGTH_OVERFLOW. */
int vmmc_broadcast(vmmc_group* group, void* data, size_t length, uint32_t root);

/* Combines the ranks' contributions of count > 0 elements, element by element, into `result` of the
 * root. `result` is not used, and may be NULL, on the others. On the root, `result` is the same
 * address as `contribution`, or they do not overlap. Both are aligned to the size of an element.
 *
 * Order: number the ranks from the root, v = (rank - root) mod n, and let p be the largest power of
 * two that is not above n. First x[v] becomes x[v] op x[v + p], where there is a v + p. Then
 * neighbours are combined, the lower one to the left: ((x0 op x1) op (x2 op x3)) op ... up to p.
 *
 * Errors: INVALID_ARGUMENT (null pointer, no such root, type or operation, a bitwise operation with
 * a floating-point type, overlap), ZERO_LENGTH, LENGTH_OVERFLOW, MISALIGNED. */
int vmmc_reduce(vmmc_group* group, const void* contribution, void* result, size_t count,
                enum vmmc_type type, enum vmmc_operation operation, uint32_t root);

/* The same with the result on all ranks; it is, in every bit, that of vmmc_reduce to rank 0.
 * Errors: as vmmc_reduce. */
int vmmc_allreduce(vmmc_group* group, const void* contribution, void* result, size_t count,
                   enum vmmc_type type, enum vmmc_operation operation);

/* Sends block r of `outgoing` to rank r, for every rank (also this one), and receives what rank r
 * sends here as block r of `incoming`. Blocks have length > 0 bytes and follow each other; the two
 * areas, of n blocks each, do not overlap.
 * Errors: INVALID_ARGUMENT (null pointer, overlap), ZERO_LENGTH, LENGTH_OVERFLOW. */
int vmmc_all_to_all(vmmc_group* group, const void* outgoing, void* incoming, size_t length);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VMMC_COLLECTIVES_H_ */
