/* SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void board_init(struct board *board)
{
    memset(board, 0, sizeof(*board));
    pthread_mutex_init(&board->lock, NULL);
}

void board_fini(struct board *board)
{
    for (size_t i = 0; i < board->count; i++) {
        free(board->facts[i].name);
        free(board->facts[i].value);
    }
    free(board->facts);
    pthread_mutex_destroy(&board->lock);
}

static struct board_fact *board_find(struct board *board, const char *name)
{
    for (size_t i = 0; i < board->count; i++) {
        if (strcmp(board->facts[i].name, name) == 0) {
            return &board->facts[i];
        }
    }
    return NULL;
}

static struct board_fact *board_add(struct board *board, const char *name)
{
    struct board_fact *facts = reallocarray(board->facts, board->count + 1, sizeof(*board->facts));
    if (facts == NULL) {
        return NULL;
    }
    board->facts = facts;
    struct board_fact *fact = &facts[board->count];
    *fact = (struct board_fact){strdup(name), NULL};
    if (fact->name == NULL) {
        return NULL;
    }
    board->count++;
    return fact;
}

bool board_post(struct board *board, const char *name, const char *value)
{
    char *copy = strdup(value);
    if (copy == NULL) {
        return false;
    }
    pthread_mutex_lock(&board->lock);
    struct board_fact *fact = board_find(board, name);
    if (fact == NULL) {
        fact = board_add(board, name);
    }
    if (fact != NULL) {
        free(fact->value);
        fact->value = copy;
    }
    pthread_mutex_unlock(&board->lock);
    if (fact == NULL) {
        free(copy);
    }
    return fact != NULL;
}

size_t board_read(struct board *board, const char *name, char *out, size_t out_size)
{
    size_t need = 0;
    pthread_mutex_lock(&board->lock);
    const struct board_fact *fact = board_find(board, name);
    if (fact != NULL) {
        need = strlen(fact->value) + 1;
        snprintf(out, out_size, "%s", fact->value);
    }
    pthread_mutex_unlock(&board->lock);
    return need;
}
