/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "page.h"
#include "tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define DEPTH_MAX 32

/* One walk over one of the two trees, from left to right. */
struct walk {
    int fd;
    const char *file;
    struct ub_err *err;
    struct kvlm_meta meta;
    size_t page_size;
    uint8_t *claimed; /* a bit a page */
    uint8_t *pages;   /* one page a level */
    struct kvlm_tree_report *report;
    bool is_free_tree;
    uint64_t branches, leaves, overflows, entries;
    uint8_t last[KVLM_PLACE_MAX]; /* the last key; the next is greater, or equal after a branch */
    size_t last_len;
    bool has_last, may_equal;
    uint64_t commit; /* the transaction that the tree says it is of */
    bool has_commit;
};

static enum ub_status fail(struct walk *walk, uint64_t page, const char *what)
{
    return ub_fail_code(walk->err, UB_EDAMAGED, "E-KV-001",
                        "page %" PRIu64 " of %s is damaged (%s): restore the store from a backup",
                        page, walk->file, what);
}

static enum ub_status read_at(struct walk *walk, uint64_t page, uint8_t *out, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t got =
            pread(walk->fd, out + done, len - done, (off_t)(page * walk->page_size + done));
        if (got < 0) {
            return ub_fail(walk->err, UB_EIO, "cannot read %s: %s", walk->file, strerror(errno));
        }
        if (got == 0) {
            return fail(walk, page, "the file is cut short before its end");
        }
        done += (size_t)got;
    }
    return UB_OK;
}

/* A page belongs to one place only: else a write through one would change the other. */
static enum ub_status claim(struct walk *walk, uint64_t page, uint64_t count)
{
    if (page < 2 || count == 0 || page > walk->meta.last_page ||
        count > walk->meta.last_page - page + 1) {
        return fail(walk, page, "its number cannot be");
    }
    for (uint64_t i = page; i < page + count; i++) {
        if ((walk->claimed[i / 8] >> (i % 8) & 1) != 0) {
            return fail(walk, i, "it is used twice");
        }
        walk->claimed[i / 8] |= (uint8_t)(1u << (i % 8));
    }
    return UB_OK;
}

/* ---- keys in order ----------------------------------------------------------------------------
 */

static int compare(const struct walk *walk, struct ub_bytes key)
{
    if (walk->is_free_tree) { /* native integers */
        uint64_t a = kvlm_page_word(walk->last), b = kvlm_page_word(key.ptr);
        return a < b ? -1 : a > b;
    }
    int order = memcmp(walk->last, key.ptr, walk->last_len < key.len ? walk->last_len : key.len);
    return order != 0 ? order : (walk->last_len > key.len) - (walk->last_len < key.len);
}

static enum ub_status next_key(struct walk *walk, uint64_t page, struct ub_bytes key, bool is_leaf)
{
    if (key.len == 0 || key.len > KVLM_PLACE_MAX || (walk->is_free_tree && key.len != 8)) {
        return fail(walk, page, "a key's length cannot be");
    }
    int order = walk->has_last ? compare(walk, key) : -1;
    if (order > 0 || (order == 0 && !(is_leaf && walk->may_equal))) {
        return fail(walk, page, "its keys are out of order");
    }
    memcpy(walk->last, key.ptr, key.len);
    walk->last_len = key.len;
    walk->has_last = true;
    walk->may_equal = !is_leaf; /* the first key below a branch's key may be that */
    return UB_OK;
}

/* ---- what the leaves hold ---------------------------------------------------------------------
 */

/* The value, or of a cell its head, when it lies on overflow pages. */
static enum ub_status read_big(struct walk *walk, uint64_t page, const struct kvlm_node *node,
                               uint8_t **value_out, size_t *len_out)
{
    uint64_t size = node->value_len + KVLM_PAGE_HEAD;
    uint64_t pages = (size + walk->page_size - 1) / walk->page_size;
    enum ub_status status = claim(walk, node->page, pages);
    *len_out = walk->is_free_tree ? (size_t)node->value_len : KVLM_CELL_HEAD;
    if (status != UB_OK || node->value_len < *len_out) {
        return status != UB_OK ? status : fail(walk, page, "a value's length cannot be");
    }
    walk->overflows += pages;
    *value_out = malloc(*len_out + KVLM_PAGE_HEAD);
    if (*value_out == NULL) {
        return ub_fail(walk->err, UB_ENOMEM, "no memory to check %s", walk->file);
    }
    status = read_at(walk, node->page, *value_out, *len_out + KVLM_PAGE_HEAD);
    if (status == UB_OK && !kvlm_page_is_overflow(*value_out, node->page, pages)) {
        status = fail(walk, node->page, "it is no overflow page");
    }
    if (status == UB_OK) { /* the last one is there too */
        uint8_t byte;
        status = read_at(walk, node->page + pages - 1, &byte, 1);
    }
    return status;
}

