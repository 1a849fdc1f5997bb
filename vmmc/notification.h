/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * VMMC: notifications. Programs include vmmc/vmmc.h.
 *
 *   A message may ask that the receiver be notified. When its bytes are in the receive buffer, the
 *   handler that the buffer was exported with runs in the receiving process. A buffer without a
 *   handler gets the bytes and no notification.
 *
 *     void arrived(const vmmc_notification* n, void* argument) { ... }
 *
 *     receiver:  options.handler = arrived;  vmmc_export(inbox, sizeof inbox, 7, &options);
 *     sender:    vmmc_send_notify(&request, proxy, sizeof request, 0);
 *
 * Handlers    One runs at a time in a process: they never nest, and each message gives exactly one
 *             call, in the order in which one sender's messages arrived. Inside a handler
 *             notifications are blocked; sends, atomic operations, fetches and the calls of this
 *             header that say so are allowed, and by thread and by dispatch whatever a thread may do.
 *             By signal no handler starts above a send of its own thread that holds the queue, so
 *             sends in handlers work; a typed store that interrupts one of its own thread fails with
 *             INTERRUPTED_SEND. vmmc_finalize is
 *             refused in a handler; vmmc_init and fork are not for handlers while another thread
 *             finalizes, and a child that is forked in a handler must not return from it. An
 *             exception that leaves a handler ends the process.
 *
 * Flood       512 notifications of a process may be queued. When a sender finds no room its sends
 *             wait, all of them, until the receiver's handlers have made room; nothing is lost. So
 *             a receiver that blocks notifications for long, or never dispatches, holds up those
 *             who notify it, and two processes that flood each other and run no handler meanwhile
 *             wait for each other.
 *
 * Delivery    Who runs the handlers is chosen once, by vmmc_init_options.delivery. */
#ifndef VMMC_NOTIFICATION_H_
#define VMMC_NOTIFICATION_H_

#include "vmmc/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmmc_notification {
  uint32_t buffer_id;
  uint32_t immediate; /* the sender's word; 0 from automatic update */
  void* buffer;       /* the address that the buffer was exported with */
  size_t offset;      /* of the message's first byte in the buffer */
  size_t length;      /* bytes of the message */
  vmmc_identity sender;
} vmmc_notification;

typedef void (*vmmc_handler)(const vmmc_notification* notification, void* argument);

/* Stands for a handler where the program only waits (vmmc_wait_notification): the notifications stay
 * queued until they are waited for. To ignore them, use a handler of your own that does nothing. */
void vmmc_no_action(const vmmc_notification* notification, void* argument);

enum vmmc_delivery {
  /* A thread of the library runs them. They may do what any thread may. */
  VMMC_DELIVER_BY_THREAD = 0,
  /* SHRIMP's way: a signal of the process, caught by the library, in a thread that has it unblocked.
   * Handlers may do only what a signal handler may: no locks, no memory; of this library sends,
   * fetches, atomic operations, waits for words, and the calls of this header that say so. System
   * calls are restarted. */
  VMMC_DELIVER_BY_SIGNAL = 1,
  /* vmmc_dispatch runs them, when vmmc_notification_fd says that there are any: for event loops. */
  VMMC_DELIVER_BY_DISPATCH = 2
};

/* As vmmc_send, and notifies the receiver when the bytes are in its memory. `immediate` reaches the
 * handler. Waits while the receiver's queue is full. In a handler: yes.
 * Errors: those of vmmc_send. Rules: S7.1-S7.4, S7.14, S10.5 */
int vmmc_send_notify(const void* source, void* proxy, size_t length, uint32_t immediate);

/* Counts up; while the count is above zero no handler of the process starts, and notifications are
 * queued. When the call returns no handler is running, but for the one that the call is made in.
 * In a handler: yes. Rules: S7.5, S7.6 */
int vmmc_block_notifications(void);

/* Counts down. Positive: notifications are not blocked (any more), and those that were queued are
 * delivered: by signal, before the call returns. 0: the count is still above zero.
 * A count of zero stays zero, and the result is positive.
 * In a handler: yes, but the handler's own block cannot be undone.
 * Errors: IN_HANDLER (the count stays). Rules: S7.6-S7.8 */
int vmmc_unblock_notifications(void);

/* Whether messages for this buffer that ask for it get a notification (they do after vmmc_export).
 * With accept == 0 later ones are discarded: the bytes still arrive. Those that are queued stay.
 * Errors: UNKNOWN_EXPORT, NO_NOTIFICATIONS. Rules: S7.10 */
int vmmc_accept_notifications(uint32_t buffer_id, int accept);

/* Suspends the calling thread until there is a notification for this buffer, and takes it: its
 * handler does not run for it. Takes queued ones, oldest first, also while notifications are
 * blocked; while a thread waits, it comes before the handler. `notification` may be NULL.
 * timeout in ns, or VMMC_FOREVER. In a handler: no.
 * Errors: UNKNOWN_EXPORT, NO_NOTIFICATIONS, TIMEOUT, IN_HANDLER. Rules: S7.11 */
int vmmc_wait_notification(uint32_t buffer_id, uint64_t timeout, vmmc_notification* notification);

/* Only with VMMC_DELIVER_BY_DISPATCH. A descriptor that is readable (poll, epoll, Asio) when
 * vmmc_dispatch would find something to do, or nicsim has gone. It only says that the queue is not
 * empty: while notifications are blocked it stays readable, and an event loop should not look at it.
 * Do not read it and do not close it; it lives until vmmc_finalize.
 * Returns the descriptor. Errors: WRONG_DELIVERY, SYSTEM. */
int vmmc_notification_fd(void);

/* Only with VMMC_DELIVER_BY_DISPATCH. Runs the handlers of at most `most` queued notifications (0:
 * of all that are queued now) and returns how many. Does not wait; returns 0 while notifications
 * are blocked or another thread dispatches. In a handler: no.
 * Errors: WRONG_DELIVERY, IN_HANDLER, NICSIM_GONE. Rules: S7.13 */
int vmmc_dispatch(size_t most);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VMMC_NOTIFICATION_H_ */
