/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * VMMC: results, and the words that all parts of the interface use. Programs include vmmc/vmmc.h.
 */
#ifndef VMMC_TYPES_H_
#define VMMC_TYPES_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------- results */

/* The values are part of the ABI: they never change their meaning. */
enum vmmc_status {
  VMMC_OK = 0,
  VMMC_PENDING = 1, /* not an error: what was started has not completed yet */
  VMMC_END = 2,     /* not an error: the source of a ring has ended, and all of it has been read */

  VMMC_ERR_INVALID_ARGUMENT = -1, /* a null pointer or an unknown constant; the sentence names it */
  VMMC_ERR_NOT_ATTACHED = -2,     /* before vmmc_init or after vmmc_finalize */
  VMMC_ERR_FORKED = -3,           /* in a forked child that has not called vmmc_init itself */
  VMMC_ERR_VERSION = -4,          /* nicsim speaks another version; the sentence names both */
  VMMC_ERR_USER_NOT_ALLOWED = -5, /* this nicsim does not serve this user */
  VMMC_ERR_NO_SUCH_NODE = -6,     /* the node number is not below vmmc_nodes() */
  VMMC_ERR_PROCESS_ID_IN_USE = -7,
  VMMC_ERR_TOO_MANY_PROCESSES = -8,
  VMMC_ERR_ALREADY_ATTACHED = -9,
  VMMC_ERR_OUT_OF_MEMORY = -10,
  VMMC_ERR_NO_NICSIM = -11,   /* none runs at the socket, and none was, or could be, started */
  VMMC_ERR_NICSIM_GONE = -12, /* nicsim ended while this process was attached: finalize, init */
  VMMC_ERR_SYSTEM = -13,      /* a system call failed; the sentence names it and its error */
  VMMC_ERR_TIMEOUT = -14,
  VMMC_ERR_NO_JOB = -15,   /* vmmc_identity_of_rank without a job, or a rank outside it */
  VMMC_ERR_STRANGER = -16, /* the server at the socket belongs to another user */

  VMMC_ERR_DUPLICATE_ID = -20,
  VMMC_ERR_OVERLAP = -21,
  VMMC_ERR_MISALIGNED = -22,
  VMMC_ERR_ZERO_LENGTH = -23,
  VMMC_ERR_LENGTH_OVERFLOW = -24,
  VMMC_ERR_BAD_MEMORY = -25, /* not memory that can be exported; see vmmc_export */
  VMMC_ERR_INVALID_RIGHTS = -26,
  VMMC_ERR_UNKNOWN_EXPORT = -27,
  VMMC_ERR_TOO_MANY_EXPORTS = -28,
  VMMC_ERR_IN_USE = -29,              /* vmmc_free of memory that is still exported */
  VMMC_ERR_NOT_ALLOCATED = -30,       /* vmmc_free of an address that vmmc_alloc did not return */
  VMMC_ERR_NOT_REDIRECTABLE = -31,    /* the buffer was exported without `redirectable` */
  VMMC_ERR_UNKNOWN_REDIRECTION = -32, /* no redirection begins at this offset of the buffer */
  VMMC_ERR_TOO_MANY_REDIRECTIONS = -33,
  VMMC_ERR_UNKNOWN_REGISTRATION = -34, /* vmmc_unregister of what vmmc_register was not given */

  VMMC_ERR_PERMISSION_DENIED = -41,
  VMMC_ERR_TOO_MANY_IMPORTS = -42,
  VMMC_ERR_DESTINATION_SPACE_FULL = -43,
  VMMC_ERR_UNKNOWN_IMPORT = -44, /* not the start of a proxy that this process holds */
  VMMC_ERR_CANCELLED = -45,
  VMMC_ERR_EXECUTOR_UNAVAILABLE = -46, /* the executor asked for cannot serve this import */

  VMMC_ERR_OUTSIDE_PROXY = -60, /* first and last byte are not inside one imported buffer */
  VMMC_ERR_UNEXPORTED = -61,    /* the exporter has taken the buffer back */
  VMMC_ERR_PEER_DEAD = -62,     /* the exporting process has ended */
  VMMC_ERR_NOT_WRITABLE = -63,  /* imported without VMMC_WRITE */
  VMMC_ERR_BAD_SOURCE = -64,    /* the local bytes of a transfer cannot be read (or written) */
  VMMC_ERR_INTERRUPTED_SEND = -65,
  VMMC_ERR_BAD_HANDLE = -66,   /* a handle, request or binding that this process was never given */
  VMMC_ERR_NOT_READABLE = -67, /* imported without VMMC_READ */

