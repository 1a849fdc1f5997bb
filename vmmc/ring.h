/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * VMMC: the zero-copy receive ring. Whole frames, read where the network interface has put them.
 *
 *   nicsim's DMA puts frames into memory that is mapped into the process and was allocated when the
 *   ring was opened. The process reads them there: no copy after the DMA, and no system call while
 *   frames come.
 *
 *     vmmc_ring_options options = VMMC_RING_DEFAULTS;
 *     vmmc_ring* ring;
 *     vmmc_ring_open_file(fd, 1, &options, &ring);
 *     const vmmc_frame* frame;
 *     while (vmmc_ring_next(ring, &frame, VMMC_FOREVER) == VMMC_OK) {
 *       look_at(vmmc_frame_data(frame), frame->captured);
 *     }
 *     vmmc_ring_close(ring);
 *
 * Blocks     The memory is a number of blocks. A frame is visible as soon as it is in memory; a
 *            block is what is given back at once, when all of its frames have been read. A program
 *            that wants to keep frames for longer takes whole blocks (vmmc_ring_take_block) and
 *            gives them back in any order.
 *
 * Loss       A source that does not wait (an interface, the backplane, a file at recorded speed)
 *            loses the frames that find no free block. Each is counted, and frame->dropped says
 *            where. A file at full speed waits for room, and nothing is lost.
 *
 * Consumers  The process that opens a ring is its first consumer; others join. Exclusive: each
 *            frame goes to one of them; they can write into each other's blocks, so they must trust
 *            each other. Mirrored: to all of them, read-only, and the slowest decides when a block
 *            is free: one that stands still lets all of them drop frames when it holds all blocks.
 *            Who joins, either way, can also see what the blocks still hold of earlier frames. By
 *            flow from a file at full speed, one that stands still stops the file for all of them.
 *            Those who join the ring of an interface must trust its opener, who shares the packet
 *            socket with nicsim and so can forge and spoil frames.
 *            A consumer that ends, by whatever cause, holds nothing up: its blocks come back, and
 *            what an exclusive consumer held goes to another one (vmmc_ring_again,
 *            vmmc_block.again), also after that one was told VMMC_END.
 *
 * Handles    A vmmc_ring is the program's until vmmc_ring_close. After vmmc_finalize, and in a
 *            forked child, its memory has gone: all calls on it fail (NOT_ATTACHED, FORKED).
 *
 * Threads and processes
 *   One thread uses a ring at a time; different rings are independent. Not from signal handlers.
 *
 * Only in real time: in simulated time opening is refused. Rules: S13. */
#ifndef VMMC_RING_H_
#define VMMC_RING_H_

#include "vmmc/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmmc_ring vmmc_ring;

enum vmmc_ring_sharing {
  VMMC_RING_EXCLUSIVE = 0,
  VMMC_RING_MIRRORED = 1,
};

/* Which of several exclusive consumers gets a frame. */
enum vmmc_ring_spread {
  VMMC_RING_BY_BLOCK = 0, /* the one that holds the fewest blocks */
  /* All frames of a flow (addresses, ports; both directions) to the same one, while nobody joins or
   * leaves; but IP fragments go by the addresses alone. A file at full speed then takes no more
   * consumers than the ring has blocks. */
  VMMC_RING_BY_FLOW = 1,
};

enum vmmc_ring_pace {
  VMMC_RING_FULL_SPEED = 0,
  VMMC_RING_RECORDED_SPEED = 1, /* as the time stamps in the file say */
};

typedef struct vmmc_ring_options {
  uint32_t blocks; /* 2 .. 4096 */
  /* A multiple of 4096, at most 16 MiB; all blocks together at most 1 GiB. */
  uint32_t block_bytes;
  /* Bytes that are kept of a frame, 1 .. 262144; a block must hold one such frame. */
  uint32_t snap_length;
  int sharing; /* enum vmmc_ring_sharing */
  int spread;  /* enum vmmc_ring_spread; exclusive only */
  int pace;    /* enum vmmc_ring_pace; files only */
  /* ns from a block's first frame until the block is given up to the next one, so that no exclusive
   * consumer that stands still keeps frames to itself for longer; 0: never */
  uint64_t block_timeout;
  /* Who else may join: user id, node and process, each of them or VMMC_ANY. */
  uint32_t user;
  uint32_t from_node;
  uint32_t from_process;
  /* The first frame is taken from the source when the ring has so many consumers, this process among
   * them; 0 and 1: at once; at most 64. If this process leaves before, nobody can join any more, and
   * the frames come to those who are there. Meanwhile an interface's wait in the kernel as far as
   * it has room; those of the backplane are not seen. */
  uint32_t consumers;
} vmmc_ring_options;

