/* SPDX-License-Identifier: Apache-2.0
 *
 * The words of a policy script, by the file that has them. All are called inside ubp_box_run and
 * work on the Lua stack; errors are Lua errors. */
#ifndef POLICY_LANG_H
#define POLICY_LANG_H

#include "box.h"

/* ---- lang_base.c, lang_table.c, lang_help.c: what a script may use -----------------------------
 */

/* Adds type, pairs, string, math … to the table on top of the stack. */
void ubp_base_open(lua_State *lua);
void ubp_table_open(lua_State *lua);
void ubp_help_open(lua_State *lua);

/* Pops a table of functions and pushes a read-only view on it in which an unknown name is an error;
 * `name` is what the script calls it. */
void ubp_lang_seal(lua_State *lua, const char *name);

/* Raises "unknown name …", with a suggestion from the keys of the table on top. */
int ubp_lang_unknown(lua_State *lua, const char *of, const char *name);

/* ---- frozen.c: what is made while loading can only be read afterwards ---------------------------
 */

/* The table that holds the content of the one at index: itself, or what a frozen one shows. Pushes
 * it. */
void ubp_frozen_content(lua_State *lua, int index);

/* Freezes everything that can be reached from the values in the array on top of the stack, and
 * notes every local that the functions share, for ubp_constants_check. Pops. */
void ubp_freeze(lua_State *lua);

/* Raises an error when a shared local is not what it was when the script had been loaded; puts all
 * back first. */
void ubp_constants_check(lua_State *lua);

/* ---- record.c: who, conn, target ----------------------------------------------------------------
 */

enum ubp_record { UBP_RECORD_WHO = 0, UBP_RECORD_CONN, UBP_RECORD_TARGET };

void ubp_record_open(lua_State *lua);
/* Pops a plain table and pushes the record with this content. `fields`: further names of a target,
 * as in ubp_action_info; it must be static. */
void ubp_record_push(lua_State *lua, enum ubp_record kind, const char *fields);
/* As above, for a table that a test wrote: names and types are checked, what is missing gets its
 * default; fields NULL = any name. */
void ubp_record_from_test(lua_State *lua, int index, enum ubp_record kind, const char *fields);
/* Pushes the content of a record; false when the value at index is none. */
bool ubp_record_content(lua_State *lua, int index);

/* ---- answer.c: deny, allow, abstain, default ----------------------------------------------------
 */

void ubp_answer_open(lua_State *lua);

/* What a script answers with; a userdata, so that it can be neither forged nor changed. Its user
 * value is the table of permissions or nil. */
struct ubp_answer {
    enum ubp_verdict verdict;
    uint32_t line;
    char code[32];
    char text[256];
};

/* NULL when the value at index is no answer. */
struct ubp_answer *ubp_answer_at(lua_State *lua, int index);
/* Raises an error that says what is wrong with the value at index as an answer of `function`. */
struct ubp_answer *ubp_answer_check(lua_State *lua, int index, const char *function);

/* ---- permits.c ----------------------------------------------------------------------------------
 */

/* Checks the table of permissions at index; raises an error with the line of the table that is
 * wrong. With out: fills it (one malloc, or NULL lines without memory, which is an error too). */
void ubp_permits_read(lua_State *lua, int index, struct ubp_permissions *out);

/* ---- subject.c, ip.c: pure functions ------------------------------------------------------------
 */

bool ubp_subject_is_pattern(const char *text, size_t len);
bool ubp_subject_matches(const char *pattern, size_t pattern_len, const char *subject, size_t len);
/* Does the pattern reach into a name space where only the authenticating provider grants? Its name,
 * or NULL. */
const char *ubp_subject_reserved(const char *pattern, size_t len);

enum ubp_ip { UBP_IP_OUT = 0, UBP_IP_IN, UBP_IP_BAD_ADDRESS, UBP_IP_BAD_NET };
/* Is the address in the net ("10.80.0.0/16", "2001:db8::/32", or a single address)? IPv4-mapped
 * IPv6 addresses are IPv4. */
enum ubp_ip ubp_ip_in(const char *address, const char *net);

#endif
