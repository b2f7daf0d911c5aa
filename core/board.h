/* SPDX-License-Identifier: Apache-2.0
 *
 * Small public facts of the running node under dotted names, from any thread to any thread. */
#ifndef CORE_BOARD_H
#define CORE_BOARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct board_fact {
    char *name, *value;
};

struct board {
    pthread_mutex_t lock;
    struct board_fact *facts;
    size_t count;
};

void board_init(struct board *board);
void board_fini(struct board *board);

/* Replaces the fact; false when there is no memory (the old one stays). */
bool board_post(struct board *board, const char *name, const char *value);

/* Copies at most out_size bytes, always terminated; returns the size that the whole value needs
 * with its NUL, 0 when nobody posted it. */
size_t board_read(struct board *board, const char *name, char *out, size_t out_size);

#endif
