/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The SHRIMP Base Library of 1995, on VMMC: the calls of its manual pages, with their names,
 * arguments and meaning, for programs that were written from those pages. New programs use
 * vmmc/vmmc.h.
 *
 *   SBL_ExportRecvBuf(inbox, 1024, 7, handler, 0);
 *   SBL_Spawn("/path/worker", arguments, node, &worker);
 *   SBL_ImportRecvBuf(node, worker, 9, &proxy, &nwords);
 *   SBL_SendMsg(data, proxy + 16, 100);
 *
 * Attaching   There is no call for it: the first call that needs it attaches the process (vmmc_init
 *             with the environment's socket, node and process id, notifications by signal). What was
 *             sent is delivered when the process exits by exit() or returns from main.
 *
 * Errors      0 is success, negative is an error: SBL_ENotInHandler, else an enum vmmc_status of
 *             vmmc/types.h. SBL_Error prints its sentence.
 *
 * Words       Lengths are words of 4 bytes, and addresses are aligned to words.
 *
 * Threads     As vmmc.h. Handlers run in a signal handler and may call SBL_SendMsg,
 *             SBL_SendMsgWithNotify, SBL_BlockNotifications and SBL_UnblockNotifications.
 *
 * Own choice  The manual that is left does not give: the arguments of SBL_MsgHandler, those of
 *             SBL_Hosts and SBL_Error, the values of the error codes, and how a process learns its
 *             own name (SBL_MyNode, SBL_MySquid are additions). What stands here for these is ours.
 *             Import asks for the right to write; export grants everything to everybody.
 */
#ifndef VMMC_SBL_H_
#define VMMC_SBL_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t Int32;
typedef uint32_t NodeID;
typedef NodeID NodeId; /* the manual uses both spellings */
typedef uint32_t SBL_Squid;

/* Unblocking inside a handler cannot undo the handler's own block. */
#define SBL_ENotInHandler (-70)

/* Runs after the message's words have arrived: `nwords` words from `words` on in buffer `rbufid`,
 * sent by process (node, squid). */
typedef void (*SBL_MsgHandler)(unsigned int rbufid, Int32* words, int nwords, NodeID node,
                               SBL_Squid squid);

int SBL_PageSize(void); /* bytes: 4096 */
int SBL_WordSize(void); /* bytes: 4 */

/* The node ids of the machine. *hosts is from malloc, for the caller to free. */
int SBL_Hosts(int* numHosts, NodeID** hosts);

/* This process. */
NodeID SBL_MyNode(void);
SBL_Squid SBL_MySquid(void);

/* As vmmc_export; `handler` may be NULL, `reserved` is 0. */
int SBL_ExportRecvBuf(Int32* buf, int nwords, unsigned int rbufid, SBL_MsgHandler handler,
                      int reserved);

/* Waits until the buffer is exported; then *proxyBuf stands for its first word. */
int SBL_ImportRecvBuf(NodeID node, SBL_Squid squid, unsigned int rbufid, Int32** proxyBuf,
                      int* nwords);

/* Returns at once with *nwords == 0. Later, while the program runs on, *nwords becomes the buffer's
 * size (*proxyBuf is set then) or a negative error. Both variables must live until then. Look at
 * *nwords as at memory that changes by itself (volatile, or an atomic load). */
int SBL_ImportRecvBufReq(NodeID node, SBL_Squid squid, unsigned int rbufid, Int32** proxyBuf,
                         int* nwords, int reserved);

/* Who imports a buffer of this process: approximate, as importers come and go. The two arrays are
 * from malloc, for the caller to free. */
int SBL_Importers(unsigned int rbufId, int* numImporters, SBL_Squid** impSquids, NodeId** impHosts);

/* Deliberate update. Returns when the message has been given to the network interface: the source may
 * be reused. The whole destination lies in one imported buffer. */
int SBL_SendMsg(Int32* sendAddr, Int32* destAddr, int nwords);
/* The same, and the buffer's handler runs in the receiving process. */
int SBL_SendMsgWithNotify(Int32* sendAddr, Int32* destAddr, int nwords);

/* How the words written to a mapped page are combined into packets; see enum vmmc_combining. */
enum SBL_AUWriteType { AU_Disable, AU_SingleWrite, AU_BlockWrite, AU_TimerWrite };

/* Automatic update: from now on what is written to the pages from sendBuf is written to those that
 * proxyBuf stands for, too. Both addresses are page-aligned and nwords is whole pages. With notify
 * each word written runs the receiver's handler. AU_TimerWrite is for general use. */
int SBL_AUMap(Int32* sendBuf, Int32* proxyBuf, int nwords, int notify,
              enum SBL_AUWriteType writeType);

/* See vmmc_block_notifications and vmmc_unblock_notifications. The second returns > 0 if
 * notifications are not blocked any more, 0 if they still are, < 0 for an error. */
void SBL_BlockNotifications(void);
int SBL_UnblockNotifications(void);

/* Starts `execfile` on a node, with the arguments argv[0] ... up to a null pointer as the program's
 * argv[1] ..., and tells how to name the process. A name without a slash is looked for in $PATH. The
 * process inherits the environment and the standard streams. */
int SBL_Spawn(char* execfile, char** argv, NodeID node, SBL_Squid* squid);

/* Prints `text`, the error's name and sentence, and the last error of the calling thread, to the
 * standard error stream. */
void SBL_Error(int status, const char* text);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VMMC_SBL_H_ */
