/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * VMMC: user-level virtual memory-mapped communication. The C interface.
 *
 *   A process exports a buffer of its memory. Another process imports it and gets a proxy: a range
 *   of addresses that stands for the remote buffer. Bytes sent to proxy + k land in the exporter's
 *   memory at buffer + k. The exporter makes no call to receive them: it looks at its memory.
 *
 *     exporter:  vmmc_export(flags, sizeof flags, 7, NULL);
 *     importer:  vmmc_import(exporter, 7, NULL, (void**)&proxy, &length);
 *                vmmc_send(&one, &proxy[3], sizeof one);
 *     exporter:  vmmc_wait_32(&flags[3], VMMC_EQUAL, 1, VMMC_WAIT_ADAPTIVE, VMMC_FOREVER);
 *
 * Units       Lengths and offsets are bytes, times are nanoseconds, unless a name says otherwise.
 *
 * Errors      Every function that can fail returns VMMC_OK (0) or a negative enum vmmc_status.
 *             The calling thread then finds a sentence that says what was wrong, and with what, in
 *             vmmc_last_error(). "Errors:" below leaves out the prefix VMMC_ERR_, and those that
 *             every call has: NOT_ATTACHED, FORKED, and, where nicsim is needed, NICSIM_GONE.
 *
 * Threads     Every function may be called from any thread at any time after vmmc_init has
 *             returned, but for vmmc_finalize, during which no other call may run.
 *
 * Signals     The functions under 'deliberate update' and 'waiting', those of remote_access.h, typed
 *             stores, and those of notification.h that say so may be called from a signal
 *             handler. A send from a handler that interrupted a send of the same thread in the few
 *             instructions in which it holds the queue is refused with
 *             VMMC_ERR_INTERRUPTED_SEND, and nothing is sent.
 *
 * Fork        A forked child is not attached: its calls return VMMC_ERR_FORKED until it calls
 *             vmmc_init itself. It finds a private copy of what was exported or allocated with
 *             vmmc_alloc. The parent is undisturbed.
 *
 * Death       A process that ends in any way takes nothing with it but its own buffers: those who
 *             imported them get VMMC_ERR_PEER_DEAD, and no file, segment or process remains. What
 *             it had sent and not fenced may be lost.
 *
 * Sources     "Rules:" names the rules of docs/semantics.md that a function keeps. There each rule
 *             has its source in SHRIMP's documents, or is marked 'own choice'.
 */
#ifndef VMMC_VMMC_H_
#define VMMC_VMMC_H_

#include "vmmc/automatic_update.h"
#include "vmmc/notification.h"
#include "vmmc/redirection.h"
#include "vmmc/registration.h"
#include "vmmc/remote_access.h"
#include "vmmc/simulated_time.h"
#include "vmmc/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ----------------------------------------------------------------------- attaching to nicsim */

typedef struct vmmc_init_options {
  const char* socket; /* a path, or "@name" in the abstract namespace; NULL: see vmmc_init */
  uint32_t node;      /* VMMC_ANY: $VMMC_NODE, else 0 */
  uint32_t process;   /* VMMC_ANY: $VMMC_PROCESS, else nicsim chooses the lowest free number */
  int never_start;    /* nonzero: do not start a nicsim if none runs */
  int delivery;       /* enum vmmc_delivery: who runs the notification handlers */
  int signal;         /* with VMMC_DELIVER_BY_SIGNAL: which; 0: SIGRTMIN + 2 */
} vmmc_init_options;

#define VMMC_INIT_DEFAULTS \
  { NULL, VMMC_ANY, VMMC_ANY, 0, VMMC_DELIVER_BY_THREAD, 0 }

/* Attaches the process to the nicsim of this host. NULL means VMMC_INIT_DEFAULTS.
 *
 * The socket is the option, else $VMMC_SOCKET, else "@vmmc-UID" of the user. If no nicsim runs
 * there, starts one that ends with its last client; programs that race to start one end up sharing
 * it. The nicsim binary is $VMMC_NICSIM, else `nicsim` beside the running program, else `nicsim` in
 * $PATH. Starts one library thread (asynchronous signals blocked) that sleeps on nicsim's socket.
 *
 * Errors: ALREADY_ATTACHED, NO_NICSIM, VERSION, USER_NOT_ALLOWED, STRANGER, NO_SUCH_NODE,
 * PROCESS_ID_IN_USE, TOO_MANY_PROCESSES, OUT_OF_MEMORY, SYSTEM, INVALID_ARGUMENT (a name that is no
 * socket name, an environment variable that is no number, a delivery or a signal that cannot be
 * used). Rules: S1.3-S1.5, S7.13 */
