/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include <errno.h>
#include <unistd.h>

#include <ubs/home.h>
#include <unibus/error.h>

#define MAGIC        0xBEEFC0DEu
#define DATA_VERSION 1u
#define IS_BRANCH    0x01
#define IS_LEAF      0x02
#define IS_OVERFLOW  0x04
#define IS_META      0x08
#define NODE_BIG     0x01
#define INTEGER_KEY  0x08
#define META_BYTES   152
#define MAP_SIZE_MAX ((uint64_t)1 << 46)

static uint64_t number_at(const uint8_t *in, int bytes)
{
    uint64_t number = 0;
    for (int i = bytes - 1; i >= 0; i--) {
        number = number << 8 | in[i];
    }
    return number;
}

static uint16_t short_at(const uint8_t *in)
{
    return (uint16_t)number_at(in, 2);
}

uint64_t kvlm_page_word(const uint8_t *in)
{
    return number_at(in, 8);
}

/* ---- meta pages -------------------------------------------------------------------------------
 */

static struct kvlm_root root_at(const uint8_t *in)
{
    return (struct kvlm_root){
        .pad = (uint32_t)number_at(in, 4),
        .flags = short_at(in + 4),
        .depth = short_at(in + 6),
        .branches = kvlm_page_word(in + 8),
        .leaves = kvlm_page_word(in + 16),
        .overflows = kvlm_page_word(in + 24),
        .entries = kvlm_page_word(in + 32),
        .page = kvlm_page_word(in + 40),
    };
}

static struct kvlm_meta meta_at(const uint8_t *page)
{
    return (struct kvlm_meta){
        .magic = (uint32_t)number_at(page + 16, 4),
        .version = (uint32_t)number_at(page + 20, 4),
        .address = kvlm_page_word(page + 24),
        .map_size = kvlm_page_word(page + 32),
        .free = root_at(page + 40),
        .main = root_at(page + 88),
        .last_page = kvlm_page_word(page + 136),
        .txn = kvlm_page_word(page + 144),
    };
}

static bool is_root_sound(const struct kvlm_root *root, const struct kvlm_meta *meta)
{
    if (root->page == KVLM_NO_ROOT) {
        return root->entries == 0 && root->depth == 0;
    }
    return root->page >= 2 && root->page <= meta->last_page && root->depth >= 1 &&
           root->depth <= 32;
}

static bool is_page_size(uint32_t size)
{
    return size >= 512 && size <= 65536 && (size & (size - 1)) == 0;
}

static bool is_meta_sound(const struct kvlm_meta *meta, const uint8_t *page, uint64_t number)
{
    return kvlm_page_word(page) == number && short_at(page + 10) == IS_META && meta->address == 0 &&
           is_page_size(meta->free.pad) && meta->free.flags == INTEGER_KEY && meta->main.pad == 0 &&
           meta->main.flags == 0 && meta->last_page >= 1 && meta->map_size <= MAP_SIZE_MAX &&
           meta->last_page < MAP_SIZE_MAX / meta->free.pad &&
           meta->map_size >= (meta->last_page + 1) * meta->free.pad &&
           is_root_sound(&meta->free, meta) && is_root_sound(&meta->main, meta);
}

static enum ub_status fail_foreign(const char *file, struct ub_err *err)
{
    return ub_fail(err, UB_EINVAL,
                   "%s is no unibus store, or its first page is damaged: give another folder, or "
                   "restore a backup",
                   file);
}

static enum ub_status fail_meta(const char *file, const char *what, struct ub_err *err)
{
    return ub_fail_code(err, UB_EDAMAGED, "E-KV-001",
                        "the meta pages of %s are damaged (%s): restore the store from a backup",
                        file, what);
}