/* A list of free pages: a count and so many numbers. */
static enum ub_status check_free_list(struct walk *walk, uint64_t page, struct ub_bytes value)
{
    uint64_t count = value.len >= 8 ? kvlm_page_word(value.ptr) : 0;
    if (value.len < 8 || value.len % 8 != 0 || count > value.len / 8 - 1) {
        return fail(walk, page, "a list of free pages is too short");
    }
    enum ub_status status = UB_OK;
    for (uint64_t i = 1; i <= count && status == UB_OK; i++) {
        status = claim(walk, kvlm_page_word(value.ptr + 8 * i), 1);
    }
    return status;
}

static enum ub_status note_commit(struct walk *walk, uint64_t page, struct ub_bytes payload)
{
    uint64_t commit = payload.len == 8 ? (uint64_t)kvlm_get_number(payload.ptr, 8) : 0;
    if (commit != walk->meta.txn) {
        return fail(walk, page, "the meta page does not belong to this tree");
    }
    walk->has_commit = true;
    return UB_OK;
}

static enum ub_status check_cell(struct walk *walk, uint64_t page, const struct kvlm_node *node,
                                 struct ub_bytes cell)
{
    struct kvlm_place first, copy;
    struct ub_bytes payload;
    if (node->key.ptr[0] == KVLM_FORMAT) {
        return UB_OK; /* format.c */
    }
    walk->report->strays += !kvlm_cell_is_in_place(node->key, cell);
    kvlm_place_fact(KVLM_FACT, KVLM_COMMIT_FACT, &first);
    kvlm_place_fact(KVLM_FACT_COPY, KVLM_COMMIT_FACT, &copy);
    bool is_commit =
        node->key.len == first.len && (memcmp(node->key.ptr, first.bytes, first.len) == 0 ||
                                       memcmp(node->key.ptr, copy.bytes, copy.len) == 0);
    return is_commit && kvlm_cell_open(NULL, node->key, cell, &payload)
               ? note_commit(walk, page, payload)
               : UB_OK;
}

static enum ub_status check_leaf_node(struct walk *walk, uint64_t page,
                                      const struct kvlm_node *node)
{
    uint8_t *big = NULL;
    struct ub_bytes value = node->value;
    enum ub_status status = next_key(walk, page, node->key, true);
    if (status == UB_OK && node->is_big) {
        size_t len = 0;
        status = read_big(walk, page, node, &big, &len);
        value = (struct ub_bytes){big != NULL ? big + KVLM_PAGE_HEAD : NULL, len};
    }
    walk->entries++;
    if (status == UB_OK) {
        status = walk->is_free_tree ? check_free_list(walk, page, value)
                                    : check_cell(walk, page, node, value);
    }
    free(big);
    return status;
}

/* ---- the walk ---------------------------------------------------------------------------------
 */

static uint8_t *page_of(const struct walk *walk, size_t level)
{
    return walk->pages + level * walk->page_size;
}

static enum ub_status enter(struct walk *walk, uint64_t page, size_t level, bool is_leaf)
{
    enum ub_status status = claim(walk, page, 1);
    if (status == UB_OK) {
        status = read_at(walk, page, page_of(walk, level), walk->page_size);
    }
    if (status == UB_OK &&
        !kvlm_page_is_sound(page_of(walk, level), walk->page_size, page, is_leaf)) {
        status = fail(walk, page, is_leaf ? "it is no leaf" : "it is no branch");
    }
    *(is_leaf ? &walk->leaves : &walk->branches) += 1;
    return status;
}

static enum ub_status node_at(struct walk *walk, size_t level, size_t index, bool is_leaf,
                              struct kvlm_node *node_out)
{
    const uint8_t *page = page_of(walk, level);
    if (!kvlm_page_node(page, walk->page_size, index, is_leaf, node_out)) {
        return fail(walk, kvlm_page_word(page), "an entry lies outside of it");
    }
    return UB_OK;
}