int vmmc_init(const vmmc_init_options* options);

/* Delivers what was sent (as vmmc_fence), gives up all imports and exports (exported memory is
 * private again and keeps its content) and detaches. Memory from vmmc_alloc is freed. Proxies
 * and bindings become invalid, and queued notifications are dropped. Waits for receivers that it has
 * notified and that have no room, as vmmc_fence does.
 *
 * The process is detached in any case but one: IN_HANDLER, inside a notification handler. Other
 * errors: NICSIM_GONE if nicsim had ended, else what vmmc_fence would have reported. Rules: S1.4 */
int vmmc_finalize(void);

/* Who this process is. {VMMC_ANY, VMMC_ANY} when not attached. */
vmmc_identity vmmc_self(void);

/* Number of emulated nodes, 0 when not attached. */
uint32_t vmmc_nodes(void);

/* The parallel job, as vmmcrun set it up ($VMMC_RANK, $VMMC_SIZE): 0 and 1 for a program that was
 * started by hand. */
uint32_t vmmc_rank(void);
uint32_t vmmc_size(void);

/* The identity of another process of the job; needs no communication. Errors: NO_JOB. */
int vmmc_identity_of_rank(uint32_t rank, vmmc_identity* identity);

/* 4096 and 4, as SHRIMP's. Rules: S1.2 */
size_t vmmc_page_size(void);
size_t vmmc_word_size(void);

/* ----------------------------------------------------------------------------------- memory */

/* Page-aligned, zeroed memory that is cheapest to export and to send from. Backed in full when the
 * call returns, so that a shortage is an error here and never a SIGBUS later.
 * Errors: ZERO_LENGTH, LENGTH_OVERFLOW, OUT_OF_MEMORY. Rules: S6.4 */
int vmmc_alloc(size_t length, void** memory);

/* Waits until sends from this memory are complete. Errors: NOT_ALLOCATED, IN_USE. */
int vmmc_free(void* memory);

/* ----------------------------------------------------------------------------------- export */

#define VMMC_READ 1u
#define VMMC_WRITE 2u

/* Who moves the bytes. Semantics, order, counters and errors are the same; see docs/semantics.md, S11.
 *
 * The host executor is the sender's own core, which stores into a mapping of the buffer's pages: no
 * other process takes part. It needs a buffer of at least 8 bytes that fills its pages (it begins
 * with one, and ends with one or where a vmmc_alloc ends), on which nothing else of its process is
 * exported or registered, exported with VMMC_READ | VMMC_WRITE and without
 * `redirectable`, and a kernel with membarrier(2) and futex_waitv(2). Who imports such a buffer can
 * store anywhere in it, at any time, until it is unexported: an exporter that wants every transfer
 * checked demands VMMC_EXECUTOR_NIC.
 *
 * Messages that notify, bindings that notify, and started transfers of more than 64 KiB go through
 * nicsim in any case; what follows them to the same buffer does, too, until they have been carried out,
 * so that nothing is overtaken. */
enum vmmc_executor {
  VMMC_EXECUTOR_AUTO = 0, /* host where it is possible and nobody watches, else nic; of an import,
                             $VMMC_EXECUTOR (auto, nic, host) if it is set */
  VMMC_EXECUTOR_NIC = 1,  /* nicsim moves the bytes and checks every transfer */
  VMMC_EXECUTOR_HOST = 2  /* EXECUTOR_UNAVAILABLE if it is not possible */
};

typedef struct vmmc_export_options {
  uint32_t access;        /* what importers may do: VMMC_READ | VMMC_WRITE */
  uint32_t user;          /* uid of those who may import; VMMC_ANY: every user that nicsim serves */
  uint32_t node;          /* their node, or VMMC_ANY */
  uint32_t process;       /* their process id, or VMMC_ANY */
  uint32_t executor;      /* VMMC_EXECUTOR_NIC: for every transfer; HOST: it must be possible */
  int redirectable;       /* nonzero: vmmc_redirect may be used (vmmc/redirection.h) */
  vmmc_handler handler;   /* runs for each message sent with notification; NULL: none do */
  void* handler_argument; /* handed to it */
} vmmc_export_options;