/* The user of the process that opens the ring. */
#define VMMC_RING_SAME_USER (UINT32_MAX - 1)

/* 64 blocks of 256 KiB, 100 ms; nobody but the same user's processes may join. */
#define VMMC_RING_DEFAULTS                                                                \
  {                                                                                       \
    64, 256 * 1024, 65536, VMMC_RING_EXCLUSIVE, VMMC_RING_BY_BLOCK, VMMC_RING_FULL_SPEED, \
        100000000, VMMC_RING_SAME_USER, VMMC_ANY, VMMC_ANY, 0                             \
  }

/* Of vmmc_frame.flags. */
#define VMMC_FRAME_CUT 1           /* captured < length */
#define VMMC_FRAME_OUTBOUND 2      /* it leaves the interface */
#define VMMC_FRAME_VLAN_STRIPPED 4 /* `vlan` was taken out of it before the DMA */
#define VMMC_FRAME_VLAN_SERVICE 8  /* that tag's type was 0x88a8 (IEEE 802.1ad); else 0x8100 */

/* As nicsim has put it into memory; its bytes follow. */
typedef struct vmmc_frame {
  uint64_t time;     /* ns since 1970, UTC */
  uint32_t captured; /* bytes that are here */
  uint32_t length;   /* bytes that the frame had */
  uint32_t next;     /* the library's */
  /* Frames that were lost between the one before and this one; stays at UINT32_MAX. The first one
   * that a consumer gets may count some that were lost before it joined. */
  uint32_t dropped;
  uint16_t link_type;  /* LINKTYPE_...: 1 Ethernet, 147 packets of the backplane (docs/format.md) */
  uint16_t flags;      /* VMMC_FRAME_... */
  uint16_t interface_; /* of a file with several; the node that a packet of the backplane reached */
  uint16_t vlan;       /* tag control information */
} vmmc_frame;

static inline const unsigned char* vmmc_frame_data(const vmmc_frame* frame) {
  return (const unsigned char*)(frame + 1);
}

/* Each opens a ring, whose id is unique among the rings that this process has opened. options: NULL
 * for VMMC_RING_DEFAULTS.
 *
 * vmmc_ring_open_backplane: every packet that leaves or reaches `node` (VMMC_ANY: every packet), in
 * the order in which it was written to memory: header and payload. While it is open every transfer
 * and every real-time datagram (rtz.h) passes through nicsim, as in vmmc_watch. A datagram that is
 * a page, which is lent, comes as it stands in the page then. Only for nicsim's own user and root.
 * vmmc_ring_open_file: a pcap or pcapng file, from its first byte, whatever its position. fd stays
 * the caller's. nicsim reads it without waiting for slow storage where the file system can do that;
 * a file on one that asks another process (FUSE) is refused. What remains: to find that out nicsim
 * has to ask the file system, and one that never answers (FUSE, a network's, one stacked on these)
 * holds nicsim up. Whom you let attach you trust not to do that.
 * vmmc_ring_open_interface: the frames of a Linux interface (promiscuous; "": all, without that),
 * by a packet socket that this process makes in its network namespace. filter: `instructions` of
 * classic BPF for the kernel, struct sock_filter of <linux/filter.h>; NULL: every frame.
 *
 * Errors: INVALID_ARGUMENT (also: the kernel does not take the filter), BAD_RING, DUPLICATE_ID,
 * OUT_OF_MEMORY, TOO_MANY_RINGS, NO_SUCH_NODE, PERMISSION_DENIED (of interfaces: no CAP_NET_RAW),
 * NOT_IN_SIMULATED_TIME, NICSIM_GONE, SYSTEM; of files BAD_FRAME_SOURCE, NOT_A_CAPTURE,
 * CORRUPT_CAPTURE, TRUNCATED_CAPTURE (the first header); of interfaces BAD_FRAME_SOURCE (no such
 * interface). Rules: S13.1, S13.10-S13.13 */
int vmmc_ring_open_backplane(uint32_t node, uint32_t id, const vmmc_ring_options* options,
                             vmmc_ring** ring);