static enum ub_status check_leaf(struct walk *walk, size_t level)
{
    const uint8_t *page = page_of(walk, level);
    enum ub_status status = UB_OK;
    for (size_t i = 0; i < kvlm_page_count(page) && status == UB_OK; i++) {
        struct kvlm_node node;
        status = node_at(walk, level, i, true, &node);
        if (status == UB_OK) {
            status = check_leaf_node(walk, kvlm_page_word(page), &node);
        }
    }
    return status;
}

/* The child number `index` of the branch page at this level; its first key is not used. */
static enum ub_status descend(struct walk *walk, size_t level, size_t index, bool is_leaf)
{
    struct kvlm_node node;
    enum ub_status status = node_at(walk, level, index, false, &node);
    if (status == UB_OK && index > 0) {
        status = next_key(walk, kvlm_page_word(page_of(walk, level)), node.key, false);
    }
    return status == UB_OK ? enter(walk, node.page, level + 1, is_leaf) : status;
}

static enum ub_status walk_pages(struct walk *walk, size_t depth)
{
    size_t next[DEPTH_MAX] = {0}, level = 0;
    for (;;) {
        enum ub_status status = UB_OK;
        if (level == depth - 1) {
            status = check_leaf(walk, level);
            next[level] = SIZE_MAX;
        }
        while (next[level] == SIZE_MAX || next[level] == kvlm_page_count(page_of(walk, level))) {
            if (level == 0 || status != UB_OK) {
                return status;
            }
            level--;
        }
        status = descend(walk, level, next[level], level + 1 == depth - 1);
        if (status != UB_OK) {
            return status;
        }
        next[level]++;
        next[++level] = 0;
    }
}

static enum ub_status check_counts(struct walk *walk, const struct kvlm_root *root)
{
    bool is_right = walk->branches == root->branches && walk->leaves == root->leaves &&
                    walk->overflows == root->overflows && walk->entries == root->entries;
    return is_right ? UB_OK : fail(walk, root->page, "the tree has lost or gained pages");
}

static enum ub_status walk_tree(struct walk *walk, const struct kvlm_root *root, bool is_free)
{
    walk->is_free_tree = is_free;
    walk->has_last = walk->may_equal = false;
    walk->branches = walk->leaves = walk->overflows = walk->entries = 0;
    if (root->page == KVLM_NO_ROOT) {
        return UB_OK;
    }
    walk->pages = malloc(root->depth * walk->page_size);
    if (walk->pages == NULL) {
        return ub_fail(walk->err, UB_ENOMEM, "no memory to check %s", walk->file);
    }
    enum ub_status status = enter(walk, root->page, 0, root->depth == 1);
    if (status == UB_OK) {
        status = walk_pages(walk, root->depth);
    }
    free(walk->pages);
    return status == UB_OK ? check_counts(walk, root) : status;
}

static enum ub_status walk_both(struct walk *walk)
{
    const struct kvlm_meta *meta = &walk->meta;
    enum ub_status status = walk_tree(walk, &meta->free, true);
    if (status == UB_OK) {
        status = walk_tree(walk, &meta->main, false);
    }
    walk->report->entries = walk->entries;
    if (status == UB_OK && walk->entries > 0 && !walk->has_commit) {
        return ub_fail(walk->err, UB_EINVAL,
                       "%s is no unibus store, or its first facts are damaged: give another "
                       "folder, or restore a backup",
                       walk->file);
    }
    return status;
}

enum ub_status kvlm_tree_check(int fd, const char *file, struct kvlm_tree_report *report_out,
                               struct ub_err *err)
{
    struct walk walk = {.fd = fd, .file = file, .err = err, .report = report_out};
    *report_out = (struct kvlm_tree_report){0};
    enum ub_status status = kvlm_meta_read(fd, file, &walk.meta, err);
    if (status != UB_OK) {
        return status;
    }
    walk.page_size = walk.meta.free.pad;
    report_out->is_new = walk.meta.main.page == KVLM_NO_ROOT;
    report_out->bytes = (walk.meta.last_page + 1) * walk.page_size;
    walk.claimed = calloc((size_t)(walk.meta.last_page / 8 + 1), 1);
    if (walk.claimed == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory to check %s", file);
    }
    status = walk_both(&walk);
    free(walk.claimed);
    return status;
}