/* Read and write, for every process that nicsim serves. (nicsim serves the user who started it,
 * unless told else.) */
#define VMMC_EXPORT_DEFAULTS \
  { VMMC_READ | VMMC_WRITE, VMMC_ANY, VMMC_ANY, VMMC_ANY, VMMC_EXECUTOR_AUTO, 0, NULL, NULL }

/* Exports length bytes from address as a receive buffer named buffer_id. NULL options mean
 * VMMC_EXPORT_DEFAULTS.
 *
 * The id is unique within the process. The address is aligned to a word (4 bytes); the length is
 * any number of bytes > 0. Buffers do not overlap.
 *
 * Any private readable and writable memory will do: vmmc_alloc, malloc, mmap, globals. The whole
 * pages around such memory become shared pages in place: their content is kept, and stores made by
 * other threads meanwhile are not lost (they wait, about 0.1 ms per MiB; but a system call that
 * writes there at that moment, e.g. read(2), may fail with EFAULT). Importers never reach neighbours
 * on the first and last page. The memory must stay mapped until vmmc_unexport: do not free it before.
 *
 * The first export of memory that is not from vmmc_alloc puts a SIGSEGV handler in front of the
 * program's own, which still gets all faults that are not the library's. A thread that has SIGSEGV
 * blocked and stores to memory that is being exported at that moment is killed.
 *
 * Refused with BAD_MEMORY: memory that is not mapped, not readable, not writable or executable,
 * shared mappings, huge pages, stacks, thread-local storage, or in more than 64 pieces of which
 * some are shared already.
 *
 * Errors: DUPLICATE_ID, OVERLAP, MISALIGNED, ZERO_LENGTH, LENGTH_OVERFLOW, BAD_MEMORY,
 * INVALID_RIGHTS, NO_SUCH_NODE, TOO_MANY_EXPORTS, OUT_OF_MEMORY, EXECUTOR_UNAVAILABLE, SYSTEM,
 * INVALID_ARGUMENT (also: the program itself handles the signal of delivery). After an error nothing is exported. Rules: S2.1-S2.7 */
int vmmc_export(void* address, size_t length, uint32_t buffer_id,
                const vmmc_export_options* options);

/* Takes the buffer back. Transfers that nicsim has been given before the call are carried out
 * first; when it has returned no byte arrives any more, and importers get VMMC_ERR_UNEXPORTED. The
 * buffer's handler does not run any more either: notifications that are still queued are dropped.
 *
 * If an importer had the host executor, the pages are replaced by private ones with the same content,
 * under the same conditions as in vmmc_export, so that nobody reaches them any more; a send that is
 * under way at that moment may arrive in part. Memory from vmmc_alloc is then no cheaper than other
 * memory. OUT_OF_MEMORY, SYSTEM: the buffer is taken back, but there was no memory for that.
 * Errors: UNKNOWN_EXPORT, OUT_OF_MEMORY, SYSTEM. Rules: S2.8, S2.9, S7.12 */
int vmmc_unexport(uint32_t buffer_id);

/* Who imports the buffer at this moment: writes at most `most` identities, one for each import that
 * is held, and says in *count how many there are (it may be more than `most`). A hint: importers
 * come and go at any time. `importers` may be NULL if most is 0.
 * Errors: UNKNOWN_EXPORT, INVALID_ARGUMENT. Rules: S2.10 */
int vmmc_importers(uint32_t buffer_id, vmmc_identity* importers, size_t most, size_t* count);

/* ----------------------------------------------------------------------------------- import */

typedef struct vmmc_import_options {
  uint32_t access;   /* VMMC_READ | VMMC_WRITE: what is wanted; the export must grant all of it */
  uint32_t executor; /* enum vmmc_executor */
  uint64_t timeout;  /* ns to wait for the export; VMMC_FOREVER; 0: it must be exported already */
} vmmc_import_options;

#define VMMC_IMPORT_DEFAULTS \
  { VMMC_WRITE, VMMC_EXECUTOR_AUTO, VMMC_FOREVER }