static enum ub_status read_meta(int fd, const char *file, uint64_t number, uint32_t page_size,
                                struct kvlm_meta *meta_out, struct ub_err *err)
{
    uint8_t page[META_BYTES];
    ssize_t len = pread(fd, page, sizeof(page), (off_t)(number * page_size));
    if (len < 0) {
        return ub_fail(err, UB_EIO, "cannot read %s: %s", file, strerror(errno));
    }
    if (len != sizeof(page)) {
        return ub_fail_code(err, UB_EDAMAGED, "E-KV-001",
                            "%s is cut short within its meta pages: restore the store from a "
                            "backup",
                            file);
    }
    *meta_out = meta_at(page);
    if (meta_out->magic != MAGIC) {
        return fail_foreign(file, err);
    }
    if (meta_out->version != DATA_VERSION) {
        return ubs_home_fail_version(file, "LMDB data version", meta_out->version, DATA_VERSION,
                                     err);
    }
    return is_meta_sound(meta_out, page, number)
               ? UB_OK
               : fail_meta(file, number == 0 ? "page 0" : "page 1", err);
}

/* Transaction n writes meta page n % 2, so the two always are neighbours; at first both are 0. */
static bool are_neighbours(const struct kvlm_meta *a, const struct kvlm_meta *b)
{
    if (a->txn == 0 && b->txn == 0) {
        return true;
    }
    return a->txn % 2 == 0 && b->txn % 2 == 1 && (a->txn + 1 == b->txn || b->txn + 1 == a->txn);
}

enum ub_status kvlm_meta_read(int fd, const char *file, struct kvlm_meta *meta_out,
                              struct ub_err *err)
{
    struct kvlm_meta first = {0}, second = {0};
    enum ub_status status = read_meta(fd, file, 0, 0, &first, err);
    if (status == UB_OK) {
        status = read_meta(fd, file, 1, first.free.pad, &second, err);
    }
    if (status != UB_OK) {
        return status;
    }
    if (first.free.pad != second.free.pad || !are_neighbours(&first, &second)) {
        return fail_meta(file, "the two do not fit together", err);
    }
    *meta_out = first.txn < second.txn ? second : first;
    return UB_OK;
}

/* ---- pages of a tree --------------------------------------------------------------------------
 */

size_t kvlm_page_count(const uint8_t *page)
{
    return (size_t)(short_at(page + 12) - KVLM_PAGE_HEAD) / 2;
}

bool kvlm_page_is_sound(const uint8_t *page, size_t size, uint64_t number, bool is_leaf)
{
    uint16_t lower = short_at(page + 12), upper = short_at(page + 14);
    return kvlm_page_word(page) == number &&
           short_at(page + 10) == (is_leaf ? IS_LEAF : IS_BRANCH) && lower > KVLM_PAGE_HEAD &&
           lower % 2 == 0 && lower <= upper && upper <= size;
}

bool kvlm_page_is_overflow(const uint8_t *page, uint64_t number, uint64_t pages)
{
    return kvlm_page_word(page) == number && short_at(page + 10) == IS_OVERFLOW &&
           number_at(page + 12, 4) == pages;
}

static bool leaf_node(const uint8_t *at, size_t room, size_t key_len, struct kvlm_node *node_out)
{
    uint16_t flags = short_at(at + 4);
    node_out->is_big = flags == NODE_BIG;
    node_out->value_len = number_at(at, 4);
    if (flags > NODE_BIG) {
        return false;
    }
    size_t stored = node_out->is_big ? 8 : (size_t)node_out->value_len;
    if (stored > room - key_len) {
        return false;
    }
    node_out->value = (struct ub_bytes){at + KVLM_NODE_HEAD + key_len, stored};
    node_out->page = node_out->is_big ? kvlm_page_word(node_out->value.ptr) : 0;
    return true;
}

bool kvlm_page_node(const uint8_t *page, size_t size, size_t index, bool is_leaf,
                    struct kvlm_node *node_out)
{
    size_t offset = short_at(page + KVLM_PAGE_HEAD + 2 * index), upper = short_at(page + 14);
    if (offset < upper || offset + KVLM_NODE_HEAD > size) {
        return false;
    }
    const uint8_t *at = page + offset;
    size_t room = size - offset - KVLM_NODE_HEAD, key_len = short_at(at + 6);
    *node_out = (struct kvlm_node){.key = {at + KVLM_NODE_HEAD, key_len}};
    if (key_len > room) {
        return false;
    }
    node_out->page = number_at(at, 6);
    return !is_leaf || leaf_node(at, room, key_len, node_out);
}
