/* SPDX-FileCopyrightText: The VMMC authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * VMMC: transfer redirection, the receiver's way to choose where a message lands. Programs include
 * vmmc/vmmc.h.
 *
 *   A buffer is exported with `redirectable`. The receiver says that a part of it shall land in
 *   other memory of its own; senders never learn of it and go on sending to the buffer. What comes
 *   after the call lands there directly, with no copy; what had come before it, and was not
 *   redirected yet, is copied there, once, by the call. */
#ifndef VMMC_REDIRECTION_H_
#define VMMC_REDIRECTION_H_

#include "vmmc/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Redirects [offset, offset + length) of the buffer to `destination`: any memory that could be
 * exported, with any alignment, which must stay mapped until the redirection ends. Bytes that have
 * arrived since the export, or since an earlier redirection of them, are in `destination` when the
 * call returns; *copied (may be NULL) says how many. Redirections of one buffer do not overlap.
 * Fetches and atomic operations of importers go on reaching the buffer itself.
 *
 * vmmc_wait_32 and vmmc_wait_64 work on words in `destination` as they do in the buffer.
 * Errors: UNKNOWN_EXPORT, NOT_REDIRECTABLE, OUTSIDE_PROXY (past the end of the buffer), OVERLAP,
 * ZERO_LENGTH, LENGTH_OVERFLOW, BAD_MEMORY, TOO_MANY_REDIRECTIONS (1024 MiB or pieces), OUT_OF_MEMORY,
 * SYSTEM, INVALID_ARGUMENT. After an error nothing is redirected. Rules: S9.4-S9.7 */
int vmmc_redirect(uint32_t buffer_id, size_t offset, size_t length, void* destination,
                  size_t* copied);

/* Ends the redirection that began at `offset`: later bytes land in the buffer. *arrived (may be
 * NULL): how many bytes came directly. vmmc_unexport ends all redirections of a buffer.
 * Errors: UNKNOWN_EXPORT, UNKNOWN_REDIRECTION. Rules: S9.6 */
int vmmc_end_redirection(uint32_t buffer_id, size_t offset, size_t* arrived);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VMMC_REDIRECTION_H_ */