int vmmc_ring_open_file(int fd, uint32_t id, const vmmc_ring_options* options, vmmc_ring** ring);
int vmmc_ring_open_interface(const char* name, const void* filter, size_t instructions, uint32_t id,
                             const vmmc_ring_options* options, vmmc_ring** ring);

/* Joins the ring that `opener` has opened: gets frames from now on. A process may join its own ring
 * again. Errors: UNKNOWN_RING, PERMISSION_DENIED, TOO_MANY_RINGS, OUT_OF_MEMORY,
 * NOT_IN_SIMULATED_TIME, NICSIM_GONE, SYSTEM. Rules: S13.5-S13.7 */
int vmmc_ring_join(vmmc_identity opener, uint32_t id, vmmc_ring** ring);

/* Gives back what is held, and the memory; `ring` has ended, whatever is returned. A ring lives
 * until its last consumer has left; nobody can join one whose opener has left. Errors: NICSIM_GONE,
 * SYSTEM. */
int vmmc_ring_close(vmmc_ring* ring);

/* The next frame; the one before must not be touched any more. Waits up to `timeout` ns. 0: no
 * wait, and it makes no system call but one to wake nicsim, if that sleeps for want of blocks.
 * VMMC_OK; VMMC_END: the source has ended, and all of it has been read; TIMEOUT; NICSIM_GONE;
 * CORRUPT_CAPTURE, TRUNCATED_CAPTURE, FRAME_SOURCE_GONE, OUT_OF_MEMORY: what the source has ended
 * by, after its last frame; MALFORMED: somebody has damaged the ring's memory.
 * Rules: S13.2-S13.4 */
int vmmc_ring_next(vmmc_ring* ring, const vmmc_frame** frame, uint64_t timeout);

/* Of the frame that vmmc_ring_next has given last: 1: a consumer that ended was given it before, and
 * may have read it; 0: not, or there is none. No system call. Rules: S13.8 */
int vmmc_ring_again(const vmmc_ring* ring);

/* A block that has been taken: its frames stand one behind the other. */
typedef struct vmmc_block {
  const vmmc_frame* first;
  uint32_t frames; /* 1 or more */
  uint32_t index;  /* the library's */
  int again;       /* 1: a consumer that ended was given it before; it may have read a part */
  const void* end; /* behind the last frame */
} vmmc_block;

/* Takes the oldest block that is closed, or what there is of the open one once `timeout` has passed
 * or the source has ended (later frames of that block come with a later call). The caller holds it
 * until vmmc_ring_return_block; blocks come back in any order. Not to be mixed with vmmc_ring_next
 * in the same ring. Results as vmmc_ring_next. Rules: S13.3 */
int vmmc_ring_take_block(vmmc_ring* ring, vmmc_block* block, uint64_t timeout);
/* Errors: NOT_HELD: not a block that is held. */
int vmmc_ring_return_block(vmmc_ring* ring, const vmmc_block* block);
/* The frame after this one in its block; NULL: none. */
const vmmc_frame* vmmc_block_next(const vmmc_block* block, const vmmc_frame* frame);

/* A descriptor that is readable when there may be frames, or the end, to read; for poll, epoll,
 * Asio. It says so only after vmmc_ring_arm has returned VMMC_OK, once; VMMC_PENDING: do not wait,
 * there is something already. The library owns it. Arming asks for the next frame: it ends the life
 * of the one that vmmc_ring_next has given, whose block may go back. Rules: S13.3, S13.9 */
int vmmc_ring_descriptor(const vmmc_ring* ring, int* descriptor);
int vmmc_ring_arm(vmmc_ring* ring);

typedef struct vmmc_ring_counters {
  uint64_t delivered;       /* frames put into blocks of this consumer; `again` ones are not */
  uint64_t delivered_bytes; /* captured */
  uint64_t dropped;         /* frames that found no free block */
  uint64_t dropped_bytes;
  /* Frames that the source itself lost (an interface's kernel ring): the ring's, so the same frames
   * are in every consumer's; not to be summed over consumers. */
  uint64_t source_dropped;
  uint64_t wakeups; /* times this consumer was woken */
  uint64_t waits;   /* times it slept, or armed: each is two system calls of this process */
} vmmc_ring_counters;
/* Of this consumer since it opened or joined. No system call. */
int vmmc_ring_get_counters(const vmmc_ring* ring, vmmc_ring_counters* counters);

/* The link type of the source's first interface: LINKTYPE_... */
int vmmc_ring_link_type(const vmmc_ring* ring, uint32_t* link_type);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VMMC_RING_H_ */