/* Imports a buffer: waits until the exporter has exported it, then sets *proxy to the address that
 * stands for its first byte and *length (may be NULL) to its length. NULL options mean
 * VMMC_IMPORT_DEFAULTS. The exporter may be on any node and may be this process itself; it need not
 * be attached yet.
 *
 * A proxy has the offset in its page that the buffer has in its own. Plain pointer arithmetic on it
 * names the bytes of the buffer; it cannot be dereferenced (SIGSEGV).
 *
 * Errors: TIMEOUT, PERMISSION_DENIED, NO_SUCH_NODE, TOO_MANY_IMPORTS, DESTINATION_SPACE_FULL,
 * INVALID_RIGHTS, EXECUTOR_UNAVAILABLE, INVALID_ARGUMENT. Rules: S3.1, S3.3-S3.9 */
int vmmc_import(vmmc_identity exporter, uint32_t buffer_id, const vmmc_import_options* options,
                void** proxy, size_t* length);

/* The same without waiting: *request is set at once (options->timeout is not used). Then
 * vmmc_import_test returns VMMC_PENDING until the import has succeeded (VMMC_OK, *proxy and *length
 * set) or failed; either ends the request. vmmc_import_cancel withdraws it.
 * Errors of test and cancel: BAD_HANDLE, and of test those of vmmc_import. Rules: S3.2 */
typedef uint64_t vmmc_import_request;
int vmmc_import_start(vmmc_identity exporter, uint32_t buffer_id,
                      const vmmc_import_options* options, vmmc_import_request* request);
int vmmc_import_test(vmmc_import_request request, void** proxy, size_t* length);
int vmmc_import_cancel(vmmc_import_request request);

/* Gives a proxy up, by its first address. Sends that were issued before are carried out first, and
 * those of other threads that are under way are waited for.
 * Works, and returns VMMC_OK, also when the exporter is gone.
 * Errors: UNKNOWN_IMPORT; INTERRUPTED_SEND: from a signal handler that interrupted a transfer of its
 * thread, still imported; SYSTEM: no memory to make shared pages private (vmmc/automatic_update.h), still
 * imported. Rules: S3.10, S8.17 */
int vmmc_unimport(void* proxy);

/* ------------------------------------------------------------------------ deliberate update */

/* Sends length bytes to the address that proxy stands for. Returns when the source may be reused;
 * the bytes may still be on their way (vmmc_fence waits for that). The source is any readable
 * memory. No alignment is needed; first and last byte must lie in the same proxy.
 *
 * Transfers of one process to one buffer become visible in the order of the calls; aligned 4- and
 * 8-byte words become visible whole.
 *
 * An error that nicsim finds after the call has returned is reported by the next vmmc_fence. A
 * source that cannot be read is SIGSEGV here, as with memcpy, and BAD_SOURCE where nicsim reads it
 * (vmmc_send_start).
 *
 * Errors: OUTSIDE_PROXY, UNEXPORTED, PEER_DEAD, NOT_WRITABLE, BAD_SOURCE, ZERO_LENGTH,
 * LENGTH_OVERFLOW, INVALID_ARGUMENT, INTERRUPTED_SEND. Rules: S4.1-S4.12 */
int vmmc_send(const void* source, void* proxy, size_t length);

/* The same without waiting for the source: it must stay unchanged until vmmc_send_test or
 * vmmc_send_wait says that the send has completed. Completed means here: delivered, or failed with
 * the error returned. Waits for room if 256 sends of the process are pending.
 *
 * A handle may be tested any number of times, for as long as the process is attached; a failure
 * older than the last 1024 failures is forgotten and reads as VMMC_OK.
 * Errors of test and wait: BAD_HANDLE, and those of the send. Rules: S4.8 */
int vmmc_send_start(const void* source, void* proxy, size_t length, vmmc_send_handle* handle);
int vmmc_send_test(vmmc_send_handle handle); /* VMMC_PENDING, VMMC_OK, or the error */
int vmmc_send_wait(vmmc_send_handle handle);

/* Waits until everything that this process sent before the call is in the receivers' memory.
 * Returns the first error among the vmmc_send calls since the last fence that could not report it
 * themselves, and forgets it. Flushes first (vmmc_flush). Rules: S4.9, S8.11, S8.14 */
int vmmc_fence(void);

/* ---------------------------------------------------------------------------------- waiting */

/* How to wait. All of them end when the condition holds, at the timeout, or when nicsim ends. */
enum vmmc_wait_strategy {
  VMMC_WAIT_ADAPTIVE = 0, /* spins while alone on the core, yields to others, and soon sleeps */
  VMMC_WAIT_SPIN = 1,     /* looks without a pause; quick on a core of its own, burns it */
  VMMC_WAIT_PAUSE = 2,    /* the same with a pause instruction between looks */
  VMMC_WAIT_YIELD = 3,    /* gives the core to others between looks; burns it if there are none */
  VMMC_WAIT_BLOCK = 4     /* sleeps at once; no CPU time, one system call on each side */
};

