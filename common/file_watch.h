/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_FILE_WATCH_H
#define COMMON_FILE_WATCH_H

/*
 * Notices that files changed, by what stat(2) says of them (device, inode,
 * size, times), so that a daemon takes up replaced keys, CRLs and CA files
 * by itself.  A directory counts as its entries' names and their stat.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/strvec.h"

/*
 * A number that differs when anything about the paths (files or
 * directories, missing ones included) does.
 */
uint64_t file_watch_state(const struct strvec *paths);

#endif