  VMMC_ERR_IN_HANDLER = -70,          /* not to be done inside a notification handler */
  VMMC_ERR_NO_NOTIFICATIONS = -71,    /* the buffer was exported without a handler */
  VMMC_ERR_WRONG_DELIVERY = -72,      /* the process chose another way of delivery at vmmc_init */
  VMMC_ERR_CAPTURE_UNAVAILABLE = -73, /* this capture cannot serve this binding */
  VMMC_ERR_ALREADY_BOUND = -74,       /* a local page can be bound once */
  VMMC_ERR_NOT_IN_SIMULATED_TIME = -75,

  VMMC_ERR_MALFORMED = -80, /* nicsim could not make sense of a message: a defect of the library */

  /* Receive rings. */
  VMMC_ERR_UNKNOWN_RING = -100,      /* no ring is open under this id */
  VMMC_ERR_BAD_RING = -101,          /* these sizes make no ring */
  VMMC_ERR_TOO_MANY_RINGS = -102,    /* nicsim has too many rings or consumers of rings */
  VMMC_ERR_BAD_FRAME_SOURCE = -103,  /* the file or socket cannot be a source of frames */
  VMMC_ERR_NOT_A_CAPTURE = -104,     /* the file is neither pcap nor pcapng */
  VMMC_ERR_CORRUPT_CAPTURE = -105,   /* the capture file makes no sense from some place on */
  VMMC_ERR_TRUNCATED_CAPTURE = -106, /* the capture file ends in the middle of a record */
  VMMC_ERR_FRAME_SOURCE_GONE = -107, /* the frames' interface has gone or is down */

  /* Real-time channels. */
  VMMC_ERR_UNKNOWN_CHANNEL = -110,    /* no real-time channel is open under this id */
  VMMC_ERR_BAD_BUDGET = -111,         /* the numbers of the budget make no sense */
  VMMC_ERR_NIC_OVERCOMMITTED = -112,  /* the interface has not so much time left for channels */
  VMMC_ERR_DEADLINE_TOO_SHORT = -113, /* the deadline cannot be guaranteed */
  VMMC_ERR_RESERVATION_FULL = -114,   /* there is not so much memory left for real-time channels */
  VMMC_ERR_TOO_MANY_CHANNELS = -115,  /* nicsim has too many real-time channels */
  VMMC_ERR_CHANNEL_TAKEN = -116,      /* the real-time channel has, or has had, a sender */
  VMMC_ERR_OVER_BUDGET = -117,        /* the channel's budget of this period is used up */
  VMMC_ERR_NO_PAGE = -118,            /* all pages or buffers of the channel are out */
  VMMC_ERR_TOO_LONG = -119,           /* longer than the channel's budget allows */
  VMMC_ERR_NOT_HELD = -120,           /* this process does not hold that page block or datagram */
};

/* One sentence for a status; never NULL, also for numbers that are no status. Static memory. */
const char* vmmc_strerror(int status);

/* The name of a status as written above, e.g. "VMMC_ERR_TIMEOUT". Static memory, never NULL. */
const char* vmmc_status_name(int status);

/* The sentence of the calling thread's last failed call, with the numbers and addresses concerned.
 * Valid until the thread's next VMMC call. Empty string if none failed yet. Rules: S6.3 */
const char* vmmc_last_error(void);

#define VMMC_FOREVER UINT64_MAX

/* SHRIMP names a process by (node id, process id). Ours are small numbers given by nicsim, not Unix
 * pids. Rules: S1.1 */
typedef struct vmmc_identity {
  uint32_t node;    /* 0 .. vmmc_nodes() - 1 */
  uint32_t process; /* unique among the processes of one nicsim; under vmmcrun equal to the rank */
} vmmc_identity;

#define VMMC_ANY UINT32_MAX

/* A transfer that was started; vmmc_send_test and vmmc_send_wait say what became of it. */
typedef uint64_t vmmc_send_handle;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VMMC_TYPES_H_ */
