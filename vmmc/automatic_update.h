/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * VMMC: automatic update. Programs include vmmc/vmmc.h.
 *
 *   Pages of the program are bound to pages of an imported buffer; from then on stores to the local
 *   pages are performed on the remote ones too, with no send call.
 *
 *     vmmc_bind(local, proxy, 4096, NULL, &binding);
 *     local->x = 3;             // appears in the remote page
 *     vmmc_unbind(binding);
 *
 * Direction   Local stores go out. What arrives at a local page from elsewhere (transfers into it,
 *             if it is exported too) is not sent on, and a local load never goes remote. A page bound
 *             both ways needs two bindings.
 *
 * Content     Binding sends nothing: bytes that are never stored to differ as they did before.
 *             (Shared capture is different in all of this: see 'Shared pages'.)
 *
 * Order       The packets of a process to one buffer arrive in the order in which its stores were
 *             made (those of different threads, in the order in which memory saw them; but a typed
 *             store and a trapped one made at the same moment, to different places, in either
 *             order). The bytes of
 *             one packet arrive together, in no order among themselves, aligned words whole: a flag
 *             that must be seen after its data stands somewhere else than right behind it, or is
 *             stored after a vmmc_flush. Between stores and sends there is no order until
 *             vmmc_flush: what was stored before it arrives before what is sent, or stored, after
 *             it. vmmc_fence flushes first.
 *
 * Errors      A store cannot return one. The next vmmc_fence reports the first that failed.
 *
 * Shared      With VMMC_CAPTURE_SHARED the bound pages are the remote pages, by a mapping of the host
 * pages       executor's.
 *
 *             Begin: the local content is given up, what other threads store at that moment too.
 *             From then on the pages show the remote content: what others store or send there, and
 *             what was there before. At no moment is a page not mapped.
 *
 *             Stores of any kind, also the kernel's (read(2) into the pages), are in the remote memory
 *             at once, in the order in which they are made, at the cost of a store. There are no
 *             packets: nothing is combined, no counter counts them, and a tool that watches the
 *             transfers does not see them. What was sent or stored by other means before may still
 *             be under way when such a store is there: vmmc_fence waits for that.
 *
 *             A plain store wakes nobody: a receiver that sleeps in vmmc_wait_... may sleep until the
 *             next transfer to its buffer, or until this process calls vmmc_flush, vmmc_fence or
 *             vmmc_unbind, which wake those who sleep. A typed store wakes the receiver.
 *
 *             End: vmmc_unbind and vmmc_finalize give the pages private memory with the content that
 *             they show last; nothing that is stored remotely later is seen. So does vmmc_unimport of
 *             the proxy, but the binding still has to be ended; for want of memory vmmc_unimport
 *             returns SYSTEM, and nothing has changed. A forked child has private copies. When the
 *             exporter has taken the buffer back, or has ended, the pages stay what they are, and
 *             nobody sees them any more but others who are bound to the same lost buffer in the same
 *             way; the next vmmc_flush, vmmc_fence or vmmc_unbind notices, and the fence says so,
 *             once. When nicsim has gone the pages are the remote ones until vmmc_unbind.
 *
 *             Refused (CAPTURE_UNAVAILABLE) with `notify`; if the import was made without VMMC_READ,
 *             or the host executor may not serve it (either side demands the nic executor, the buffer
 *             is not whole pages, ...); for local memory that is from vmmc_alloc, exported,
 *             registered or bound otherwise, since nicsim has it, too. While they are bound the pages
 *             cannot be exported, nor pinned. */
#ifndef VMMC_AUTOMATIC_UPDATE_H_
#define VMMC_AUTOMATIC_UPDATE_H_

#include "vmmc/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How stores become known to the library. */
enum vmmc_capture {
  VMMC_CAPTURE_AUTO = 0, /* the default: trap */
  /* Every store of the program's code, of any width, by any thread, in the order in which it is
   * made; some microseconds each. The kernel's own stores are refused by the kernel: read(2) into a
   * bound page fails with EFAULT. See docs/semantics.md, S8. */
  VMMC_CAPTURE_TRAP = 1,
  /* The bound page becomes the remote page: see 'Shared pages'. Needs the host executor. */
  VMMC_CAPTURE_SHARED = 2,
  /* Only the stores made by vmmc_au_store... and vmmc_au_copy; a few nanoseconds each. Plain stores
   * stay local. */
  VMMC_CAPTURE_TYPED = 3
};

