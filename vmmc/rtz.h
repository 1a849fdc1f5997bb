/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * VMMC: real-time zero-copy datagrams, after RTZCP's idea.
 *
 *   A channel carries datagrams from one process to another within a budget: so many messages in a
 *   period, of such a length at most, each there before its deadline. The budget is declared when
 *   the channel is opened, and admitted or refused with the reason: memory, descriptors and time of
 *   the network interface are reserved then. Sending and receiving allocate nothing, and make no
 *   system call but to wake the other side when it sleeps.
 *
 *     receiver:  vmmc_rtz_budget budget = {.messages = 10, .period = 1000000, .longest = 64,
 *                .deadline = 200000}; vmmc_rtz_open(5, &budget, NULL, &channel);
 *                while (vmmc_rtz_receive(channel, &datagram, VMMC_FOREVER) == VMMC_OK) {
 *                  look_at(datagram.data, datagram.length);
 *                  vmmc_rtz_return(channel, &datagram);
 *                }
 *     sender:    vmmc_rtz_connect(receiver, 5, 1000000000, &channel);
 *                vmmc_rtz_acquire(channel, sizeof sample, &memory);
 *                *(struct sample*)memory = ...;
 *                vmmc_rtz_send(channel, memory, sizeof sample, 0);
 *
 * One page or less  The page changes its owner: it is lent to the receiver, who reads it where the
 *                   sender wrote it, and gives it back. No byte is copied. After the send the
 *                   sender must not touch it; nothing keeps a sender from it that does so all the
 *                   same, so a receiver that does not trust its sender copies before it checks.
 * More              Cut into fragments of at most a packet (4096 bytes), which go by remote memory
 *                   access straight to their final offsets in one of the receiver's buffers, in any
 *                   order; nothing is put together afterwards. A datagram that loses a fragment is
 *                   lost as a whole, after its deadline at the latest, and its buffer is free
 *                   again.
 *
 * Executors  host: the sender's own core does it. nic: nicsim does, between two packets of other
 *            transfers at the latest, and checks everything; a send may have to ring its doorbell
 *            when it sleeps (a system call). auto (the default, or what $VMMC_EXECUTOR says): host,
 *            unless somebody watches; changes at run time.
 *
 * Budget     A send beyond the budget of the period is refused (OVER_BUDGET), one that finds all
 *            pages lent is refused (NO_PAGE): the back-pressure of the channel. The period is a
 *            sliding one: of any `messages` + 1 sends in a row the last begins more than a period
 *            after the first. The times of the last `messages` sends are kept for that (8 bytes
 *            each, reserved when the sender connects).
 *
 * Latency    From the call of vmmc_rtz_send until vmmc_rtz_receive returns the datagram. The
 *            receiver counts it in a histogram, and as a miss if it is above the deadline. What the
 *            admission guarantees is the network interface's part; that the processes get a
 *            processor in time is the scheduler's (SCHED_FIFO where it is permitted).
 *
 * Threads and processes: one thread uses a channel at a time; different channels are independent.
 * After fork the child has none. Not from signal handlers. Only in real time. A channel that has
 * been closed, also by vmmc_finalize, is refused with BAD_HANDLE, and so is a call of the other
 * end's. A process that is killed at any instruction leaves nothing half sent: see the errors of
 * the other end. Rules: S14. */
#ifndef VMMC_RTZ_H_
#define VMMC_RTZ_H_

#include "vmmc/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmmc_rtz_channel vmmc_rtz_channel;

typedef struct vmmc_rtz_budget {
  uint32_t messages; /* in a period, 1 .. 1000000 */
  uint64_t period;   /* ns, 1000 .. 10^10 */
  uint32_t longest;  /* bytes of a datagram, 1 .. 1 MiB */
  uint64_t deadline; /* ns, from the send until it can be received */
} vmmc_rtz_budget;

typedef struct vmmc_rtz_options {
  /* Datagrams that are out at a time (sent, and not yet returned by the receiver), 1 .. 128: so
   * many pages, and buffers if datagrams may be longer than a page, are reserved. */
  uint32_t depth;
  int executor; /* enum vmmc_executor: VMMC_EXECUTOR_AUTO, _NIC, _HOST */
  /* Who may connect: user id, node and process, each of them or VMMC_ANY. VMMC_RTZ_SAME_USER: this
   * process's user. */
  uint32_t user;
  uint32_t from_node;
  uint32_t from_process;
} vmmc_rtz_options;

#define VMMC_RTZ_SAME_USER (UINT32_MAX - 1)
#define VMMC_RTZ_DEFAULTS \
  { 32, 0 /* VMMC_EXECUTOR_AUTO */, VMMC_RTZ_SAME_USER, VMMC_ANY, VMMC_ANY }

/* The receiver's end. The id is unique among the channels that this process has opened. options
 * NULL: the defaults. Everything is reserved, allocated, mapped and touched when it returns; locked
 * in memory if the process's limits allow that. Errors: BAD_BUDGET, NIC_OVERCOMMITTED,
 * DEADLINE_TOO_SHORT, RESERVATION_FULL, TOO_MANY_CHANNELS (the sentence has the figures),
 * DUPLICATE_ID, NOT_IN_SIMULATED_TIME, INVALID_ARGUMENT, OUT_OF_MEMORY, NICSIM_GONE, SYSTEM. */
int vmmc_rtz_open(uint32_t id, const vmmc_rtz_budget* budget, const vmmc_rtz_options* options,
                  vmmc_rtz_channel** channel);