enum vmmc_comparison {
  VMMC_EQUAL = 0,
  VMMC_NOT_EQUAL = 1,
  VMMC_AT_LEAST = 2 /* unsigned */
};

/* Waits until `*word comparison value` holds for an aligned word of the process's own memory that
 * is part of an exported buffer. What a sender sent before that word is visible afterwards
 * (acquire). timeout in ns, or VMMC_FOREVER.
 *
 * A word that changes by other means than a transfer is noticed at once by the spinning strategies,
 * but a sleeper may sleep until the next transfer that reaches it.
 * Errors: TIMEOUT, MISALIGNED, INVALID_ARGUMENT. Rules: S5.1-S5.3 */
int vmmc_wait_32(const uint32_t* word, enum vmmc_comparison comparison, uint32_t value,
                 enum vmmc_wait_strategy strategy, uint64_t timeout);
int vmmc_wait_64(const uint64_t* word, enum vmmc_comparison comparison, uint64_t value,
                 enum vmmc_wait_strategy strategy, uint64_t timeout);

/* The name of a strategy ("adaptive", "spin", ...), and back; -1 for an unknown name. */
const char* vmmc_wait_strategy_name(enum vmmc_wait_strategy strategy);
int vmmc_wait_strategy_from_name(const char* name);

/* The strategy that the library uses for its own waits (vmmc_fence, vmmc_send, vmmc_send_wait), for
 * the whole process; the default is VMMC_WAIT_ADAPTIVE, or $VMMC_WAIT. Errors: INVALID_ARGUMENT. */
int vmmc_set_wait_strategy(enum vmmc_wait_strategy strategy);

/* --------------------------------------------------------------------------------- counters */

/* Since vmmc_init. The first group is what nicsim knows, the second what the library does. What was
 * moved by the host executor is in both sides' counters when the call returns; after the end of nicsim
 * the last of it may be missing. */
typedef struct vmmc_counters {
  uint64_t transfers_sent; /* carried out by or for this process */
  uint64_t bytes_sent;
  uint64_t packets_sent;       /* by nicsim; at most one page each */
  uint64_t transfers_refused;  /* asked for by this process and refused by nicsim */
  uint64_t transfers_received; /* into buffers that this process exports */
  uint64_t bytes_received;
  uint64_t inline_transfers;  /* nicsim's, by where the source bytes were: in the descriptor ... */
  uint64_t staged_transfers;  /* ... copied by the library into memory shared with nicsim */
  uint64_t segment_transfers; /* ... in memory that nicsim has mapped: vmmc_alloc, exports */
  uint64_t memory_transfers;  /* ... anywhere else, read across by nicsim */
  uint64_t wakeups;           /* times nicsim or a sender woke this process from sleep */
  uint64_t automatic_updates; /* part of transfers_sent: packets of bound pages */
  uint64_t fetches;           /* carried out for this process */
  uint64_t bytes_fetched;
  uint64_t atomics;                 /* carried out for this process */
  uint64_t notifications_sent;      /* messages of this process that notified somebody */
  uint64_t notifications_received;  /* queued for this process */
  uint64_t notifications_discarded; /* not queued: not accepted, or the queue was being given up */
  uint64_t notification_stalls; /* times this process's sends waited for a receiver's handlers */
  uint64_t bytes_redirected;    /* part of bytes_received */

  uint64_t doorbells;           /* times this process woke nicsim from sleep */
  uint64_t queue_full_waits;    /* sends that had to wait for room */
  uint64_t nic_executor_sends;  /* transfers of all kinds that were given to nicsim */
  uint64_t host_executor_sends; /* sends carried out by this process itself */
  uint64_t registration_hits;   /* transfers of registered memory that was pinned already ... */
  uint64_t registration_misses; /* ... that had to be pinned, or could not be */
  uint64_t registration_evictions;
  uint64_t pinned_bytes; /* now, of registered memory */
} vmmc_counters;

/* Asks nicsim to add up: some 10 us. Errors: INVALID_ARGUMENT. */
int vmmc_get_counters(vmmc_counters* counters);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VMMC_VMMC_H_ */