/* How stores are combined into packets. A combined packet is closed by a store that does not follow
 * it directly, by the end of the page, by vmmc_flush, and where said so by a timer. */
enum vmmc_combining {
  VMMC_COMBINE_TIMER = 0,  /* consecutive stores, for at most `timer` ns; recommended */
  VMMC_COMBINE_BLOCK = 1,  /* consecutive stores, for any time */
  VMMC_COMBINE_SINGLE = 2, /* one packet for each store */
  VMMC_COMBINE_OFF = 3     /* one packet for each word that a store touches */
};

typedef struct vmmc_bind_options {
  int capture;    /* enum vmmc_capture */
  int combining;  /* enum vmmc_combining */
  uint64_t timer; /* ns, > 0; used by VMMC_COMBINE_TIMER */
  int notify;     /* nonzero: each word stored gives a notification, and nothing is combined */
} vmmc_bind_options;

/* 50 us */
#define VMMC_BIND_DEFAULTS \
  { VMMC_CAPTURE_AUTO, VMMC_COMBINE_TIMER, 50000, 0 }

/* Ends with vmmc_unbind, and with vmmc_finalize: then it must not be used in typed stores any more. */
typedef struct vmmc_binding vmmc_binding;

/* Binds `length` bytes from `local` to the remote bytes that `proxy` stands for. NULL options mean
 * VMMC_BIND_DEFAULTS. Both addresses are page-aligned (the proxy is, if the buffer is in its
 * exporter's memory) and the length is whole pages. Local memory is any that can be exported, and may be exported. The memory
 * must stay mapped until vmmc_unbind. A local page can be bound once; a remote one any number of
 * times.
 *
 * After an unexport, or when the exporter has ended, stores stay local, and fences report it once;
 * after vmmc_unimport of the proxy too. When nicsim has gone they stay local, and fences say so.
 *
 * Errors: MISALIGNED, ZERO_LENGTH, LENGTH_OVERFLOW, OUTSIDE_PROXY, UNEXPORTED, PEER_DEAD,
 * NOT_WRITABLE, BAD_MEMORY, ALREADY_BOUND, CAPTURE_UNAVAILABLE, OUT_OF_MEMORY, SYSTEM,
 * INVALID_ARGUMENT. After an error nothing is bound. Rules: S8.1-S8.9, S8.15-S8.18 */
int vmmc_bind(void* local, void* proxy, size_t length, const vmmc_bind_options* options,
              vmmc_binding** binding);

/* Sends what is still being combined and ends the binding; the local memory keeps its content. No
 * store made after it has returned is sent. No other thread may use the handle meanwhile.
 * Errors: BAD_HANDLE, SYSTEM (the pages cannot be made writable, or private; still bound), INTERRUPTED_SEND.
 * Rules: S8.10 */
int vmmc_unbind(vmmc_binding* binding);

/* The capture that was chosen, enum vmmc_capture; or BAD_HANDLE. */
int vmmc_binding_capture(const vmmc_binding* binding);

/* Closes all packets that are being combined: see 'Order'. Does not wait for delivery. Wakes receivers
 * of stores to shared pages that sleep.
 * Errors: INTERRUPTED_SEND (from a signal handler that interrupted a send or a typed store of the
 * same thread, with something to close or shared pages), NICSIM_GONE. Rules: S8.11 */
int vmmc_flush(void);

/* Typed stores, with every capture: store locally, atomically, and post. `address` is aligned to its size and
 * lies in the binding; one outside is refused, a misaligned one too, and then nothing is stored.
 * Errors: BAD_HANDLE, OUTSIDE_PROXY, MISALIGNED, INTERRUPTED_SEND (from a signal handler that
 * interrupted a typed store or a send of the same thread; nothing is stored). Rules: S8.6, S8.12 */
int vmmc_au_store8(vmmc_binding* binding, uint8_t* address, uint8_t value);
int vmmc_au_store16(vmmc_binding* binding, uint16_t* address, uint16_t value);
int vmmc_au_store32(vmmc_binding* binding, uint32_t* address, uint32_t value);
int vmmc_au_store64(vmmc_binding* binding, uint64_t* address, uint64_t value);

/* memcpy to bound memory, as one store for each page that it touches. */
int vmmc_au_copy(vmmc_binding* binding, void* address, const void* source, size_t length);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VMMC_AUTOMATIC_UPDATE_H_ */