/* The sender's end: waits up to timeout ns until the channel is open.
 * Errors: TIMEOUT (it is not open), PERMISSION_DENIED, CHANNEL_TAKEN, NOT_IN_SIMULATED_TIME,
 * NICSIM_GONE, OUT_OF_MEMORY, SYSTEM (the last two: the channel is used up if it was this process
 * that had no memory or descriptors left; the receiver gets VMMC_END). */
int vmmc_rtz_connect(vmmc_identity receiver, uint32_t id, uint64_t timeout,
                     vmmc_rtz_channel** channel);

/* Of either end. What was sent and not received is gone when the receiver closes; when the sender
 * closes it stays receivable: nicsim carries out what it was given, and then tells the receiver.
 * Waits for nicsim's answer, and not for the receiver. Datagrams and pages that are held are not
 * mapped any more. Errors: BAD_HANDLE. Rules: S14.9, S14.10, S14.12 */
int vmmc_rtz_close(vmmc_rtz_channel* channel);

/* ---- sender. No allocation, no lock; no system call but to wake a receiver that sleeps, or nicsim
 * (nic executor). Rules: S14.1-S14.4, S14.7 ---- */

/* Memory for a datagram of up to `length` bytes, page-aligned: to be written, and sent or released.
 * What is acquired and what is out are `depth` together. Its content is whatever was there.
 * Errors: TOO_LONG, NO_PAGE, PEER_DEAD (the receiver has closed, too), NICSIM_GONE. */
int vmmc_rtz_acquire(vmmc_rtz_channel* channel, size_t length, void** memory);
int vmmc_rtz_release(vmmc_rtz_channel* channel, void* memory);

/* Sends `length` bytes (0 is allowed) from `memory`, which vmmc_rtz_acquire has returned and which
 * is not the sender's any more. `tag` is handed to the receiver. After an error the memory is still
 * the sender's. A datagram that fits a page but stands in memory acquired for a longer one is
 * copied to a page. Errors: OVER_BUDGET, TOO_LONG, NOT_HELD, PEER_DEAD, NICSIM_GONE. */
int vmmc_rtz_send(vmmc_rtz_channel* channel, void* memory, size_t length, uint64_t tag);

/* Sends a copy: a long datagram goes from `data` straight to the receiver's buffer with the host
 * executor. Errors: OVER_BUDGET, NO_PAGE, TOO_LONG, PEER_DEAD, NICSIM_GONE. */
int vmmc_rtz_send_copy(vmmc_rtz_channel* channel, const void* data, size_t length, uint64_t tag);

/* When the budget allows the next send: ns from now, 0: at once. */
int vmmc_rtz_next_send(const vmmc_rtz_channel* channel, uint64_t* wait);

/* ---- receiver. No allocation, no lock; no system call but to wait. Rules: S14.2, S14.7-S14.9
 * ---- */

typedef struct vmmc_rtz_datagram {
  const void* data; /* page-aligned */
  size_t length;
  uint64_t number; /* 0, 1, ... in the order they were sent; those that were lost are missing */
  uint64_t tag;
  uint64_t latency; /* ns */
  uint32_t held;    /* the library's */
} vmmc_rtz_datagram;

/* The next datagram, in the order they were sent; waits up to timeout ns (0: does not wait, no
 * system call). Adaptive: looks for a while before it sleeps. The receiver may hold up to `depth`.
 * TIMEOUT; PEER_DEAD: the sender has ended, and all that had arrived has been received; VMMC_END:
 * it has closed, likewise; NICSIM_GONE: nicsim has ended, likewise, whichever executor the channel
 * had. What is held stays readable until the channel is closed. */
int vmmc_rtz_receive(vmmc_rtz_channel* channel, vmmc_rtz_datagram* datagram, uint64_t timeout);
/* In any order. NOT_HELD. */
int vmmc_rtz_return(vmmc_rtz_channel* channel, const vmmc_rtz_datagram* datagram);

/* Readable when there may be something to receive, after vmmc_rtz_arm has returned VMMC_OK
 * (VMMC_PENDING: there is already). The library owns it. */
int vmmc_rtz_descriptor(const vmmc_rtz_channel* channel, int* descriptor);
int vmmc_rtz_arm(vmmc_rtz_channel* channel);

/* ---- both ---- */

typedef struct vmmc_rtz_counters {
  uint64_t sent; /* the receiver's end: that it has received, or were lost */
  uint64_t received;
  uint64_t lost;            /* datagrams that lost a fragment */
  uint64_t over_budget;     /* sends refused */
  uint64_t without_page;    /* acquires and sends refused */
  uint64_t deadline_misses; /* of those received */
  int executor;             /* that is in use now: VMMC_EXECUTOR_NIC or _HOST */
} vmmc_rtz_counters;
int vmmc_rtz_get_counters(const vmmc_rtz_channel* channel, vmmc_rtz_counters* counters);

/* The latency, ns, that a share of 0 .. 1 of the datagrams received so far did not exceed, within 4
 * percent; 1: the longest. 0: none was received. */
int vmmc_rtz_latency(const vmmc_rtz_channel* channel, double share, uint64_t* latency);

/* As it was admitted. */
int vmmc_rtz_get_budget(const vmmc_rtz_channel* channel, vmmc_rtz_budget* budget, uint32_t* depth);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VMMC_RTZ_H_ */
