/* SPDX-License-Identifier: Apache-2.0 */
#include "wal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <unibus/error.h>

#include "pages.h"

#define HEADER_BYTES       32
#define FRAME_HEADER_BYTES 24
#define FRAME_BYTES        (FRAME_HEADER_BYTES + KVSQ_PAGE_SIZE)
#define SECTOR_BYTES       512         /* what a disk writes whole or not at all */
#define MAGIC              0x377f0682u /* the lowest bit: sums read words as big-endian */

struct sum {
    uint32_t a, b;
};

static uint32_t big(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static uint32_t little(const uint8_t *in)
{
    return (uint32_t)in[3] << 24 | (uint32_t)in[2] << 16 | (uint32_t)in[1] << 8 | in[0];
}

static struct sum sum_at(const uint8_t *in)
{
    return (struct sum){big(in), big(in + 4)};
}

static struct sum add(struct sum sum, bool is_big, const uint8_t *in, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        sum.a += (is_big ? big(in + i) : little(in + i)) + sum.b;
        sum.b += (is_big ? big(in + i + 4) : little(in + i + 4)) + sum.a;
    }
    return sum;
}

/* A frame's sum goes on from the one before it. */
static bool is_frame_intact(struct sum before, bool is_big, const uint8_t *header,
                            const uint8_t *page)
{
    struct sum right = add(add(before, is_big, header, 8), is_big, page, KVSQ_PAGE_SIZE);
    struct sum real = sum_at(header + 16);
    return right.a == real.a && right.b == real.b;
}

bool kvsq_wal_page_is_intact(kvsq_wal_read_fn read, void *arg, int64_t offset, const uint8_t *page)
{
    uint8_t start[HEADER_BYTES], header[FRAME_HEADER_BYTES], before[8];
    int64_t frame = offset - FRAME_HEADER_BYTES;
    bool is_first = frame == HEADER_BYTES;
    int64_t before_at = is_first ? 24 : frame - FRAME_BYTES + 16;
    if (!read(arg, start, sizeof(start), 0) || !read(arg, header, sizeof(header), frame) ||
        !read(arg, before, sizeof(before), before_at)) {
        return false;
    }
    return is_frame_intact(sum_at(before), (big(start) & 1) != 0, header, page);
}

/* ---- the check at start -----------------------------------------------------------------------
 */

struct scan {
    int fd;
    uint8_t start[HEADER_BYTES];
    int64_t damaged_at;    /* -1 = none yet */
    bool is_commit_behind; /* a commit at or behind the damage */
};

static bool is_header_intact(const uint8_t *start)
{
    struct sum right = add((struct sum){0, 0}, (big(start) & 1) != 0, start, 24);
    struct sum real = sum_at(start + 24);
    return (big(start) & ~1u) == MAGIC && right.a == real.a && right.b == real.b;
}

/* Is the frame one of this WAL, intact or not? Behind the end lie frames of an older one. */
static bool has_our_salts(const struct scan *scan, const uint8_t *frame)
{
    return memcmp(frame + 8, scan->start + 16, 8) == 0;
}

/* Where a power failure tore the header between two sectors, our salts may stand behind the commit
 * mark of an older WAL: then the mark says nothing unless the sums do. */
static bool has_torn_mark(int64_t at)
{
    return at / SECTOR_BYTES != (at + 15) / SECTOR_BYTES;
}

/* Does the frame end a transaction? The sums do not cover the salts, so with right sums it is ours
 * in any case. With wrong sums it may be one of an older WAL that a torn write left in between; but
 * the first damaged one with our salts is believed: better a start refused than a write forgotten.
 */
static bool is_commit(const struct scan *scan, int64_t at, const uint8_t *frame, bool is_sum_right)
{
    bool is_believed = scan->damaged_at == at || !has_torn_mark(at);
    return big(frame + 4) != 0 && (is_sum_right || (has_our_salts(scan, frame) && is_believed));
}

/* True: acknowledged frames are damaged. A commit is on disk before the next transaction begins,
 * so a frame behind a commit proves that commit. */
static bool scan_frames(struct scan *scan)
{
    uint8_t frame[FRAME_BYTES];
    struct sum sum = sum_at(scan->start + 24);
    bool is_big = (big(scan->start) & 1) != 0;
    int strangers = 0; /* one may be a frame of ours with damaged salts */
    for (int64_t at = HEADER_BYTES;
         strangers < 2 && pread(scan->fd, frame, FRAME_BYTES, at) == FRAME_BYTES;
         at += FRAME_BYTES) {
        bool is_ours = has_our_salts(scan, frame);
        strangers = is_ours ? 0 : strangers + 1;
        if (is_ours && scan->is_commit_behind) {
            return true;
        }
        bool is_sum_right = is_frame_intact(sum, is_big, frame, frame + FRAME_HEADER_BYTES);
        if (scan->damaged_at < 0 && !(is_ours && is_sum_right)) {
            scan->damaged_at = at;
        }
        sum = sum_at(frame + 16);
        scan->is_commit_behind |= scan->damaged_at >= 0 && is_commit(scan, at, frame, is_sum_right);
    }
    return false;
}

static bool has_frame(int fd)
{
    uint8_t byte;
    return pread(fd, &byte, 1, HEADER_BYTES + FRAME_BYTES - 1) == 1;
}

static bool scan_file(struct scan *scan)
{
    if (pread(scan->fd, scan->start, HEADER_BYTES, 0) != HEADER_BYTES || !has_frame(scan->fd)) {
        return false;
    }
    if (!is_header_intact(scan->start)) {
        scan->damaged_at = 0;
        return true;
    }
    return scan_frames(scan);
}

enum ub_status kvsq_wal_check(const char *file, struct ub_err *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s-wal", file) >= (int)sizeof(path)) {
        return ub_fail(err, UB_EINVAL, "file = \"%s\" is too long", file);
    }
    struct scan scan = {.fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), .damaged_at = -1};
    if (scan.fd < 0) {
        return errno == ENOENT ? UB_OK
                               : ub_fail(err, UB_EIO, "cannot open %s: %s", path, strerror(errno));
    }
    bool is_damaged = scan_file(&scan);
    close(scan.fd);
    return is_damaged
               ? ub_fail_code(err, UB_EDAMAGED, "E-KV-001",
                              "%s is damaged at byte %lld, before writes that were "
                              "acknowledged: restore a backup, or give up what follows "
                              "with: truncate -s %lld %s",
                              path, (long long)scan.damaged_at, (long long)scan.damaged_at, path)
               : UB_OK;
}
