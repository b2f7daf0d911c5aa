/* SPDX-License-Identifier: Apache-2.0
 *
 * A bcrypt hash of a password, for module "users". The password comes from stdin and goes nowhere.
 */
#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <sodium.h>

#include "output.h"

#define COST_STANDARD 11
#define COST_MIN      10 /* what module "users" takes */
#define COST_MAX      14
#define PASSWORD_MAX  72 /* bytes: bcrypt ignores what comes behind */

/* One line without an echo; its length, more than PASSWORD_MAX when it is too long. */
static size_t read_password(char *out, size_t size)
{
    struct termios before, silent;
    bool is_terminal = isatty(STDIN_FILENO) != 0 && tcgetattr(STDIN_FILENO, &before) == 0;
    if (is_terminal) {
        fputs("Password: ", stderr);
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
        char *line = fgets(out, (int)size, stdin);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputc('\n', stderr);
        return line != NULL ? strlen(line) : 0;
    }
    return fread(out, 1, size, stdin);
}

static enum unibus_status take_password(char *password, size_t size, struct unibus_err *err)
{
    size_t len = read_password(password, size - 1);
    len -= len > 0 && password[len - 1] == '\n' ? 1 : 0;
    password[len] = '\0';
    if (len == 0) {
        return unibus_fail(err, UNIBUS_USAGE,
                           "there is no password on stdin: unibus passwd < FILE, or type it");
    }
    if (memchr(password, '\0', len) != NULL) {
        return unibus_fail(err, UNIBUS_USAGE, "the password has a NUL byte in it");
    }
    if (memchr(password, '\n', len) != NULL) {
        return unibus_fail(err, UNIBUS_USAGE, "the password has more than one line");
    }
    return len <= PASSWORD_MAX
               ? UNIBUS_OK
               : unibus_fail(err, UNIBUS_USAGE,
                             "the password has more than 72 bytes, and bcrypt ignores the rest");
}

static enum unibus_status make_hash(const char *password, unsigned cost, char *out, size_t size,
                                    struct unibus_err *err)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE], salt[16];
    struct crypt_data *data = calloc(1, sizeof(*data));
    randombytes_buf(salt, sizeof(salt));
    const char *hash = NULL;
    if (data != NULL &&
        crypt_gensalt_rn("$2b$", cost, salt, sizeof(salt), setting, sizeof(setting)) != NULL) {
        hash = crypt_r(password, setting, data);
    }
    bool is_made = hash != NULL && hash[0] == '$';
    if (is_made) {
        snprintf(out, size, "%s", hash);
    }
    if (data != NULL) {
        sodium_memzero(data, sizeof(*data));
    }
    free(data);
    return is_made ? UNIBUS_OK
                   : unibus_fail(err, UNIBUS_FAILED, "cannot hash: %s", strerror(errno));
}

enum unibus_status cli_passwd(struct cli *cli, struct unibus_err *err)
{
    char password[1024], hash[CRYPT_OUTPUT_SIZE];
    const char *said = cli_option(cli, "cost");
    char *end = NULL;
    unsigned long cost = said != NULL ? strtoul(said, &end, 10) : COST_STANDARD;
    if ((end != NULL && (*end != '\0' || end == said)) || cost < COST_MIN || cost > COST_MAX) {
        return unibus_fail(err, UNIBUS_USAGE, "--cost %s is no number from %d to %d", said,
                           COST_MIN, COST_MAX);
    }
    if (sodium_init() < 0) {
        return unibus_fail(err, UNIBUS_FAILED, "there is no source of randomness");
    }
    enum unibus_status status = take_password(password, sizeof(password), err);
    if (status == UNIBUS_OK) {
        status = make_hash(password, (unsigned)cost, hash, sizeof(hash), err);
    }
    sodium_memzero(password, sizeof(password));
    if (status != UNIBUS_OK) {
        return status;
    }
    if (out_is_json(cli)) {
        out_json_line(json_pack("{s:s}", "bcrypt", hash));
    } else {
        puts(hash);
    }
    return UNIBUS_OK;
}
