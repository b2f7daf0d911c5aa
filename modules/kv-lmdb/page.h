/* SPDX-License-Identifier: Apache-2.0
 *
 * LMDB's file as bytes: meta pages and tree pages of data version 1 on a 64-bit little-endian
 * machine (lmdb 0.9, mdb.c: MDB_page, MDB_meta, MDB_node). Read with pread and judged before LMDB
 * maps the file, because LMDB believes every byte and a wrong one ends the process by a signal. */
#ifndef KVLM_PAGE_H
#define KVLM_PAGE_H

#include <unibus/abi.h>

#define KVLM_PAGE_HEAD 16
#define KVLM_NODE_HEAD 8
#define KVLM_NO_ROOT   UINT64_MAX

/* MDB_db: the root of a tree. */
struct kvlm_root {
    uint32_t pad;
    uint16_t flags, depth;
    uint64_t branches, leaves, overflows, entries, page;
};

struct kvlm_meta {
    uint32_t magic, version;
    uint64_t address, map_size;
    struct kvlm_root free, main;
    uint64_t last_page, txn;
};

/* One entry of a branch or leaf page. */
struct kvlm_node {
    struct ub_bytes key;
    uint64_t page;      /* branch: the child; leaf: the overflow page when is_big */
    uint64_t value_len; /* leaf */
    struct ub_bytes value;
    bool is_big;
};

/* The newer of both meta pages. UB_EINVAL: no LMDB file, or one that no unibus wrote; UB_EDAMAGED:
 * the two do not fit together or a field cannot be. */
enum ub_status kvlm_meta_read(int fd, const char *file, struct kvlm_meta *meta_out,
                              struct ub_err *err);

/* Is this a whole branch (or leaf) page number `number`? */
bool kvlm_page_is_sound(const uint8_t *page, size_t size, uint64_t number, bool is_leaf);
/* An overflow page's first bytes: its number and the count of its pages. */
bool kvlm_page_is_overflow(const uint8_t *page, uint64_t number, uint64_t pages);
size_t kvlm_page_count(const uint8_t *page);
/* False when the node does not lie within its page. */
bool kvlm_page_node(const uint8_t *page, size_t size, size_t index, bool is_leaf,
                    struct kvlm_node *node_out);

uint64_t kvlm_page_word(const uint8_t *in);

#endif
